"""The best few models of a run, kept on disk while the search goes on: weights and validation predictions."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.engine.spec import TrialOutcome
from bench.records import COMPLETED, TrialRecord
from bench.records.store import RunStore, inside

SUFFIX = ".weights.h5"
"""Of a model's file: Keras wants it."""


class BestModels:
    """Keeps the models of the best `keep` distinct configurations by validation IoU, and deletes the others."""

    def __init__(self, store: RunStore, keep: int, val_ids: Sequence[str], records: Sequence[TrialRecord] = ()) -> None:
        """`records` are the trials of a resumed run. Those whose weights exist compete again; files that a crash left
        beside the best are removed."""
        self._store = store
        self._keep = keep
        self._val_ids = list(val_ids)
        completed = [record for record in records if record.status == COMPLETED]
        self.records = self._best([record for record in completed if self.path(record).is_file()])
        self._evicted: list[str] = []
        kept = {self.path(record) for record in self.records}
        for path in self._store.directory.glob("models/*"):
            if path not in kept:
                self._remove(path.name.removesuffix(SUFFIX))

    def path(self, record: TrialRecord) -> Path:
        """The path of a trial's weights, if they are kept."""
        return inside(self._store.directory, f"models/{_name(record)}{SUFFIX}")

    def save(self, outcome: TrialOutcome, model: Callable[[], bytes]) -> bool:
        """Writes a trial's `model` (the content of a weights file) if it is among the best, and returns whether it did.
        The model that it replaces stays until `evict`: the trial must be recorded first."""
        record = outcome.record
        if record.status != COMPLETED or outcome.scored is None:
            return False
        chosen = self._best([*self.records, record])
        if record not in chosen:
            return False
        self._store.write_bytes(f"models/{self.path(record).name}", model())
        arrays = {"ids": np.array(self._val_ids, np.str_), "prediction": outcome.scored.predictions}
        self._store.write_arrays(f"predictions/{_name(record)}", arrays)
        self._evicted = [_name(kept) for kept in self.records if kept not in chosen]
        self.records = chosen
        return True

    def evict(self) -> None:
        """Deletes the models that the last `save` replaced."""
        for name in self._evicted:
            self._remove(name)
        self._evicted = []

    def _best(self, records: Sequence[TrialRecord]) -> list[TrialRecord]:
        ranked = sorted(records, key=_val_iou, reverse=True)
        best_of = {each.configuration: each for each in reversed(ranked)}  # the best of each comes last and stays
        return [each for each in ranked if best_of[each.configuration] is each][: self._keep]

    def _remove(self, name: str) -> None:
        (self._store.directory / "models" / f"{name}{SUFFIX}").unlink(missing_ok=True)
        self._store.remove_arrays(f"predictions/{name}")


def _name(record: TrialRecord) -> str:
    return f"{record.study_id}-{record.trial_id}"


def _val_iou(record: TrialRecord) -> float:
    return record.val_metrics.get("iou") or 0.0
