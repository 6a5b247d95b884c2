"""Where the processes of a run look for what they import: not in the working folder, which may be anybody's."""

import contextlib
import os
from collections.abc import Iterator

_SAFE_PATH = "PYTHONSAFEPATH"


@contextlib.contextmanager
def apart_from_the_working_folder() -> Iterator[None]:
    """Processes that begin within it, and theirs, find the modules that a new process begins with where Python is
    installed. Without it Python looks into the working folder first: a `socket.py` beside a stranger's pictures would
    run in every worker. What this process can import they can import too: its path is handed over once they are up."""
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before
