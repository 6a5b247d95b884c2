"""kill -9 at every write and at random moments: nothing that was finished is lost, nothing runs twice,
nothing is stuck.

A sample of what `benchmarks/kills.py` does a thousand times.
"""

import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from bench import run as runner
from bench.delivery import NETWORK
from bench.errors import StoreError
from bench.records import TrialRecord
from bench.records.store import load
from bench.run.setup import PreparedData
from bench.tuners import ORACLES
from tests.killed import (
    EXPERIMENT,
    FINISHED,
    KILLED,
    OF_A_DELIVERY,
    PHASES,
    TRIALS,
    Killer,
    Told,
    draw,
    drawn_material,
    in_child,
    in_memory,
    key_of,
    killed_at,
    kills_until_through,
    lived,
    require_whole,
    stand_in_work,
)

pytestmark = pytest.mark.slow

EVERY = 1 if os.environ.get("SEGBENCH_KILLS") == "all" else 4
"""One write in so many of a run is met by a kill; with SEGBENCH_KILLS=all each of them."""


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> PreparedData:
    return drawn_material(tmp_path_factory.mktemp("data"))


@pytest.fixture
def root() -> Iterator[Path]:
    with in_memory() as folder:
        yield folder


@pytest.fixture(scope="module")
def whole(material) -> Iterator[tuple[Path, int]]:
    """A run that nobody killed, and how many writes it made."""
    with in_memory() as folder:
        counting, told = Killer(), Told()
        reader, writer = os.pipe()

        def work(killer: Killer, pipe: int) -> None:
            stand_in_work(folder, "random", material)(killer, pipe)
            os.write(writer, str(killer.writes).encode())

        assert lived(work, counting, told) == FINISHED
        yield folder, int(os.read(reader, 20))


def configurations(trials: list[TrialRecord]) -> dict[str, dict]:
    return {trial.trial_id: dict(trial.hyperparameters) for trial in trials}


def test_killed_at_every_write_a_run_ends_as_if_it_had_not_been(material, whole, root, say_at_the_end):
    finished, writes = whole
    expected = configurations(list(load(finished / "results" / "killed").trials))
    kills = 0
    for at in range(0, writes, EVERY):
        told, place = Told(), root / f"at{at}"
        phase = PHASES[(at // 3 + at) % 3]  # many trials make three writes: each of them meets every phase
        assert not in_child(place, "random", material, Killer(at, phase), told)
        kills += 1
        assert in_child(place, "random", material, Killer(), told)
        assert configurations(require_whole(place, told)) == expected
        shutil.rmtree(place)
    say_at_the_end(f"{kills} kills, at every write in {EVERY} of a run: 0 trials lost, 0 repeated, 0 stuck")
    assert kills == len(range(0, writes, EVERY))
    assert writes > 80


@pytest.mark.parametrize("slots", [1, 3])
def test_killed_at_each_write_of_its_delivery_a_run_goes_on_and_delivers(material, root, say_at_the_end, slots):
    """One run, killed before, in the middle of and after each of them in turn."""
    told, kills = Told(), 0
    for of in OF_A_DELIVERY:
        for phase in PHASES:
            killer = Killer(0, phase, of)
            assert not in_child(root, "random", material, killer, told, slots=slots), (of, phase)
            kills += 1
    assert in_child(root, "random", material, Killer(), told, slots=slots)
    require_whole(root, told)
    say_at_the_end(f"{kills} kills in a delivery, {slots} at a time: 0 trials lost, 0 repeated, 0 stuck")
    assert kills == 3 * len(OF_A_DELIVERY)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("of", ["*/.model.old", "*/killed/model"])
def test_killed_while_it_takes_the_place_of_an_earlier_model_the_one_or_the_other_is_there(
    material, whole, root, of, phase
):
    told, directory = Told(), root / "results" / "killed"
    shutil.copytree(whole[0], root, dirs_exist_ok=True)
    earlier = (directory / "model" / NETWORK).read_bytes()
    (directory / "delivery.json").unlink()  # else the resumed run knows that its model is there, and keeps it
    assert not in_child(root, "random", material, Killer(0, phase, of), told)
    left = [path / NETWORK for path in (directory / "model", directory / ".model.old") if path.is_dir()]
    assert left
    assert {path.read_bytes() for path in left} == {earlier}
    assert in_child(root, "random", material, Killer(), told)
    require_whole(root, told)


@pytest.mark.parametrize("slots", [1, 3])
def test_killed_in_its_last_training_a_run_goes_on_with_it_and_trains_no_network_of_all_images_twice(
    material, whole, root, slots
):
    told, directory, settings = Told(), root / "results" / "killed", {"slots": slots, "single": True}
    shutil.copytree(whole[0], root, dirs_exist_ok=True)
    weights = [Killer(0, phase, "*/members/*-all*.weights.h5") for phase in PHASES]
    for killer in (Killer(0, "after", "*/attempts.jsonl"), *weights):
        assert not in_child(root, "random", material, killer, told, **settings), killer
    assert in_child(root, "random", material, Killer(), told, **settings)
    run = load(directory)
    (member,) = run.delivery.members
    assert (run.record.status, run.delivery.refit, member.fold) == (FINISHED, True, None)
    begun = [key for key in told.begun if key[0] == "refit"]
    assert len(begun) == len(told.begun) == 3  # its weights were whole when the last kill came
    assert (directory / member.weights).read_bytes() == repr(begun[0]).encode()
    assert (directory / "model" / NETWORK).read_bytes() == repr(begun[0]).encode()
    assert not list(directory.rglob("*.unfinished"))


@pytest.mark.parametrize("slots", [1, 3])
def test_killed_in_its_learning_curve_a_finished_run_goes_on_with_what_is_left_of_it(material, whole, root, slots):
    finals = load(whole[0] / "results" / "killed").trainings
    kills = 0
    for at in range(10, 100, 4):
        place, told, settings = root / f"at{at}", Told(), {"slots": slots, "learning_curve": True}
        shutil.copytree(whole[0], place)
        if in_child(place, "random", material, Killer(at, PHASES[at // 4 % 3]), told, **settings):
            break
        kills += 1
        assert in_child(place, "random", material, Killer(), told, **settings)
        require_whole(place, Told())
        run = load(place / "results" / "killed")
        curve = [key_of(training) for training in run.curve_trainings]
        assert run.trainings == finals
        assert len(curve) == len(set(curve)) == 3 * 2
        assert set(told.acknowledged) <= set(curve), "a finished training was lost"
        assert not told.repeated, "a finished training was run again"
    assert kills >= 3


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("tuner", ORACLES)
def test_killed_again_and_again_every_tuner_gets_to_its_end(material, root, say_at_the_end, tuner, slots):
    told = Told()
    kills = kills_until_through(
        lambda killer: in_child(root, tuner, material, killer, told, slots=slots),
        random.Random(f"{tuner}{slots}"),
        writes=(3, 45),  # the delivery alone makes some 25, and begins again each time
    )
    require_whole(root, told)
    say_at_the_end(f"{tuner}, {slots} at a time: {kills} kills at writes, 0 trials lost, 0 repeated, 0 stuck")
    assert kills >= 3


@pytest.mark.parametrize("slots", [1, 3])
def test_killed_at_random_moments_runs_get_to_their_end(material, root, say_at_the_end, slots):
    """One run after the other, each killed until it gets through, until there were enough kills."""
    dice, kills, runs = random.Random(slots), 0, 0
    while kills < 8:
        place, told, ended = root / str(runs), Told(), KILLED
        work = stand_in_work(place, "random", material, slots=slots, pace_s=0.05)
        while ended == KILLED:
            moment_s = dice.uniform(0.05, 0.8) * (1 + kills / 20)  # a slow machine gets to the end too
            ended = lived(work, Killer(), told, moment_s=moment_s)
            kills += ended == KILLED
            assert kills < 300, "the run does not get on"
        assert ended == FINISHED
        require_whole(place, told)
        runs += 1
    say_at_the_end(
        f"random moments, {slots} at a time: {kills} kills of {runs} runs, 0 trials lost, 0 repeated, 0 stuck"
    )


def test_a_full_disk_stops_the_run_in_one_line_and_leaves_a_run_that_resumes(material, root):
    """A limit on the size of files, since a test may not fill the disk."""
    search = runner.run_search

    def on_a_small_disk(run) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))  # five trials' lines do not fit
        search(run)

    child = os.fork()
    if child == 0:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            with mock.patch.object(runner, "run_search", on_a_small_disk):
                stand_in_work(root, "random", material)(Killer(), nowhere)
        except StoreError as error:
            (root / "said").write_text(str(error))
            os._exit(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WEXITSTATUS(status) == 2
    directory = root / "results" / "killed"
    assert (root / "said").read_text() == f"cannot write {directory / 'trials.jsonl'}: the file size limit is reached"
    stopped = load(directory)
    assert stopped.record.status == "interrupted"
    assert 0 < len(stopped.trials) < TRIALS
    told = Told()
    assert in_child(root, "random", material, Killer(), told)
    assert require_whole(root, told)[: len(stopped.trials)] == list(stopped.trials)


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
