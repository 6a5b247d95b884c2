"""Recipes and how they are trained on folds: the half of recipes.py that computes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from counted_lines import Line, told

from bench.datasets.cache import CachedPixels, open_cache, write_cache
from bench.engine.training.batch_statistics import statistics_rows
from bench.engine.training.batches import TrainingBatches, TrainingPlan, holders, in_batches
from bench.engine.training.graph import GraphKey, TrainingGraph
from bench.engine.training.graph_cache import GraphCache
from bench.engine.training.scoring import probability_maps
from bench.evaluation.counting import confusion_of, counts_of
from bench.evaluation.ensemble import at_size
from bench.evaluation.postprocess import class_ids
from bench.records import ClassCounts
from bench.run.setup import Examined
from search_spaces.initial_weights import load_encoder
from search_spaces.optimizers import SCHEDULES
from search_spaces.space import Space

if TYPE_CHECKING:
    from recipes import Recipe

PROBE_STEPS = 6
"""Of a training with --minutes that say what a step takes; the first compiles."""

STATISTICS_IMAGES_A_BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Development images of one set, decoded at every size that is asked for, and how trainings go."""

    cache: Path
    folds: tuple[tuple[str, ...], ...]
    num_classes: int
    evaluation_size: int
    space: Space
    encoders: dict[tuple[str, str], Any] = field(default_factory=dict)
    graphs: dict[float | None, GraphCache] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Examined, space: Space, sizes: Sequence[int], cache: Path) -> "Bench":
        """Decodes what is not locked."""
        development = [name for fold in found.split.folds for name in fold]
        fingerprint = found.dataset.fingerprint
        write_cache(found.source, development, {*sizes, found.evaluation_size}, cache, fingerprint=fingerprint)
        return cls(
            cache=cache,
            folds=found.split.folds,
            num_classes=len(found.dataset.classes) + 1,
            evaluation_size=found.evaluation_size,
            space=space,
        )

    def pixels(self, size: int) -> CachedPixels:
        return open_cache(self.cache, size)

    def parts(self, fold: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Images that train, and those of the fold."""
        others = sorted(name for number, ids in enumerate(self.folds) if number != fold for name in ids)
        return tuple(others), self.folds[fold]

    def graph(self, values: Mapping[str, Any], clip: float | None) -> TrainingGraph:
        """The compiled graph, shared by recipes that may share one."""
        key = GraphKey.of(values, num_classes=self.num_classes, evaluation_size=self.evaluation_size, threshold=0.5)
        return self.graphs.setdefault(clip, GraphCache(partial(_clipping, clip))).get(key)[0]

    def pretrained(self, values: Mapping[str, Any]) -> Any:
        pair = str(values.get("backbone")), str(values.get("encoder_weights", "none"))
        if pair[1] == "none":
            return None
        if pair not in self.encoders:
            self.encoders[pair] = load_encoder(*pair)
        return self.encoders[pair]


class Training:
    """One recipe on all folds but one: `run` gives what a line of --out says of it."""

    def __init__(self, bench: Bench, recipe: "Recipe", fold: int, seed: int) -> None:
        self.bench, self.recipe, self.seed = bench, recipe, seed
        self.values = recipe.hyperparameters(bench.space)
        self.train_ids, self.scored_ids = bench.parts(fold)
        self.pretrained = bench.pretrained(self.values)
        self.rate = float(self.values["learning_rate"])

    def run(self, *, steps: int | None, seconds: float | None) -> Line:
        """For so many `steps`, or as many as there is time for in `seconds`."""
        if steps is None:
            assert seconds is not None
            steps = max(1, int(seconds / self._probed_step_s()))
        self.step_times: list[float] = []
        graph, mean_weights = self._trained(steps)
        if mean_weights is not None:
            graph.model.set_weights(mean_weights)
        plain, mirrored = self._scored(graph)
        return {
            "steps": steps,
            "step_s": float(np.median(self.step_times)),
            "counts": told(plain),
            "mirrored": told(mirrored),
        }

    def _probed_step_s(self) -> float:
        """Mean over the sizes that are trained at, without the first step of each, which compiles."""
        return float(np.mean([self._pace(values) for values in self._phases()]))

    def _pace(self, values: Mapping[str, Any]) -> float:
        graph = self._begun(values)
        times = []
        for images, masks in self._batches(values, PROBE_STEPS):
            began = time.perf_counter()
            graph.train_step(images, masks)
            times.append(time.perf_counter() - began)
        return float(np.mean(times[1:]))

    def _phases(self) -> list[dict[str, Any]]:
        """Hyperparameters of each half: a smaller image size in the first, or one phase alone."""
        grow = [{**self.values, "image_size": self.recipe.grow}] if self.recipe.grow else []
        return [*grow, self.values]

    def _begun(self, values: Mapping[str, Any]) -> Any:
        graph = self.bench.graph(values, self.recipe.clip)
        graph.reset(values, seed=self.seed, pretrained=self.pretrained)
        return graph

    def _trained(self, steps: int) -> tuple[Any, list[np.ndarray] | None]:
        """The graph after its last step, and the running mean of its weights."""
        phases, done, before, averaged = self._phases(), 0, None, None
        factor = SCHEDULES[str(self.values["schedule"])][1]
        frozen = float(self.values.get("frozen_start", 0.0)) * steps
        for number, values in enumerate(phases):
            graph = self._begun(values)
            if before is not None:
                carry_over(before, graph)
            until = steps * (number + 1) // len(phases)
            for images, masks in self._batches(values, until, done):
                graph.set_learning_rate(self.rate * factor(done / steps))
                if frozen:
                    graph.set_frozen(done < frozen)
                began = time.perf_counter()
                self._step(graph, images, masks)
                self.step_times.append(time.perf_counter() - began)
                if self.recipe.average:
                    averaged = running_mean(averaged, graph.model.get_weights(), self.recipe.average, done)
                done += 1
            before = graph
        return graph, averaged

    def _step(self, graph: Any, images: np.ndarray, masks: np.ndarray) -> None:
        if self.recipe.encoder_rate == 1.0 or not self.pretrained:
            graph.train_step(images, masks)
            return
        encoder = [v for v in graph.model.trainable_variables if v.path.split("/")[-2] in self.pretrained]
        old = [variable.numpy() for variable in encoder]
        graph.train_step(images, masks)
        for variable, value in zip(encoder, old, strict=True):  # Adam's steps do not scale with their gradients
            variable.assign(value + self.recipe.encoder_rate * (variable.numpy() - value))

    def _batches(self, values: Mapping[str, Any], stop: int, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        pixels, batch_size = self.bench.pixels(int(values["image_size"])), int(values["batch_size"])
        oversampled = round(float(values.get("foreground_oversampling", 0.0)) * batch_size)
        plan = TrainingPlan(
            num_images=len(self.train_ids),
            batch_size=batch_size,
            steps_per_epoch=stop,
            seed=self.seed,
            oversampled=oversampled,
            holders=holders(pixels, self.train_ids, self.bench.num_classes) if oversampled else (),
        )
        made = TrainingBatches(pixels, self.train_ids, plan, float(values["augmentation"])).steps(stop)
        return islice(made, start, None)

    def _scored(self, graph: Any) -> tuple[dict[str, tuple[ClassCounts, ...]], ...]:
        """Counts of each image of the fold, plain and averaged with its mirrored copy. Batch statistics are
        re-estimated before."""
        pixels = self.bench.pixels(int(self.values["image_size"]))
        if graph.has_batch_norm:
            rows = statistics_rows(pixels.rows(self.train_ids))
            batches = in_batches(rows, STATISTICS_IMAGES_A_BATCH)
            graph.estimate_statistics([pixels.images[part] for part in batches])
        maps = probability_maps(graph, pixels, self.scored_ids, STATISTICS_IMAGES_A_BATCH)
        truth = self.bench.pixels(self.bench.evaluation_size)
        found: list[dict[str, tuple[ClassCounts, ...]]] = [{}, {}]
        for name, row, both in zip(maps.ids, truth.rows(maps.ids), maps.values, strict=True):
            for own, values in zip(found, both, strict=True):
                enlarged = at_size(values.astype(np.float32) / 255, self.bench.evaluation_size)
                confusion = confusion_of(
                    truth.masks[row], class_ids(enlarged, 0.5), truth.valid[row], self.bench.num_classes
                )
                own[name] = counts_of(confusion)
        return tuple(found)


def _clipping(clip: float | None, key: GraphKey) -> TrainingGraph:
    graph = TrainingGraph(key)
    graph.optimizer.global_clipnorm = clip  # read when the first step is traced
    return graph


def carry_over(old: Any, new: Any) -> None:
    """Weights and the optimiser's state of a graph to one of another image size."""
    new.model.set_weights(old.model.get_weights())
    for there, here in zip(new.optimizer.variables, old.optimizer.variables, strict=True):
        there.assign(here)


def running_mean(
    mean_of: list[np.ndarray] | None, weights: Sequence[np.ndarray], momentum: float, step: int
) -> list[np.ndarray]:
    """Its momentum grows with the steps, so that the first weights lose their influence (as with TensorFlow's
    `num_updates`)."""
    kept = min(momentum, (1 + step) / (10 + step))
    if mean_of is None:
        return [np.array(weight) for weight in weights]
    return [kept * before + (1 - kept) * weight for before, weight in zip(mean_of, weights, strict=True)]
