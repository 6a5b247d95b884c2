"""A run's folds and held-out images as files, in the layout that another tool reads."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from bench.datasets.convert import write_png
from bench.datasets.dataset import VOID, Dataset, Sample
from bench.datasets.images import decode
from bench.datasets.parallel import in_threads
from bench.exchange.run_data import TEST, parts_of, stems_of
from bench.records import Run

SPLIT_FILE = "split.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """What is written.

    `parts` are `fold_1`, `fold_2`, ... and TEST; `stem_of` names the files of an image by its id.
    """

    run: Run
    parts: Mapping[str, tuple[Sample, ...]]
    stem_of: Mapping[str, str]

    @classmethod
    def of(cls, run: Run, dataset: Dataset) -> "Folds":
        sample_of = {sample.id: sample for sample in dataset.samples}
        parts = parts_of(run)
        return cls(
            run=run,
            parts={part: tuple(sample_of[name] for name in ids) for part, ids in parts.items()},
            stem_of=stems_of(dataset, [*chain(*parts.values(), run.split.train, run.split.val)]),
        )

    @property
    def classes(self) -> tuple[str, ...]:
        return self.run.dataset.classes

    @property
    def folds(self) -> tuple[str, ...]:
        return tuple(part for part in self.parts if part != TEST)

    def stems(self, part: str) -> list[str]:
        return [self.stem_of[sample.id] for sample in self.parts[part]]

    def others(self, fold: str) -> list[str]:
        """Names of what trains where `fold` is scored."""
        return sorted(stem for part in self.folds if part != fold for stem in self.stems(part))


Write = Callable[[str, str, np.ndarray, np.ndarray], None]
"""Part, name, image uint8 RGB [H, W, 3] and mask uint8 [H, W] of class ids with VOID, both upright and of 8 bit."""


def write_all(folds: Folds, write: Write) -> bool:
    """Decodes every image once and hands it to `write`; whether a mask has void."""

    def one(item: tuple[str, Sample]) -> bool:
        part, sample = item
        image, mask = decode(sample)
        write(part, folds.stem_of[sample.id], image, mask)
        return bool((mask == VOID).any())

    return any(in_threads(one, [(part, sample) for part, samples in folds.parts.items() for sample in samples]))


def write_pair(image_path: Path, mask_path: Path, image: np.ndarray, mask: np.ndarray) -> None:
    write_png(image_path, image)
    write_png(mask_path, mask)


def write_split(folds: Folds, directory: Path) -> None:
    """SPLIT_FILE: which image is in which part, by the names of files, and which id of the run each name stands for."""
    split, stem_of = folds.run.split, folds.stem_of
    content = {
        "run": folds.run.record.name,
        "fingerprint": folds.run.dataset.fingerprint,
        "classes": {"background": 0} | {name: number for number, name in enumerate(folds.classes, start=1)},
        "folds": [sorted(folds.stems(part)) for part in folds.folds],
        "test": sorted(folds.stems(TEST)),
        "search": {"train": [stem_of[name] for name in split.train], "val": [stem_of[name] for name in split.val]},
        "excluded": dict(split.excluded),
        "ids": {stem: name for name, stem in stem_of.items()},
    }
    write_json(directory / SPLIT_FILE, content)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


Lines = Iterator[str]
"""Lines for the user: what was written, and how to start the tool."""
