"""The folder of a delivered model: everything in it, in one step or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bench import __version__
from bench.delivery import DESCRIPTION, NETWORK, SCRIPT, standalone
from bench.delivery.description import ModelDescription, dumps, sealed
from bench.errors import StoreError
from bench.records import Member, ValueRange
from bench.records.durable import store_errors, sync_directory

_PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "numpy")
_NEW, _OLD = ".new", ".old"


def write(
    directory: Path,
    *,
    name: str,
    members: Sequence[Member],
    weights_folder: Path,
    classes: Sequence[str],
    image_size: int,
    evaluation_size: int,
    flips: bool,
    threshold: float,
    smallest_object: float,
    value_range: ValueRange | None = None,
    view: str = "whole",
    tell: Callable[[str], None] = lambda text: None,
    finish: Callable[[Path], None] = lambda folder: None,
) -> ModelDescription:
    """Writes the model of `members` as the folder `directory`; an older one is replaced.

    The members' weights are relative to `weights_folder`. `finish` gets the new folder before it replaces the old one,
    and may add files to it; if `finish` raises, the old folder stays. Imports TensorFlow. Raises DataError for weights
    that cannot be loaded, StoreError if the folder cannot be written.
    """
    from bench.delivery.network import ensemble

    if not members:
        raise StoreError(f"cannot write {directory}: a model needs at least one member")
    description = ModelDescription(
        name=name,
        classes=tuple(classes),
        image_size=image_size,
        evaluation_size=evaluation_size,
        threshold=threshold,
        smallest_object=smallest_object,
        flips=flips,
        members=tuple(members),
        value_range=value_range,
        view=view,
        versions={"segbench": __version__} | {package: v for package in _PACKAGES if (v := _version(package))},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    network = ensemble(
        members,
        weights_folder,
        num_classes=len(description.classes) + 1,
        image_size=image_size,
        flips=flips,
        tell=tell,
    )
    # The folder takes its place whole: neither a reader nor a kill ever meets half a model.
    with new_folder(directory) as folder:
        tell("writing the model")
        with store_errors(directory):
            network.save(folder / NETWORK)
            described = sealed(description, folder / NETWORK)
            (folder / DESCRIPTION).write_bytes(dumps(described))
            shutil.copyfile(standalone.__file__, folder / SCRIPT)
        finish(folder)
    return described


@contextlib.contextmanager
def new_folder(directory: Path) -> Iterator[Path]:
    """A folder beside `directory` that replaces it, whole and on disk, at the end of the block.

    After an error or the death of the process the old folder stays. Raises StoreError.
    """
    with store_errors(directory):
        directory.parent.mkdir(parents=True, exist_ok=True)
        restore(directory)
        folder = Path(tempfile.mkdtemp(dir=directory.parent, prefix=f".{directory.name}.", suffix=_NEW))
        folder.chmod(0o755)
    try:
        yield folder
        with store_errors(directory):
            _sync(folder)
            old = directory.with_name(f".{directory.name}{_OLD}")
            if directory.exists():
                directory.rename(old)
            folder.rename(directory)
            sync_directory(directory.parent)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def restore(directory: Path) -> None:
    """Puts back what a dead process had moved aside, and deletes what it had not finished.

    Only for the holder of the run's lock.
    """
    old = directory.with_name(f".{directory.name}{_OLD}")
    if old.is_dir() and not directory.exists():
        old.rename(directory)
    for left in (old, *directory.parent.glob(f".{directory.name}.*{_NEW}")):
        shutil.rmtree(left, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_directory(folder)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
