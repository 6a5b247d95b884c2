"""Where exports go: nothing that is there is replaced."""

import os
import re
from pathlib import Path

from bench.errors import StoreError


def require_empty_folder(output: Path) -> None:
    """Raises StoreError where `output` is a file or holds anything."""
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise StoreError(f"{output} exists and is not an empty folder; choose another one with -o")


def require_new_file(output: Path) -> None:
    """Raises StoreError where `output` exists."""
    if os.path.lexists(output):
        raise StoreError(f"{output} exists; choose another file with -o")


def safe_name(name: str) -> str:
    """A name as that of a folder, on every system."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "unnamed"
