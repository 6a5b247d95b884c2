"""What a run leaves behind: frozen facts at full precision, with a schema version.

Missing values are None, never 0 or NaN. Counts are stored, ratios are computed from them (`bench.evaluation.metrics`).
Nothing here imports TensorFlow: a report is made from these records alone.

A run is one `RunRecord` on one `Environment`. Its data are a `DatasetRecord`, an `AuditRecord` and a `SplitRecord`
(`data`). A search leaves a `ProposalRecord` and a `TrialRecord` for each configuration (`search`), a final evaluation a
`TrainingRecord` for each training of the candidates of its `FinalsRecord`, and the `DeliveryRecord` of the model
(`final_evaluation`). `store` writes and reads all of them, `versions` reads older ones.
"""

from bench.records.configurations import (
    NOTED,
    HyperparameterValue,
    Key,
    Promotion,
    configuration_key,
    configuration_name,
    configuration_of,
)
from bench.records.counts import OUT_OF_FOLD, ClassCounts, Confusion, Evaluation
from bench.records.data import (
    AuditRecord,
    DatasetRecord,
    Finding,
    ImageFacts,
    SecondAnnotation,
    SplitRecord,
    ValueRange,
)
from bench.records.final_evaluation import (
    DEFAULT,
    FINALIST,
    LEVEL,
    ORIGINAL,
    PORTFOLIO,
    Candidate,
    DeliveryRecord,
    ExternalRecord,
    FinalsRecord,
    Member,
    TrainingRecord,
    Unit,
)
from bench.records.run import Environment, Run, RunRecord
from bench.records.search import (
    BEGAN,
    COLLAPSED,
    COMPLETED,
    ENDED,
    FAILED,
    PRUNED,
    STOPPED,
    TROUBLES,
    AttemptRecord,
    EpochRecord,
    ProposalRecord,
    Race,
    Status,
    StudyRecord,
    TrialRecord,
)
from bench.records.versions import SCHEMA_VERSION

__all__ = [
    "BEGAN",
    "COLLAPSED",
    "COMPLETED",
    "DEFAULT",
    "ENDED",
    "FAILED",
    "FINALIST",
    "LEVEL",
    "NOTED",
    "ORIGINAL",
    "OUT_OF_FOLD",
    "PORTFOLIO",
    "PRUNED",
    "SCHEMA_VERSION",
    "STOPPED",
    "TROUBLES",
    "AttemptRecord",
    "AuditRecord",
    "Candidate",
    "ClassCounts",
    "Confusion",
    "DatasetRecord",
    "DeliveryRecord",
    "Environment",
    "EpochRecord",
    "Evaluation",
    "ExternalRecord",
    "FinalsRecord",
    "Finding",
    "HyperparameterValue",
    "ImageFacts",
    "Key",
    "Member",
    "Promotion",
    "ProposalRecord",
    "Race",
    "Run",
    "RunRecord",
    "SecondAnnotation",
    "SplitRecord",
    "Status",
    "StudyRecord",
    "TrainingRecord",
    "TrialRecord",
    "Unit",
    "ValueRange",
    "configuration_key",
    "configuration_name",
    "configuration_of",
]
