"""The ranking: candidates and baselines with their intervals drawn; of a run without a final evaluation, its best
trials."""

from collections.abc import Iterator

from bench.analysis.final_evaluation import Finals, NoFinals
from bench.analysis.labels import training_length
from bench.analysis.run_analysis import Analysis
from bench.formats import plural
from bench.report import estimates
from bench.report.blocks import Block, Data, Figure, Heading, paragraph
from bench.report.figures.intervals import draw_intervals
from bench.report.sections.best_trials import reference_records, trial_table
from bench.report.sections.candidate_table import table
from bench.report.sections.ranking_records import candidate_records, pair_records


def ranking(found: Analysis) -> Iterator[Block]:
    yield Heading("Ranking", anchor="ranking")
    held = found.final
    if not isinstance(held, Finals):
        yield from _of_search(found, held)
        yield Data("references.csv", reference_records(found), ("reference", "split"), "Baselines")
        return
    yield paragraph(explained(held))
    yield table(found, held)
    yield Data("references.csv", reference_records(found), ("reference", "split"), "Baselines")
    yield Data("finals.csv", candidate_records(found, held), ("rank", "candidate"), "Every metric of the ranking")
    if held.pairs:
        yield Data("finals-pairs.csv", pair_records(held), ("first", "second"), "Every pairwise comparison")


def brief(found: Analysis) -> Iterator[Block]:
    """For the markdown page: the table and its picture."""
    yield Heading("Ranking")
    held = found.final
    if not isinstance(held, Finals):
        yield from _of_search(found, held)
        return
    yield paragraph(explained(held))
    yield table(found, held)
    yield Figure("ranking", "Ranking with intervals", caption(held), lambda: draw_intervals(held))


def _of_search(found: Analysis, held: NoFinals) -> Iterator[Block]:
    these = (
        "These are the best trials of the search, each trained once."
        if found.ranked
        else "No trial has a score either: these are the baselines, which need no model."
    )
    yield paragraph(f"No final evaluation: {held.reason}. {these}")
    yield trial_table(found)


def explained(held: Finals) -> str:
    several = held.comparison.num_trainings > 1
    same_rank = (
        "Candidates with the same rank do not differ significantly from the best of that rank (alpha = 0.05, "
        "Holm-corrected). "
        if len(held.ranking) > 1
        else ""
    )
    spread = "other images and repeated training" if several else "other images, but no other seeds"
    trained = "each trained" if len(held.ranking) > 1 else "trained"
    return (
        f"{plural(len(held.ranking), 'candidate')}, {trained} for {training_length(held.record)} on "
        f"{plural(held.record.folds, 'fold')} with {plural(len(held.seeds), 'seed')}; every image is scored by "
        f"trainings that did not see it. {same_rank}The 95 % intervals cover {spread}.{_of_other_tools(held)}"
    )


def _of_other_tools(held: Finals) -> str:
    if not held.external.ranking:
        return ""
    return (
        " Models of other tools were scored once, from their masks on the same images: their intervals cover other "
        "images alone. Ranks count those that were given for every fold."
    )


def caption(held: Finals) -> str:
    leader = held.ranking[0]
    level = sum(each.group == 1 for each in held.ranking) - 1
    others = len(held.ranking) - 1
    if not others:
        return f"{leader.label} has {estimates.score(leader.score, leader.interval)}."
    if others == 1:
        said = f"the other candidate {'does not differ' if level else 'differs'} significantly from it"
    else:
        said = f"{level} of {others} other candidates {'does' if level == 1 else 'do'} not differ significantly from it"
    return f"{leader.label} leads with {estimates.score(leader.score, leader.interval)}; {said}."
