"""Letters of any script in pictures: fonts of this machine that have them, since no one font has all."""

from collections.abc import Iterable
from functools import lru_cache

FAMILY = "DejaVu Sans"
"""The font of all figures, which comes with Matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew and more; no Chinese, no
Devanagari, few emoji."""

_NO_LETTERS = ("last resort", "lastresort", "adobe blank", "color emoji")
"""Parts of names of fonts that have a box for every letter, or pictures for letters, which Matplotlib cannot draw."""


def families_for(texts: Iterable[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """FAMILY, the installed fonts for letters of `texts` that it has not, and the letters that none of them has."""
    missing = frozenset(letter for text in texts for letter in text if letter.isprintable() and letter != " ")
    return _families(missing - _letters_of_family())


@lru_cache(maxsize=64)
def _families(missing: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """One style of each family is looked at; the first in alphabetical order that has a letter gives it."""
    families = [FAMILY]
    for name, path in sorted(_installed().items()) if missing else ():
        found = missing & _letters(path)
        if found:
            families.append(name)
            missing -= found
        if not missing:
            break
    return tuple(families), missing


@lru_cache(maxsize=1)
def _installed() -> dict[str, str]:
    """Upright fonts by family, with their files."""
    from matplotlib.font_manager import fontManager

    fonts = [
        font for font in fontManager.ttflist if font.style == "normal" and font.weight in (400, "normal", "regular")
    ]
    return {font.name: font.fname for font in fonts if not any(part in font.name.lower() for part in _NO_LETTERS)}


@lru_cache(maxsize=1)
def _letters_of_family() -> frozenset[str]:
    from matplotlib.font_manager import FontProperties, findfont

    return _letters(findfont(FontProperties(family=FAMILY)))


@lru_cache(maxsize=1024)
def _letters(path: str) -> frozenset[str]:
    """What a font can draw; nothing for a file that cannot be read."""
    from matplotlib.font_manager import get_font

    try:
        font = get_font(path)
        return frozenset(map(chr, font.get_charmap())) if font.scalable else frozenset()
    except (OSError, RuntimeError):
        return frozenset()
