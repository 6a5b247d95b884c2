"""reports/README.md: every report that lies beside it, with its verdict."""

from pathlib import Path

from bench.errors import StoreError
from bench.records.store import read_object
from bench.report.render import markdown

SUMMARY = "summary.json"
"""What the index needs to know of a report, written beside its page."""

_HEAD = """# Reports

One folder a run, or several runs on one page: open `leaderboard.html` in a browser; `leaderboard.md` is its summary,
and each table is a CSV file. All of it follows from the run's records. This list is generated."""


def verdict_of(folder: Path) -> str:
    """What the report in `folder` says first, in plain text."""
    return _summary(folder)["verdict"]


def index(directory: Path) -> str:
    """The page for the reports under `directory`, newest run first."""
    folders = [path.parent for path in directory.glob(f"*/{SUMMARY}") if not path.parent.name.startswith(".")]
    found = [(_summary(folder), folder.name) for folder in folders]
    found.sort(key=lambda entry: (entry[0]["started_at"], entry[1]), reverse=True)
    lines = [
        f"- {markdown.link(summary['name'], f'{folder}/leaderboard.md')} "
        f"({markdown.text(summary['started_at'][:10])}): "
        f"{markdown.text(summary['verdict'])}"
        for summary, folder in found
    ]
    return f"{_HEAD}\n\n" + ("\n".join(lines) if lines else "There is no report yet.") + "\n"


def _summary(folder: Path) -> dict[str, str]:
    """Name, start and verdict of a report. Raises StoreError for a summary that says none of them."""
    summary = read_object(folder / SUMMARY)
    for name in ("name", "started_at", "verdict"):
        if not isinstance(summary.get(name), str):
            raise StoreError(f"{folder / SUMMARY}: {name}: is no text; write the report again, or remove its folder")
    return summary
