"""Several runs on one page. Words follow from numbers alone; figures and tables are written beside it as the page comes to them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench import formats
from bench.analysis.across_runs import CHOICE, Across, RankTable, across
from bench.analysis.final_evaluation import Finals
from bench.analysis.pooled_runs import DataSet
from bench.evaluation.ranks import FEWEST, Ranks
from bench.formats import fraction, listing, plural, signed
from bench.records import DEFAULT, Run
from bench.report import finals_section as standings
from bench.report import markdown, style, tables
from bench.report.plots import left_out
from bench.report.rank_figure import draw_ranks


def compose_across(runs: Sequence[Run], directory: Path, name: str) -> tuple[str, str]:
    """Writes every figure and table under `directory` and returns the page that links to them, and its verdict in one line. Raises StoreError
    where runs of one data set do not compare."""
    compared = across(runs)
    (directory / "figures").mkdir()
    (directory / "tables").mkdir()
    answer = headline(compared)
    sections = (
        [f"# {markdown.text(name)}", f"**{markdown.text(answer)}**"],
        ["\n".join(f"- {markdown.text(line)}" for line in qualifications(compared))],
        _runs(compared, directory),
        _ranks(compared, directory),
        *(_data_set(each, compared) for each in compared.datasets),
        _full_precision(compared, directory),
    )
    return "\n\n".join(part for section in sections for part in section if part) + "\n", answer


def headline(compared: Across) -> str:
    """Who has the best average rank; of one data set its finals' verdict; without finals, what is compared in their place."""
    table = compared.configurations if compared.configurations.ranks else compared.roles
    if table.ranks is not None:
        return _leader(table, table.ranks)
    held = [each for each in compared.datasets if isinstance(each.held, Finals)]
    if not held:
        return "No run held finals: compared are single trainings, the best of each search, on the locked test images."
    verdicts = [
        (f"{each.label}: " if len(compared.datasets) > 1 else "") + standings.headline(_relabelled(each, compared))
        for each in held
    ]
    return " ".join(verdicts)


def qualifications(compared: Across) -> list[str]:
    """Sentences that stand under the headline."""
    without = [each.label for each in compared.datasets if not isinstance(each.held, Finals)]
    held = len(compared.datasets) - len(without)
    lines = []
    if held and without:
        lines.append(f"Without finals, and so in no rank: {listing(without)}. There only single trainings compare.")
    if held == 1:
        lines.append("The finals of one data set say nothing about others.")
    if held > 1 and compared.configurations.ranks is None:
        lines.append(
            f"Fewer than two configurations were in the finals of all {held} data sets; what ranks are the search's choice and the recipes."
        )
    ranks = compared.configurations.ranks or compared.roles.ranks
    return [*lines, *([_power(ranks)] if ranks else [])]


def _leader(table: RankTable, ranks: Ranks) -> str:
    level_at_top = [
        name for name, average in zip(table.contestants, ranks.average, strict=False) if average == ranks.average[0]
    ]
    over = f"average rank, {ranks.average[0]:.2f} of {table.complete} over {plural(ranks.num_datasets, 'data set')}"
    if len(level_at_top) > 1:
        return f"{listing(level_at_top)} share the best {over}: nobody is ahead."
    line = f"{table.contestants[0]} has the best {over}, and is first on {ranks.wins[0]:g}"
    if not ranks.can_tell:
        return f"{line}; so few data sets can tell nobody apart."
    level = [table.contestants[pair.second] for pair in ranks.pairs if pair.first == 0 and not pair.apart]
    return f"{line}; {'it can be told from every other' if not level else f'it cannot be told from {listing(level)}'} (5 %, Holm)."


def _power(ranks: Ranks) -> str:
    """What the tests could have shown, said before what they show."""
    pairs, n = plural(len(ranks.pairs), "pair"), ranks.num_datasets
    if n < FEWEST:
        return f"{plural(n, 'data set')} are too few for any test over data sets (fewer than {FEWEST}): ranks describe these data sets and no others."
    if not ranks.can_tell:
        return (
            f"Were one contestant ahead of another on all {n} data sets, Wilcoxon's p for {pairs}, corrected, would still be "
            f"{ranks.smallest_p:.3f}: no pair can be told apart."
        )
    apart = sum(pair.apart for pair in ranks.pairs)
    return f"Wilcoxon's signed-rank test over {n} data sets, corrected by Holm, tells {apart} of {pairs} apart."


def _runs(compared: Across, directory: Path) -> Iterator[str]:
    yield "## Runs"
    yield (
        "The best of each search is its highest validation IoU, which flatters it; the locked test images were scored afterwards, with the "
        "interval over images of one training."
    )
    head = ["Run", "Data", "Trials", "Finals", "Best of the search", "val IoU", "test IoU", "95 % interval"]
    cells: list[list[object]] = []
    records: list[dict[str, object]] = []
    for each in compared.found:
        best, record = each.best, each.run.finals
        test = (best.test or {}).get("iou") if best else None
        interval = best.test_interval if best else None
        what = tables.configuration(best) if best else formats.MISSING
        held = f"{len(record.contestants)} × {record.folds} × {len(record.seeds)}" if record else formats.MISSING
        cells.append([each.label, each.dataset, each.trials, held, what, fraction(best.iou if best else None), fraction(test),
                      formats.span(interval.low, interval.high) if interval else formats.MISSING])  # fmt: skip
        records.append({
            "run": each.label, "data": each.dataset, "data_fingerprint": each.run.dataset.fingerprint,
            "split_fingerprint": each.run.split.fingerprint, "trials": each.trials,
            "study_id": best.trial.study_id if best else None, "trial_id": best.trial.trial_id if best else None,
            "val_iou": best.iou if best else None, "test_iou": test, "test_iou_low": interval.low if interval else None,
            "test_iou_high": interval.high if interval else None,
        })  # fmt: skip
    tables.write_csv(directory / "tables/runs.csv", records, ["run"])
    yield markdown.table(head, cells, right=[2, 5, 6])
    yield "Finals: contestants × folds × seeds."


def _ranks(compared: Across, directory: Path) -> Iterator[str]:
    yield "## Across data sets"
    if len(compared.standings) < 2:
        yield left_out(
            "table", f"{plural(len(compared.standings), 'data set')} with finals, and ranks take at least two"
        )
        return
    yield (
        "Cross-validated IoU of the finals. Contestants are matched by their hyperparameters; only those in the finals of every data set have a "
        "rank. Wins are first places, shared where scores are level."
    )
    yield _table(compared.configurations)
    yield from _diagram(compared.configurations, "ranks.png", "Average ranks", directory)
    yield "### The search against the recipes"
    yield (
        f"Whatever each search chose, as one contestant: {CHOICE} is the finalist with the best validation IoU in the search, named before the finals."
    )
    yield _table(compared.roles)
    yield _gain(compared.roles)
    yield from _diagram(compared.roles, "roles.png", "Average ranks of the search and the recipes", directory)


def _table(table: RankTable) -> str:
    ranks = table.ranks
    head = ["Contestant", "Average rank", "Wins", *map(markdown.text, table.datasets)]
    cells = [
        [name, *([f"{ranks.average[place]:.2f}", f"{ranks.wins[place]:g}"] if ranks and place < table.complete else [formats.MISSING] * 2),
         *map(fraction, table.scores[place])]
        for place, name in enumerate(table.contestants)
    ]  # fmt: skip
    return markdown.table(head, cells, right=range(1, len(head)))


def _diagram(table: RankTable, file: str, title: str, directory: Path) -> Iterator[str]:
    import matplotlib

    if table.ranks is None:
        yield left_out("figure", "fewer than two contestants were in the finals of every data set")
        return
    with matplotlib.rc_context(style.RC):
        style.save(draw_ranks(table), directory / "figures" / file)
    yield markdown.image(title, f"figures/{file}")
    yield markdown.text(about_ranks(table, table.ranks))


def about_ranks(table: RankTable, ranks: Ranks) -> str:
    """The sentence under the diagram."""
    first, last = (f"{ranks.average[place]:.2f} ({table.contestants[place]})" for place in (0, table.complete - 1))
    line = f"Average ranks go from {first} to {last}"
    if ranks.friedman_p is not None:
        line += f"; that all are equal has p {_p(ranks.friedman_p)} (Friedman)"
    if not ranks.can_tell:
        return f"{line}. The bar joins all: so few data sets can tell nobody apart."
    apart = sum(pair.apart for pair in ranks.pairs)
    bars = "; a bar joins neighbours of whom none is" if any(len(group) > 1 for group in ranks.groups) else ""
    return f"{line}. {apart} of {plural(len(ranks.pairs), 'pair')} can be told apart (Wilcoxon, Holm, 5 %){bars}."


def _gain(table: RankTable) -> str:
    """How far the search's choice is ahead of the default recipe, data set by data set."""
    if not {CHOICE, DEFAULT} <= set(table.contestants):
        return ""
    chosen, default = (table.scores[table.contestants.index(name)] for name in (CHOICE, DEFAULT))
    gains = [a - b for a, b in zip(chosen, default, strict=True) if a is not None and b is not None]
    if not gains:
        return ""
    ahead, level = sum(gain > 0 for gain in gains), sum(gain == 0 for gain in gains)
    same = f", level on {level}" if level else ""
    return (
        f"The search's choice is ahead of the default recipe on {ahead} of {plural(len(gains), 'data set')}{same}, "
        f"by {signed(sum(gains) / len(gains))} on average ({signed(min(gains))} to {signed(max(gains))})."
    )


def _data_set(each: DataSet, compared: Across) -> Iterator[str]:
    yield f"## {markdown.text(each.label)}"
    if not isinstance(each.held, Finals):
        yield left_out("finals", each.held.reason)
        return
    found = _relabelled(each, compared)
    held = [label for label, run in each.runs.items() if run.finals]
    pooled = f" of the runs {listing(held)} together" if len(held) > 1 else ""
    yield markdown.text(
        f"The finals{pooled}: {plural(len(found.standings), 'contestant')} on {plural(found.comparison.num_images, 'image')} with "
        f"{plural(len(found.seeds), 'seed')} each. Within a rank nobody can be told from its first (5 %, Holm)."
    )
    yield standings.standings(found)


def _relabelled(each: DataSet, compared: Across) -> Finals:
    """The finals of a data set with the labels of this page."""
    assert isinstance(each.held, Finals)
    named = tuple(replace(standing, label=label) for label, standing in compared.standings[each.label].items())
    return replace(each.held, standings=named)


def _full_precision(compared: Across, directory: Path) -> Iterator[str]:
    names = ["runs.csv"]
    if compared.standings:
        records: list[dict[str, object]] = [
            {"data": name, "contestant": label, "roles": ", ".join(each.contestant.roles), "rank": each.group, "iou": each.score,
             "iou_low": each.interval.low, "iou_high": each.interval.high, "first_probability": each.first_probability,
             "test_iou": each.test, **each.contestant.hyperparameters}
            for name, of in compared.standings.items()
            for label, each in of.items()
        ]  # fmt: skip
        tables.write_csv(directory / "tables/contestants.csv", records, ["data", "contestant"])
        names.append("contestants.csv")
    for name, table in (("configurations", compared.configurations), ("roles", compared.roles)):
        if table.ranks is None:
            continue
        pairs = [
            {"first": table.contestants[pair.first], "second": table.contestants[pair.second], "median_difference": pair.difference,
             "p": pair.p, "p_holm": pair.p_holm}
            for pair in table.ranks.pairs
        ]  # fmt: skip
        tables.write_csv(directory / f"tables/pairs-of-{name}.csv", pairs, ["first", "second"])
        names.append(f"pairs-of-{name}.csv")
    yield f"At full precision: {listing([markdown.link(f'tables/{name}', f'tables/{name}') for name in names])}."


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"
