"""From annotated images to a `Dataset`, the same for every format of outlines.

It decides about classes, void, images that are named twice and parts without annotation.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.datasets.dataset import ANY, MOST_CLASSES, VOID, DataOptions, Dataset, Sample
from bench.datasets.formats.image_index import ImageIndex, image_id
from bench.datasets.formats.regions import Region, RegionAnnotation, has_no_area
from bench.errors import DataError, unknown
from bench.records import Finding

IGNORED_LABELS = ("__ignore__",)
BACKGROUND_LABELS = ("_background_",)
"""LabelMe's own names for undecided pixels, and for a hole."""

_OWN_LABEL_SHARE = 0.8
_OWN_LABELS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A region with its label (None: it has none) and what messages call it ("region 1 of 3.jpg in via.json")."""

    label: str | None
    region: Region
    where: str
    doubt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One image of an annotation file. `named` is its name in that file."""

    source: Path
    part: str | None
    named: str
    image_path: Path
    id: str
    regions: tuple[Labelled, ...]
    declared: tuple[int, int] | None = None


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a reader has found so far.

    `missing` are names of images that do not exist. `first_bad` describes the first shape that could not be read.
    """

    root: Path
    index: ImageIndex
    options: DataOptions
    format: str
    entries: list[Entry] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    first_bad: str | None = None

    def say(self, kind: str, message: str, *files: str) -> None:
        self.findings.append(Finding(kind=kind, message=message, files=files))

    def bad_shape(self, where: str, why: object, *files: str) -> None:
        """One shape that cannot be drawn: it is said, and the others are."""
        self.first_bad = self.first_bad or f"{where}: {why}"
        self.say("bad_region", f"{where}: {why}; not drawn", *files)

    def find(self, name: str, source: Path, part: str | None, hints: Sequence[str] = ()) -> Path | None:
        """The image of that name; a finding if there is none."""
        path = self.index.find(name, source.parent, part, hints)
        if path is None:
            elsewhere = (
                "; it is outside of the data set's folder, which data: {allow_outside: true} allows"
                if self.index.is_elsewhere(name)
                else ""
            )
            self.missing.append(name)
            shown = name[:200]
            self.say(
                "missing_image", f"{image_id(self.root, source)} names {shown}, which does not exist{elsewhere}", shown
            )
        return path

    def name_of(self, path: Path) -> str:
        return image_id(self.root, path)


def assemble(reading: Reading, *, order: Sequence[str] | None = None) -> Dataset:
    """The data set of all entries that were read.

    Classes are the labels in use, sorted or in that `order`, or those of `options.classes`. Raises DataError for labels
    that are unknown or too many, if no image exists or no region can be read, and for two files that disagree about one
    image.
    """
    if not reading.entries:
        example = f": it names {reading.missing[0][:200]}" if reading.missing else ""
        more = f" and {len(reading.missing) - 1} more" if len(reading.missing) > 1 else ""
        raise DataError(
            f"{reading.root} has annotations ({reading.format}) but none of their images exists{example}{more}; "
            "put the pictures below that folder"
        )
    entries = _by_image(reading)
    entries = _without_unannotated_parts(reading, entries)
    labels = list(dict.fromkeys(item.label for entry in entries for item in entry.regions if item.label is not None))
    sources = {item.label: entry.source for entry in reversed(entries) for item in entry.regions if item.label}
    labels.sort(key=None if order is None else order.index)
    classes, id_of = _class_ids(labels, sources, reading.options)
    _say_odd_labels(reading, entries, classes)
    if reading.first_bad and not any(entry.regions for entry in entries):
        raise DataError(f"{reading.first_bad}; no other region can be read either")
    if not any(entry.regions for entry in entries):
        raise DataError(
            f"{entries[0].source} is read ({reading.format}) and has no region for any of {len(entries)} images; "
            "export the annotations again, with outlines"
        )
    samples = [_sample(reading, entry, classes, id_of) for entry in entries]
    known = {sample.image_path for sample in samples}
    for path in reading.index.paths:
        if path not in known:
            name = reading.name_of(path)
            reading.say("missing_annotation", f"{name} has no annotation; left out", name)
    return Dataset(
        name=reading.root.resolve().name,
        root=reading.root,
        format=reading.format,
        classes=classes,
        samples=tuple(samples),
        findings=tuple(reading.findings),
    )


def _class_ids(
    labels: Sequence[str], sources: Mapping[str, Path], options: DataOptions
) -> tuple[tuple[str, ...], dict[str, int]]:
    """Foreground classes and the id of each label; without any label there is one class, "foreground"."""
    special = dict.fromkeys((*IGNORED_LABELS, *(str(label) for label in options.ignore)), VOID)
    special |= dict.fromkeys(BACKGROUND_LABELS, 0)
    wanted = {" ".join(str(label).split()): name for name, label in options.classes.items()}
    used = [label for label in labels if label not in special or label in wanted]
    if any(label.casefold() == ANY for label in wanted) and len(wanted) == 1:
        return tuple(options.classes), special | dict.fromkeys(used, 1)
    if wanted:
        id_of = {label: number for number, label in enumerate(wanted, start=1)}
        for label in sorted(used):
            if label not in id_of:
                raise DataError(
                    f"{unknown('label', label, id_of, str(sources[label]))}, or leave it out: ignore: [{label}]"
                )
        return tuple(options.classes), special | id_of
    if len(used) > MOST_CLASSES:
        raise DataError(
            f"{sources[used[0]]} and others use {len(used)} labels ({', '.join(sorted(used)[:3])}, ...), "
            f"more than the {MOST_CLASSES} classes that a mask can tell apart: these look like object numbers; "
            f"classes: {{NAME: {ANY}}} makes one class of all of them"
        )
    return tuple(used) or ("foreground",), special | {label: number for number, label in enumerate(used, start=1)}


def _sample(reading: Reading, entry: Entry, classes: tuple[str, ...], id_of: Mapping[str, int]) -> Sample:
    regions = []
    for item in entry.regions:
        class_id = VOID if item.doubt else 1 if item.label is None else id_of[item.label]
        if item.doubt:
            reading.say("no_class", f"{item.where} {item.doubt}; read as void", entry.id)
        elif item.label is None and len(classes) > 1:
            class_id = VOID
            said = f"{item.where} has no class (they are {', '.join(classes[:8])}); read as void"
            reading.say("no_class", said, entry.id)
        if any(has_no_area(outline) for outline in item.region.polygons):
            reading.say("degenerate_region", f"{item.where} has no area", entry.id)
        regions.append(replace(item.region, class_id=class_id))
    annotation = RegionAnnotation(
        source=str(entry.source), image_path=entry.image_path, regions=tuple(regions), declared=entry.declared
    )
    return Sample(id=entry.id, image_path=entry.image_path, annotation=annotation, split=entry.part)


def _by_image(reading: Reading) -> list[Entry]:
    """One entry for each image: several of one file are drawn together, those of several files must say the same."""
    groups: dict[Path, list[Entry]] = defaultdict(list)
    for entry in reading.entries:
        groups[entry.image_path].append(entry)
    return [_merged(reading, group) if len(group) > 1 else group[0] for group in groups.values()]


def _merged(reading: Reading, group: Sequence[Entry]) -> Entry:
    group = _best_named(reading, group)
    by_source: dict[Path, Entry] = {}
    for entry in group:
        first = by_source.get(entry.source)
        if first is None:
            by_source[entry.source] = entry
        else:
            said = f"{entry.id} has several entries in {entry.source.name}, which are drawn together"
            reading.say("merged_entries", said, entry.id)
            by_source[entry.source] = replace(
                first, regions=first.regions + entry.regions, declared=first.declared or entry.declared
            )
    kept, *others = sorted(by_source.values(), key=lambda entry: (not entry.regions, str(entry.source)))
    for other in others:
        if other.regions and _drawn(other) != _drawn(kept):
            raise DataError(
                f"{kept.id} is annotated in {kept.source} and in {other.source}, and they differ; "
                "keep one of the two files"
            )
        reading.say("merged_entries", f"{kept.id} is in {kept.source.name} and {other.source.name}; read once", kept.id)
    parts = {entry.part for entry in by_source.values()} - {None}
    if len(parts) > 1:
        raise DataError(f"{kept.id} is in the parts {' and '.join(sorted(map(str, parts)))}; an image has one part")
    return replace(kept, part=next(iter(parts), None))


def _best_named(reading: Reading, group: Sequence[Entry]) -> list[Entry]:
    """If two names in a file lead to one image, only the nearer name is that image."""
    names = {entry.named for entry in group}
    if len(names) == 1:
        return list(group)
    fit = {name: reading.index.fit(name, group[0].image_path) for name in names}
    best = max(fit.values())
    chosen = [name for name in sorted(names) if fit[name] == best]
    if len(chosen) > 1 and len({entry.source for entry in group}) == 1:
        raise DataError(
            f"{group[0].source} names {chosen[0]} and {chosen[1]}, and both lead to {group[0].image_path}; "
            "one of the pictures is missing"
        )
    for entry in group:
        if entry.named not in chosen:
            said = f"{entry.source.name} names {entry.named}, which does not exist ({entry.id} is another picture)"
            reading.say("missing_image", said, entry.named)
    return [entry for entry in group if entry.named in chosen]


def _drawn(entry: Entry) -> list[tuple[str | None, Region]]:
    return [(item.label, item.region) for item in entry.regions]


def _without_unannotated_parts(reading: Reading, entries: list[Entry]) -> list[Entry]:
    """A part whose images have not one region was never annotated: a score on it would be worth nothing."""
    drawn = Counter(entry.part for entry in entries if entry.regions)
    for part in sorted({entry.part for entry in entries if entry.part}):
        left = [entry for entry in entries if entry.part == part]
        if not drawn[part] and drawn.total():
            said = f"every image of the {part} part has no annotation; its {len(left)} images are left out"
            reading.say("unannotated_part", said, *(entry.id for entry in left))
            entries = [entry for entry in entries if entry.part != part]
    return entries


def _say_odd_labels(reading: Reading, entries: Sequence[Entry], classes: Sequence[str]) -> None:
    alike: dict[str, list[str]] = defaultdict(list)
    for name in classes:
        alike["".join(name.casefold().split()).replace("_", "").replace("-", "")].append(name)
    for names in alike.values():
        if len(names) > 1:
            shown = ", ".join(repr(name) for name in names)
            said = (
                f"the classes {shown} look like one class, spelt in {len(names)} ways; "
                f"they are read as {len(names)} classes"
            )
            reading.say("similar_names", said)
    images_of: dict[str, set[str]] = defaultdict(set)
    for entry, label in _labels_of(entries):
        images_of[label].add(entry.id)
    own = sum(len(images) == 1 for images in images_of.values())
    if len(images_of) >= _OWN_LABELS and own >= _OWN_LABEL_SHARE * len(images_of) and len(entries) > 1:
        said = (
            f"{own} of {len(images_of)} labels occur in one image only: they may number objects; "
            f"classes: {{NAME: {ANY}}} makes one class of all of them"
        )
        reading.say("label_per_object", said)


def _labels_of(entries: Sequence[Entry]) -> Iterator[tuple[Entry, str]]:
    for entry in entries:
        for item in entry.regions:
            if item.label is not None:
                yield entry, item.label
