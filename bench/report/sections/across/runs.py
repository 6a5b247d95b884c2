"""The runs that are compared, one a line."""

from collections.abc import Iterator, Mapping

from bench.analysis.across_runs import Across
from bench.formats import MISSING, plural
from bench.report import cells, estimates
from bench.report.blocks import (
    Block,
    Column,
    Data,
    Folded,
    Table,
    paragraph,
)
from bench.report.sections.best_trials import label


def runs(compared: Across) -> Iterator[Block]:
    trials = sum(each.trials for each in compared.found)
    finding = f"{plural(len(compared.found), 'run')} with {plural(trials, 'trial')}."
    yield Folded("Runs", finding, tuple(_runs(compared)), "runs")


def _runs(compared: Across) -> Iterator[Block]:
    yield paragraph(
        "The best trial of each search has the highest validation IoU, which is optimistically biased; the held-out "
        "test images were scored afterwards, with "
        "the interval over images of one training."
    )
    columns = (
        Column("Run", "run"),
        Column("Data", "data"),
        Column("Trials", "trials", number=True),
        Column("Candidates × folds × seeds", "held", wide=True),
        Column("Best of the search", "configuration"),
        Column("Validation IoU", "val_iou", cells.rounded, number=True),
        Column("Held-out test set", "test", number=True),
    )
    records: list[Mapping[str, object]] = []
    for each in compared.found:
        best, record = each.best, each.run.finals
        test = (best.test or {}).get("iou") if best else None
        interval = best.test_interval if best else None
        records.append(
            {
                "run": each.label,
                "data": each.dataset,
                "data_fingerprint": each.run.dataset.fingerprint,
                "split_fingerprint": each.run.split.fingerprint,
                "trials": each.trials,
                "study_id": best.trial.study_id if best else None,
                "trial_id": best.trial.trial_id if best else None,
                "val_iou": best.iou if best else None,
                "test_iou": test,
                "test_iou_low": interval.low if interval else None,
                "test_iou_high": interval.high if interval else None,
                "held": f"{len(record.candidates)} × {record.folds} × {len(record.seeds)}" if record else MISSING,
                "configuration": label(best) if best else MISSING,
                "test": estimates.score(test, interval),
            }
        )
    yield Table("Runs", columns, records)
    page_only = ("held", "configuration", "test")
    yield Data(
        "runs.csv",
        [{key: value for key, value in record.items() if key not in page_only} for record in records],
        ("run",),
    )
