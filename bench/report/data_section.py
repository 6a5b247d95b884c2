"""What the audit found in the data, by kind, and how much of the images is foreground."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import formats
from bench.analysis.leaderboard import Row
from bench.records import Finding, Run
from bench.report import markdown, tables
from bench.report.plots import DATA_PLOTS, shown

MAX_FILES = 5
"""A longer list of files is folded."""


def data_section(run: Run, rows: Sequence[Row], directory: Path) -> Iterator[str]:
    yield "## Data"
    yield from _findings(run.audit.findings)
    if run.split.excluded:
        yield f"Kept out of every part: {formats.plural(len(run.split.excluded), 'image')}."
        listed = markdown.table(["Image", "Reason"], list(run.split.excluded.items()))
        yield listed if len(run.split.excluded) <= MAX_FILES else markdown.details("Which and why", listed)
    if len(run.dataset.classes) > 1:
        yield _class_shares(run)
    for plot in DATA_PLOTS:
        yield from shown(plot, run, rows, directory)
    tables.write_csv(directory / "tables/images.csv", tables.image_records(run), ["id", "part"])
    findings = [{"kind": f.kind, "message": f.message, "files": " ".join(f.files)} for f in run.audit.findings]
    tables.write_csv(directory / "tables/findings.csv", findings, ["kind", "message", "files"])
    names = ("tables/images.csv", "tables/findings.csv")
    yield f"Every image and finding: {' and '.join(markdown.link(name, name) for name in names)}."


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        yield "The audit found nothing to report."
        return
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    yield f"The audit reports {formats.plural(len(findings), 'finding')}."
    for kind, group in by_kind.items():
        title = f"{markdown.text(kind.replace('_', ' '))} ({len(group)})"
        lines = [f"- {markdown.text(finding.message)}{_files(finding)}" for finding in group]
        long = len(lines) > MAX_FILES or any(len(finding.files) > MAX_FILES for finding in group)
        yield markdown.details(title, "\n".join(lines)) if long else "\n".join([f"**{title}**", "", *lines])


def _files(finding: Finding) -> str:
    return f" ({', '.join(map(markdown.text, finding.files))})" if finding.files else ""


def _class_shares(run: Run) -> str:
    cells = []
    for index, name in enumerate(run.dataset.classes):
        shares = [image.foreground_share[index] for image in run.audit.images]
        present = [share for share in shares if share > 0]
        mean = sum(present) / len(present) if present else None
        limits = (min(present), max(present)) if present else (None, None)
        cells.append([name, len(present), *map(formats.percent, (mean, *limits))])
    return markdown.table(
        ["Class", "Images", "Mean share where present", "Lowest", "Highest"], cells, right=range(1, 5)
    )
