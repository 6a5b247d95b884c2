"""What to do with the answer of several runs, as commands."""

import shlex
from collections.abc import Iterator

from bench.analysis.across_runs import Across
from bench.evaluation.ranks import FEWEST
from bench.report.blocks import (
    NextSteps,
    Step,
)
from bench.report.sections.across.verdict import MOST_TILES


def next_steps(compared: Across) -> NextSteps:
    return NextSteps(tuple(_steps(compared)))


def _steps(compared: Across) -> Iterator[Step]:
    for each in compared.found[:MOST_TILES]:
        name = shlex.quote(each.run.record.name)
        if each.run.delivery is not None:
            yield Step(f"Use the model of {each.label}", f"python -m bench predict {name} new-photos -o masks")
    first = shlex.quote(compared.found[0].run.record.name)
    yield Step(
        "See one run in full", f"python -m bench report {first}", "Its page has predictions, factors and the search."
    )
    if len(compared.datasets) < FEWEST:
        yield Step(
            "Compare on more data sets",
            "python -m bench run --data photos",
            f"From {FEWEST} data sets on, average ranks can be tested." if len(compared.datasets) > 1 else "",
        )
