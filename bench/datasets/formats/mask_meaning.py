"""What the values and colours of mask files mean, decided file by file; the files of one data set must agree.

Nothing is guessed from counts pooled over files. A file has readings that are possible for it:

- painted: nothing but 0 and 255, or with soft edges: greys in between that nowhere have an area of 3x3 pixels;
- ids: each value is a class, 255 beside small ones is void.

The rest follows from what all files have in common. If they have nothing in common, the error names two files that
contradict each other and the setting that decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bench.datasets.dataset import ANY, MOST_CLASSES, VOID, DataOptions
from bench.datasets.formats.mask_colours import decide_by_colour
from bench.datasets.formats.mask_files import Meaning
from bench.datasets.formats.mask_looks import ALPHA, COLOUR, INDEX, VALUE, MaskLook
from bench.datasets.formats.object_numbers import object_numbers
from bench.datasets.formats.odd_masks import refuse_upper_byte, without_photographs
from bench.datasets.formats.verdict import Names, Verdict
from bench.errors import DataError
from bench.records import Finding

THRESHOLD = 127
"""Grey values above it are foreground in masks painted with 0 and 255."""

PAINTED, IDS = "painted", "ids"

_DARK, _BRIGHT = 16, 240
_FEW_NOISE = 16
_EDGES_OF_DRAWN, _EDGES_OF_IMAGE = 0.5, 0.1


def decide(looks: Sequence[MaskLook], names: Names, options: DataOptions) -> Verdict:
    """Raises DataError where files contradict each other or say too little."""
    if names.any_value and len(names.values) > 1:
        raise DataError(f"classes has {ANY!r} beside other classes; {ANY!r} makes one class of everything")
    if names.values and not names.foreground and names.said_by == "classes":
        raise DataError("classes names the background alone; name what is to be found, too: classes: {NAME: VALUE}")
    if len(names.foreground) > MOST_CLASSES:
        raise DataError(f"{names.said_by} names {len(names.foreground)} classes; a mask can tell {MOST_CLASSES} apart")
    looks, photographs = without_photographs(looks)
    if photographs:
        found = decide(looks, names, options)
        return replace(found, odd={**photographs, **found.odd})
    if names.by_colour:
        return decide_by_colour(looks, names, options, by_value=_by_value, threshold=_threshold(set()))
    looks = _without_palettes(looks)
    used = [look for look in looks if not look.blank]
    alpha = [look for look in used if look.source == ALPHA]
    other = [look for look in used if look.source != ALPHA]
    if alpha and other:
        raise DataError(
            f"mask {alpha[0].path} has its drawing in the transparency (alpha) channel and mask {other[0].path} has "
            "not; save all of them in one way"
        )
    if any(look.source == COLOUR for look in used):
        return decide_by_colour(looks, names, options, by_value=_by_value, threshold=_threshold(set()))
    return _by_value(looks, names, options)


def _without_palettes(looks: Sequence[MaskLook]) -> list[MaskLook]:
    """Palettes that agree are read by index.

    Those that differ, and black with white, are read by colour, as a person sees them.
    """
    palettes = [look for look in looks if look.source == INDEX]
    colour_of: dict[int, tuple[int, ...]] = {}
    agree = all(
        colour_of.setdefault(value, colour) == colour for look in palettes for value, colour in look.palette.items()
    )
    black_and_white = {(0, 0, 0), (255, 255, 255)} >= set(colour_of.values())
    if agree and not black_and_white:
        return list(looks)
    return [_by_palette(look) if look.source == INDEX else look for look in looks]


def _by_palette(look: MaskLook) -> MaskLook:
    colours, solid = look.colours(), look.solid_colours()
    if all(colour >> 16 == (colour & 255) == (colour >> 8 & 255) for colour in colours):
        counts = {colour & 255: count for colour, count in colours.items()}
        return replace(look, source=VALUE, counts=counts, solid=frozenset(colour & 255 for colour in solid), palette={})
    return replace(look, source=COLOUR, counts=colours, solid=frozenset(solid), palette={})


def _by_value(looks: Sequence[MaskLook], names: Names, options: DataOptions) -> Verdict:
    ignored = {int(value) for value in options.ignore if str(value).isdecimal() and int(value) <= 65535}
    if names.any_value:
        return _anything(looks, names, ignored)
    if names.foreground:
        return _named(looks, names, ignored)
    reading = _common_reading(looks, ignored)
    if reading == PAINTED:
        return _verdict(looks, ("foreground",), _threshold(ignored), ())
    values = sorted({value for look in looks for value in _values(look, ignored)})
    findings = []
    refuse_upper_byte(looks, values)
    if max(values, default=0) > 255 or len(values) > MOST_CLASSES:
        raise DataError(
            f"{_holder(looks, max(values))} holds values up to {max(values)}, {len(values)} in all: "
            f"these look like object numbers, not classes; classes: {{NAME: {ANY}}} makes one class of all objects"
        )
    if VOID in values and len(values) > 1:
        values.remove(VOID)
        findings.append(_void_finding(looks, VOID))
    findings += object_numbers([look.path for look in looks if not look.blank], values)
    classes = tuple(f"class_{value}" for value in values) if len(values) > 1 else ("foreground",)
    table = _table({value: number for number, value in enumerate(values, start=1)}, {VOID, *ignored} - {*values})
    return _verdict(looks, classes, table, findings)


def _common_reading(looks: Sequence[MaskLook], ignored: set[int]) -> str:
    readings = {look.path: _readings(look, ignored) for look in looks}
    for look in looks:
        if not readings[look.path]:
            shown = ", ".join(map(str, sorted(_values(look, ignored))[:8]))
            raise DataError(
                f"mask {look.path} holds the values {shown}, neither 0 and 255 nor small class ids; "
                "say which is which with classes: {name: value, ...} (values of no class: ignore: [value])"
            )
    common = frozenset.intersection(*readings.values()) if readings else frozenset()
    if not common:
        painted = next((look for look in looks if readings[look.path] == {PAINTED}), None)
        ids = next((look for look in looks if readings[look.path] == {IDS}), None)
        if painted and ids:
            held = ", ".join(map(str, sorted({0, *_values(ids, ignored)})[:8]))
            raise DataError(
                f"mask {ids.path} holds {held.replace(', ', ' and ')} while others hold 0 and 255 ({painted.path}); "
                "save all of them with one pair of values, or name them with "
                "classes: {name: value} and ignore: [value]"
            )
    if common == {IDS, PAINTED}:
        return PAINTED
    if IDS in common and PAINTED not in common:
        _require_small_ids(looks, ignored)
        return IDS
    return PAINTED


def _readings(look: MaskLook, ignored: set[int]) -> frozenset[str]:
    values = _values(look, ignored)
    if not values:
        return frozenset({PAINTED, IDS})
    if look.lossy and values not in ({1}, {255}):
        return _lossy_readings(look, values)
    found = set()
    if values == {255} or _soft_edges(look, values):
        found.add(PAINTED)
    ids = values - {VOID}
    if ids and (max(ids) <= THRESHOLD or len(values) == 1 or (VOID not in values and max(ids) <= 4 * len(ids) + 20)):
        found.add(IDS)
    if max(ids, default=0) > 255 and VOID not in ignored:
        found.add(IDS)
    return frozenset(found)


def _soft_edges(look: MaskLook, values: set[int]) -> bool:
    """White, and greys without an area.

    Near black and near white a grey may have one: noise of an earlier compression.
    """
    if max(values) > 255 or _is_photograph(look):
        return False
    if not any(value >= _BRIGHT for value in values):  # a faint stroke: nothing but edges
        many = len(values) > _FEW_NOISE or (max(values) > THRESHOLD and len(values) > 2)
        return many and not look.solid & values
    if any(_DARK <= value < _BRIGHT for value in look.solid & values):
        return False
    if any(value < _DARK for value in look.solid & values) and len(values) <= _FEW_NOISE:
        return False
    return any(_DARK <= value < VOID for value in values)


def _is_photograph(look: MaskLook) -> bool:
    """Edges are a small part of what is drawn, or of the image; greys all over it are something else."""
    grey = sum(count for value, count in look.counts.items() if _DARK <= value < _BRIGHT)
    bright = sum(count for value, count in look.counts.items() if value >= _DARK)
    return grey > _EDGES_OF_DRAWN * bright and grey > _EDGES_OF_IMAGE * sum(look.counts.values())


def _lossy_readings(look: MaskLook, values: set[int]) -> frozenset[str]:
    if max(values) <= THRESHOLD or look.middle_share > 0.05 or _is_photograph(look):
        raise DataError(
            f"mask {look.path} holds class ids or greys in a lossy file ({look.lossy}), "
            "whose compression changes them; save masks as PNG"
        )
    return frozenset({PAINTED})


def _require_small_ids(looks: Sequence[MaskLook], ignored: set[int]) -> None:
    """255 is void beside ids that count up from 1; beside 60 or 100 it may as well be the white of three greys."""
    values = {value for look in looks for value in _values(look, ignored)}
    ids = values - {VOID}
    if VOID in values and ids and max(ids) > 3 * len(ids) + 21:
        shown = ", ".join(map(str, sorted(values)[:8]))
        raise DataError(
            f"{_holder(looks, VOID)} and others hold the values {shown}: whether 255 is void or a class is not clear; "
            "say ignore: [255], or classes: {name: value, ...}"
        )


def _anything(looks: Sequence[MaskLook], names: Names, ignored: set[int]) -> Verdict:
    lossy = [look for look in looks if look.lossy and not look.blank]
    painted = all(PAINTED in _readings(look, ignored) for look in looks) if lossy else False
    soft = not lossy and all(PAINTED in _readings(look, ignored) for look in looks)
    table = _threshold(ignored) if painted or soft else _table(dict.fromkeys(range(1, 256), 1), ignored)
    return _verdict(looks, names.foreground, table, (), any_value=True)


def _named(looks: Sequence[MaskLook], names: Names, ignored: set[int]) -> Verdict:
    id_of: dict[int, int] = {0: 0}
    for name, value in names.values.items():
        if not str(value).isdecimal() or not 0 <= int(value) <= 255 or (int(value) == 0 and names.id_of(name) != 0):
            raise DataError(
                f"class {name!r} stands for {value!r} in {names.said_by}; "
                f'mask files need an id from 1 to 255 (0 is background), a colour "#rrggbb", or {ANY}'
            )
        id_of[int(value)] = names.id_of(name)
    if len(names.foreground) == 1 and not _all_known(looks, id_of, ignored):
        found = _by_value(looks, Names(values={}), DataOptions(ignore=tuple(ignored)))
        if len(found.classes) == 1 and not any(set(id_of) - {0} & set(look.counts) for look in looks if _is_ids(look)):
            return replace(found, classes=names.foreground)
    findings: list[Finding] = []
    void = set(ignored)
    for look in looks:
        values = _values(look, ignored)
        if look.lossy and values and not values <= id_of.keys():
            _refuse_lossy(look)
        strange = sorted(values - id_of.keys())
        if VOID in strange and len(values) > 1 and max(id_of) < VOID:
            strange.remove(VOID)
            void.add(VOID)
        if strange:
            refuse_upper_byte([look], sorted(values))
            known = ", ".join(str(value) for value in id_of if value)
            raise DataError(
                f"mask {look.path} holds the ids {', '.join(map(str, strange[:8]))}; "
                f"{names.said_by} knows 0 (background), {known} (values that are no class: ignore: [value])"
            )
    if void - ignored:
        findings.append(_void_finding(looks, VOID))
    return _verdict(looks, names.foreground, _table(id_of, void), findings)


def _is_ids(look: MaskLook) -> bool:
    return not look.lossy and IDS in _readings(look, set())


def _all_known(looks: Sequence[MaskLook], id_of: Mapping[int, int], ignored: set[int]) -> bool:
    return all(_values(look, ignored) <= {*id_of, VOID} for look in looks) and any(
        set(id_of) - {0} & _values(look, ignored) for look in looks
    )


def _refuse_lossy(look: MaskLook) -> None:
    raise DataError(
        f"mask {look.path} holds class ids in a lossy file ({look.lossy}), whose compression changes them; "
        "save masks as PNG"
    )


def _values(look: MaskLook, ignored: set[int]) -> set[int]:
    return set(look.counts) - {0} - ignored


def _holder(looks: Sequence[MaskLook], value: int) -> str:
    return f"mask {next(look.path for look in looks if value in look.counts)}"


def _void_finding(looks: Sequence[MaskLook], value: int) -> Finding:
    holders = [look.path for look in looks if value in look.counts]
    message = (
        f"{len(holders)} masks hold {value} beside class ids ({holders[0].name} is one): "
        "read as void, left out of loss and metrics"
    )
    return Finding(kind="void_pixels", message=message)


def _threshold(ignored: set[int]) -> bytes:
    return _table({value: int(value > THRESHOLD) for value in range(256)}, ignored)


def _table(id_of: Mapping[int, int], void: set[int]) -> bytes:
    table = np.zeros(256, np.uint8)
    for value, number in id_of.items():
        table[value] = number
    for value in void:
        if value <= 255:
            table[value] = VOID
    return table.tobytes()


def _verdict(
    looks: Sequence[MaskLook],
    classes: tuple[str, ...],
    table: bytes,
    findings: Sequence[Finding],
    *,
    any_value: bool = False,
) -> Verdict:
    meaning_of = {
        look.path: Meaning(source=look.source if look.source != COLOUR else VALUE, table=table, any_value=any_value)
        for look in looks
    }
    return Verdict(classes=classes, meaning_of=meaning_of, findings=tuple(findings), odd={})
