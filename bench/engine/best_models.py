"""The best few models of a run, kept on disk while the search goes on: weights and validation predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.engine.spec import TrialOutcome
from bench.engine.worker import TrialWorker
from bench.records import COMPLETED, TrialRecord
from bench.store import RunStore


class BestModels:
    """Keeps the best `keep` distinct configurations by validation IoU; what falls behind is deleted."""

    def __init__(self, store: RunStore, keep: int, val_ids: Sequence[str], records: Sequence[TrialRecord] = ()) -> None:
        """`records` are the trials of a run that is resumed: those whose weights are still there compete again."""
        self._store = store
        self._keep = keep
        self._val_ids = list(val_ids)
        self.records = [record for record in records if self.path(record).is_file()]

    def path(self, record: TrialRecord) -> Path:
        """Where the weights of a trial are, if they are kept."""
        return self._store.directory / "models" / f"{record.study_id}-{record.trial_id}.weights.h5"

    def consider(self, outcome: TrialOutcome, worker: TrialWorker) -> None:
        """Keeps the model that `worker` has just trained, if it is among the best."""
        record = outcome.record
        if record.status != COMPLETED or outcome.scored is None or self._keep == 0:
            return
        rivals = {_configuration(kept.hyperparameters): kept for kept in self.records}
        twin = rivals.get(_configuration(record.hyperparameters))
        if twin is not None and _val_iou(twin) >= _val_iou(record):
            return
        others = [kept for kept in self.records if kept is not twin]
        chosen = sorted([*others, record], key=_val_iou, reverse=True)[: self._keep]
        if record not in chosen:
            return
        worker.save_model(self.path(record))
        name = f"predictions/{record.study_id}-{record.trial_id}"
        self._store.write_arrays(name, {"ids": _strings(self._val_ids), "prediction": outcome.scored.predictions})
        for kept in self.records:
            if kept not in chosen:
                self.path(kept).unlink(missing_ok=True)
                self._store.remove_arrays(f"predictions/{kept.study_id}-{kept.trial_id}")
        self.records = chosen


def _val_iou(record: TrialRecord) -> float:
    return record.val_metrics.get("iou") or 0.0


def _configuration(values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What makes two trials the same model: everything but the tuner's own book-keeping."""
    return tuple(sorted((name, value) for name, value in values.items() if not name.startswith("tuner/")))


def _strings(ids: Sequence[str]) -> Any:
    import numpy as np

    return np.array(ids, np.str_)
