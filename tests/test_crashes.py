"""kill -9 at every write and at random moments: nothing that was finished is lost, nothing runs twice, nothing is stuck.

Children of this process run whole experiments with an executor that trains nothing, and kill themselves. What they acknowledged
before they died comes back over a pipe.
"""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

import search_spaces.segmentation  # noqa: F401  imported once here, not in every child
from bench import run as runner
from bench.delivery import DESCRIPTION, NETWORK
from bench.engine.executor import Executor
from bench.errors import StoreError
from bench.experiments import Experiment
from bench.progress import PlainProgress
from bench.records import TrainingRecord, TrialRecord, durable
from bench.records.store import RunStore, load, load_arrays
from bench.run import open_run
from bench.run.final_evaluation import unit_name
from bench.run.setup import Material, prepare
from bench.tuners import ORACLES
from search_spaces.augmentations import build
from tests.delivery.stand_in import stand_in_deliver
from tests.engine.stand_in import StandInExecutor

pytestmark = pytest.mark.slow

TRIALS = 8
EVERY = 1 if os.environ.get("SEGBENCH_KILLS") == "all" else 4
"""One write in so many of a run is met by a kill; with SEGBENCH_KILLS=all each of them."""
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


@dataclass(slots=True)
class Killer:
    """Dies at write number `at` (counted from 0) in one of three phases; None: counts only. It counts writes to paths that match
    `of`."""

    at: int | None = None
    phase: str = "before"
    of: str = "*"
    writes: int = 0

    def dies(self, phase: str, path: object) -> None:
        if self.is_due(phase, path):
            os.kill(os.getpid(), signal.SIGKILL)

    def is_due(self, phase: str, path: object) -> bool:
        return self.writes == self.at and phase == self.phase and fnmatch(str(path), self.of)

    def count(self, path: object) -> None:
        self.writes += fnmatch(str(path), self.of)

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
    """What children said before they died: trials that were begun, and trials that were acknowledged as being on record."""

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


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Material:
    return drawn_material(tmp_path_factory.mktemp("data"))


def drawn_material(root: Path) -> Material:
    chosen = experiment("random", draw(root))
    build(0.5)  # imports what every child would import
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


def experiment(tuner: str, data: Path | str = "data") -> Experiment:
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
            "protocol": {
                "steps": 18,
                "steps_per_epoch": 2,
                "shortest_steps": 2,
                "keep_models": 2,
                "finalists": 1,
                "folds": 2,
                "final_seeds": 1,
            },
        }
    )


def in_child(
    root: Path,
    tuner: str,
    material: Material,
    killer: Killer,
    told: Told,
    *,
    places: int,
    pace_s: float,
    learning_curve: bool = False,
) -> bool:
    """Begins or resumes the run in a process of its own; whether it came to its end."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            _run(root, tuner, material, killer, writer, places=places, pace_s=pace_s, learning_curve=learning_curve)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    os.close(writer)
    told.listen(reader)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the run ended with an error of its own"
    return not os.WIFSIGNALED(status)


def _run(
    root: Path,
    tuner: str,
    material: Material,
    killer: Killer,
    pipe: int,
    *,
    places: int,
    pace_s: float,
    learning_curve: bool = False,
) -> None:
    class Paced(saying(StandInExecutor, pipe)):
        def events(self):
            time.sleep(pace_s)
            yield from super().events()

    executor = Paced(
        places,
        shuffle=3 if places > 1 else None,
        val_ids=material.split.val,
        folds=material.split.folds,
        test_ids=material.split.test,
        size=32,
    )
    chosen = experiment(tuner).model_copy(update={"learning_curve": learning_curve})
    run_with(lambda *_: executor, root, chosen, material, killer, pipe)


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
    material: Material,
    killer: Killer,
    pipe: int,
) -> None:
    """Begins or resumes the run in this process, on `make_executor`'s executor, and tells of every trial that is on record."""
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
        mock.patch.object(open_run, "deliver", stand_in_deliver),
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
    name = f"{training.contestant}, seed {training.seed}, fold {training.fold + 1}"
    if training.train_share == 1:
        return "finals", name
    return "learning curve", f"{name}, {training.train_share:.0%} of the images"


def require_whole(root: Path, told: Told) -> list[TrialRecord]:
    """A run that is over: every acknowledged trial is on record once, all of them are there, and none was begun again."""
    run = load(root / "results" / "killed")
    keys = [(trial.study_id, trial.trial_id) for trial in run.trials]
    assert run.record.status == "finished"
    assert len(keys) == len(set(keys)) == TRIALS
    trainings = [key_of(training) for training in run.trainings]
    assert len(trainings) == len(set(trainings)) == len(run.finals.contestants) * 2
    kept = [training.evidence for training in run.trainings]
    assert all(name and (root / "results" / "killed" / f"{name}.npz").is_file() for name in kept), "evidence was lost"
    assert set(told.acknowledged) <= {*keys, *trainings}, "a finished trial was lost"
    assert not told.repeated, "a finished trial was run again"
    assert 2 <= len(run.finals.contestants) <= 3
    of_references = Counter((each.reference, each.split) for each in run.evaluations if each.reference)
    assert set(of_references.values()) == {1}
    assert {name for name, part in of_references if part == "out_of_fold"} == {"predict_nothing", "mean_mask", "otsu"}
    assert {(proposal.study_id, proposal.trial_id) for proposal in run.proposals} == set(keys)
    models = {path.name for path in (root / "results" / "killed" / "models").iterdir()}
    assert len({name for name in models if not name.startswith(".")}) >= 1
    require_delivered(root / "results" / "killed")
    return list(run.trials)


def require_delivered(directory: Path) -> None:
    """The model, whole and alone, of weights that are there; and no file that a killed process left unfinished."""
    run = load(directory)
    units = {unit_name(training) for training in run.trainings}
    assert {path.name for path in (directory / "maps").iterdir()} == {f"{unit}.npz" for unit in units}
    assert {path.name for path in (directory / "members").iterdir()} == {f"{unit}.weights.h5" for unit in units}
    assert {path.name for path in (directory / "model").iterdir()} >= {NETWORK, DESCRIPTION}
    assert (directory / "model" / NETWORK).stat().st_size == run.delivery.num_bytes
    assert set(run.delivery.test) == set(run.split.test)
    assert {member.weights for member in run.delivery.members} <= {f"members/{unit}.weights.h5" for unit in units}
    shown = load_arrays(directory, "predictions/delivered")
    assert shown["masks"].shape == load_arrays(directory, "predictions/development")["truth"].shape
    assert not [path for path in directory.rglob("*") if path.name.endswith((".unfinished", ".new", ".old"))]


def kills_until_through(attempt: Callable[[Killer], bool], dice: random.Random, *, writes: tuple[int, int]) -> int:
    """Begins or resumes a run with killers that strike after so many writes, until one comes too late; how many did not."""
    kills = 0
    while not attempt(Killer(dice.randrange(*writes), dice.choice(PHASES))):
        kills += 1
        assert kills < 100, "the run does not get on"
    return kills


def configurations(trials: list[TrialRecord]) -> dict[str, dict]:
    return {trial.trial_id: dict(trial.hyperparameters) for trial in trials}


def test_killed_at_every_write_a_run_ends_as_if_it_had_not_been(material, tmp_path, say_at_the_end):
    counting, told = Killer(), Told()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _run(tmp_path / "whole", "random", material, counting, os.open(os.devnull, os.O_WRONLY), places=1, pace_s=0)
        os.write(writer, str(counting.writes).encode())
        os._exit(0)
    os.waitpid(child, 0)
    writes = int(os.read(reader, 20))
    expected = configurations(list(load(tmp_path / "whole" / "results" / "killed").trials))
    kills = 0
    for at in range(0, writes, EVERY):
        root, told = tmp_path / f"at{at}", Told()
        phase = PHASES[(at // 3 + at) % 3]  # many trials make three writes: each of them meets every phase
        assert not in_child(root, "random", material, Killer(at, phase), told, places=1, pace_s=0)
        kills += 1
        assert in_child(root, "random", material, Killer(), told, places=1, pace_s=0)
        assert configurations(require_whole(root, told)) == expected
    say_at_the_end(f"{kills} kills, at every write in {EVERY} of a run: 0 trials lost, 0 repeated, 0 stuck")
    assert kills == len(range(0, writes, EVERY))
    assert writes > 80


@pytest.mark.parametrize("places", [1, 3])
def test_killed_at_each_write_of_its_delivery_a_run_goes_on_and_delivers(material, tmp_path, say_at_the_end, places):
    """One run, killed before, in the middle of and after each of them in turn."""
    told, kills = Told(), 0
    for of in OF_A_DELIVERY:
        for phase in PHASES:
            killer = Killer(0, phase, of)
            assert not in_child(tmp_path, "random", material, killer, told, places=places, pace_s=0), (of, phase)
            kills += 1
    assert in_child(tmp_path, "random", material, Killer(), told, places=places, pace_s=0)
    require_whole(tmp_path, told)
    say_at_the_end(f"{kills} kills in a delivery, {places} at a time: 0 trials lost, 0 repeated, 0 stuck")
    assert kills == 3 * len(OF_A_DELIVERY)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("of", ["*/.model.old", "*/killed/model"])
def test_killed_while_it_takes_the_place_of_an_earlier_model_the_one_or_the_other_is_there(
    material, tmp_path, of, phase
):
    told, directory = Told(), tmp_path / "results" / "killed"
    assert in_child(tmp_path, "random", material, Killer(), told, places=1, pace_s=0)
    earlier = (directory / "model" / NETWORK).read_bytes()
    (directory / "delivery.json").unlink()  # else the resumed run knows that its model is there, and keeps it
    assert not in_child(tmp_path, "random", material, Killer(0, phase, of), told, places=1, pace_s=0)
    left = [path / NETWORK for path in (directory / "model", directory / ".model.old") if path.is_dir()]
    assert left
    assert {path.read_bytes() for path in left} == {earlier}
    assert in_child(tmp_path, "random", material, Killer(), told, places=1, pace_s=0)
    require_whole(tmp_path, told)


@pytest.mark.parametrize("places", [1, 3])
def test_killed_in_its_learning_curve_a_finished_run_goes_on_with_what_is_left_of_it(material, tmp_path, places):
    assert in_child(tmp_path / "base", "random", material, Killer(), Told(), places=places, pace_s=0)
    finals = load(tmp_path / "base" / "results" / "killed").trainings
    kills = 0
    for at in range(10, 100, 4):
        root, told, settings = tmp_path / f"at{at}", Told(), {"places": places, "pace_s": 0, "learning_curve": True}
        shutil.copytree(tmp_path / "base", root)
        if in_child(root, "random", material, Killer(at, PHASES[at // 4 % 3]), told, **settings):
            break
        kills += 1
        assert in_child(root, "random", material, Killer(), told, **settings)
        require_whole(root, Told())
        run = load(root / "results" / "killed")
        curve = [key_of(training) for training in run.curve_trainings]
        assert run.trainings == finals
        assert len(curve) == len(set(curve)) == 3 * 2
        assert set(told.acknowledged) <= set(curve), "a finished training was lost"
        assert not told.repeated, "a finished training was run again"
    assert kills >= 3


@pytest.mark.parametrize("places", [1, 3])
@pytest.mark.parametrize("tuner", ORACLES)
def test_killed_again_and_again_every_tuner_gets_to_its_end(material, tmp_path, say_at_the_end, tuner, places):
    told = Told()
    kills = kills_until_through(
        lambda killer: in_child(tmp_path, tuner, material, killer, told, places=places, pace_s=0),
        random.Random(f"{tuner}{places}"),
        writes=(3, 45),  # the delivery alone makes some 25, and begins again each time
    )
    require_whole(tmp_path, told)
    say_at_the_end(f"{tuner}, {places} at a time: {kills} kills at writes, 0 trials lost, 0 repeated, 0 stuck")
    assert kills >= 3


@pytest.mark.parametrize("places", [1, 3])
def test_killed_at_random_moments_runs_get_to_their_end(material, tmp_path, say_at_the_end, places):
    """One run after the other, each killed until it gets through, until there were enough kills."""
    dice, kills, runs = random.Random(places), 0, 0
    fork = os.fork

    def doomed() -> int:
        moment_s = dice.uniform(0.05, 0.8) * (1 + kills / 20)  # a slow machine gets to the end too
        child = fork()
        if child == 0:
            signal.setitimer(signal.ITIMER_REAL, moment_s)
        return child

    signal_before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    try:
        with mock.patch.object(os, "fork", doomed):
            while kills < 8:
                root, told = tmp_path / str(runs), Told()
                while not in_child(root, "random", material, Killer(), told, places=places, pace_s=0.05):
                    kills += 1
                    assert kills < 300, "the run does not get on"
                require_whole(root, told)
                runs += 1
    finally:
        signal.signal(signal.SIGALRM, signal_before)
    say_at_the_end(
        f"random moments, {places} at a time: {kills} kills of {runs} runs, 0 trials lost, 0 repeated, 0 stuck"
    )


def test_a_full_disk_stops_the_run_in_one_line_and_leaves_a_run_that_resumes(material, tmp_path):
    """A limit on the size of files, since a test may not fill the disk."""
    search = runner.OpenRun.search

    def on_a_small_disk(run) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))  # five trials' lines do not fit
        search(run)

    child = os.fork()
    if child == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            with mock.patch.object(runner.OpenRun, "search", on_a_small_disk):
                _run(tmp_path, "random", material, Killer(), nowhere, places=1, pace_s=0)
        except StoreError as error:
            (tmp_path / "said").write_text(str(error))
            os._exit(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 2
    directory = tmp_path / "results" / "killed"
    assert (
        tmp_path / "said"
    ).read_text() == f"cannot write {directory / 'trials.jsonl'}: the file size limit is reached"
    stopped = load(directory)
    assert stopped.record.status == "interrupted"
    assert 0 < len(stopped.trials) < TRIALS
    told = Told()
    assert in_child(tmp_path, "random", material, Killer(), told, places=1, pace_s=0)
    assert require_whole(tmp_path, told)[: len(stopped.trials)] == list(stopped.trials)


EXPERIMENT = """
name: killed
space: {architecture: [plain_unet], loss: [bce, dice], image_size: [32]}
trials: 1
protocol: {steps: 4, steps_per_epoch: 2, shortest_steps: 2, finalists: 1, folds: 2, final_seeds: 1}
"""


def test_a_run_that_is_killed_while_it_really_delivers_leaves_no_half_model_and_delivers_in_the_end(
    tmp_path, say_at_the_end
):
    """With TensorFlow, in processes of its own: the driver is killed, and the process that writes ends with it."""
    (tmp_path / "killed.yaml").write_text(EXPERIMENT)
    command = [
        *(sys.executable, "-m", "bench", "run", str(tmp_path / "killed.yaml"), "--data", str(draw(tmp_path / "data"))),
        *("--name", "killed", "--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")),
    ]
    directory, trained = tmp_path / "results" / "killed", []
    for stage in ("building member 1", "writing the model", "scoring"):
        resumed = ["--resume"] if directory.is_dir() else []
        assert killed_at([*command, *resumed], stage)
        assert not (directory / "model").exists()
        assert load(directory).delivery is None
        trained.append(load(directory).trainings)
    subprocess.run([*command, "--resume"], check=True, stdout=subprocess.DEVNULL)
    run = load(directory)
    assert trained == [run.trainings] * 3, "a finished training was lost or run again"
    assert (directory / "model" / NETWORK).stat().st_size == run.delivery.num_bytes
    assert set(run.delivery.test) == set(run.split.test)
    assert not list(directory.glob(".model*"))
    say_at_the_end(f"{len(trained)} kills of a driver that delivers: 0 trainings lost, 0 repeated, 0 stuck")


def killed_at(command: list[str], stage: str) -> bool:
    """Kills a run with SIGKILL when it says that it has come to `stage`; whether it did."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        for line in driver.stdout:
            if line.startswith(stage):
                driver.kill()
    return driver.returncode == -signal.SIGKILL
