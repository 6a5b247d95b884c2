"""What is said when a report is there: the verdict, the first of the ranking, and where page and model are; for people
and for programs."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import formats
from bench.delivery import DESCRIPTION, FOLDER
from bench.report import BROWSER_PAGE, PAGE
from bench.report.index import SUMMARY

_WIDEST = 56
"""Characters of a model's name in a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A report in `folder`, of the runs in these `directories`; `summary` is what the report says of itself."""

    folder: Path
    directories: tuple[Path, ...]
    summary: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path, directories: Sequence[Path]) -> "Ending":
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        return cls(folder=folder, directories=tuple(directories), summary=summary)

    @property
    def model(self) -> Path | None:
        """Of one run; None where it has delivered none, or its model is not kept here (git has none)."""
        first, *others = self.directories
        folder = first / FOLDER
        return None if others or not (folder / DESCRIPTION).is_file() else folder

    def lines(self) -> Iterator[str]:
        yield formats.printable(str(self.summary["verdict"]))
        ranking = self.summary.get("ranking") or []
        if ranking:
            yield ""
            yield from _table(ranking)
        yield ""
        yield f"page:        {self.folder / BROWSER_PAGE}"
        if self.model is not None:
            first = self.directories[0]
            run = shlex.quote(first.name if first.parent == Path("results") else str(first))
            yield f"model:       {self.model}"
            yield f"use it:      python -m bench predict {run} PHOTOS -o masks"
            yield f"export it:   python -m bench export {run} --format onnx"

    def as_json(self) -> dict[str, object]:
        paths = {
            "page": str(self.folder / BROWSER_PAGE),
            "markdown": str(self.folder / PAGE),
            "tables": str(self.folder / "tables"),
            "runs": [str(directory) for directory in self.directories],
            "model": None if self.model is None else str(self.model),
        }
        return {**self.summary, "paths": paths}


def _table(ranking: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    head = ("#", "model", "IoU (95 % interval)", "held-out", "latency")
    rows = [head, *map(_cells, ranking)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    for row in rows:
        number, *cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {number.strip():>{widths[0]}}  {'  '.join(cells)}".rstrip()


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    iou = formats.rounded(row["iou"])
    if row["iou"] is not None and row["iou_low"] is not None:
        iou = formats.within(row["iou"], row["iou_low"], row["iou_high"])
    return (
        formats.MISSING if row["rank"] is None else str(row["rank"]),
        formats.shortened(formats.printable(row["model"]), _WIDEST),
        iou,
        formats.rounded(row["test_iou"]),
        formats.milliseconds(row["latency_s"]),
    )
