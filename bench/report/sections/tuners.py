"""The tuners of a search beside each other, on one clock."""

from collections.abc import Iterator
from dataclasses import asdict

from bench import formats
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import Missing
from bench.analysis.tuners import Tuners
from bench.formats import duration, fraction
from bench.report import cells
from bench.report.blocks import Block, Column, Data, Figure, Heading, Table, paragraph
from bench.report.figures.tuners import draw_tuners


def tuners(found: Analysis) -> Iterator[Block]:
    compared = found.tuners
    if isinstance(compared, Missing):
        return
    yield Heading("Tuners", level=4)
    yield paragraph(
        f"Best validation IoU after {duration(compared.common_s)}, when the shortest study ended. Regret is the "
        f"distance to the best score that any study of "
        "this run found; wins count the seeds that every tuner ran."
    )
    columns = (
        Column("Tuner", "tuner"),
        Column("Seeds", "seeds", number=True),
        Column(
            "Median best IoU",
            "median",
            cells.fraction,
            number=True,
        ),
        Column("Mean regret", "regret", cells.fraction, number=True),
        Column("Seeds won", "won", number=True),
    )
    yield Table(
        "Tuners", columns, [asdict(one) | {"won": f"{one.wins:g} of {one.shared_seeds}"} for one in compared.scores]
    )
    yield Figure("tuners", "Tuners over time", _about_tuners(compared), lambda: draw_tuners(compared))
    yield Data("tuners.csv", [asdict(one) for one in compared.scores], ("tuner",))


def _about_tuners(found: Tuners) -> str:
    best, *others = found.scores
    after = f"After {duration(found.common_s)}, "
    if not others:
        return f"{after}{best.tuner} is {fraction(best.regret)} on average below the best score of any seed."
    said = formats.listing([f"{one.tuner} {fraction(one.regret)}" for one in others])
    return (
        f"{after}{best.tuner} has the lowest mean regret, {fraction(best.regret)} ({said}). With few seeds, "
        f"overlapping bands show no difference."
    )
