"""Runs that are killed: what dies when, what a child acknowledged before it died, and what must be there in the end.

Children of this process run whole experiments with an executor that trains nothing, through the real store, and kill
themselves with SIGKILL. What they acknowledged before that comes back over a pipe. The tests (`test_crashes.py`,
`test_ray_crashes.py`) take a sample of it, `benchmarks/kills.py` a thousand.
"""

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

import search_spaces.segmentation  # noqa: F401  imported once here, not in every child
from bench import run as runner
from bench.delivery import DESCRIPTION, NETWORK
from bench.engine.executor import Executor
from bench.experiments import Experiment
from bench.progress import PlainProgress
from bench.records import Run, TrainingRecord, TrialRecord, durable, store
from bench.records.store import RunStore, load, load_arrays
from bench.run.final_evaluation import unit_name
from bench.run.scratch import scratch_folder
from bench.run.setup import PreparedData, prepare
from bench.run.stages import delivery as delivery_stage
from search_spaces.augmentations import build
from tests.delivery.stand_in import stand_in_deliver
from tests.engine.stand_in import StandInExecutor

TRIALS = 8
FOLDS = 2
PHASES = ("before", "half", "after")
OF_A_DELIVERY = (
    "*/members/*",
    "*/maps/*",
    "*/predictions/development.npz",
    "*/predictions/delivered.npz",
    "*/model.keras",
    "*/killed/model",
    "*/delivery.json",
)
"""What a run writes for its model, in this order; the first two once for each training of the final evaluation."""


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in the system's memory where there is one, which the next removes if this process is killed too. What a
    killed process has written is there whether the disk is fast or not: SIGKILL is no power cut."""
    memory = "/dev/shm"
    place = memory if os.access(memory, os.W_OK) else tempfile.gettempdir()
    with ExitStack() as stack:
        with mock.patch.object(tempfile, "tempdir", place):
            folder = stack.enter_context(scratch_folder())
        yield folder


@dataclass(slots=True)
class Killer:
    """Dies at write number `at` (counted from 0) in one of three phases; None: counts only.
    It counts writes to paths that match one of `of`."""

    at: int | None = None
    phase: str = "before"
    of: str | tuple[str, ...] = "*"
    writes: int = 0

    def dies(self, phase: str, path: object) -> None:
        if self.is_due(phase, path):
            os.kill(os.getpid(), signal.SIGKILL)

    def is_due(self, phase: str, path: object) -> bool:
        return self.writes == self.at and phase == self.phase and self._is_of(path)

    def count(self, path: object) -> None:
        self.writes += self._is_of(path)

    def _is_of(self, path: object) -> bool:
        patterns = (self.of,) if isinstance(self.of, str) else self.of
        return any(fnmatch(str(path), pattern) for pattern in patterns)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Every append, every replacement and every removal of a file is a write."""
        whole, replace, rename, unlink = durable._write_whole, Path.replace, Path.rename, Path.unlink

        def write(file, content: bytes) -> None:
            self.dies("before", file.name)
            if self.is_due("half", file.name):
                whole(file, content[: len(content) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            whole(file, content)
            self.dies("after", file.name)
            self.count(file.name)

        def renamed(path: Path, target: Path) -> Path:
            self.dies("before", target)
            if self.is_due("half", target):
                os.truncate(path, path.stat().st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            result = replace(path, target)
            self.dies("after", target)
            self.count(target)
            return result

        def published(path: Path, target: Path) -> Path:
            self.dies("before", target)
            self.dies("half", target)
            result = rename(path, target)
            self.dies("after", target)
            self.count(target)
            return result

        def removed(path: Path, missing_ok: bool = False) -> None:
            self.dies("before", path)
            self.dies("half", path)
            unlink(path, missing_ok)
            self.dies("after", path)
            self.count(path)

        with ExitStack() as stack:
            for target, name, wrapped in (
                (durable, "_write_whole", write),
                (Path, "replace", renamed),
                (Path, "rename", published),
                (Path, "unlink", removed),
            ):
                stack.enter_context(mock.patch.object(target, name, wrapped))
            yield


@dataclass(slots=True)
class Told:
    """What children said before they died: trials that were begun, and trials that were acknowledged
    as being on record."""

    begun: list[tuple[str, str]] = field(default_factory=list)
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)

    def listen(self, reader: int) -> None:
        """Hears a child until it ends or dies, in the middle of a line perhaps."""
        with os.fdopen(reader) as lines:
            for line in lines:
                if line.endswith("\n"):
                    self._hear(line)

    def _hear(self, line: str) -> None:
        what, *key = json.loads(line)
        if what == "begun":
            self.begun.append(tuple(key))
            if tuple(key) in self.acknowledged:
                self.repeated.append(tuple(key))
        else:
            self.acknowledged.append(tuple(key))


def drawn_material(root: Path) -> PreparedData:
    chosen = experiment("random", draw(root))
    build(0.5)  # imports what every child would import
    for kind in (*store._FILES.values(), *store._LATER.values(), *store._LINES.values()):
        store._adapter(kind)  # and what every child would make anew, for as long as a run takes
    return prepare(chosen.data, chosen.protocol, [32], root / "scratch", PlainProgress(write=lambda line: None))


def draw(root: Path) -> Path:
    """Twelve images of noise, whose masks are rectangles, as a folder."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for number in range(12):
        mask = np.zeros((32, 32), np.uint8)
        mask[number : number + 12, 8:20] = 255
        Image.fromarray(rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)).save(root / "images" / f"{number}.png")
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


def experiment(
    tuner: str,
    data: Path | str = "data",
    *,
    search_folds: int = 1,
    learning_curve: bool = False,
    single: bool | None = None,
) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "killed",
            "data": {"path": str(data)},
            "space": {
                "architecture": ["plain_unet"],
                "loss": ["bce", "dice", "focal", "tversky"],
                "augmentation": [0.0, 0.25, 0.5, 1.0],
                "image_size": [32],
                "learning_rate": [1e-3, 2e-3, 4e-3],
            },
            "tuners": [tuner],
            "trials": TRIALS,
            "retries": 10,  # a kill says nothing about the trial that was under way
            "learning_curve": learning_curve,
            "single": single,
            "protocol": {
                "steps": 18,
                "steps_per_epoch": 2,
                "shortest_steps": 2,
                "keep_models": 2,
                "finalists": 1,
                "folds": FOLDS,
                "search_folds": search_folds,
                "final_seeds": 1,
            },
        }
    )


Work = Callable[[Killer, int], None]
"""Begins or resumes a run in this process; the second is the pipe on which to tell what is acknowledged."""

FINISHED, KILLED = "finished", "killed"


def lived(work: Work, killer: Killer, told: Told, *, limit_s: int = 0, moment_s: float | None = None) -> str:
    """How a run ended in a process of its own: FINISHED, KILLED by its killer, or what else there was. It is ended by
    SIGALRM after `limit_s` seconds, and killed after `moment_s`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            if moment_s is not None:
                signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
                signal.setitimer(signal.ITIMER_REAL, moment_s)
            elif limit_s:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(limit_s)
            work(killer, writer)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    os.close(writer)
    told.listen(reader)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        code = os.WEXITSTATUS(status)
        return FINISHED if code == 0 else f"ended with exit code {code}"
    number = os.WTERMSIG(status)
    return KILLED if number == signal.SIGKILL else f"ended by {signal.Signals(number).name}"


def in_child(root: Path, tuner: str, material: PreparedData, killer: Killer, told: Told, **how: Any) -> bool:
    """Begins or resumes the run in a process of its own, as `stand_in_work` has it; whether it came to its end."""
    ended = lived(stand_in_work(root, tuner, material, **how), killer, told)
    assert ended in (FINISHED, KILLED), f"the run {ended}, by itself"
    return ended == FINISHED


def stand_in_work(
    root: Path, tuner: str, material: PreparedData, *, slots: int = 1, pace_s: float = 0.0, **chosen: Any
) -> Work:
    """A run without training, so many trials at once; `chosen` is of `experiment`."""

    def work(killer: Killer, pipe: int) -> None:
        class Paced(saying(StandInExecutor, pipe)):
            def events(self):
                time.sleep(pace_s)
                yield from super().events()

        executor = Paced(
            slots,
            shuffle=3 if slots > 1 else None,
            val_ids=material.split.val,
            folds=material.split.folds,
            test_ids=material.split.test,
            size=32,
        )
        run_with(lambda *_: executor, root, experiment(tuner, **chosen), material, killer, pipe)

    return work


def saying(kind: type, pipe: int) -> type:
    """An executor of that kind which tells of every trial that it begins."""

    class Saying(kind):
        def submit(self, spec):
            say(pipe, "begun", *spec.key)
            super().submit(spec)

    return Saying


def say(pipe: int, *words: str) -> None:
    os.write(pipe, json.dumps(words).encode() + b"\n")


def run_with(
    make_executor: Callable[..., Executor],
    root: Path,
    experiment: Experiment,
    material: PreparedData,
    killer: Killer,
    pipe: int,
) -> None:
    """Begins or resumes the run in this process, on `make_executor`'s executor, and tells of every trial
    that is on record."""
    append = RunStore.append

    def acknowledging(store, record):
        append(store, record)
        if isinstance(record, TrialRecord):
            say(pipe, "acknowledged", record.study_id, record.trial_id)
        elif isinstance(record, TrainingRecord):
            say(pipe, "acknowledged", *key_of(record))

    resume = (root / "results" / "killed" / "run.json").is_file()
    with (
        mock.patch.object(runner, "prepare", return_value=material),
        mock.patch.object(runner, "_started_workers", make_executor),
        mock.patch.object(runner, "_on_cluster", make_executor),
        mock.patch.object(delivery_stage, "deliver", stand_in_deliver),
        mock.patch.object(runner, "write_report"),
        mock.patch.object(runner, "write_index"),
        mock.patch.object(RunStore, "append", acknowledging),
        killer.watching(),
    ):
        runner.run_experiment(
            experiment,
            results=root / "results",
            reports=root / "reports",
            command="python -m bench run",
            resume=resume,
            progress=PlainProgress(write=lambda line: None),
        )


def key_of(training: TrainingRecord) -> tuple[str, str]:
    name = f"{training.candidate}, seed {training.seed}, fold {training.fold + 1}"
    if training.train_share == 1:
        return "finals", name
    return "learning curve", f"{name}, {training.train_share:.0%} of the images"


def keys_of(run: Run) -> list[tuple[str, str]]:
    """Every trial and training that is on record."""
    trainings = (*run.trainings, *run.curve_trainings)
    return [*((trial.study_id, trial.trial_id) for trial in run.trials), *map(key_of, trainings)]


def require_whole(root: Path, told: Told) -> list[TrialRecord]:
    """A run that is over: every acknowledged trial is on record once, all of them are there,
    and none was begun again."""
    run = load(root / "results" / "killed")
    assert set(told.acknowledged) <= set(keys_of(run)), "a finished trial was lost"
    assert not told.repeated, "a finished trial was run again"
    require_complete(root / "results" / "killed", run)
    return list(run.trials)


def require_complete(directory: Path, run: Run) -> None:
    """Everything that a finished run has, once."""
    assert run.record.status == FINISHED
    keys = [(trial.study_id, trial.trial_id) for trial in run.trials]
    assert len(keys) == len(set(keys)) == TRIALS
    assert {(proposal.study_id, proposal.trial_id) for proposal in run.proposals} == set(keys)
    assert run.finals is not None
    assert 2 <= len(run.finals.candidates) <= 3
    trainings = [key_of(training) for training in run.trainings]
    assert len(trainings) == len(set(trainings)) == len(run.finals.candidates) * FOLDS
    curve = [key_of(training) for training in run.curve_trainings]
    assert len(curve) == len(set(curve)) == (3 * FOLDS if run.experiment["learning_curve"] else 0)
    kept = [training.evidence for training in run.trainings]
    assert all(name and (directory / f"{name}.npz").is_file() for name in kept), "evidence was lost"
    of_references = Counter((each.reference, each.split) for each in run.evaluations if each.reference)
    assert set(of_references.values()) == {1}
    assert {name for name, part in of_references if part == "out_of_fold"} == {"predict_nothing", "mean_mask", "otsu"}
    if run.experiment["protocol"]["search_folds"] == 1:  # a race over folds keeps no weights
        models = {path.name for path in (directory / "models").iterdir()}
        assert len({name for name in models if not name.startswith(".")}) >= 1
    require_delivered(directory)


def require_delivered(directory: Path) -> None:
    """The model, whole and alone, of weights that are there; and no file that a killed process left unfinished."""
    run = load(directory)
    assert run.delivery is not None
    units = {unit_name(training) for training in run.trainings}
    assert {path.name for path in (directory / "maps").iterdir()} == {f"{unit}.npz" for unit in units}
    assert {path.name for path in (directory / "members").iterdir()} == {f"{unit}.weights.h5" for unit in units}
    assert {path.name for path in (directory / "model").iterdir()} >= {NETWORK, DESCRIPTION}
    assert (directory / "model" / NETWORK).stat().st_size == run.delivery.num_bytes
    assert set(run.delivery.test) == set(run.split.test)
    assert {member.weights for member in run.delivery.members} <= {f"members/{unit}.weights.h5" for unit in units}
    shown, development = (load_arrays(directory, f"predictions/{name}") for name in ("delivered", "development"))
    assert shown is not None
    assert development is not None
    assert shown["masks"].shape == development["truth"].shape
    assert not [path for path in directory.rglob("*") if path.name.endswith((".unfinished", ".new", ".old"))]


def kills_until_through(attempt: Callable[[Killer], bool], dice: random.Random, *, writes: tuple[int, int]) -> int:
    """Begins or resumes a run with killers that strike after so many writes, until one comes too late;
    how many did not."""
    kills = 0
    while not attempt(Killer(dice.randrange(*writes), dice.choice(PHASES))):
        kills += 1
        assert kills < 100, "the run does not get on"
    return kills


EXPERIMENT = """
name: killed
space: {architecture: [plain_unet], loss: [bce], image_size: [32]}
trials: 1
protocol: {steps: 4, steps_per_epoch: 2, shortest_steps: 2, finalists: 1, folds: 2, final_seeds: 1}
"""
"""A real one, with TensorFlow, as short as it can be."""


def killed_at(command: list[str], stage: str) -> bool:
    """Kills a run with SIGKILL when it says that it has come to `stage`; whether it did."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        for line in driver.stdout:
            if line.startswith(stage):
                driver.kill()
    return driver.returncode == -signal.SIGKILL
