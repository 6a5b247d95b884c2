"""Racing on folds: a configuration that is clearly behind the best one gets no more folds.

- Maron and Moore, "Hoeffding races: accelerating model selection search for classification and function approximation",
  1994: the idea.
- Birattari, Stuetzle, Paquete and Varrentrapp, "A racing algorithm for configuring metaheuristics", 2002: by a rank
  test, on blocks that all have run on. Here a block is an image, and there are two in the race: the newcomer and the
  best so far.
- Wilcoxon, "Individual comparisons by ranking methods", 1945: the signed-rank test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.evaluation.metrics import iou, mean
from bench.records import COMPLETED, ClassCounts, Race, TrialRecord

LEVEL = 0.05
"""A trial that is behind with a smaller p than this is out. It is not corrected for looking after each fold."""

FEWEST = 8
"""Images that must differ. For the test five that are all behind would do (p is 1/32); they are too few to end a trial
on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incumbent:
    """The best complete trial so far: its validation IoU, and that of each image on which it was scored."""

    trial_id: str
    iou: float
    image_iou: Mapping[str, float]


def image_ious(counts: Mapping[str, Sequence[ClassCounts]]) -> dict[str, float]:
    """IoU by image, 0-1: the mean over the foreground classes that occur in it; images in which none does, neither in
    truth nor in the prediction, are left out. `counts` as in `bench.records.Evaluation`."""
    found = {name: mean(map(iou, per_class[1:])) for name, per_class in counts.items()}
    return {name: value for name, value in found.items() if value is not None}


def next_incumbent(before: Incumbent | None, trial: TrialRecord) -> Incumbent | None:
    """The incumbent after this trial. The first of equals stays; a trial on one hold-out part does not race."""
    score = trial.val_metrics.get("iou")
    if trial.status != COMPLETED or not trial.out_of_fold or score is None or (before and score <= before.iou):
        return before
    return Incumbent(trial_id=trial.trial_id, iou=score, image_iou=image_ious(trial.out_of_fold))


def race(own: Mapping[str, float], incumbent: Incumbent) -> Race | None:
    """One-sided signed-rank test of being behind the incumbent, on the images that both were scored on, without ties.
    `own` is IoU by image. None with fewer than FEWEST images that differ."""
    from scipy.stats import wilcoxon

    gaps = [own[name] - incumbent.image_iou[name] for name in sorted(own) if name in incumbent.image_iou]
    gaps = [gap for gap in gaps if gap]
    if len(gaps) < FEWEST:
        return None
    return Race(rival=incumbent.trial_id, images=len(gaps), p=float(wilcoxon(gaps, alternative="less").pvalue))


def is_behind(last: Race | None) -> bool:
    return last is not None and last.p < LEVEL


def mean_over_folds(metrics: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Each metric averaged over the folds in which it is defined. Every fold weighs the same, whatever its size."""
    return {name: mean(fold.get(name) for fold in metrics) for name in (metrics[0] if metrics else {})}
