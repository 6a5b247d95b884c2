"""From predicted and true class ids to pixel counts."""

import numpy as np

from bench.records import ClassCounts, Confusion


def confusion_of(truth: np.ndarray, predicted: np.ndarray, valid: np.ndarray, num_classes: int) -> np.ndarray:
    """int64 [truth, predicted] pixel counts of one image; `truth` and `predicted` are class ids of one shape, `valid`
    is bool and False where a pixel does not count."""
    pairs = truth[valid].astype(np.int64) * num_classes + predicted[valid]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def counts_of(confusion: np.ndarray) -> tuple[ClassCounts, ...]:
    """Counts of every class against the rest, background first, from a confusion matrix [truth, predicted]."""
    total = int(confusion.sum())
    counts = []
    for class_id in range(len(confusion)):
        tp = int(confusion[class_id, class_id])
        fp = int(confusion[:, class_id].sum()) - tp
        fn = int(confusion[class_id].sum()) - tp
        counts.append(ClassCounts(tp=tp, fp=fp, fn=fn, tn=total - tp - fp - fn))
    return tuple(counts)


def confusion_record(confusion: np.ndarray | None) -> Confusion:
    """A confusion matrix as it is recorded."""
    return () if confusion is None else tuple(tuple(int(count) for count in row) for row in confusion)
