"""The run as a whole: where it took place, how far it came, and everything that is on record of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from bench.records.counts import Evaluation
from bench.records.data import AuditRecord, DatasetRecord, SplitRecord
from bench.records.final_evaluation import DeliveryRecord, ExternalRecord, FinalsRecord, TrainingRecord
from bench.records.limits import Moment, Seconds, Whole, one_of
from bench.records.search import AttemptRecord, ProposalRecord, StudyRecord, TrialRecord
from bench.records.versions import SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where the run took place. `versions` is by distribution name; `device` is for people ("CPU: ..., 2 cores") and
    names every device that a resumed run had; `precision` is a Keras dtype policy."""

    schema_version: int = SCHEMA_VERSION
    versions: Mapping[str, str]
    python: str
    platform: str
    device: str
    precision: str = "float32"
    cores: Whole
    memory_bytes: Whole
    commit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The run as a whole. `status` is "running", "interrupted" or "finished"; `command` is what the user typed."""

    schema_version: int = SCHEMA_VERSION
    name: str
    command: str
    started_at: Moment
    status: Annotated[str, one_of(("running", "interrupted", "finished"))]
    wall_s: Seconds | None = None
    studies: tuple[StudyRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that `bench.records.store.load` reads back, small arrays excepted (`bench.records.store.load_arrays`).

    `experiment` is the resolved experiment as plain JSON; `directory` is where it was read from. `trainings` are those
    of the final evaluation, on all images; `curve_trainings` those of the learning curve, on a share of them.
    `delivery` is the model that the run leaves, None without one. `attempts` say what was begun (none in older runs).
    `external` are models of other tools, in the order in which they were scored.
    """

    directory: str
    record: RunRecord
    experiment: Mapping[str, object]
    environment: Environment
    dataset: DatasetRecord
    audit: AuditRecord
    split: SplitRecord
    proposals: tuple[ProposalRecord, ...]
    trials: tuple[TrialRecord, ...]
    evaluations: tuple[Evaluation, ...]
    finals: FinalsRecord | None = None
    trainings: tuple[TrainingRecord, ...] = ()
    curve_trainings: tuple[TrainingRecord, ...] = ()
    delivery: DeliveryRecord | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    external: tuple[ExternalRecord, ...] = ()

    @property
    def protocol(self) -> Mapping[str, Any]:
        """That of the experiment, as it was stored; empty where that has none."""
        stored = self.experiment.get("protocol")
        return stored if isinstance(stored, Mapping) else {}
