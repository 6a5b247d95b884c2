"""TensorFlow, imported without the remarks on oneDNN that it prints whatever its log level is."""

import os
import sys
import tempfile
from typing import IO


def import_tensorflow() -> None:
    """What was printed meanwhile is shown if the import fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "tensorflow" in sys.modules:
        return
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
