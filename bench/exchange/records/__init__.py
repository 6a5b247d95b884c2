"""A run's records in the files of other tools. They are made from what is on disk, so nothing slows a run down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.errors import UserError, unknown
from bench.records import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One row of TARGETS.

    `write(run, output)` returns the command that opens what it wrote; `output` is a folder, a file or an address.
    `needs` is a package of the extra of that name, None if the core has it.
    """

    description: str
    write: Callable[[Run, str], str]
    needs: tuple[str, str] | None = None


def export_records(run: Run, target: str, output: str) -> str:
    """Writes all trials and trainings of a run for another tool; the command that opens them.

    Raises UserError, one line, for an unknown tool, a missing package, and an `output` that exists already.
    """
    if target not in TARGETS:
        raise UserError(unknown("tool", target, TARGETS, "--to"))
    kind = TARGETS[target]
    if kind.needs and find_spec(kind.needs[0]) is None:
        raise UserError(f"--to {target} needs {kind.needs[0]}: pip install 'segbench[{kind.needs[1]}]'")
    if not run.trials and not run.trainings:
        raise UserError(
            f"run {run.record.name} has no trial and no training on record yet; go on with it (run --resume)"
        )
    return kind.write(run, output)


def _tensorboard(run: Run, output: str) -> str:
    from bench.exchange.records.tensorboard import write_tensorboard

    return write_tensorboard(run, Path(output))


def _optuna(run: Run, output: str) -> str:
    from bench.exchange.records.optuna_storage import write_optuna

    return write_optuna(run, Path(output))


def _mlflow(run: Run, output: str) -> str:
    from bench.exchange.records.mlflow_runs import write_mlflow

    return write_mlflow(run, output)


def _csv(run: Run, output: str) -> str:
    from bench.exchange.records.tables import write_csv

    return write_csv(run, Path(output))


def _parquet(run: Run, output: str) -> str:
    from bench.exchange.records.tables import write_parquet

    return write_parquet(run, Path(output))


TARGETS: Mapping[str, Target] = {
    "tensorboard": Target(description="event files with HParams, a folder for each trial", write=_tensorboard),
    "optuna": Target(description="an SQLite storage for optuna-dashboard, a study for each study", write=_optuna),
    "mlflow": Target(description="runs of an experiment on a tracking server, by its address", write=_mlflow),
    "csv": Target(description="tables: trials, trainings, epochs and counts by image", write=_csv),
    "parquet": Target(description="the same tables as Parquet", write=_parquet, needs=("pyarrow", "tables")),
}
