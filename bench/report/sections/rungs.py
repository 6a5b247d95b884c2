"""The lengths of training of a tuner that promotes, and whether short trainings rank like long ones."""

from collections.abc import Iterator
from dataclasses import asdict

from bench.analysis.run_analysis import Analysis
from bench.formats import plural
from bench.report import cells
from bench.report.blocks import Block, Column, Data, Heading, Table, paragraph


def rungs(found: Analysis) -> Iterator[Block]:
    if not found.rungs:
        return
    configurations = len({row.trial.configuration for row in found.rows})
    yield Heading("Rungs", level=4)
    yield paragraph(
        "The tuner trains many configurations briefly and promotes the best to longer training; each line is one "
        "length of training. "
        f"The {len(found.rows)} trials are {plural(configurations, 'configuration')}."
    )
    titles = {
        "study_id": "Study",
        "bracket": "Bracket",
        "rung": "Rung",
        "epochs": "Epochs",
        "trials": "Trials",
        "promoted": "Promoted",
        "pruned": "Not promoted",
        "collapsed": "Collapsed",
        "stopped": "Stopped",
        "failed": "Failed",
        "best": "Best IoU",
        "median": "Median IoU",
    }
    columns = tuple(
        Column(title, key, cells.rounded if key in ("best", "median") else None, number=key != "study_id")
        for key, title in titles.items()
    )
    yield Table("Rungs", columns, [asdict(rung) for rung in found.rungs])
    yield Data("rungs.csv", [asdict(rung) for rung in found.rungs], ("study_id",))
    yield from _agreement_of_lengths(found)


def _agreement_of_lengths(found: Analysis) -> Iterator[Block]:
    """Whether it was right to promote by short trainings, as far as those tell that were promoted."""
    if not found.length_agreements:
        return
    yield Heading("Do short trainings rank like long ones?", level=4)
    said = [
        f"{each.study_id}, {each.short} to {plural(each.long, 'epoch')}: {each.ranks.tau:.2f} "
        f"({each.ranks.low:.2f} to {each.ranks.high:.2f}) for {plural(each.ranks.candidates, 'configuration')}"
        for each in found.length_agreements
    ]
    unreliable = any(each.ranks.is_low for each in found.length_agreements)
    yield paragraph(
        "Kendall's tau between validation IoU at both lengths, of the configurations that were promoted, with its 95 "
        f"% interval: {'; '.join(said)}. 1 is the same ranking, 0 none. The configurations that were not promoted are "
        "missing, and those that were resemble each other, which lowers it."
        + (
            " Where it is low, the first length has chosen by chance among the best: a larger shortest_steps in the "
            "protocol compares longer trainings."
            if unreliable
            else ""
        )
    )
