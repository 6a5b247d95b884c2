"""The data: what the audit found, how it is split, how much is foreground, sample images, augmentation."""

from collections.abc import Iterator, Mapping
from statistics import median

from bench import formats
from bench.analysis.pictures import AugmentationGrid, Samples
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import ForegroundShares, Missing
from bench.formats import percent, plural
from bench.records import Finding, Run
from bench.report import cells
from bench.report.blocks import Block, Column, Data, Figure, Folded, Heading, Items, Picture, Strip, Table, paragraph
from bench.report.figures.foreground import draw_foreground_shares
from bench.report.figures.photos import outlined, without_padding

MAX_FILES = 5
"""So many files of a finding, and findings of a kind, are named; the file of all findings has the rest."""

KIND_TITLES = {
    "exact_twins": "duplicates",
    "near_twins": "near-duplicates",
    "twins_across_splits": "duplicates across parts",
}
"""Kinds of findings as they are recorded, in the words of a reader; other kinds are words already."""


def data(found: Analysis) -> Iterator[Block]:
    run = found.run
    blocks = (*_findings(run), *_excluded(run), *_classes(run), *_pictures(found), *_files(run))
    yield Folded("The data", _finding(found), blocks, "data")


def _finding(found: Analysis) -> str:
    run, split = found.run, found.run.split
    audit = plural(len(run.audit.findings), "audit finding") if run.audit.findings else "audit: nothing found"
    shares = [sum(image.foreground_share) for image in run.audit.images]
    foreground = f"; {percent(sum(shares) / len(shares))} foreground on average" if shares else ""
    return (
        f"{audit}; split {len(split.train)} / {len(split.val)} / {len(split.test)} (train, validation, "
        f"test){foreground}."
    )


def _findings(run: Run) -> Iterator[Block]:
    findings = run.audit.findings
    if not findings:
        return
    yield Heading("Audit", level=4)
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    for kind, group in by_kind.items():
        title = KIND_TITLES.get(kind, kind.replace("_", " "))
        yield paragraph(f"{title.capitalize()}: {len(group)}")
        yield Items(tuple((_named(each),) for each in group[:MAX_FILES]))
        if len(group) > MAX_FILES:
            yield paragraph(f"{len(group) - MAX_FILES} more are in findings.csv.", quiet=True)


def _named(finding: Finding) -> str:
    if not finding.files:
        return finding.message
    more = f" and {len(finding.files) - MAX_FILES} more" if len(finding.files) > MAX_FILES else ""
    return f"{finding.message} ({', '.join(finding.files[:MAX_FILES])}{more})"


def _excluded(run: Run) -> Iterator[Block]:
    if not run.split.excluded:
        return
    yield Heading("Images left out of every part", level=4)
    listed = list(run.split.excluded.items())
    yield Table(
        "Images left out",
        (Column("Image", "image"), Column("Reason", "reason")),
        [{"image": name, "reason": reason} for name, reason in listed[: 4 * MAX_FILES]],
    )
    if len(listed) > 4 * MAX_FILES:
        yield paragraph(f"{len(listed) - 4 * MAX_FILES} more are in images.csv.", quiet=True)


def _classes(run: Run) -> Iterator[Block]:
    if len(run.dataset.classes) < 2:
        return
    records: list[Mapping[str, object]] = []
    for index, name in enumerate(run.dataset.classes):
        shares = [image.foreground_share[index] for image in run.audit.images]
        present = [share for share in shares if share > 0]
        records.append(
            {
                "class": name,
                "images": len(present),
                "mean": sum(present) / len(present) if present else None,
                "low": min(present, default=None),
                "high": max(present, default=None),
            }
        )
    columns = (
        Column("Class", "class"),
        Column("Images", "images", number=True),
        Column("Mean share where present", "mean", cells.percent, number=True),
        Column("Lowest", "low", cells.percent, number=True),
        Column("Highest", "high", cells.percent, number=True),
    )
    yield Heading("Classes", level=4)
    yield Table("Classes", columns, records)


def _pictures(found: Analysis) -> Iterator[Block]:
    samples, shares, augmented = found.samples, found.foreground, found.augmentation
    if not isinstance(samples, Missing):
        yield Heading("Sample images", level=4)
        yield _sample_strip(samples)
    if not isinstance(shares, Missing):
        yield Heading("Foreground", level=4)
        yield Figure(
            "foreground", "Foreground share by part", _about_shares(shares), lambda: draw_foreground_shares(shares)
        )
    if not isinstance(augmented, Missing):
        yield Heading("Augmentation", level=4)
        yield _augmentation_strip(augmented)


def _sample_strip(samples: Samples) -> Strip:
    pictures = tuple(
        Picture(
            without_padding(outlined(image, mask * valid), valid),
            f"{percent(share)} foreground",
            f"sample image with {percent(share)} foreground",
        )
        for image, mask, valid, share in zip(samples.images, samples.masks, samples.valid, samples.shares, strict=True)
    )
    first, last = samples.shares[0], samples.shares[-1]
    caption = (
        f"{len(samples.shares)} of {plural(samples.num_images, 'validation image')}, from the least foreground "
        f"({percent(first)}) to the most ({percent(last)}); "
        "white outlines the annotation."
    )
    return Strip("Sample images", caption, pictures)


def _augmentation_strip(grid: AugmentationGrid) -> Strip:
    pictures = tuple(
        Picture(outlined(image, mask), f"strength {strength:g}", f"augmentation at strength {strength:g}")
        for strength, image, mask in zip(grid.strengths, grid.images, grid.masks, strict=True)
    )
    kept = grid.kept_foreground
    least = min(range(len(kept)), key=lambda index: kept[index])
    lost = (
        "No foreground is lost."
        if kept[least] >= 0.995
        else f"At strength {grid.strengths[least]:g} the least foreground is left: {percent(kept[least])} of it."
    )
    return Strip(
        "Augmentation", f"The same image at rising strength; its mask, outlined, moves with it. {lost}", pictures
    )


def _about_shares(series: ForegroundShares) -> str:
    medians = [f"{percent(median(shares))} in {name}" for name, shares in series.parts]
    shares = [share for _, values in series.parts for share in values]
    empty = sum(share == 0 for share in shares)
    line = (
        f"The median image has {formats.listing(medians)}; shares range from {percent(min(shares))} to "
        f"{percent(max(shares))}"
    )
    return f"{line}{f', {empty} without any foreground' if empty else ''}."


def _files(run: Run) -> Iterator[Block]:
    yield Data("images.csv", image_records(run), ("id", "part"), "Every image")
    findings = [
        {"kind": each.kind, "message": each.message, "files": " ".join(each.files)} for each in run.audit.findings
    ]
    if findings:
        yield Data("findings.csv", findings, ("kind", "message", "files"), "Every finding")


def image_records(run: Run) -> list[Mapping[str, object]]:
    """Every usable image with its part and the foreground share of each class."""
    parts = {"train": run.split.train, "val": run.split.val, "test": run.split.test, "excluded": run.split.excluded}
    part_of = {name: part for part, names in parts.items() for name in names}
    return [
        {"id": facts.id, "part": part_of.get(facts.id), "width": facts.width, "height": facts.height}
        | {f"share_{name}": share for name, share in zip(run.dataset.classes, facts.foreground_share, strict=False)}
        for facts in run.audit.images
    ]
