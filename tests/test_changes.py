"""What a change costs is as CONTRIBUTING says: each example in docs/changes applies, and touches as many files
as the table has."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "docs" / "changes").glob("*.diff"))
ROW = re.compile(r"^\| [^|]+ \| (\d+) \| (\d+) \|[^|]*\(docs/changes/(\w+)\.diff\)", re.MULTILINE)


def test_every_example_stands_in_the_table_with_its_files_and_lines() -> None:
    said = {
        name: (int(files), int(lines)) for files, lines, name in ROW.findall((ROOT / "CONTRIBUTING.md").read_text())
    }
    counted = {}
    for example in EXAMPLES:
        lines = example.read_text(encoding="utf-8").splitlines()
        files = sum(line.startswith("+++ ") for line in lines)
        counted[example.stem] = files, sum(line.startswith("+") for line in lines) - files
    assert said == counted


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_a_change_of_the_code_as_it_is(example: Path) -> None:
    done = subprocess.run(
        ["git", "apply", "--check", str(example)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert not done.stderr
