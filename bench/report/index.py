"""reports/README.md: every report that lies beside it, with its verdict."""

import json
from pathlib import Path

from bench.report.render import markdown

SUMMARY = "summary.json"
"""What the index needs to know of a report, written beside its page."""

_HEAD = """# Reports

One folder a run, or several runs on one page: open `leaderboard.html` in a browser; `leaderboard.md` is its summary,
and each table is a CSV file. All of it follows from the run's records. This list is generated."""


def verdict_of(folder: Path) -> str:
    """What the report in `folder` says first, in plain text."""
    return str(json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["verdict"])


def index(directory: Path) -> str:
    """The page for the reports under `directory`, newest run first."""
    folders = [path.parent for path in directory.glob(f"*/{SUMMARY}") if not path.parent.name.startswith(".")]
    found = [(json.loads((folder / SUMMARY).read_text(encoding="utf-8")), folder.name) for folder in folders]
    found.sort(key=lambda entry: (entry[0]["started_at"], entry[1]), reverse=True)
    lines = [
        f"- {markdown.link(summary['name'], f'{folder}/leaderboard.md')} ({summary['started_at'][:10]}): "
        f"{markdown.text(summary['verdict'])}"
        for summary, folder in found
    ]
    return f"{_HEAD}\n\n" + ("\n".join(lines) if lines else "There is no report yet.") + "\n"
