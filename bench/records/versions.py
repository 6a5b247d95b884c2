"""Versions of the schema that records are written with, and what makes a record of an older one a record of today.

1: the first. Final evaluations, the delivered model, attempts and other tools came later as files and fields that older
runs lack.
2: two candidates have other names and roles: "default configuration" (it was "default recipe") and "original baseline"
("origin's recipe").
3: candidates are called that: `candidates` of finals.json and `candidate` of a training and of a member (`contestants`
and `contestant`).

A new version adds its line above, its number, and a function to `_UPGRADES`; `tests/records/test_versions.py` holds a
run of each older version.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bench.errors import StoreError

SCHEMA_VERSION = 3

_ROLES = {"default recipe": "default configuration", "origin's recipe": "original baseline"}
"""Of version 1 -> of version 2."""


def _with_roles_of_version_2(content: dict[str, Any]) -> dict[str, Any]:
    """A record of version 1. Candidates stand in `contestants`, each with `name` and `roles`, and by name as the
    `contestant` of a training and of a member of the delivered model; anything that is no text or list is left to the
    schema to refuse."""
    changed = dict(content)
    for field in ("name", "contestant"):
        if field in changed and isinstance(changed[field], str):
            changed[field] = _ROLES.get(changed[field], changed[field])
    if isinstance(changed.get("roles"), list):
        changed["roles"] = [_ROLES.get(role, role) if isinstance(role, str) else role for role in changed["roles"]]
    for field in ("contestants", "members"):
        if isinstance(changed.get(field), list):
            changed[field] = [
                _with_roles_of_version_2(each) if isinstance(each, dict) else each for each in changed[field]
            ]
    return changed


_WORDS = {"contestants": "candidates", "contestant": "candidate"}
"""Fields of version 2 -> of version 3."""


def with_words_of_version_3(content: dict[str, Any]) -> dict[str, Any]:
    """A record of version 2, and any object with `contestants`, a `contestant`, or `members` that have one."""
    changed = {_WORDS.get(name, name): value for name, value in content.items()}
    if isinstance(changed.get("members"), list):
        changed["members"] = [
            with_words_of_version_3(each) if isinstance(each, dict) else each for each in changed["members"]
        ]
    return changed


_UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: _with_roles_of_version_2,
    2: with_words_of_version_3,
}
"""Version -> what makes a record of the next one of it."""

HAS_CANDIDATES = ("finals.json", "trainings.jsonl", "delivery.json")
"""Files whose names of candidates changed; a run, a data set or a tool may be called "default recipe" and stays so."""


def as_of_today(place: str, content: Any, *, candidates: bool) -> Any:
    """A stored record in the words of `SCHEMA_VERSION`; `candidates`: it is of a file in `HAS_CANDIDATES`. Raises
    StoreError, one line, for a version that is newer or none."""
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
        newer = isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA_VERSION
        why = "; it was written by a newer SegBench: update this one" if newer else ""
        raise StoreError(
            f"{place} has schema version {str(version)[:40]}; this SegBench reads versions 1 to {SCHEMA_VERSION}{why}"
        )
    for older in range(version, SCHEMA_VERSION):
        content = (_UPGRADES[older](content) if candidates else dict(content)) | {"schema_version": older + 1}
    return content
