"""Facts of a search: what tuners proposed, what was begun, and each trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from bench.records.configurations import Hyperparameters, Proposed
from bench.records.counts import ClassCounts
from bench.records.limits import Flag, Fold, Fraction, Identifier, Moment, Number, Seconds, Whole, one_of
from bench.records.versions import SCHEMA_VERSION


class Status(StrEnum):
    """How a trial or a training ended, in the order of every table.

    A member has its name on disk, what it is called in a count of trials ("" where such a count leaves it out), its
    reason for people, and whether its score counts: for its tuner, and when values of a hyperparameter are compared.
    COMPLETED, STOPPED and FAILED are Keras Tuner's words.
    """

    counted: str
    reason: str
    has_score: bool

    def __new__(cls, name: str, counted: str, reason: str, has_score: bool) -> "Status":
        self = str.__new__(cls, name)
        self._value_ = name
        self.counted, self.reason, self.has_score = counted, reason, has_score
        return self

    COMPLETED = "COMPLETED", "", "", True
    COLLAPSED = (
        "COLLAPSED",
        "stopped as collapsed",
        "collapsed (found nearly no foreground, or found it nearly everywhere)",
        True,
    )
    """Ended early because it predicted one answer everywhere (`bench.evaluation.collapse`)."""
    PRUNED = "PRUNED", "pruned", "pruned (clearly worse on the folds so far)", True
    """Got no more folds because it was clearly behind the best one (`bench.evaluation.racing`)."""
    STOPPED = "STOPPED", "", "stopped by the budget or their tuner", False
    FAILED = "FAILED", "failed", "failed", False

    @property
    def word(self) -> str:
        """As it stands in a sentence."""
        return self.value.lower()


TROUBLES = (Status.FAILED, *(status for status in Status if status not in (Status.COMPLETED, Status.FAILED)))
"""What did not complete, the worst first."""

COMPLETED, FAILED, STOPPED = Status.COMPLETED, Status.FAILED, Status.STOPPED

COLLAPSED, PRUNED = Status.COLLAPSED, Status.PRUNED


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One point of a training curve. `elapsed_s` counts from the trial's start and includes validation. `val_recall`,
    `val_precision` and `val_predicted_share` (of the pixels) are of any foreground against background, 0-1; older
    records lack them."""

    epoch: Whole
    train_loss: Number | None
    val_loss: Number | None
    val_iou: Fraction | None
    elapsed_s: Seconds
    val_recall: Fraction | None = None
    val_precision: Fraction | None = None
    val_predicted_share: Fraction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalRecord(Proposed):
    """A configuration that a tuner has proposed, on record before its trial begins. `after` is how many trials of the
    study were on record by then: with several trials under way, that is what the tuner knew."""

    schema_version: int = SCHEMA_VERSION
    study_id: Identifier
    trial_id: Identifier
    hyperparameters: Hyperparameters
    after: Whole


BEGAN, ENDED = "began", "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """A training is begun, or its outcome is there (or an interrupted run lets go of it): what began and did not end
    was lost with the whole run. `unit` names the training within its study, `attempt` counts within a session,
    `process` and `host` say who began it."""

    schema_version: int = SCHEMA_VERSION
    study_id: str
    unit: str
    event: Annotated[str, one_of((BEGAN, ENDED))]
    attempt: Whole = 1
    at: Moment
    process: Whole
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """A trial against the best complete one of its study, `rival`: over how many `images` with a difference, and the
    one-sided `p` of being so far behind."""

    rival: str
    images: Whole
    p: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord(Proposed):
    """One configuration, trained once, or in a search on folds once for each of the first `folds_run` of them.

    `val_metrics` holds fractions 0-1 by name (`iou`, `dice`, `precision`, `recall`, `pixel_accuracy`, and `iou_<class>`
    where there are several classes), after the last epoch. `hyperparameters` has only the active ones. Times are wall
    seconds: `reset_s` is drawing initial weights, `train_s` the steps after the first, `first_step_s` the first call
    with tracing and compiling (of a reused graph: an ordinary step), `wall_s` the whole trial. `latency_s` is the
    forward pass, per image of a batch of two. `attempts` counts how often it was begun: a trial whose process died is
    tried again. `encoder_sha256` names the pretrained weights that the encoder began with
    (`search_spaces.initial_weights.fingerprint`). `error` says why a trial is not COMPLETED.

    On folds `val_metrics` are the mean over those that were run, each after its last epoch; `curve` is the mean over
    those that were trained to their end, and `best_epoch` its last. Epochs and times are those of all folds,
    `first_step_s` of the first. `out_of_fold` holds counts as in `Evaluation`, of the images of the folds that were
    trained to their end, and `race` is the last look at the rival. None and empty for a trial on the hold-out part.
    """

    schema_version: int = SCHEMA_VERSION
    study_id: Identifier
    trial_id: Identifier
    status: Status
    hyperparameters: Hyperparameters
    seed: Whole
    val_metrics: Mapping[str, Fraction | None] = field(default_factory=dict)
    curve: tuple[EpochRecord, ...] = ()
    epochs_planned: Whole = 0
    epochs_run: Whole = 0
    best_epoch: Whole | None = None
    num_params: Whole | None = None
    graph_reused: Flag | None = None
    build_s: Seconds | None = None
    reset_s: Seconds | None = None
    first_step_s: Seconds | None = None
    train_s: Seconds | None = None
    evaluate_s: Seconds | None = None
    input_wait_s: Seconds | None = None
    wall_s: Seconds | None = None
    latency_s: Seconds | None = None
    peak_memory_bytes: Whole | None = None
    encoder_sha256: str | None = None
    started_at: Moment
    attempts: Whole = 1
    error: str | None = None
    folds_run: Fold | None = None
    out_of_fold: Mapping[str, tuple[ClassCounts, ...]] = field(default_factory=dict)
    race: Race | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecord:
    """One tuner with one seed on one split. `ended` says why the search stopped: "trials", "budget", "space exhausted",
    "interrupted"; None while it runs. `wall_s` is the time spent on its trials."""

    study_id: Identifier
    tuner: str
    seed: Whole
    ended: str | None = None
    wall_s: Seconds | None = None
