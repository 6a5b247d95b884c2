"""The half of a worker that computes, in a process of its own.

The only place where TensorFlow runs. Methods answer with what can be sent: a record, or in one line why there is none.
"""

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.engine.spec import Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.engine.training.folds import on_folds
from bench.errors import DataError
from bench.records import EpochRecord
from bench.records.weights import check_weights_file
from search_spaces.views import PATCHES

_Pair = tuple[str, str]
"""A backbone and its pretrained weights."""

GRAPHS_SHARE = 2 / 3
"""Of a process's memory, from which on compiled graphs make room for new ones."""


@dataclass(frozen=True, slots=True)
class _OutOfMemory:
    reason: str


class Trainer:
    """Graphs, pixels and pretrained weights that outlive a trial. `memory_bytes` is what its process may hold before it
    is replaced; graphs are dropped before that."""

    def __init__(self, setup: TrialSetup, tell: Callable[[EpochRecord], None], memory_bytes: int) -> None:
        from bench.engine.devices import resolved_precision
        from bench.engine.training.graph_cache import GraphCache

        self._setup = setup
        self._tell = tell
        self._graphs = GraphCache(limit_bytes=int(GRAPHS_SHARE * memory_bytes))
        self._precision = resolved_precision(setup.precision)
        self._encoders: dict[_Pair, Any] = {}
        self._fingerprints: dict[_Pair, str] = {}
        self._pixels: dict[int, Any] = {}
        self._pictures: Any = None
        self._last_model: Any = None

    def device(self) -> str:
        """What it computes on, for people, and in which precision if that is not single."""
        from bench.engine.devices import describe

        return describe() if self._precision == "float32" else f"{describe()}, {self._precision}"

    def precision(self) -> str:
        return self._precision

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> str | None:
        from search_spaces.initial_weights import WeightsError

        try:
            for backbone, encoder_weights in pairs:
                self._encoder(backbone, encoder_weights)
        except WeightsError as error:
            return str(error)
        return None

    def run(self, spec: TrialSpec) -> TrialOutcome | str:
        """The outcome, or in one line why there is none. Raises DataError where the run's pixels are gone, which is no
        trial's fault."""
        found = self._tried(spec)
        if not isinstance(found, _OutOfMemory):
            return found
        # A trial must not fail for what others have left behind. What failed is free only here, with its frames gone.
        self._last_model = None
        self._graphs.drop(self._key(spec))
        return self.run(spec) if self._graphs.clear() else found.reason

    def _tried(self, spec: TrialSpec) -> TrialOutcome | str | _OutOfMemory:
        import tensorflow as tf

        from bench.engine.devices import peak_memory
        from bench.engine.training.trial import TrialError

        key = self._key(spec)
        try:
            with peak_memory() as memory:
                graph, reused = self._graphs.get(key)
                outcome = self._train(spec, graph, reused)
        except DataError:
            raise
        except TrialError as error:
            return str(error)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            return _OutOfMemory(f"out of memory: {_one_line(error)}")
        except Exception as error:
            logging.getLogger(__name__).exception("trial %s of %s", spec.trial_id, spec.study_id)
            self._graphs.drop(key)
            return f"{type(error).__name__}: {_one_line(error)}"
        self._last_model = graph.model
        told = outcome.record
        record = replace(told, peak_memory_bytes=memory.num_bytes, encoder_sha256=self._fingerprint(spec))
        return replace(outcome, record=record)

    def _train(self, spec: TrialSpec, graph: Any, reused: bool) -> TrialOutcome:
        """A trial whole. Of one on folds the epochs that it tells of count on from fold to fold."""
        from bench.engine.training.trial import TrialRun

        pixels, truth = self._open(graph.key.image_size), self._open(graph.key.evaluation_size)
        pretrained, native = self._pretrained(spec), self._native(spec)
        if spec.search_folds == 1:
            run = TrialRun(spec, self._setup, graph, pixels, truth, native=native)
            return run.train(pretrained=pretrained, reused=reused, on_epoch=self._tell)

        def train(spec: TrialSpec, fold: int) -> TrialOutcome:
            def tell(epoch: EpochRecord) -> None:
                self._tell(replace(epoch, epoch=epoch.epoch + fold * spec.epochs))

            run = TrialRun(spec, self._setup, graph, pixels, truth, search_fold=fold, native=native)
            return run.train(pretrained=pretrained, reused=reused or fold > 0, on_epoch=tell)

        return on_folds(spec, train)

    def model(self) -> bytes:
        """The last trial's weights as the content of a `.weights.h5` file."""
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "model.weights.h5"
            self._last_model.save_weights(path)
            return path.read_bytes()

    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored | str:
        """What `model`, the content of a weights file, says about the images `ids`; in one line why it cannot."""
        from bench.engine.training.patches import score_patches
        from bench.engine.training.scoring import score

        batch_size = int(spec.hyperparameters["batch_size"])
        try:
            graph, _ = self._graphs.get(self._key(spec))
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / "model.weights.h5"
                path.write_bytes(model)
                check_weights_file(path)
                graph.model.load_weights(path)
            pixels, truth = self._open(graph.key.image_size), self._open(graph.key.evaluation_size)
            native = self._native(spec)
            if native is not None:
                return score_patches(graph, native, truth, ids, batch_size)
            return score(graph, pixels, truth, ids, batch_size)
        except Exception as error:
            return f"{type(error).__name__}: {_one_line(error)}"

    def _key(self, spec: TrialSpec) -> Any:
        from bench.engine.devices import uses_xla
        from bench.engine.training.graph import GraphKey

        setup = self._setup
        steps = spec.epochs * setup.steps_per_epoch
        return GraphKey.of(
            spec.hyperparameters,
            num_classes=self._setup.num_classes,
            evaluation_size=self._setup.evaluation_size,
            threshold=self._setup.threshold,
            precision=self._precision,
            xla=uses_xla(setup.xla, steps),
        )

    def _pretrained(self, spec: TrialSpec) -> Any:
        pair = _encoder_of(spec)
        return self._encoder(*pair) if pair else None

    def _fingerprint(self, spec: TrialSpec) -> str | None:
        pair = _encoder_of(spec)
        return self._fingerprints[pair] if pair else None

    def _encoder(self, backbone: str, encoder_weights: str) -> Any:
        from search_spaces.initial_weights import fingerprint, load_encoder

        pair = (backbone, encoder_weights)
        if pair not in self._encoders:
            self._encoders[pair] = load_encoder(*pair)
            self._fingerprints[pair] = fingerprint(self._encoders[pair])
        return self._encoders[pair]

    def _native(self, spec: TrialSpec) -> Any:
        """Pictures at their own size, for a trial that sees them through windows; None for another."""
        from bench.datasets.native import open_native

        if spec.hyperparameters.get("view") != PATCHES:
            return None
        if self._pictures is None:
            self._pictures = open_native(self._setup.cache_directory)
        return self._pictures

    def _open(self, size: int) -> Any:
        from bench.datasets.cache import open_cache

        if size not in self._pixels:
            self._pixels[size] = open_cache(self._setup.cache_directory, size)
        return self._pixels[size]


def _encoder_of(spec: TrialSpec) -> _Pair | None:
    """Backbone and pretrained weights of its configuration; None for random weights."""
    values = spec.hyperparameters
    weights = str(values.get("encoder_weights", "none"))
    return None if weights == "none" else (str(values["backbone"]), weights)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]}…"
