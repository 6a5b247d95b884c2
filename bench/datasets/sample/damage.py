"""Scratches, dents and chips for the sample set, each with the outline that a person would draw around it."""

import math
from collections.abc import Callable, Mapping

import cv2
import numpy as np

from bench.datasets.sample.panel import Panel, coordinates, smooth_noise

Damage = Callable[[np.random.Generator, Panel, float], np.ndarray]
"""Draws damage of about `area` pixels on a panel and returns its outline as a filled mask, bool [H, W]."""


_MOST_DAMAGES = 40


def add_damage(rng: np.random.Generator, panel: Panel, share: float) -> np.ndarray:
    """Damages the panel until outlines cover about `share` (0-1) of it; the mask, bool [H, W]."""
    shape = panel.gloss.shape
    total = np.zeros(shape, bool)
    target = share * total.size
    kinds = list(DAMAGES)
    for _ in range(_MOST_DAMAGES):
        if total.sum() >= 0.85 * target:
            break
        missing = target - total.sum()
        area = missing * (1 if missing < 0.06 * total.size else rng.uniform(0.7, 1.0))
        likely = np.array([0.6, 1.0, 0.3 if area < 0.03 * total.size else 0.05])
        drawn = DAMAGES[kinds[rng.choice(len(kinds), p=likely / likely.sum())]](rng, panel, area)
        total |= drawn & (panel.body > 0.5)
    return total


def scratch(rng: np.random.Generator, panel: Panel, area: float) -> np.ndarray:
    """One or several strokes side by side, bent, broken, bright with primer, dark with dirt, with a paint edge."""
    shape = panel.gloss.shape
    margin = rng.uniform(0.022, 0.028) * max(shape)
    length = float(np.clip(area / (2.6 * margin), 0.06 * max(shape), 0.8 * max(shape)))
    strands = max(1, round(area / (length * 2.6 * margin) * rng.uniform(1, 2.5)))
    spread = max(0.0, (area / length - 2 * margin) / 2)
    spine = _curve(rng, _point_of(rng, panel), length, rng.uniform(0, 2 * np.pi))
    depth, edge = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for _ in range(min(strands, 14)):
        offset = rng.normal(0, 0.5, 2) * spread + rng.normal(0, 0.002 * max(shape), 2)
        strand = spine + offset + _wobble(rng, len(spine)) * 0.004 * max(shape)
        first, last = sorted(rng.choice(len(strand), 2, replace=False)) if strands > 1 else (0, len(strand) - 1)
        _stroke(rng, depth, strand[first : last + 1], rng.uniform(4.0, 8.0))
        _stroke(rng, edge, strand[first : last + 1] + rng.uniform(1, 2, 2), rng.uniform(0.8, 1.5))
    outline = cv2.GaussianBlur(((depth > 0.3) & (panel.body > 0.5)).astype(np.float32), (0, 0), 0.7 * margin)
    if strands > 2:
        scuff = cv2.GaussianBlur(depth, (0, 0), 0.012 * max(shape)) * np.abs(smooth_noise(rng, shape, 60))
        depth = np.maximum(depth, np.clip(1.5 * scuff, 0, 0.5))
    bright = panel.paint.mean() < 0.3  # the primer that is seen the better
    bare = np.array([0.68, 0.66, 0.61] if bright else [0.05, 0.045, 0.04], np.float32)
    strength = rng.uniform(0.85, 1.0)
    panel.albedo *= (1 - 0.4 * strength * edge * panel.body)[..., None]
    _paint(panel, strength * depth, bare)
    return _drawn_by_hand(rng, outline > 0.03)


def dent(rng: np.random.Generator, panel: Panel, area: float) -> np.ndarray:
    """A hollow: nothing but tilts, so light and reflections bend; now and then with a sharp fold."""
    shape = panel.gloss.shape
    y, x = coordinates(shape)
    centre = _point_of(rng, panel)
    cx, cy = ((centre - (shape[1] / 2, shape[0] / 2)) / max(shape)).tolist()
    ratio, angle = rng.uniform(1, 2.6), rng.uniform(0, math.pi)
    stretch, radius = math.sqrt(ratio), math.sqrt(area / math.pi) / max(shape)
    cos, sin = math.cos(angle), math.sin(angle)
    u = ((x - cx) * cos + (y - cy) * sin) / (radius * stretch)
    v = ((y - cy) * cos - (x - cx) * sin) * stretch / radius
    r2 = (u * u + v * v) * (1 + 0.18 * smooth_noise(rng, shape, 5))
    depth = -np.exp(-((np.maximum(r2, 0) * 1.35) ** rng.uniform(0.9, 1.6)))
    if rng.random() < 0.45:
        depth *= 1 + 0.6 * np.tanh((v + 0.3 * u * u + rng.normal(0, 0.2)) / 0.12)
    if area > 0.03 * depth.size:
        depth *= 1 + 0.35 * smooth_noise(rng, shape, 2.5 / radius**0.5)
    steep_y, steep_x = (cv2.GaussianBlur(part, (0, 0), 1.5) for part in np.gradient(depth.astype(np.float32)))
    scale = rng.uniform(2.0, 3.2) / (np.percentile(np.hypot(steep_y, steep_x)[r2 < 1.2], 90) + 1e-6)
    panel.tilt_y += (scale * steep_y * panel.body).astype(np.float32)
    panel.tilt_x += (scale * steep_x * panel.body).astype(np.float32)
    panel.albedo *= (1 + rng.uniform(0.4, 0.65) * depth * panel.body)[..., None].astype(np.float32)
    return _drawn_by_hand(rng, r2 < 1.0)


def chips(rng: np.random.Generator, panel: Panel, area: float) -> np.ndarray:
    """A few flakes off: irregular spots of primer or rust, with a dark rim."""
    shape = panel.gloss.shape
    count = int(rng.integers(1, 7))
    reach = math.sqrt(area) * rng.uniform(0.35, 0.8)
    centre = _point_of(rng, panel)
    primers = [
        np.array(colour, np.float32)
        for colour in ((0.55, 0.53, 0.48), (0.14, 0.14, 0.15), (0.2, 0.08, 0.03), (0.02,) * 3)
    ]
    primers = [colour for colour in primers if abs(float(np.log(colour.mean() / panel.paint.mean()))) > 0.7]
    primer = primers[rng.integers(len(primers))]
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    ragged = 0.5 * smooth_noise(rng, shape, 45) + 0.25 * smooth_noise(rng, shape, 110)
    bare, outline = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for _ in range(count):
        cx, cy = (centre + rng.normal(0, 0.5, 2) * reach).tolist()
        radius = max(0.006 * max(shape), math.sqrt(area / count / math.pi) * rng.uniform(0.45, 0.9))
        distance = np.hypot(x - cx, (y - cy) * rng.uniform(0.7, 1.4)) / radius + 0.6 * ragged
        bare = np.maximum(bare, np.clip((1 - distance) * radius / 1.5, 0, 1))
        cv2.circle(outline, (round(cx), round(cy)), max(2, round(1.35 * radius)), 1.0, -1)
    rim = cv2.GaussianBlur(bare, (0, 0), 1.6) * (1 - bare)
    panel.albedo *= (1 - 0.8 * rim)[..., None]
    _paint(panel, bare, primer)
    if not bare.any():
        return np.zeros(shape, bool)
    return _drawn_by_hand(rng, (outline > 0.5) | (cv2.GaussianBlur(bare, (0, 0), 3) > 0.15))


DAMAGES: Mapping[str, Damage] = {"scratch": scratch, "dent": dent, "chips": chips}


def _point_of(rng: np.random.Generator, panel: Panel) -> np.ndarray:
    """A point x, y of painted metal, anywhere but at the very edge."""
    height, width = panel.body.shape
    for _ in range(30):
        x, y = rng.uniform(0.06, 0.94, 2) * (width, height)
        if panel.body[int(y), int(x)] > 0.5:
            break
    return np.array([x, y])


def _curve(rng: np.random.Generator, middle: np.ndarray, length: float, heading: float) -> np.ndarray:
    """A smooth path [n, 2] of x, y through `middle` whose direction drifts."""
    steps = max(8, int(length / 3))
    turn = rng.normal(0, 0.5) * np.linspace(-1, 1, steps) + np.cumsum(rng.normal(0, 0.05, steps))
    path = np.cumsum(np.stack([np.cos(heading + turn), np.sin(heading + turn)], axis=1) * length / steps, axis=0)
    return path - path.mean(axis=0) + middle


def _wobble(rng: np.random.Generator, steps: int) -> np.ndarray:
    knots = np.linspace(0, 1, max(4, steps // 8))
    at = np.linspace(0, 1, steps)
    return np.stack([np.interp(at, knots, rng.normal(0, 1, len(knots))) for _ in range(2)], axis=1)


def _stroke(rng: np.random.Generator, target: np.ndarray, path: np.ndarray, width: float) -> None:
    """Adds a line of changing width and strength to `target`, with gaps."""
    strength = np.clip(
        0.8
        + 0.5
        * np.interp(
            np.arange(len(path)), np.arange(0, len(path) + 6, 6), rng.standard_normal(len(range(0, len(path) + 6, 6)))
        ),
        0,
        1,
    )
    layer = np.zeros_like(target)
    fixed = np.round(path * 16).astype(np.int32)
    for k in range(len(path) - 1):
        if strength[k] > 0.12:
            thick = max(1, round(width * (0.5 + 0.7 * strength[k])))
            cv2.line(layer, fixed[k].tolist(), fixed[k + 1].tolist(), float(strength[k]), thick, cv2.LINE_8, 4)
    np.maximum(target, layer, out=target)


def _paint(panel: Panel, amount: np.ndarray, colour: np.ndarray) -> None:
    amount = np.clip(amount, 0, 1) * panel.body
    panel.albedo = panel.albedo * (1 - amount[..., None]) + amount[..., None] * colour
    panel.gloss = panel.gloss * (1 - 0.85 * amount)


def _drawn_by_hand(rng: np.random.Generator, region: np.ndarray) -> np.ndarray:
    """`region` as polygons with few, slightly misplaced corners."""
    drawn = np.zeros(region.shape, np.uint8)
    outlines, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for outline in outlines:
        tolerance = 0.004 * cv2.arcLength(outline, True) + 0.5
        corners = cv2.approxPolyDP(outline, tolerance, True)[:, 0].astype(float)
        corners += rng.normal(0, 0.8, corners.shape)
        cv2.fillPoly(drawn, [np.round(corners).astype(np.int32)], 1)
    return drawn.astype(bool)
