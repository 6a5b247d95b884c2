"""What each pair of architecture and backbone has and costs: the table of `python -m bench models` and of
docs/models.md."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from bench.errors import UserError
from search_spaces.architectures import ARCHITECTURES
from search_spaces.backbones import BACKBONES
from search_spaces.defaults import DEFAULT

SIZES = (192, 384)
"""Sides of the images for which multiply-adds are told, pixels."""

Pair = tuple[str, str | None]
"""An architecture and its backbone, None where it has none."""

BEGIN, END = "<!-- written by python -m bench models --markdown docs/models.md -->", "<!-- end of what it writes -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of a network with one foreground class. `parameters` are its weights, `multiply_adds` those of an image by its
    side in pixels. `step_s` is a training step and `image_s` the prediction of an image, measured here; None where
    not."""

    architecture: str
    backbone: str | None
    parameters: int
    multiply_adds: Mapping[int, int]
    step_s: float | None = None
    image_s: float | None = None


def pairs(names: Sequence[str] = ()) -> list[Pair]:
    """Those that can be trained: all, or of them those with one of the architectures and one of the backbones in
    `names`, where it has any of that kind. Raises UserError for a name that is neither, or where nothing is left."""
    for name in names:
        if name not in ARCHITECTURES and name not in BACKBONES:
            raise UserError(
                f"{name!r} is neither an architecture nor a backbone; choose from "
                f"{', '.join([*ARCHITECTURES, *BACKBONES])}"
            )
    architectures = [name for name in names if name in ARCHITECTURES] or list(ARCHITECTURES)
    backbones = [name for name in names if name in BACKBONES]
    chosen = [pair for pair in _all_pairs() if pair[0] in architectures and (not backbones or pair[1] in backbones)]
    if not chosen:
        raise UserError(f"{' and '.join(names)} cannot be put together")
    return chosen


def usual_pairs() -> list[Pair]:
    """Each architecture with the default backbone, then the default architecture with each other backbone."""
    architecture, backbone = str(DEFAULT["architecture"]), str(DEFAULT["backbone"])
    first = [pair for pair in pairs() if pair[1] in (backbone, None)]
    return first + [pair for pair in pairs([architecture]) if pair not in first]


def costs(pairs: Sequence[Pair], sizes: Iterable[int] = SIZES) -> Iterator[Cost]:
    """Of each pair, backbone by backbone: of networks that are built without ever drawing their weights."""
    import keras

    from search_spaces.architectures.encoder_decoders import shared_encoders

    for backbone in dict.fromkeys(backbone for _, backbone in pairs):
        with shared_encoders():
            counted = [_cost(architecture, backbone, sizes) for architecture, other in pairs if other == backbone]
        keras.backend.clear_session()
        yield from counted


def measured(of: Cost, size: int, *, batch_size: int, steps: int) -> Cost:
    """With the median of `steps` training steps and predictions of a batch, after the first ones, which compile."""
    from bench.engine.training.graph import GraphKey, TrainingGraph
    from search_spaces.defaults import default_configuration
    from search_spaces.space import Space

    multiple = ARCHITECTURES[of.architecture].size_multiple
    if size % multiple:
        raise UserError(f"{size} px is no size of {of.architecture}: choose a multiple of {multiple}")
    backbone = (of.backbone,) if of.backbone else ()
    values = default_configuration(
        Space(architecture=(of.architecture,), backbone=backbone, image_size=(size,), batch_size=(batch_size,))
    )
    graph = TrainingGraph(GraphKey.of(values, num_classes=2, evaluation_size=size, threshold=0.5))
    graph.reset(values, seed=0, pretrained=None)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (batch_size, size, size, 3), dtype=np.uint8)
    masks = random.integers(0, 2, (batch_size, size, size), dtype=np.uint8)
    step_s = _seconds(lambda: float(graph.train_step(images, masks)), steps)
    image_s = _seconds(lambda: np.asarray(graph.predict(images)), steps) / batch_size
    return replace(of, step_s=step_s, image_s=image_s)


def markdown(told: Sequence[Cost]) -> Iterator[str]:
    """The lines of docs/models.md: the backbones, then what pairs have and cost."""
    yield from _table(
        ["backbone", "what it is", "encoder's parameters, millions", "ImageNet top-1, %", "weights come", "licence"],
        (
            [
                f"`{name}`",
                row.description,
                f"{row.params_m:.1f}",
                f"{row.top1:.1f}",
                row.source,
                row.licence,
            ]
            for name, row in BACKBONES.items()
        ),
    )
    yield ""
    sizes = list(told[0].multiply_adds)
    yield from _table(
        ["network", "parameters, millions", *(f"GMAC of an image of {size} px" for size in sizes)],
        (
            [
                f"`{each.architecture}`" + (f" / `{each.backbone}`" if each.backbone else ""),
                f"{each.parameters / 1e6:.2f}",
                *(f"{each.multiply_adds[size] / 1e9:.3f}" for size in sizes),
            ]
            for each in told
        ),
    )


def write_markdown(path: Path, told: Sequence[Cost]) -> None:
    """Puts `markdown` in the place of what stands between the two marks in the file. Raises UserError where they are
    not there."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError(f"{path} has no lines {BEGIN!r} and {END!r}, between which the tables go; write them into it")
    path.write_text("\n".join([before + BEGIN, *markdown(told), END]) + after, encoding="utf-8")


def _cost(architecture: str, backbone: str | None, sizes: Iterable[int]) -> Cost:
    import keras

    from search_spaces.multiply_adds import multiply_adds

    parameters, counted = 0, {}
    for size in sizes:
        with keras.StatelessScope():
            model = ARCHITECTURES[architecture].build(backbone, size, 1, "sigmoid")
        parameters, counted[size] = model.count_params(), multiply_adds(model)
    return Cost(architecture=architecture, backbone=backbone, parameters=parameters, multiply_adds=counted)


def _all_pairs() -> Iterator[Pair]:
    for name, row in ARCHITECTURES.items():
        if row.has_backbone:
            yield from ((name, backbone) for backbone, encoder in BACKBONES.items() if encoder.finest <= row.finest)
        else:
            yield name, None


def _seconds(act: Callable[[], object], times: int) -> float:
    act()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        taken.append(time.perf_counter() - started)
    return median(taken)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(row)} |"
