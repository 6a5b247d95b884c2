"""Mask files: a folder of images beside a folder of masks, or both in one.

`layouts` has the names of folders, `mask_meaning` decides what the values mean.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.datasets.dataset import MOST_CLASSES, DataOptions, Dataset, Sample
from bench.datasets.formats.class_files import listed_parts, names_in
from bench.datasets.formats.image_index import image_id
from bench.datasets.formats.layouts import (
    Pair,
    find_pairs,
    folders_in,
    image_files_below,
    unused_suffixes,
    walk_folders,
)
from bench.datasets.formats.links import require_inside
from bench.datasets.formats.mask_files import Layer, MaskFile
from bench.datasets.formats.mask_looks import MaskLook, look_at
from bench.datasets.formats.mask_meaning import decide
from bench.datasets.formats.name_matching import Match, Matches, match, match_beside, match_globs
from bench.datasets.formats.verdict import Names, Verdict
from bench.datasets.parallel import in_threads
from bench.datasets.runs import Runs
from bench.errors import DataError
from bench.records import Finding

_FEW = 20
"""Files without a partner that are named one by one; more are counted."""

_KEPT_BYTES = 2**28
"""Of decoded masks that stay in memory: those of some 20,000 images of 1 MP."""


def recognises(root: Path, options: DataOptions) -> bool:
    """Whether there are folders of images and of masks, or images beside their masks, or options that name them."""
    if options.images or options.masks:
        return True
    return bool(find_pairs(root)) or any(match_beside(folder, part) for part, folder in walk_folders(root))


def read(root: Path, options: DataOptions) -> Dataset:
    """Reads all masks once to decide what their values mean, for the data set as a whole.

    Raises DataError for contradicting masks, for values that no configured class has, and if there is no pair.
    """
    findings: list[Finding] = []
    found = _with_listed_parts(root, _matches(root, options, findings), findings)
    if not found:
        raise DataError(_nothing_fits(root))
    if not options.allow_outside:
        require_inside(root, [path for item in found for path in (item.image, *(mask for mask, _ in item.masks))])
    looks = _looks([mask for item in found for mask, _ in item.masks], options, findings, root)
    names = _names(root, options)
    verdict = decide(list(looks.values()), names, options)
    if verdict.odd:
        if not options.skip_unreadable:
            raise DataError("; ".join(verdict.odd.values()))
        findings += [
            Finding(kind="odd_mask", message=f"{said}; left out", files=(image_id(root, path),))
            for path, said in verdict.odd.items()
        ]
    samples, classes = _samples(root, found, verdict, names, _kept_runs(looks, verdict))
    findings += verdict.findings
    return Dataset(
        name=root.resolve().name,
        root=root,
        format="folders",
        classes=classes,
        samples=tuple(samples),
        findings=tuple(findings),
    )


def _names(root: Path, options: DataOptions) -> Names:
    if options.classes:
        return Names(values=options.classes)
    parents = {each for _, folder in walk_folders(root) for each in (folder, *folders_in(folder))}
    return names_in(sorted(parents)) or Names(values={})


def _matches(root: Path, options: DataOptions, findings: list[Finding]) -> list[Match]:
    if options.images or options.masks:
        if not (options.images and options.masks):
            raise DataError("data: images and masks belong together: give both patterns, or neither")
        matches = [match_globs(root, options.images, options.masks)]
    else:
        pairs = find_pairs(root)
        matches = [match(pair) for pair in pairs]
        findings += _unused_files(root, pairs)
        beside = [match_beside(folder, part) for part, folder in walk_folders(root)] if not pairs else []
        matches += [found for found in beside if found is not None]
    findings += _left_over(root, matches)
    findings += _unused_image_files(root, matches)
    found = [item for group in matches for item in group.found]
    guessed = [item for group in matches for item in group.guessed]
    if guessed:
        first = guessed[0]
        said = (
            f"{first.masks[0][0].name} is taken for the mask of {first.image.name}, by what is left of the names of "
            "all without their common ends"
        )
        findings.append(Finding(kind="names_matched", message=f"{said} ({len(guessed)} pairs of that kind)"))
    classes = sorted({name for item in found for _, name in item.masks if name is not None})
    if classes:
        message = f"the names of masks, or of the folders that they stand in, are read as classes: {', '.join(classes)}"
        findings.append(Finding(kind="classes_in_names", message=message))
    return found


def _shifted(root: Path, group: Matches) -> Iterator[Finding]:
    """A finding if one side may count from 0 and the other from 1.

    Then as many images as masks have no partner, and their names differ only in numbers.
    """
    images, masks = sorted(group.images_left), sorted(group.masks_left)
    unnumbered = [{re.sub(r"\d+", "", path.stem).casefold() for path in paths} for paths in (images, masks)]
    if group.found and len(images) == len(masks) > 0 and unnumbered[0] == unnumbered[1]:
        said = (
            f"{image_id(root, images[0])} has no mask and {image_id(root, masks[0])} has no image, "
            f"{len(images)} of each kind: if images and masks count the same pictures from different numbers, "
            "every pair is shifted; look at data show, and rename one side"
        )
        yield Finding(kind="shifted_numbers", message=said, files=(image_id(root, images[0]),))


def _left_over(root: Path, matches: Sequence[Matches]) -> list[Finding]:
    """What has no partner: one finding each, or a count where there are many."""
    findings = []
    for kind, paths, what in (
        ("missing_annotation", [path for group in matches for path in group.images_left], "has no mask; left out"),
        ("missing_image", [path for group in matches for path in group.masks_left], "is a mask without an image"),
    ):
        names = sorted(image_id(root, path) for path in paths)
        findings += [Finding(kind=kind, message=f"{name} {what}", files=(name,)) for name in names]
    return findings + [finding for group in matches for finding in _shifted(root, group)]


def _unused_files(root: Path, pairs: Sequence[Pair]) -> list[Finding]:
    findings = []
    for folder in {folder for pair in pairs for folder in (pair.images, pair.masks)}:
        unused = unused_suffixes(folder)
        if unused:
            shown = ", ".join(f"{count} {suffix}" for suffix, count in unused.items())
            message = f"{image_id(root, folder)}/ has files that are not read: {shown}"
            findings.append(Finding(kind="unused_files", message=message))
    return findings


def _unused_image_files(root: Path, matches: Sequence[Matches]) -> list[Finding]:
    """How many image files of each folder are in no pair: previews, test images, other kinds of labels."""
    used = {path for group in matches for path in (*group.images_left, *group.masks_left)}
    used |= {
        path for group in matches for item in group.found for path in (item.image, *(mask for mask, _ in item.masks))
    }
    counts = Counter(path.relative_to(root).parts[:-1][:1] for path in image_files_below(root) if path not in used)
    if not counts:
        return []
    shown = ", ".join(
        f"{count} in {folder[0]}/" if folder else f"{count} beside the folders"
        for folder, count in sorted(counts.items())
    )
    return [Finding(kind="unused_files", message=f"pictures that are neither read as images nor as masks: {shown}")]


def _with_listed_parts(root: Path, found: list[Match], findings: list[Finding]) -> list[Match]:
    """Only what Pascal VOC's lists name, with its part; all of it without such lists, or where they fit nothing."""
    listed = listed_parts(root)
    if not listed:
        return found
    chosen = [replace(item, part=listed[item.image.stem] or item.part) for item in found if item.image.stem in listed]
    if not chosen:
        message = (
            "no image is in a list of parts (ImageSets/Segmentation, or train.txt): "
            f"{min(listed)} and others are no images; lists not used"
        )
        findings.append(Finding(kind="unused_files", message=message))
        return found
    left = len(found) - len(chosen)
    if left:
        message = f"{left} images with masks are in no list of parts (ImageSets/Segmentation, or train.txt); left out"
        findings.append(Finding(kind="missing_annotation", message=message))
    return chosen


def _looks(masks: Sequence[Path], options: DataOptions, findings: list[Finding], root: Path) -> dict[Path, MaskLook]:
    """What each mask holds, without unreadable masks that may be skipped. Raises DataError that names all others."""

    def look(path: Path) -> MaskLook | DataError:
        try:
            return look_at(path)
        except DataError as error:
            return error

    looked = dict(zip(masks, in_threads(look, masks), strict=True))
    errors = {path: result for path, result in looked.items() if isinstance(result, DataError)}
    if errors and not options.skip_unreadable:
        raise DataError("; ".join(str(error) for error in list(errors.values())[:_FEW]))
    for path, error in errors.items():
        findings.append(Finding(kind="unreadable", message=f"{error}; left out", files=(image_id(root, path),)))
    looks = {path: result for path, result in looked.items() if isinstance(result, MaskLook)}
    for path, seen in looks.items():
        if seen.pages > 1:
            name = image_id(root, path)
            said = (
                f"mask {name} has {seen.pages} pages, of which the first is read; "
                "save one mask of all that is to be found in its image"
            )
            findings.append(Finding(kind="pages", message=said, files=(name,)))
    return looks


def _kept_runs(looks: Mapping[Path, MaskLook], verdict: Verdict) -> dict[Path, Runs]:
    """Pixels of the masks that are flat and have a single channel, as many as the memory for them holds."""
    kept, room = {}, _KEPT_BYTES
    for path, look in looks.items():
        meaning = verdict.meaning_of.get(path)
        if look.runs is None or meaning is None or meaning.source != look.source or meaning.brightest:
            continue
        room -= look.runs.num_bytes
        if room < 0:
            break
        kept[path] = look.runs
    return kept


def _samples(
    root: Path, found: Sequence[Match], verdict: Verdict, names: Names, runs: Mapping[Path, Runs]
) -> tuple[list[Sample], tuple[str, ...]]:
    class_names = sorted({name for item in found for _, name in item.masks if name is not None}, key=_natural)
    classes = verdict.classes
    if class_names:
        if len(verdict.classes) > 1:
            raise DataError(
                f"{found[0].masks[0][0]} and others tell classes by their names and by {len(verdict.classes)} values; "
                "save masks of one class, or of class ids in one file for each image"
            )
        if len(class_names) > MOST_CLASSES:
            raise DataError(
                f"names of masks tell {len(class_names)} classes apart; a mask of 8 bit can tell {MOST_CLASSES}"
            )
        classes = names.foreground if len(class_names) == 1 and names.foreground else tuple(class_names)
    samples = []
    for item in found:
        if not all(mask in verdict.meaning_of for mask, _ in item.masks):
            continue
        layers = tuple(
            Layer(
                path=mask,
                meaning=verdict.meaning_of[mask],
                class_id=None if name is None else class_names.index(name) + 1,
                runs=runs.get(mask),
            )
            for mask, name in sorted(item.masks, key=lambda pair: (_natural(pair[1] or ""), pair[0]))
        )
        annotation = MaskFile(image_path=item.image, layers=layers)
        samples.append(
            Sample(id=image_id(root, item.image), image_path=item.image, annotation=annotation, split=item.part)
        )
    return samples, classes


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (-1, name)


def _numbered_said(matches: Matches) -> str | None:
    """What to do with a_0.png and a_1.png, one mask for each object of a.jpg; None if names are not of that kind."""
    stems = {path.stem: path for path in matches.images_left}
    numbered = [path for path in matches.masks_left if re.sub(r"[-_ ]\d+$", "", path.stem) in stems]
    if not numbered:
        return None
    stem = re.sub(r"[-_ ]\d+$", "", numbered[0].stem)
    return (
        f"{len(numbered)} masks have a number behind the name of an image: "
        "where an image has several, one for each object, put them into a folder of its name "
        f"({numbered[0].parent.name}/{stem}/{numbered[0].name}) and they are drawn together"
    )


def _nothing_fits(root: Path) -> str:
    """What is there, with an example of each side."""
    said = []
    for pair in find_pairs(root):
        matches = match(pair)
        names = [
            next(iter(sorted(path.name for path in paths)), "nothing")
            for paths in (matches.images_left, matches.masks_left)
        ]
        unused = Counter(unused_suffixes(pair.images)) + Counter(unused_suffixes(pair.masks))
        more = f" and files that are not read: {', '.join(f'{n} {s}' for s, n in unused.items())}" if unused else ""
        way_out = _numbered_said(matches) or "a.jpg needs a.png, or a_mask.png"
        said.append(
            f"no mask in {pair.masks} has the stem of an image in {pair.images.name}/ "
            f"({names[0]} there, {names[1]} here){more}; {way_out}"
        )
    return "; ".join(said[:3]) or f"no image with a mask in {root}"
