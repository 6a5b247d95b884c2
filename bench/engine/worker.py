"""The process that trains. It is told what to do over a pipe, does one thing at a time, and may die without harm to the search.

The parent's half is `TrialWorker`; `_serve` and `Bench` run in the child, the only place where TensorFlow computes.
"""

import contextlib
import logging
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from bench.engine.spec import Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.errors import ExperimentError, StoreError, UserError
from bench.records import FAILED, EpochRecord, TrialRecord

_LOG_LINES = 3
_MODEL_BYTES = 2**28
_SILENCE_S = 1800.0
"""A worker that sends nothing for so long hangs: an epoch is bounded by the protocol, a graph compiles in a minute."""

MEMORY_SHARE = 0.6
"""A worker that has held more than this share of the machine's memory is replaced after its trial: TensorFlow gives little back."""


class TrialWorker:
    """A worker process, started at once and replaced when it dies. Use as a context manager."""

    def __init__(self, setup: TrialSetup, log: Path) -> None:
        self._setup = setup
        self._log = log
        self.starts = 0
        """How many processes there have been; a new one has no compiled graphs."""
        self._needs_rest = False
        self._start()

    def __enter__(self) -> "TrialWorker":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def process_id(self) -> int | None:
        return self._process.pid

    def device(self) -> str:
        """What the worker computes on, for people."""
        return str(self._ask("device"))

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Loads every (backbone, encoder_weights) pair once. Raises ExperimentError, one line, for the first that cannot be had."""
        problem = self._ask("check_weights", tuple(pairs))
        if problem:
            raise ExperimentError(problem)

    def run(self, spec: TrialSpec, on_epoch: Callable[[EpochRecord], None]) -> TrialOutcome:
        """Trains one trial. Whatever goes wrong in it, a dead process included, is a FAILED outcome."""
        started, started_at = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
        if self._needs_rest:
            self._needs_rest = False
            self._stop()
            self._start()
        try:
            result = self._ask("run", spec, on_epoch=on_epoch)
        except WorkerDiedError as death:
            self._start()
            result = str(death)
        if isinstance(result, TrialOutcome):
            self._needs_rest = (result.record.peak_memory_bytes or 0) > MEMORY_SHARE * psutil.virtual_memory().total
            return result
        record = TrialRecord(
            study_id=spec.study_id,
            trial_id=spec.trial_id,
            status=FAILED,
            hyperparameters=spec.hyperparameters,
            seed=spec.seed,
            epochs_planned=spec.epochs,
            wall_s=time.perf_counter() - started,
            started_at=started_at,
            error=result,
        )
        return TrialOutcome(record=record)

    def save_model(self, path: Path) -> None:
        """Writes the weights of the last trial's best epoch to `path` (`.weights.h5`). Raises StoreError."""
        problem = self._ask("save_model", path)
        if problem:
            raise StoreError(f"cannot write {path}: {problem}")

    def score_model(self, spec: TrialSpec, path: Path, ids: Sequence[str]) -> Scored:
        """Scores saved weights on `ids`. Raises StoreError where they cannot be read or scored."""
        scored = self._ask("score_model", spec, path, tuple(ids))
        if not isinstance(scored, Scored):
            raise StoreError(f"cannot score {path}: {scored}")
        return scored

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._setup, self._log), daemon=True)
        heeded = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child inherits it: Ctrl-C is the parent's business
        self._process.start()
        signal.signal(signal.SIGINT, heeded)
        theirs.close()
        self.starts += 1

    def _stop(self) -> None:
        self._process.kill()
        self._process.join()

    def _ask(self, method: str, *arguments: object, on_epoch: Callable[[EpochRecord], None] | None = None) -> Any:
        try:
            self._connection.send((method, arguments))
            while True:
                if not self._connection.poll(_SILENCE_S):
                    self._stop()
                answer = self._connection.recv()
                if not isinstance(answer, EpochRecord):
                    return answer
                if on_epoch is not None:
                    on_epoch(answer)
        except (EOFError, ConnectionError) as error:
            self._process.join()
            raise WorkerDiedError(self._process.exitcode, self._log) from error


class WorkerDiedError(UserError):
    """The worker process ended by itself; the message says how, with the last lines that it printed."""

    def __init__(self, exitcode: int | None, log: Path) -> None:
        code = exitcode or 0
        cause = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        if code == -signal.SIGKILL:
            cause += " (out of memory, if nobody else did it)"
        lines = log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:] if log.is_file() else []
        super().__init__(
            f"the worker process was {cause}" + (f"; its last words: {' | '.join(lines)}" if lines else "")
        )


class Bench:
    """The child's half: graphs, pixels and pretrained weights that outlive a trial."""

    def __init__(self, setup: TrialSetup, tell: Callable[[EpochRecord], None]) -> None:
        from bench.engine.graph_cache import GraphCache

        self._setup = setup
        self._tell = tell
        self._graphs = GraphCache()
        self._encoders: dict[tuple[str, str], Any] = {}
        self._pixels: dict[int, Any] = {}
        self._last_model: Any = None

    def device(self) -> str:
        from bench.engine.devices import describe

        return describe()

    def check_weights(self, pairs: Sequence[tuple[str, str]]) -> str | None:
        from search_spaces.initial_weights import WeightsError

        try:
            for backbone, encoder_weights in pairs:
                self._encoder(backbone, encoder_weights)
        except WeightsError as error:
            return str(error)
        return None

    def run(self, spec: TrialSpec) -> TrialOutcome | str:
        """The outcome, or in one line why there is none."""
        import tensorflow as tf

        from bench.engine.devices import peak_memory
        from bench.engine.training import TrialError, TrialRun

        key = self._key(spec)
        try:
            with peak_memory() as memory:
                graph, reused = self._graphs.get(key)
                run = TrialRun(spec, self._setup, graph, self._open(key.image_size), self._open(key.evaluation_size))
                outcome = run.train(pretrained=self._pretrained(spec), reused=reused, on_epoch=self._tell)
        except TrialError as error:
            return str(error)
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            self._graphs.drop(key)
            return f"out of memory: {_one_line(error)}"
        except Exception as error:
            logging.getLogger(__name__).exception("trial %s of %s", spec.trial_id, spec.study_id)
            self._graphs.drop(key)
            return f"{type(error).__name__}: {_one_line(error)}"
        self._last_model = graph.model
        return memory.added_to(outcome)

    def save_model(self, path: Path) -> str | None:
        """Why it could not be written, None when it is."""
        part = path.with_name(f"part-{path.name}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._last_model.save_weights(part)
            part.replace(path)
        except Exception as error:  # HDF5 has its own words for a full disk
            free = shutil.disk_usage(path.parent if path.parent.is_dir() else path.parent.parent).free
            part.unlink(missing_ok=True)
            return f"the disk has {free} bytes free" if free < _MODEL_BYTES else _one_line(error)
        return None

    def score_model(self, spec: TrialSpec, path: Path, ids: Sequence[str]) -> Scored | str:
        from bench.engine.training import score

        try:
            graph, _ = self._graphs.get(self._key(spec))
            graph.model.load_weights(path)
            pixels, truth = self._open(graph.key.image_size), self._open(graph.key.evaluation_size)
            return score(graph, pixels, truth, ids, int(spec.hyperparameters["batch_size"]))
        except Exception as error:
            return f"{type(error).__name__}: {_one_line(error)}"

    def _key(self, spec: TrialSpec) -> Any:
        from bench.engine.graph import GraphKey

        return GraphKey.of(
            spec.hyperparameters,
            num_classes=self._setup.num_classes,
            evaluation_size=self._setup.evaluation_size,
            threshold=self._setup.threshold,
        )

    def _pretrained(self, spec: TrialSpec) -> Any:
        values = spec.hyperparameters
        weights = str(values.get("encoder_weights", "none"))
        return None if weights == "none" else self._encoder(str(values["backbone"]), weights)

    def _encoder(self, backbone: str, encoder_weights: str) -> Any:
        from search_spaces.initial_weights import load_encoder

        pair = (backbone, encoder_weights)
        if pair not in self._encoders:
            self._encoders[pair] = load_encoder(*pair)
        return self._encoders[pair]

    def _open(self, size: int) -> Any:
        from bench.datasets.cache import open_cache

        if size not in self._pixels:
            self._pixels[size] = open_cache(self._setup.cache_directory, size)
        return self._pixels[size]


def _serve(connection: Connection, setup: TrialSetup, log: Path) -> None:
    """The child's loop; what libraries print goes to the run's log."""
    with log.open("ab", buffering=0) as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    from bench.engine.devices import prepare

    prepare()
    bench = Bench(setup, tell=connection.send)
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            method, arguments = connection.recv()
            connection.send(getattr(bench, method)(*arguments))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]}…"
