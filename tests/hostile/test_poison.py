"""A trial that takes its whole container down: begun so often as it may be, and then a failed row with the reason."""

import os
import signal
from pathlib import Path

import pytest

from bench.records import COMPLETED, FAILED
from bench.records.store import load
from tests.engine.stand_in import StandInExecutor
from tests.killed import TRIALS, Killer, drawn_material, experiment, run_with

pytestmark = pytest.mark.slow


def session(root: Path, material, retries: int, poison: tuple[str, str], slots: int) -> int:
    """One session of the run in a process of its own, which dies when `poison` begins; its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]

    class Poisoned(StandInExecutor):
        def submit(self, spec):
            if spec.study_id == poison[0] and spec.trial_id.endswith(poison[1]):
                os.kill(os.getpid(), signal.SIGKILL)
            super().submit(spec)

    split = material.split
    executor = Poisoned(slots, val_ids=split.val, folds=split.folds, test_ids=split.test, size=32)
    chosen = experiment("random").model_copy(update={"retries": retries})
    try:
        run_with(lambda *_: executor, root, chosen, material, Killer(), os.open(os.devnull, os.O_WRONLY))
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
    os._exit(0)


@pytest.mark.parametrize(
    ("retries", "poison", "slots"),
    [
        (0, ("random-seed0", "0002"), 1),
        (1, ("random-seed0", "0002"), 1),
        (1, ("random-seed0", "0002"), 3),
        (1, ("finals", "fold 1"), 1),
    ],
)
def test_a_trial_that_takes_the_container_down_is_begun_so_often_as_it_may_be(
    retries: int, poison: tuple[str, str], slots: int, tmp_path: Path
) -> None:
    material = drawn_material(tmp_path / "data")
    ends = []
    while not ends or os.WIFSIGNALED(ends[-1]):
        ends.append(session(tmp_path, material, retries, poison, slots))
        assert len(ends) < 20, "the run does not get on"
    assert ends[-1] == 0
    run = load(tmp_path / "results" / "killed")
    rows = run.trials if poison[0] != "finals" else [each for each in run.trainings if each.fold == 0]
    failed = [each for each in rows if each.status == FAILED]
    assert len(ends) - 1 == (retries + 1) * len(failed)
    assert all("attempts ended with the whole run" in (each.error or "") for each in failed)
    if poison[0] != "finals":
        assert len(run.trials) == TRIALS
        assert [each.trial_id for each in failed] == ["0002"]
        assert {each.status for each in run.trials} == {FAILED, COMPLETED}
    else:
        assert len(failed) == len(rows) > 1, "every candidate lost its training on that fold"
    assert run.record.status == "finished"
