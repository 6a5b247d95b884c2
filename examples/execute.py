"""Executes the notebook beside this file, from its first cell to its last, and stores what its cells print and draw.

    python examples/execute.py

It trains for as long as the notebook says, in an empty folder, with the interpreter that runs this; nothing but the
notebook is written here. Needs the extra `dev`.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
NOTEBOOK = HERE / "from_photographs_to_masks.ipynb"


def main() -> None:
    paths = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    os.environ |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": paths,
        "PYTHONWARNINGS": "ignore",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        settings = {"timeout": None, "kernel_name": "python3", "store_widget_state": False}
        NotebookClient(notebook, resources={"metadata": {"path": folder}}, **settings).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # at what time a cell was executed
    notebook.metadata = {name: notebook.metadata[name] for name in ("kernelspec", "language_info")}
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
