"""One look for every figure: quiet axes, colours that colour-blind readers can tell apart, labels beside what they name."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 8.0
DPI = 120
"""960 pixels wide: GitHub shows about 880."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""Okabe and Ito, "Color Universal Design", 2008; yellow is left out because lines in it vanish on white."""

INK, MUTED, FAINT, ACCENT, PADDING_GREY = "#222222", "#6b6b6b", "#e3e3e3", PALETTE[0], "#d9d9d9"

RC = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#9a9a9a",
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
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.color": MUTED,
    "ytick.labelsize": 8.5,
}


def new_figure(height_in: float) -> "Figure":
    """An empty figure of the page's width. It belongs to no window and to no global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, layout="constrained", facecolor="white")


def save(figure: "Figure", path: Path) -> None:
    """Writes a small file: PNG with a palette of 128 colours, or JPEG for photographs; nothing in it depends on the clock."""
    from PIL import Image

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    picture = Image.open(buffer).convert("RGB")
    if path.suffix == ".jpg":
        picture.save(path, quality=82, optimize=True)
    else:
        picture.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


def end_labels(axes: "Axes", labels: Sequence[tuple[float, str, str]], height_in: float, size: float = 8.5) -> None:
    """Names lines at the right edge of the axes: (height in data units, text, colour), moved apart where they would collide.

    `height_in` is the height of the whole figure, of which the axes take about three quarters.
    """
    low, high = axes.get_ylim()
    gap = 1.5 * size / 72 / (0.75 * height_in) * (high - low)
    placed = spread([height for height, _, _ in labels], gap, low, high)
    for position, (_, text, colour) in zip(placed, labels, strict=True):
        axes.text(
            1.015,
            position,
            text,
            transform=axes.get_yaxis_transform(),
            color=colour,
            fontsize=size,
            va="center",
            clip_on=False,
        )


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions in the same order and at least `gap` apart, each group of neighbours centred on its own mean.

    They stay within the limits as far as there is room for all of them.
    """
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    groups: list[list[float]] = []
    for index in order:
        groups.append([positions[index]])
        while len(groups) > 1 and _bottom(groups[-1], gap) < _bottom(groups[-2], gap) + gap * len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    placed = [_bottom(group, gap) + gap * step for group in groups for step in range(len(group))]
    for step in range(len(placed)):
        placed[step] = max(placed[step], low + gap * step)
    for step in range(len(placed)):
        placed[-1 - step] = min(placed[-1 - step], high - gap * step)
    moved = dict(zip(order, placed, strict=True))
    return [moved[index] for index in range(len(positions))]


def _bottom(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def baseline(axes: "Axes", value: float | None) -> None:
    """A dashed horizontal line at the mean training mask's IoU."""
    if value is not None:
        axes.axhline(value, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)


def baseline_label(value: float | None) -> list[tuple[float, str, str]]:
    """Its name among the labels at the right edge."""
    return [] if value is None else [(value, "mean training mask", MUTED)]
