"""Which mask belongs to which image, by their names."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.datasets.dataset import SPLIT_FOLDERS
from bench.datasets.formats.layouts import Pair, image_files_below
from bench.datasets.formats.tool_names import ENDINGS, label_ids, one_channel, refuse_brush
from bench.datasets.images import is_image_file
from bench.errors import DataError

_WORDS = (
    "masks|mask|matte|labels|label|labelids|labeltrainids|seg|segmentation|segmentations|segmap|"
    "groundtruth|gt|annotation|annotations|anno|ann|l"
)
_MARK = re.compile(rf"(?:^(?:{_WORDS})[-_ .]+)|(?:[-_ .]+(?:{_WORDS})$)", re.IGNORECASE)
"""A word at the end or the beginning of a mask's name that says that it is one."""

_PER_CLASS = re.compile(r"^(?P<stem>.+)_class_(?P<name>.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """An image with its masks: one, or several, each with the name of its class (None: the name gives none)."""

    image: Path
    masks: tuple[tuple[Path, str | None], ...]
    part: str | None


@dataclass(slots=True, kw_only=True)
class Matches:
    """`guessed` are those of `found` whose names differ at both ends by more than a word that says mask."""

    found: list[Match]
    images_left: list[Path]
    masks_left: list[Path]
    guessed: tuple[Match, ...] = ()


def match(pair: Pair) -> Matches:
    """Images and masks of a pair of folders by their names.

    These are tried in turn: the same path below the folders; a mask's name with the image's suffix in it (a.jpg.png); a
    name with a word at one end (a_mask); a name with a beginning and an end that all images, or all masks, have in
    common. A folder of one image, with the image's name, has all masks beside it. Sub-folders of masks that are named
    by class, and names such as a_class_dent, give the class; sub-folders that are named by image hold the objects of
    that image.
    """
    images, masks = image_files_below(pair.images), image_files_below(pair.masks)
    refuse_brush(masks)
    images = one_channel(images, pair)
    if pair.images.name.lower() in ("imagestr", "leftimg8bit"):
        masks = label_ids(masks)
    if len(images) == 1 and masks and _plain(images[0].stem) == _plain(pair.images.parent.name):
        return Matches(
            found=[_matched(images[0], [(mask, None) for mask in masks], pair)], images_left=[], masks_left=[]
        )
    image_key, mask_key = (
        {path: _without(_key(folder, path), ENDINGS.get(folder.name.lower(), ())) for path in paths}
        for folder, paths in ((pair.images, images), (pair.masks, masks))
    )
    return _match_lists(image_key, mask_key, pair)


def match_beside(folder: Path, part: str | None) -> Matches | None:
    """Images with masks in the same folder whose names say so (a.jpg, a_mask.png); None if there is no such pair."""
    if not folder.is_dir():
        return None
    image_files = [path for path in sorted(folder.iterdir()) if is_image_file(path) and path.is_file()]
    by_key: dict[str, list[Path]] = defaultdict(list)
    for path in image_files:
        by_key[_plain(path.stem)].append(path)
    masks = [
        path for path in image_files if (bare := _bare(path.stem)) and [p for p in by_key.get(bare, ()) if p != path]
    ]
    pair = Pair(images=folder, masks=folder, part=part)
    if not masks:
        return _match_both_marked(image_files, pair)
    images = [path for path in image_files if path not in set(masks)]
    return _match_lists(
        {path: _key(folder, path) for path in images}, {path: _key(folder, path) for path in masks}, pair
    )


def _match_both_marked(image_files: Sequence[Path], pair: Pair) -> Matches | None:
    """a_sat.jpg with a_mask.png: images have an end of their own. Only where each mask has its image."""
    masks = [path for path in image_files if _bare(path.stem)]
    images = [path for path in image_files if not _bare(path.stem)]
    if len(masks) < 2 or len(images) < 2:
        return None
    found = _match_lists(
        {path: _key(pair.images, path) for path in images}, {path: _key(pair.masks, path) for path in masks}, pair
    )
    return None if found.masks_left else found


def match_globs(root: Path, images: str, masks: str) -> Matches:
    """Images and masks by two patterns below `root`: what the wildcards of one stand for says which belong together.

    Raises DataError for patterns with different numbers of wildcards, or that find nothing.
    """
    image_files = image_files_below(root)
    keys = {}
    for name, pattern in (("images", images), ("masks", masks)):
        expression, wildcards = _expression(pattern)
        fitting = {
            path: found for path in image_files if (found := expression.fullmatch(path.relative_to(root).as_posix()))
        }
        if not fitting:
            raise DataError(f"data: {{{name}: {pattern!r}}} fits no picture below {root}")
        keys[name] = (
            {path: "\0".join(_plain(text) for text in found.groups()) for path, found in fitting.items()},
            wildcards,
        )
    if keys["images"][1] != keys["masks"][1]:
        raise DataError(
            f"data: images {images!r} has {keys['images'][1]} wildcards and masks {masks!r} has {keys['masks'][1]}; "
            "they need as many, since what they stand for says which mask belongs to which image"
        )
    taken = keys["images"][0].keys() & keys["masks"][0].keys()
    if taken:
        raise DataError(f"{min(taken)} fits both data: images {images!r} and masks {masks!r}")
    pair = Pair(images=root, masks=root)
    return _exactly(keys["images"][0], keys["masks"][0], pair)


def part_of(pair: Pair, image: Path) -> str | None:
    """The part of the pair, or that of a folder between it and the image (images/train/a.jpg)."""
    if pair.part:
        return pair.part
    names = image.relative_to(pair.images).parts[:-1]
    return next((SPLIT_FOLDERS[name.lower()] for name in names[:1] if name.lower() in SPLIT_FOLDERS), None)


def _match_lists(image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair) -> Matches:
    done = _exactly(image_key, mask_key, pair)
    for simplify in (
        _without_image_suffix,
        _class_in_name,
        _class_in_folder,
        _folder_of_image,
        _without_word,
        _without_common,
        _bare_name,
    ):
        if not done.masks_left or not (done.images_left or simplify is _class_in_name):
            break
        more = simplify(done, image_key, mask_key, pair)
        guessed = tuple(more.found) if simplify in (_without_common, _bare_name) else ()
        done = Matches(
            found=done.found + more.found,
            images_left=more.images_left,
            masks_left=more.masks_left,
            guessed=done.guessed + guessed,
        )
    return done


def _exactly(image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair) -> Matches:
    image_of, mask_of = _unique(image_key), _unique(mask_key)
    both = image_of.keys() & mask_of.keys()
    return Matches(
        found=[_matched(image_of[key], [(mask_of[key], None)], pair) for key in sorted(both)],
        images_left=[path for key, path in image_of.items() if key not in both],
        masks_left=[path for key, path in mask_of.items() if key not in both],
    )


def _again(done: Matches, image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair) -> Matches:
    """What is left, by simpler keys. Keys that two files share match nothing."""
    images = _once({path: image_key[path] for path in done.images_left})
    masks = _once({path: mask_key[path] for path in done.masks_left})
    both = images.keys() & masks.keys()
    used = {images[key] for key in both} | {masks[key] for key in both}
    return Matches(
        found=[_matched(images[key], [(masks[key], None)], pair) for key in sorted(both)],
        images_left=[path for path in done.images_left if path not in used],
        masks_left=[path for path in done.masks_left if path not in used],
    )


def _without_image_suffix(
    done: Matches, image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair
) -> Matches:
    full = {path: image_key[path] + path.suffix.lower() for path in done.images_left}
    return _again(done, full, mask_key, pair)


def _without_word(done: Matches, image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair) -> Matches:
    plain = {path: _folder_key(key) + (_bare(_name_key(key)) or _name_key(key)) for path, key in mask_key.items()}
    found = _again(done, image_key, plain, pair)
    bare = {path: _folder_key(key) + (_bare(_name_key(key)) or _name_key(key)) for path, key in image_key.items()}
    more = _again(found, bare, plain, pair) if found.images_left and found.masks_left else None
    return (
        Matches(found=found.found + more.found, images_left=more.images_left, masks_left=more.masks_left)
        if more
        else found
    )


def _without_common(done: Matches, image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair) -> Matches:
    images = _cut_common({path: image_key[path] for path in done.images_left})
    masks = _cut_common({path: mask_key[path] for path in done.masks_left})
    return _again(done, images, masks, pair)


def _bare_name(done: Matches, image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair) -> Matches:
    """Sub-folders on one side only."""
    images = {path: _name_key(image_key[path]) for path in done.images_left}
    masks = {path: _name_key(mask_key[path]) for path in done.masks_left}
    if any("/" in image_key[path] for path in images) and any("/" in mask_key[path] for path in masks):
        return Matches(found=[], images_left=done.images_left, masks_left=done.masks_left)
    return _again(done, images, masks, pair)


def _class_in_name(done: Matches, image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair) -> Matches:
    """RectLabel's a_class_dent.png."""
    stems = {_plain(path.stem): path for path in done.images_left}
    by_image: dict[Path, list[tuple[Path, str | None]]] = defaultdict(list)
    for path in done.masks_left:
        named = _PER_CLASS.match(path.stem)
        if named and _plain(named["stem"]) in stems:
            by_image[stems[_plain(named["stem"])]].append((path, named["name"]))
    return _with_several(done, by_image, pair)


def _class_in_folder(done: Matches, image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair) -> Matches:
    """masks/dent/a.png and masks/scratch/a.png of images/a.jpg."""
    stems = {key: path for path, key in image_key.items() if path in set(done.images_left) and "/" not in key}
    by_image: dict[Path, list[tuple[Path, str | None]]] = defaultdict(list)
    for path in done.masks_left:
        parts = path.relative_to(pair.masks).parts
        key = _name_key(mask_key[path])
        if len(parts) == 2 and parts[0].lower() not in SPLIT_FOLDERS and key in stems:
            by_image[stems[key]].append((path, parts[0]))
    return _with_several(done, by_image, pair)


def _folder_of_image(done: Matches, image_key: Mapping[Path, str], mask_key: Mapping[Path, str], pair: Pair) -> Matches:
    """masks/a/0.png and masks/a/1.png, the objects of images/a.jpg, are drawn together."""
    image_of = _once({path: image_key[path] for path in done.images_left})
    by_image: dict[Path, list[tuple[Path, str | None]]] = defaultdict(list)
    for path in done.masks_left:
        image = image_of.get(_folder_key(mask_key[path])[:-1])
        if image is not None:
            by_image[image].append((path, None))
    return _with_several(done, by_image, pair)


def _with_several(done: Matches, by_image: Mapping[Path, list[tuple[Path, str | None]]], pair: Pair) -> Matches:
    used = {mask for masks in by_image.values() for mask, _ in masks}
    return Matches(
        found=[_matched(image, masks, pair) for image, masks in by_image.items()],
        images_left=[path for path in done.images_left if path not in by_image],
        masks_left=[path for path in done.masks_left if path not in used],
    )


def _matched(image: Path, masks: Sequence[tuple[Path, str | None]], pair: Pair) -> Match:
    return Match(image=image, masks=tuple(masks), part=part_of(pair, image))


def _unique(keys: Mapping[Path, str]) -> dict[str, Path]:
    by_key: dict[str, Path] = {}
    for path, key in keys.items():
        if key in by_key:
            raise DataError(f"{by_key[key]} and {path} have one stem, so it is unclear which belongs to which partner")
        by_key[key] = path
    return by_key


def _once(keys: Mapping[Path, str]) -> dict[str, Path]:
    counts = Counter(keys.values())
    return {key: path for path, key in keys.items() if counts[key] == 1}


def _without(key: str, endings: Sequence[str]) -> str:
    return next((key.removesuffix(ending) for ending in endings if key.endswith(ending)), key)


def _key(folder: Path, path: Path) -> str:
    return _plain(path.relative_to(folder).with_suffix("").as_posix())


def _plain(text: str) -> str:
    """One spelling of names that a person takes for the same: Unicode composed, case folded."""
    return unicodedata.normalize("NFC", text).casefold()


def _bare(stem: str) -> str | None:
    """The plain stem without a word that says mask; None where there is none."""
    plain = _plain(stem)
    bare = _MARK.sub("", plain)
    return bare if bare and bare != plain else None


def _folder_key(key: str) -> str:
    return key[: key.rfind("/") + 1]


def _name_key(key: str) -> str:
    return key.rsplit("/", 1)[-1]


def _cut_common(keys: Mapping[Path, str]) -> dict[Path, str]:
    """Keys without the beginning and end that all names share; digits that touch the rest are no part of them."""
    names = [_name_key(key) for key in keys.values()]
    if len(names) < 2:
        return dict(keys)
    prefix = re.sub(r"\d+$", "", _common_start(names))
    suffix = re.sub(r"^\d+", "", _common_start([name[len(prefix) :][::-1] for name in names])[::-1])
    cut = {}
    for path, key in keys.items():
        name = _name_key(key)[len(prefix) :]
        cut[path] = _folder_key(key) + (name[: len(name) - len(suffix)] if suffix else name)
    return cut


def _common_start(names: Sequence[str]) -> str:
    first, last = min(names), max(names)  # in order, these two differ soonest
    length = next((index for index, letter in enumerate(first) if letter != last[index]), len(first))
    return first[:length]


def _expression(pattern: str) -> tuple[re.Pattern[str], int]:
    """A pattern with **, * and ? as a regular expression with one group for each, and their number."""
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.removeprefix("./"))
    table = {"**": "(.*)", "**/": "(.*/)?", "*": "([^/]*)", "?": "([^/])"}
    return re.compile("".join(table.get(part, re.escape(part)) for part in parts)), sum(part in table for part in parts)
