"""Folders that commands are given."""

from pathlib import Path

from bench.errors import UserError


def require_empty(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UserError(f"{directory} exists and is not an empty folder; choose another one")


def run_folder(run: str, results: Path) -> Path:
    """The folder of the run at that path, or of that name in `results`."""
    return Path(run) if (Path(run) / "run.json").is_file() else results / run
