"""TensorFlow, imported without the remarks on oneDNN that it prints whatever its log level is."""

import os
import sys
import tempfile
from importlib.util import find_spec
from typing import IO

from bench.errors import UserError

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> None:
    """What was printed meanwhile is shown if the import raises. Nothing is held back if the user asks TensorFlow for
    remarks (log level 0 or 1), which also shows why a process dies here. Raises UserError without TensorFlow."""
    if "tensorflow" in sys.modules:
        return
    if find_spec("tensorflow") is None:
        raise UserError("TensorFlow is not installed; choose a build: pip install 'segbench[cpu]' or 'segbench[gpu]'")
    if os.environ.setdefault(LOG_LEVEL, "2") in ("0", "1"):
        import tensorflow

        return
    if sys.stderr is not None:  # None if the shell closed it
        sys.stderr.flush()
    with _scratch() as printed:
        stderr = os.dup(2)
        os.dup2(printed.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            printed.seek(0)
            os.write(stderr, printed.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _scratch() -> IO[bytes]:
    """In memory where that can be: a full disk is no reason not to predict."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("printed"), "w+b")
    return tempfile.TemporaryFile()
