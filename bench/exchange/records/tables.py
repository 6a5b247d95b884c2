"""A run's records as flat tables, for pandas, DuckDB and spreadsheets."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.exchange.records.entries import Entry, entries
from bench.exchange.records.output_paths import require_empty_folder
from bench.formats import csv_cell, listing
from bench.records import Run
from bench.records.durable import store_errors

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, object]


def frames(run: Run) -> dict[str, "pd.DataFrame"]:
    """`trainings` (trials and trainings of the final evaluation, a row each), `epochs` of the trials, and `counts`.

    `counts` has pixels by training, part, image and class. Numbers are at full precision; missing is missing.
    """
    import pandas as pd

    found = list(entries(run))
    return {
        "trainings": pd.DataFrame([_row(entry) for entry in found]),
        "epochs": pd.DataFrame([row for entry in found for row in _epochs(entry)]),
        "counts": pd.DataFrame(_counts(run)),
    }


def write_csv(run: Run, output: Path) -> str:
    """A file for each table that has a row. Raises StoreError where `output` is no empty folder."""
    return _write(run, output, "csv")


def write_parquet(run: Run, output: Path) -> str:
    """The same as Parquet, with column types."""
    return _write(run, output, "parquet")


def _write(run: Run, output: Path, kind: str) -> str:
    require_empty_folder(output)
    written = []
    with store_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        for name, frame in frames(run).items():
            if len(frame):
                path = output / f"{name}.{kind}"
                if kind == "csv":
                    _for_spreadsheets(frame).to_csv(path, index=False)
                else:
                    frame.to_parquet(path, index=False)
                written.append(f"{path.name} ({len(frame)} rows)")
    return f"{listing(written)} in {output}; open with: pandas.read_{kind}"


def _for_spreadsheets(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Names of classes, images and models come from anywhere, and spreadsheets open CSV."""
    texts = frame.select_dtypes(exclude="number")
    return frame.assign(**{name: texts[name].map(csv_cell) for name in texts}).rename(columns=csv_cell)


def _row(entry: Entry) -> Row:
    return {
        "group": entry.group,
        "name": entry.name,
        **entry.about,
        "iou": entry.score,
        "started_at": entry.started_at,
        **{f"hp_{name}": value for name, value in entry.hyperparameters.items()},
        **entry.metrics,
    }


def _epochs(entry: Entry) -> Iterator[Row]:
    for epoch in entry.curve:
        yield {
            "group": entry.group,
            "name": entry.name,
            "epoch": epoch.epoch,
            "elapsed_s": epoch.elapsed_s,
            "train_loss": epoch.train_loss,
            "val_loss": epoch.val_loss,
            "val_iou": epoch.val_iou,
        }


def _counts(run: Run) -> list[Row]:
    classes = ("background", *run.dataset.classes)
    return [
        {
            "candidate": training.candidate,
            "seed": training.seed,
            "fold": training.fold + 1,
            "part": part,
            "image": image,
            "class": name,
            "tp": own.tp,
            "fp": own.fp,
            "fn": own.fn,
            "tn": own.tn,
        }
        for training in run.trainings
        for part, counts in (("fold", training.out_of_fold), ("test", training.test))
        for image, per_class in counts.items()
        for name, own in zip(classes, per_class, strict=True)
    ]
