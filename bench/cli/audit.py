"""An audit for people to read in a terminal."""

from collections import Counter
from collections.abc import Iterator

from bench.records import AuditRecord, DatasetRecord


def audit_lines(audit: AuditRecord, dataset: DatasetRecord, *, most: int | None = None) -> Iterator[str]:
    """What was read, what it is made of, and findings with their file names, one a line, `most` of each kind (None: all)."""
    yield f"{dataset.path}: {dataset.format}, {dataset.num_images} images, classes {', '.join(dataset.classes)}"
    yield f"fingerprint {dataset.fingerprint}"
    parts = Counter(image.split or "no predefined part" for image in audit.images)
    yield "parts: " + ", ".join(f"{part} {count}" for part, count in parts.items())
    yield "sizes: " + _sizes(audit)
    for index, name in enumerate(dataset.classes):
        yield f"share of {name}: {_spread([image.foreground_share[index] for image in audit.images])}"
    for part, accuracy in audit.background_accuracy.items():
        yield f"accuracy of predicting only background ({part}): {accuracy:.3f}"
    yield from _findings(audit, most)


def _findings(audit: AuditRecord, most: int | None) -> Iterator[str]:
    if not audit.findings:
        yield "nothing was found to be wrong"
    by_kind = Counter(finding.kind for finding in audit.findings)
    for kind, count in by_kind.most_common():
        yield f"{kind.replace('_', ' ')} ({count}):"
        for finding in [finding for finding in audit.findings if finding.kind == kind][:most]:
            unsaid = [name for name in finding.files if name not in finding.message]
            yield f"  {finding.message}{': ' if unsaid else ''}{', '.join(unsaid)}"
        if most is not None and count > most:
            yield f"  and {count - most} more (--all prints them)"


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
