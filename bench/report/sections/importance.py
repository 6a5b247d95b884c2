"""Which hyperparameters the validation IoU of the search's trials depends on."""

from collections.abc import Iterator
from dataclasses import asdict

from bench import formats
from bench.analysis.importance import RESAMPLES, Importances
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import Missing
from bench.formats import plural
from bench.report import cells
from bench.report.blocks import Block, Column, Data, Heading, Interval, Table, paragraph


def importance(found: Analysis) -> Iterator[Block]:
    shares = found.importance
    if isinstance(shares, Missing):
        return
    yield Heading("Importance of hyperparameters", level=4)
    yield paragraph(
        f"The share of the variance of validation IoU that each hyperparameter accounts for alone (functional ANOVA "
        f"on a random forest, {plural(shares.trials, 'configuration')}). "
        f"Intervals are over {RESAMPLES} resamples of trials; a share that shuffled scores reach too is noise. "
        f"{_about_importance(shares)}"
    )
    columns = (
        Column("Hyperparameter", "title"),
        Column("Share", "drawn"),
        Column("Share", "share", cells.percent, number=True),
        Column("Resampled", "resampled", number=True),
        Column("Shuffled scores", "chance", lambda value: f"up to {cells.percent(value)}", number=True),
    )
    records = [
        asdict(one)
        | {
            "drawn": Interval(one.share, one.low, one.high, clear=one.beyond_chance),
            "resampled": f"{formats.percent(one.low)} to {formats.percent(one.high)}",
        }
        for one in shares.factors
    ]
    yield Table("Importance of hyperparameters", columns, records)
    yield Data("importance.csv", [asdict(one) for one in shares.factors], ("title",))


def _about_importance(series: Importances) -> str:
    beyond = [f"{one.title.lower()} ({formats.percent(one.share)})" for one in series.factors if one.beyond_chance]
    return f"Beyond chance: {formats.listing(beyond)}." if beyond else "None is beyond chance."
