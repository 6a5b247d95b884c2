"""One look for every figure: quiet axes, colours that colour-blind readers can tell apart, labels beside what they
name."""

import io
import re
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from bench.formats import printable, shortened
from bench.report.figures.fonts import FAMILY, families_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image as Picture

COMPACT_IN = 4.6
"""Of a chart of the page: its text can be read on a phone, and two stand beside each other on a wide screen."""

WIDTH_IN = 8.0
DPI = 120
"""Of the markdown page's pictures, 960 pixels wide: GitHub shows about 880."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""Okabe and Ito, "Color Universal Design", 2008; yellow is left out because lines in it vanish on white."""

INK, MUTED, FAINT, ACCENT, PADDING_GREY = "#222222", "#6b6b6b", "#e3e3e3", PALETTE[0], "#d9d9d9"

PAPER, AXIS = "#ffffff", "#9a9a9a"

_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    FAINT: "--line",
    PAPER: "--paper",
    AXIS: "--axis",
    **{colour.lower(): f"--c{number}" for number, colour in enumerate(PALETTE)},
}
"""The page's variable for each colour that a figure may use, so that a chart follows the reader's theme."""

RC = {
    "axes.axisbelow": True,
    "axes.edgecolor": AXIS,
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "font.family": FAMILY,
    "font.size": 9,
    "svg.fonttype": "none",
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.color": MUTED,
    "ytick.labelsize": 8.5,
}


@cache
def look() -> dict[str, Any]:
    """`RC`, over Matplotlib's own defaults: a `matplotlibrc` in the working folder, which may be anybody's, changes no
    figure and starts no LaTeX."""
    from matplotlib import rcParams, rcParamsDefault

    of_windows = ("backend", "interactive", "toolbar", "webagg", "timezone")
    names = (name for name in rcParamsDefault if not name.startswith(of_windows))
    return {name: rcParamsDefault[name] for name in names if rcParams[name] != rcParamsDefault[name]} | RC


def new_figure(height_in: float, width_in: float = COMPACT_IN) -> "Figure":
    """An empty figure. It belongs to no window and to no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained", facecolor=PAPER)


def drawn(draw: Callable[[], "Figure"]) -> "Figure":
    """What `draw` returns, in the page's look."""
    import matplotlib

    with matplotlib.rc_context(look()):
        return draw()


def to_png(figure: "Figure") -> bytes:
    """A small PNG with a palette of 128 colours; nothing in it depends on the clock."""
    from PIL.Image import Dither, Quantize

    picture, buffer = _pixels(figure), io.BytesIO()
    picture.quantize(128, method=Quantize.MEDIANCUT, dither=Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def to_jpg(figure: "Figure") -> bytes:
    buffer = io.BytesIO()
    _pixels(figure).save(buffer, format="jpeg", quality=82, optimize=True)
    return buffer.getvalue()


def _pixels(figure: "Figure") -> "Picture":
    import matplotlib
    from PIL import Image

    buffer = io.BytesIO()
    _make_legible(figure)
    with matplotlib.rc_context(look()):
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return Image.open(buffer).convert("RGB")


def _make_legible(figure: "Figure") -> None:
    """Text in fonts that have its letters, in place of boxes; a letter that none has becomes a question mark. What matters has another
    name beside it, see `written`."""
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if not text.get_text().isascii()]
    for text in texts:
        families, lost = families_for([text.get_text()])
        text.set_fontfamily(list(families))
        if lost:
            text.set_text("".join("?" if letter in lost else letter for letter in text.get_text()))


def written(name: str, otherwise: str) -> str:
    """`name` where this machine has fonts for all its letters, else `otherwise`: for pictures, where no browser can help."""
    return otherwise if families_for([name])[1] else name


def to_svg(figure: "Figure", name: str, titles: Mapping[str, str], label: str) -> str:
    """An SVG element to stand in a page: text stays text, colours are the page's variables, and there is no style
    attribute, which a page's policy would refuse. Ids begin with `name`. `titles` are shown over the artists with
    that id; `label` is for screen readers."""
    import matplotlib

    buffer = io.StringIO()
    with warnings.catch_warnings(), matplotlib.rc_context({**look(), "svg.hashsalt": name}):
        # what a browser draws it draws in its own fonts; Matplotlib only measures the text here
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(printable(buffer.getvalue()))
    width, height = (float(root.attrib.pop(side).removesuffix("pt")) for side in ("width", "height"))
    root.attrib |= {
        "width": f"{width:.0f}",
        "height": f"{height:.0f}",
        "role": "img",
        "aria-label": label,
        "class": "plot",
        "stroke-linejoin": "round",
    }
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rsplit("}", 1)[-1] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _theme(element, name)
        title = titles.get(element.attrib.get("id", "").removeprefix(f"{name}-"))
        if title:
            element.attrib["class"] = "named"
            note = ElementTree.Element(f"{{{_SVG}}}title")
            note.text = printable(title)
            element.insert(0, note)
    return ElementTree.tostring(root, encoding="unicode")


_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", _SVG)
ElementTree.register_namespace("xlink", _XLINK)

_LINKED = re.compile(r"url\(#(.*?)\)")
_LONG = re.compile(r"-?\d+\.\d{3,}")


def _theme(element: ElementTree.Element, name: str) -> None:
    """Style becomes attributes, colours become variables, ids get the name of their figure, positions lose digits
    that no one sees."""
    attributes = element.attrib
    for declaration in filter(None, attributes.pop("style", "").split(";")):
        key, _, value = declaration.partition(":")
        attributes[key.strip()] = value.strip()
    for key in ("fill", "stroke"):
        variable = _VARIABLES.get(attributes.get(key, "").lower())
        if variable:
            attributes[key] = f"var({variable})"
    if "font-family" in attributes:
        attributes["font-family"] = "'DejaVu Sans', Verdana, sans-serif"
    if element.tag == f"{{{_SVG}}}text":
        attributes.setdefault("fill", "var(--ink)")
    for key, value in attributes.items():
        if key == "id":
            attributes[key] = f"{name}-{value}"
        elif key == f"{{{_XLINK}}}href":
            attributes[key] = f"#{name}-{value.removeprefix('#')}"
        elif key in ("d", "x", "y", "transform"):
            attributes[key] = _LONG.sub(lambda number: f"{float(number[0]):.2f}", " ".join(value.split()))
        else:
            attributes[key] = _LINKED.sub(lambda found: f"url(#{name}-{found[1]})", value)
    if element.text:
        element.text = element.text if element.text.strip() else ""
    element.tail = ""


LINE_IN = 0.19
"""The height of a line's name under a chart."""


def named_below(figure: "Figure", axes: "Axes", names: Mapping[str, str]) -> None:
    """The names of lines, by their gid, one a row under the axes, in the order of the lines' ends from above. The
    figure grows by what they take."""
    import numpy as np

    lines = [line for line in axes.get_lines() if line.get_gid() in names]
    if not lines:
        return
    lines.sort(key=lambda line: -float(np.asarray(line.get_ydata(), dtype=np.float64)[-1]))
    figure.set_figheight(figure.get_figheight() + LINE_IN * len(lines))
    figure.legend(
        lines,
        [shortened(names[str(line.get_gid())], 60) for line in lines],
        loc="outside lower left",
        frameon=False,
        fontsize=8.5,
        labelcolor="linecolor",
        handlelength=1.4,
    )


BASELINE = "mean training mask"


def baseline(axes: "Axes", value: float | None) -> None:
    """A dashed horizontal line at the mean training mask's IoU."""
    if value is not None:
        axes.axhline(value, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1, gid=BASELINE)
