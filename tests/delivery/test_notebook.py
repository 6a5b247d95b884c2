"""The notebook works from its first cell to its last; its training, which takes minutes, is replaced by a run that is
there. What its cells print is stored in it."""

import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "examples" / "from_photographs_to_masks.ipynb"


@pytest.mark.slow
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


@pytest.mark.xfail(strict=True, reason="not stored yet: python examples/execute.py, on a quiet machine")
def test_what_the_cells_print_and_draw_is_stored_and_small() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "python examples/execute.py"
    silent = [cell.source.splitlines()[0] for cell in code if not cell.outputs]
    assert silent == ["from pathlib import Path"], "drawing the sample set says nothing"
    outputs = [output for cell in code for output in cell.outputs]
    assert all(output.output_type != "error" for output in outputs)
    said = "".join(output.get("text", "") for output in outputs)
    assert "model:       results/panels/model" in said
    assert "140 masks in masks" in said
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert NOTEBOOK.stat().st_size < 300_000
