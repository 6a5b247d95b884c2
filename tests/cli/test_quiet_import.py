"""What TensorFlow prints while it is imported, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from bench.cli.quiet_import import LOG_LEVEL

REMARK = "import os\nos.write(2, b'a remark\\n')\n"
IMPORT = "from bench.cli import quiet_import as q\nq.import_tensorflow()\nimport os\nos.write(2, b'after\\n')"


def said(folder: Path, tensorflow: str, before: str = "", level: str | None = None) -> subprocess.CompletedProcess[str]:
    """Of an import of a module that takes TensorFlow's place."""
    (folder / "tensorflow.py").write_text(tensorflow)
    command = f"import sys\nsys.path.insert(0, {str(folder)!r})\n{before}{IMPORT}"
    environment = {name: value for name, value in os.environ.items() if name != LOG_LEVEL}
    environment |= {LOG_LEVEL: level} if level else {}
    return subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=False, env=environment)


def test_a_remark_of_an_import_is_not_shown_and_what_comes_after_it_is(tmp_path: Path) -> None:
    done = said(tmp_path, REMARK)
    assert (done.returncode, done.stderr) == (0, "after\n")


def test_what_a_failed_import_printed_is_shown(tmp_path: Path) -> None:
    done = said(tmp_path, f"{REMARK}raise ImportError('libfoo.so: no such file')\n")
    assert done.returncode == 1
    assert done.stderr.startswith("a remark\n")
    assert "libfoo.so: no such file" in done.stderr


def test_a_user_who_wants_less_gets_less(tmp_path: Path) -> None:
    assert said(tmp_path, REMARK, level="3").stderr == "after\n"


def test_who_asks_for_remarks_gets_them(tmp_path: Path) -> None:
    assert said(tmp_path, REMARK, level="0").stderr == "a remark\nafter\n"


def test_a_closed_stderr_is_no_obstacle(tmp_path: Path) -> None:
    done = said(tmp_path, REMARK, before="sys.stderr = None\n")  # as Python leaves it after `2>&-`
    assert (done.returncode, done.stderr) == (0, "after\n")
