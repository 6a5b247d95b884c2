"""Undamaged car-body panels for the sample set: a curved, glossy surface that mirrors its surroundings.

A panel is a field of surface tilts, from which light and mirror image are computed. A dent only changes the tilts, so
it bends the reflections as a real one does. Lengths are in pixels of the rendering, tilts in radians, light is 0-1
linear-ish RGB.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

_PAINTS = (
    (0.80, 0.80, 0.78),
    (0.62, 0.63, 0.65),
    (0.40, 0.42, 0.44),
    (0.10, 0.10, 0.11),
    (0.55, 0.06, 0.07),
    (0.08, 0.14, 0.36),
    (0.12, 0.26, 0.45),
    (0.10, 0.22, 0.16),
    (0.45, 0.38, 0.28),
    (0.70, 0.52, 0.10),
    (0.30, 0.07, 0.10),
    (0.28, 0.30, 0.33),
)


@dataclass(slots=True, kw_only=True)
class Panel:
    """A panel while it is being made.

    `tilt_y` and `tilt_x` are float32 [H, W]. `body`, float32 [H, W], is 1 on painted metal, 0 on glass, trim, tyre and
    background. `albedo` is float32 [H, W, 3]. `gloss`, float32 [H, W], is how strongly the surroundings are mirrored.
    `paint` is the panel's own colour, float32 [3].
    """

    tilt_y: np.ndarray
    tilt_x: np.ndarray
    body: np.ndarray
    albedo: np.ndarray
    gloss: np.ndarray
    paint: np.ndarray


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: float) -> np.ndarray:
    """Noise float32 [H, W] with standard deviation near 1 and about `cells` bumps along the longer side."""
    scale = cells / max(shape)
    grid = rng.standard_normal((int(shape[0] * scale) + 3, int(shape[1] * scale) + 3), dtype=np.float32)
    return cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def coordinates(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """y and x, float32 [H, W], centred on 0, with the longer side from -0.5 to 0.5."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return (y - height / 2) / max(shape), (x - width / 2) / max(shape)


def sigmoid(value: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(value / 2)


def make_panel(rng: np.random.Generator, shape: tuple[int, int]) -> Panel:
    """A clean panel [H, W] with creases, gaps, trim, handle or wheel arch, each by chance."""
    y, x = coordinates(shape)
    turn = rng.normal(0, 0.12)
    cos, sin = math.cos(turn), math.sin(turn)
    across, along = y * cos - x * sin, y * sin + x * cos
    shown = np.array(_PAINTS[rng.integers(len(_PAINTS))]) * rng.uniform(0.8, 1.15) + rng.normal(0, 0.02, 3)
    paint = (np.clip(shown, 0.08, 0.95) ** 1.8).astype(np.float32)
    panel = Panel(
        tilt_y=rng.normal(0.0, 0.25) - rng.uniform(0.4, 1.4) * across + 0.05 * smooth_noise(rng, shape, 2),
        tilt_x=rng.normal(0.0, 0.2) + rng.uniform(-0.8, 0.8) * along + 0.05 * smooth_noise(rng, shape, 2),
        body=np.ones(shape, np.float32),
        albedo=np.broadcast_to(paint, (*shape, 3)).copy(),
        gloss=np.full(shape, rng.uniform(0.12, 0.5), np.float32),
        paint=paint,
    )
    for _ in range(rng.integers(0, 3)):
        _add_crease(rng, panel, across, along)
    if rng.random() < 0.3:
        _add_arch(rng, panel, across, along)
    for _ in range(rng.integers(0, 3)):
        _add_gap(rng, panel, across, along)
    if rng.random() < 0.25:
        _add_trim(rng, panel, across, along)
    if rng.random() < 0.25:
        _add_handle(rng, panel, across, along)
    if rng.random() < 0.25:
        _add_window(rng, panel, across, along)
    if rng.random() < 0.2:
        _add_ground(rng, panel, across, along)
    return panel


def light(rng: np.random.Generator, panel: Panel) -> np.ndarray:
    """The panel in sharp focus, float32 [H, W, 3]: diffuse light plus the mirrored surroundings."""
    shape = panel.gloss.shape
    sun_y, sun_x = rng.uniform(0.4, 1.0), rng.normal(0, 0.5)
    diffuse = 0.55 + 0.9 * (panel.tilt_y * sun_y + panel.tilt_x * sun_x)
    tint = np.array([1, 1, 1], np.float32) + rng.normal(0, 0.05) * np.array([1, 0, -1], np.float32)
    seen = panel.albedo * np.clip(diffuse, 0.08, 1.5)[..., None] * tint
    seen += panel.gloss[..., None] * _surroundings(rng, panel)
    sparkle = 1 + rng.uniform(0, 0.05) * rng.standard_normal(shape, dtype=np.float32)
    return (seen * sparkle[..., None]).astype(np.float32)


def _surroundings(rng: np.random.Generator, panel: Panel) -> np.ndarray:
    """What the surface mirrors, float32 [H, W, 3]: sky over a jagged horizon over ground, trunks or posts, lamps."""
    _, x = coordinates(panel.gloss.shape)
    up, side = 2 * panel.tilt_y, 2 * panel.tilt_x + x
    skyline = np.cumsum(rng.normal(0, 0.035, 160)) + 0.05 * (rng.random(160) < 0.12)
    skyline -= skyline.mean()
    horizon = rng.normal(0, 0.25) + _look_up(side, skyline)
    above = sigmoid((up - horizon) / rng.uniform(0.01, 0.12))[..., None]
    sky = np.array([0.85, 0.92, 1.0], np.float32) * rng.uniform(0.5, 1.1)
    cloud = 1 + 0.5 * _look_up(side + 0.3 * up, cv2.GaussianBlur(rng.standard_normal((1, 160)), (0, 0), 2)[0])
    ground = np.array([0.30, 0.28, 0.25], np.float32) * rng.uniform(0.3, 1.0)
    seen = above * sky * cloud[..., None] * (0.7 + 0.3 * np.clip(up, 0, 1))[..., None] + (1 - above) * ground
    for _ in range(rng.integers(0, 4)):
        at, width = rng.uniform(-1, 1), rng.uniform(0.01, 0.06)
        post = np.exp(-(((side - at + rng.normal(0, 0.1) * up) / width) ** 2)) * sigmoid((up + 0.2) / 0.1)
        seen *= (1 - rng.uniform(0.2, 0.6) * post)[..., None]
    for _ in range(rng.integers(0, 3)):
        at, width = rng.uniform(-0.6, 0.9), rng.uniform(0.008, 0.05)
        lamp = np.exp(-(((up - at - rng.normal(0, 0.2) * side) / width) ** 2))
        seen += rng.uniform(0.3, 1.5) * lamp[..., None]
    return seen


def _look_up(position: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """`profile` [n], spread over -3 to 3, at each position; float32."""
    column = ((position + 3) * ((len(profile) - 1) / 6)).astype(np.float32)
    row = np.zeros_like(column)
    return cv2.remap(profile[None].astype(np.float32), column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _add_crease(rng: np.random.Generator, panel: Panel, across: np.ndarray, along: np.ndarray) -> None:
    line = rng.uniform(-0.4, 0.4) + rng.normal(0, 0.08) * along + rng.normal(0, 0.15) * along**2
    sharpness = rng.uniform(0.002, 0.03)
    panel.tilt_y += rng.uniform(0.1, 0.5) * rng.choice([-1, 1]) * sigmoid((across - line) / sharpness)


def _add_gap(rng: np.random.Generator, panel: Panel, across: np.ndarray, along: np.ndarray) -> None:
    """The dark slit between two panels, whose rounded edges catch light; the panel beyond has another angle."""
    if rng.random() < 0.6:
        distance = along - rng.uniform(-0.45, 0.45) - rng.normal(0, 0.15) * across - rng.normal(0, 0.3) * across**2
    else:
        distance = across - rng.uniform(-0.4, 0.4) - rng.normal(0, 0.1) * along - rng.normal(0, 0.2) * along**2
    width = rng.uniform(0.004, 0.011)
    slit = sigmoid((width - np.abs(distance)) / 0.0012)
    panel.tilt_x += (0.5 * np.exp(-((distance / (2.2 * width)) ** 2)) * np.sign(distance)).astype(np.float32)
    panel.tilt_x += rng.normal(0, 0.08) * (distance > 0)
    panel.tilt_y += rng.normal(0, 0.05) * (distance > 0)
    panel.albedo *= (1 - 0.93 * slit)[..., None]
    panel.gloss *= 1 - 0.95 * slit


def _add_trim(rng: np.random.Generator, panel: Panel, across: np.ndarray, along: np.ndarray) -> None:
    """A rounded strip of black plastic or chrome."""
    half = rng.uniform(0.012, 0.04)
    distance = (across - rng.uniform(-0.4, 0.4) - rng.normal(0, 0.05) * along) / half
    inside = sigmoid((1 - np.abs(distance)) / 0.06)
    chrome = rng.random() < 0.4
    panel.tilt_y -= np.clip(distance, -1, 1) * 0.8 * inside
    _cover(panel, inside, (0.25, 0.25, 0.26) if chrome else (0.04, 0.04, 0.045), 0.7 if chrome else 0.07)


def _add_handle(rng: np.random.Generator, panel: Panel, across: np.ndarray, along: np.ndarray) -> None:
    """A door handle: a capsule over a shaded bowl."""
    cy, cx = rng.uniform(-0.3, 0.3), rng.uniform(-0.4, 0.4)
    length, half = rng.uniform(0.06, 0.12), rng.uniform(0.014, 0.024)
    bowl = np.exp(-((((along - cx) / (0.6 * length)) ** 2 + ((across - cy) / (2 * half)) ** 2) ** 2))
    panel.albedo *= (1 - 0.45 * bowl)[..., None]
    panel.gloss *= 1 - 0.5 * bowl
    beyond = np.maximum(np.abs(along - cx) - length, 0)
    radius = np.hypot(beyond, across - cy) / half
    inside = sigmoid((1 - radius) / 0.08)
    panel.tilt_y += inside * (-0.9 * (across - cy) / half - panel.tilt_y)
    if rng.random() < 0.5:
        _cover(panel, inside, (0.05, 0.05, 0.05), 0.15)
    else:
        _cover(panel, inside, tuple(panel.paint), 0.35, is_body=True)


def _add_arch(rng: np.random.Generator, panel: Panel, across: np.ndarray, along: np.ndarray) -> None:
    """A wheel arch at the lower edge: a bright lip, the dark well and the tyre in it."""
    cx, radius = rng.uniform(-0.5, 0.5), rng.uniform(0.2, 0.34)
    bottom = float(across.max())
    distance = np.hypot(along - cx, across - bottom - rng.uniform(0.0, 0.12)) - radius
    panel.tilt_y += (0.7 * np.exp(-((distance / 0.018) ** 2)) * (distance > 0)).astype(np.float32)
    inside = sigmoid(-distance / 0.003)
    _cover(panel, inside, (0.015, 0.015, 0.017), 0.0)
    tyre = sigmoid(-(distance + 0.035) / 0.006)
    grooves = 0.03 + 0.012 * np.sin(140 * np.arctan2(across - bottom, along - cx)) * (np.abs(distance + 0.06) < 0.02)
    panel.albedo = panel.albedo * (1 - tyre[..., None]) + (tyre * grooves)[..., None]
    rim = sigmoid(-(distance + 0.12) / 0.004)
    _cover(panel, rim, (0.28, 0.28, 0.30), 0.2)


def _add_window(rng: np.random.Generator, panel: Panel, across: np.ndarray, along: np.ndarray) -> None:
    """Glass in the upper part, with a rubber seal."""
    line = float(across.min()) + rng.uniform(0.08, 0.2) + rng.normal(0, 0.1) * along
    seal = sigmoid((line + 0.015 - across) / 0.002)
    _cover(panel, seal, (0.03, 0.03, 0.03), 0.04)
    glass = sigmoid((line - across) / 0.0015)
    panel.tilt_y += glass * rng.uniform(0.0, 0.5)
    _cover(panel, glass, (0.03, 0.04, 0.045), rng.uniform(0.3, 0.7))


def _add_ground(rng: np.random.Generator, panel: Panel, across: np.ndarray, along: np.ndarray) -> None:
    """What is seen below the sill: rough ground, in the shadow of the car near it."""
    shape = panel.gloss.shape
    sill = float(across.max()) - rng.uniform(0.08, 0.2) + rng.normal(0, 0.05) * along
    inside = sigmoid((across - sill) / 0.0015)
    panel.tilt_y -= (0.8 * np.exp(-(((across - sill) / 0.02) ** 2)) * (across < sill)).astype(np.float32)
    _cover(panel, inside, (0.14, 0.135, 0.13), 0.0)
    rough = 1 + 0.2 * smooth_noise(rng, shape, 160) + 0.15 * smooth_noise(rng, shape, 40)
    shadow = 1 - 0.75 * np.exp(-np.maximum(across - sill, 0) / 0.05)
    panel.albedo *= (1 + inside * (np.clip(rough, 0.2, 2) * shadow - 1))[..., None].astype(np.float32)


def _cover(panel: Panel, inside: np.ndarray, colour: tuple[float, ...], gloss: float, *, is_body: bool = False) -> None:
    panel.albedo = panel.albedo * (1 - inside[..., None]) + inside[..., None] * np.array(colour, np.float32)
    panel.gloss = panel.gloss * (1 - inside) + inside * gloss
    if not is_body:
        panel.body = panel.body * (1 - inside)
