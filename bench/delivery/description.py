"""model.json: what turns a delivered network's probabilities into a mask. Without TensorFlow."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.delivery import DESCRIPTION, NETWORK
from bench.errors import DataError
from bench.records import Member, ValueRange
from bench.records.versions import with_words_of_version_3

SCHEMA_VERSION = 2
"""1 called the candidate of a member its contestant."""

LARGEST_SIDE = 2**14
"""Pixels; a file that asks for more is no model."""

MOST_CLASSES = 255
"""Foreground classes: ids are uint8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """What belongs to a network.

    `classes` are the foreground classes by id from 1. `image_size` is the side S of the square input in pixels. The
    input is the whole image, shrunk, or with the `view` "patches" a window at the image's own resolution
    (`bench.datasets.windows`).

    A pixel whose probability is at least `threshold` is foreground (several classes: the most probable wins). Regions
    below `smallest_object`, a fraction 0-1 of the image's area, are dropped. `flips` and `members` describe what is
    inside the network; the caller need not apply them. `evaluation_size` is the side of the square on which the network
    was scored. Images of more than 8 bit a channel are scaled from `value_range`, that of the data set (None if it had
    none). `sha256` and `num_bytes` are of the network's file, `versions` are by distribution name, `created_at` is an
    ISO time.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    classes: tuple[str, ...]
    image_size: int
    evaluation_size: int
    threshold: float
    smallest_object: float
    flips: bool
    members: tuple[Member, ...]
    versions: Mapping[str, str]
    created_at: str
    value_range: ValueRange | None = None
    view: str = "whole"
    sha256: str = ""
    num_bytes: int = 0

    @property
    def num_channels(self) -> int:
        """Of the network's probabilities: 1 with one foreground class, else background and every class."""
        return 1 if len(self.classes) == 1 else len(self.classes) + 1

    def __post_init__(self) -> None:
        wrong = {
            "classes": not 1 <= len(self.classes) <= MOST_CLASSES,
            "image_size": not 1 <= self.image_size <= LARGEST_SIDE,
            "evaluation_size": not 1 <= self.evaluation_size <= LARGEST_SIDE,
            "threshold": not 0 <= self.threshold <= 1,
            "smallest_object": not 0 <= self.smallest_object <= 1,
            "view": self.view not in ("whole", "patches"),
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"{name} is {getattr(self, name)!r}")


_ADAPTER = TypeAdapter(ModelDescription)


def dumps(description: ModelDescription) -> bytes:
    """The content of model.json."""
    return json.dumps(_ADAPTER.dump_python(description, mode="json"), indent=1, ensure_ascii=False).encode()


def sealed(description: ModelDescription, network: Path) -> ModelDescription:
    """`description` with checksum and size of its network's file."""
    return replace(description, sha256=sha256_of(network), num_bytes=network.stat().st_size)


def read_description(folder: Path) -> ModelDescription:
    """The description of the model in `folder`.

    Raises DataError, naming the file, for one that is missing, torn or foreign, and if the network's file differs from
    the described one.
    """
    path, network = folder / DESCRIPTION, folder / NETWORK
    for needed in (path, network):
        if not needed.is_file():
            raise DataError(f"{folder} holds no model (no {needed.name})")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version not in range(1, SCHEMA_VERSION + 1) or isinstance(version, bool):
        raise DataError(f"{path} has schema version {version!r}; this SegBench reads versions 1 to {SCHEMA_VERSION}")
    if version == 1:
        content = with_words_of_version_3(content) | {"schema_version": SCHEMA_VERSION}
    try:
        description = _ADAPTER.validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if (network.stat().st_size, sha256_of(network)) != (description.num_bytes, description.sha256):
        raise DataError(f"{network} is not the file that {DESCRIPTION} describes: it is torn or was replaced")
    return description


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
