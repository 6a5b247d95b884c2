"""An audit for people to read in a terminal."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.datasets.findings import KINDS
from bench.formats import first_few
from bench.records import AuditRecord, DatasetRecord, Finding

FILES = 6
"""Named in one line of those that a finding repeats for."""


def audit_lines(audit: AuditRecord, dataset: DatasetRecord, *, most: int | None = None) -> Iterator[str]:
    """What was read, what it is made of, and findings with their file names: what repeats together, `most` lines of
    each kind; None: all, one a line."""
    yield f"{dataset.path}: {dataset.format}, {dataset.num_images} images, classes {', '.join(dataset.classes)}"
    yield f"fingerprint {dataset.fingerprint}"
    parts = Counter(image.split or "no predefined part" for image in audit.images)
    yield "parts: " + ", ".join(f"{part} {count}" for part, count in parts.items())
    yield "sizes: " + _sizes(audit)
    for index, name in enumerate(dataset.classes):
        yield f"share of {name}: {_spread([image.foreground_share[index] for image in audit.images])}"
    for part, accuracy in audit.background_accuracy.items():
        yield f"accuracy of predicting only background ({part}): {accuracy:.3f}"
    yield from finding_lines(audit, most)


def finding_lines(audit: AuditRecord, most: int | None) -> Iterator[str]:
    """Findings by kind, `most` lines of each; None: all."""
    if not audit.findings:
        yield "nothing was found to be wrong"
    by_kind = Counter(finding.kind for finding in audit.findings)
    for kind, count in by_kind.most_common():
        yield f"{kind.replace('_', ' ')} ({count}): {KINDS[kind]}" if kind in KINDS else f"{kind} ({count}):"
        own = [finding for finding in audit.findings if finding.kind == kind]
        yield from map(_line, own) if most is None else _grouped(own, most)


def _grouped(findings: Sequence[Finding], most: int) -> Iterator[str]:
    """Findings that say the same of other files in two lines, the rest one by one: `most` lines, and how many findings
    are not in them."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_said_of_any(finding), []).append(finding)
    shown = 0
    for alike in list(groups.values())[:most]:
        first, *others = alike
        shown += len(alike)
        yield _line(first)
        if others:
            files = [" + ".join(finding.files) for finding in others]
            yield f"    the same of {len(others)} more: {first_few(files, FILES)}"
    if shown < len(findings):
        yield f"  and {len(findings) - shown} more (--all prints them)"


def _said_of_any(finding: Finding) -> str:
    """The message without its files and numbers, so that two findings that differ in nothing else are equal."""
    said = finding.message
    for name in sorted(finding.files, key=len, reverse=True):
        said = said.replace(name, "FILE")
    return re.sub(r"\d+(\.\d+)?", "N", said)


def _line(finding: Finding) -> str:
    unsaid = [name for name in finding.files if name not in finding.message]
    return f"  {finding.message}{': ' if unsaid else ''}{', '.join(unsaid)}"


def _sizes(audit: AuditRecord) -> str:
    sizes = Counter(f"{image.width}x{image.height}" for image in audit.images)
    shown = [f"{size} ({count})" for size, count in sizes.most_common(5)]
    return ", ".join(shown) + (f" and {len(sizes) - 5} more" if len(sizes) > 5 else "")


def _spread(shares: list[float]) -> str:
    present = sorted(share for share in shares if share > 0)
    if not present:
        return "in no image"
    mean, median = sum(shares) / len(shares), present[len(present) // 2]
    return (
        f"mean {mean:.1%}; in {len(present)} images, there {present[0]:.2%} to {present[-1]:.1%}, median {median:.1%}"
    )
