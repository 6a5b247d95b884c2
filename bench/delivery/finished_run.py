"""A run for a notebook: its tables as data frames, its model."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.final_evaluation import NoFinals, finals
from bench.analysis.leaderboard import leaderboard
from bench.evaluation.metrics import pool, summarise
from bench.records import Run, configuration_of
from bench.records.store import load

if TYPE_CHECKING:
    import pandas as pd

    from bench.delivery.model import SegmentationModel


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What `load_run` returns; `records` hold everything that is on record."""

    records: Run

    def trials(self) -> "pd.DataFrame":
        """Every trial of the search, best first; empty without a search.

        Columns: `rank` (missing for a trial without one), `study`, `trial`, `status`, `iou` on validation, 0-1,
        `test_iou` with `test_low` and `test_high` (95 %) if it was scored on held-out test images, times in seconds,
        and one for each hyperparameter.
        """
        import pandas as pd

        rows = [
            {
                "rank": row.rank,
                "study": row.trial.study_id,
                "trial": row.trial.trial_id,
                "status": row.trial.status,
                "iou": row.iou,
                "test_iou": (row.test or {}).get("iou"),
                "test_low": row.test_interval.low if row.test_interval else None,
                "test_high": row.test_interval.high if row.test_interval else None,
                "wall_s": row.trial.wall_s,
                "latency_s": row.trial.latency_s,
                "num_params": row.trial.num_params,
                **configuration_of(row.trial.hyperparameters),
            }
            for row in leaderboard(self.records)
        ]
        return pd.DataFrame(rows).astype({"rank": "Int64"}) if rows else pd.DataFrame({"rank": pd.array([], "Int64")})

    def leaderboard(self) -> "pd.DataFrame":
        """The candidates of the final evaluation, best first; empty if the run held none (`trials` has the search).

        Columns: `candidate`, `roles`, `group` (its candidates do not differ significantly from its leader), `iou` out
        of fold with `low` and `high` (95 %), `test_iou`, and one for each hyperparameter.
        """
        import pandas as pd

        found = finals(self.records)
        ranking = () if isinstance(found, NoFinals) else found.ranking
        return pd.DataFrame(
            [
                {
                    "candidate": each.candidate.name,
                    "roles": ", ".join(each.candidate.roles),
                    "group": each.group,
                    "iou": each.score,
                    "low": each.interval.low,
                    "high": each.interval.high,
                    "test_iou": each.test,
                    **configuration_of(each.candidate.hyperparameters),
                }
                for each in ranking
            ]
        )

    def delivered(self) -> "pd.DataFrame":
        """The delivered model: a row for `out_of_fold` and one for `test`; empty without a model.

        Each has every metric, 0-1, of the images pooled.
        """
        import pandas as pd

        record = self.records.delivery
        parts = {} if record is None else {"out_of_fold": record.out_of_fold, "test": record.test}
        classes = self.records.dataset.classes
        return pd.DataFrame(
            [
                {"part": part, "images": len(counts), **summarise(pool(counts.values()), classes)}
                for part, counts in parts.items()
                if counts
            ]
        )

    def model(self) -> "SegmentationModel":
        """The delivered model, as `load_model` opens it."""
        from bench.delivery.model import load_model

        return load_model(self.records.directory)


def load_run(path: str | Path) -> FinishedRun:
    """Reads a run's folder, without TensorFlow.

    Raises StoreError, one line that names the file, for a folder that is no run, and for a damaged one.
    """
    return FinishedRun(load(Path(path)))
