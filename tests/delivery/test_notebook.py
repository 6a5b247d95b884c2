"""The notebook works from its first cell to its last; its training, which takes minutes, is replaced by a run that is there."""

import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "from_photographs_to_masks.ipynb"


def test_the_notebook_goes_from_photographs_to_masks(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (training,) = [cell for cell in notebook.cells if "train" in cell.metadata.get("tags", ())]
    assert "bench run --data photos --name panels" in training.source
    training.source = "pass"
    shutil.copytree(small, tmp_path / "results" / "panels")
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()
    photographs = {path.stem for path in (tmp_path / "photos" / "images").iterdir()}
    assert {path.stem for path in (tmp_path / "masks").glob("*.png")} == photographs
    said = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ()))
    assert f"{len(photographs)} masks in masks" in said
    assert "folders, 140 images" in said
