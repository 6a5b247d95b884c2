"""Folders that commands are given."""

from pathlib import Path

from filelock import FileLock, Timeout

from bench.errors import DataError, UserError


def require_empty(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UserError(f"{directory} exists and is not an empty folder; choose another one")


def run_folder(run: str, results: Path) -> Path:
    """The folder of the run at that path, or of that name in `results`."""
    return Path(run) if (Path(run) / "run.json").is_file() else results / run


def is_worked_on(directory: Path) -> bool:
    """Whether a process has the run of that folder open, as `bench.run.resume.locked` says it."""
    lock = directory / ".lock"
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def folder_of_model(model: str, results: Path) -> Path:
    """The folder of a model, by path or by the name of a run in `results`. Raises UserError where there is none."""
    from bench.delivery.model import model_folder
    from bench.records.store import no_run

    path, named = Path(model), results / model
    if not path.exists() and not named.exists() and len(path.parts) == 1:
        raise no_run(named)
    folder = named if not path.exists() and named.exists() else path
    try:
        return model_folder(folder)
    except DataError:
        if is_worked_on(folder):
            raise UserError(f"run {folder} is still under way: its model comes at its end") from None
        raise
