"""What the colours of mask files mean: by name, or one colour on black; compared over the whole data set."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.datasets.dataset import ANY, VOID, DataOptions
from bench.datasets.formats.mask_files import Meaning
from bench.datasets.formats.mask_looks import COLOUR, MaskLook, hex_of
from bench.datasets.formats.verdict import Names, Verdict, is_colour
from bench.errors import DataError

_BLACK = 0
_ODD_SHARE = 0.2
_SHOWN = 6
"""Colours that a message lists."""

ByValue = Callable[[Sequence[MaskLook], Names, DataOptions], Verdict]
"""Decides about masks of one channel."""


def decide_by_colour(
    looks: Sequence[MaskLook], names: Names, options: DataOptions, *, by_value: ByValue, threshold: bytes
) -> Verdict:
    """The meaning of masks that tell classes by colour.

    A few coloured masks among many others are odd, and `by_value` decides about the others. `threshold` is the class id
    of each brightness of a lossy file. Raises DataError for several colours without names.
    """
    void = {int(str(value)[1:], 16) for value in options.ignore if is_colour(value)}
    if names.any_value:
        meaning = Meaning(source=COLOUR, colours=((_BLACK, 0), *((key, VOID) for key in void)), any_value=True)
        return Verdict(
            classes=names.foreground, meaning_of=dict.fromkeys((look.path for look in looks), meaning), odd={}
        )
    odd: dict[Path, str] = {}
    if not names.by_colour:
        looks, odd = _without_odd(looks)
        if not any(look.source == COLOUR for look in looks if not look.blank):
            found = by_value(looks, names, options)
            return replace(found, odd=odd)
    # Classes with named colours: every other colour is an error.
    id_of = {_BLACK: 0, **dict.fromkeys(void, VOID)}
    if names.by_colour:
        wrong = [name for name, value in names.values.items() if not is_colour(value)]
        if wrong:
            raise DataError(f'class {wrong[0]!r} in {names.said_by} has no colour while others have; write "#rrggbb"')
        id_of |= {int(str(value)[1:], 16): names.id_of(name) for name, value in names.values.items()}
        _require_known_colours(looks, id_of, names)
        _refuse_lossy_colours(looks)
        return _colour_verdict(looks, names.foreground, id_of, odd)
    # No colour is named: black and one other colour are background and foreground, more would be a guess.
    seen = {colour: look.path for look in reversed(looks) for colour in _foreground(look) - void}
    if len(seen) > 1 or not any(_BLACK in look.colours() for look in looks):
        _refuse_colours(seen)
    if len(names.foreground) > 1:
        colour, path = next(iter(seen.items()))
        raise DataError(
            f"{names.said_by} names ids while {path} is painted in the colour {hex_of(colour)}; "
            'name colours: classes: {name: "#rrggbb"}'
        )
    classes = names.foreground or ("foreground",)
    if any(look.lossy for look in looks):
        meaning = Meaning(source=COLOUR, brightest=True, table=threshold)
        return Verdict(classes=classes, meaning_of=dict.fromkeys((look.path for look in looks), meaning), odd=odd)
    return _colour_verdict(looks, classes, id_of | dict.fromkeys(seen, 1), odd)


def _without_odd(looks: Sequence[MaskLook]) -> tuple[list[MaskLook], dict[Path, str]]:
    """Where nearly all masks are black and white, those in colours are taken for mistakes, not for other classes."""
    coloured = [look for look in looks if look.source == COLOUR and not look.blank]
    plain = [look for look in looks if look.source != COLOUR and not look.blank]
    if len(coloured) > _ODD_SHARE * len(looks) or not plain:
        return list(looks), {}
    odd = {
        look.path: (
            f"mask {look.path} is painted in the colours {_listed(_foreground(look))} while "
            f'{len(plain)} others are not in colour; save class ids, or name colours with classes: {{name: "#rrggbb"}}'
        )
        for look in coloured
    }
    return [look for look in looks if look.path not in odd], odd


def _foreground(look: MaskLook) -> set[int]:
    colours = look.solid_colours() - {_BLACK} or set(look.colours()) - {_BLACK}
    return colours if not look.blank else set()


def _listed(colours: Iterable[int]) -> str:
    return ", ".join(hex_of(colour) for colour in sorted(colours)[:_SHOWN])


def _refuse_colours(seen: Mapping[int, Path]) -> None:
    shown = ", ".join(f"{hex_of(colour)} ({path.name})" for colour, path in sorted(seen.items())[:_SHOWN])
    more = f" and {len(seen) - _SHOWN} more" if len(seen) > _SHOWN else ""
    folder = next(iter(seen.values())).parent
    raise DataError(
        f"masks in {folder} are painted in several colours, {shown}{more}; "
        'say which is which with classes: {name: "#rrggbb"}, put CVAT\'s labelmap.txt beside the folder, '
        f"or make one class of them with classes: {{name: {ANY}}}"
    )


def _require_known_colours(looks: Sequence[MaskLook], id_of: Mapping[int, int], names: Names) -> None:
    for look in looks:
        strange = look.solid_colours() - id_of.keys()
        if strange and not look.lossy:
            known = ", ".join(f"{name} {value}" for name, value in names.values.items())
            raise DataError(
                f"mask {look.path} holds the colour {_listed(strange)}, which {names.said_by} does not name ({known}); "
                f'name it, or say ignore: ["{hex_of(min(strange))}"]'
            )


def _refuse_lossy_colours(looks: Sequence[MaskLook]) -> None:
    for look in looks:
        if look.lossy and not look.blank:
            raise DataError(
                f"mask {look.path} tells classes by colour in a lossy file ({look.lossy}), "
                "whose compression changes them; save masks as PNG"
            )


def _colour_verdict(
    looks: Sequence[MaskLook], classes: tuple[str, ...], id_of: Mapping[int, int], odd: Mapping[Path, str]
) -> Verdict:
    meaning = Meaning(source=COLOUR, colours=tuple(sorted(id_of.items())))
    return Verdict(classes=classes, meaning_of=dict.fromkeys((look.path for look in looks), meaning), odd=odd)
