"""python -m bench"""

import os
import sys


def main() -> None:
    """The entry point of `segbench` too."""
    _leave_the_working_folder()
    try:
        from bench.cli import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"bench", "search_spaces"}:
            raise
        sys.stderr.write(
            f"error: {error.name} is not installed for {sys.executable}: activate the environment of SegBench "
            "(source .venv/bin/activate), or write .venv/bin/python for python\n"
        )
        raise SystemExit(2) from None
    run()


def _leave_the_working_folder() -> None:
    """`python -m` looks for modules in the working folder first, which may be a stranger's: a `numpy.py` beside
    pictures would run. Where this package is itself in that folder, it stays."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120  pathlib could be the stranger's
    if sys.path and sys.path[0] == os.getcwd() != home:  # noqa: PTH109
        del sys.path[0]


if __name__ == "__main__":
    main()
