"""A thousand kill -9 over all phases of a run: what was lost, what ran twice, what got stuck.

    python benchmarks/kills.py [--kills 1000] [--only search,race] [--out kills.json]

A life is one run that is killed again and again, resumed each time, and finally left to end. It is drawn from the
phase's name and the life's number, so that `--life search:17` repeats one. In most phases the trainings are made up,
while the run, its store, its processes and the signal are real. `--out` keeps every life, so that the next call goes on
with the next one.

lost: a trial that the run had acknowledged as recorded is not there in the end. repeated: such a trial was started
again. stuck: a run ended by itself with an error, took more than five minutes, or lacks a part of a finished run. Exit
code 1 if any count is not 0.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))
if TYPE_CHECKING:  # worker processes that start anew import this file: what is heavy is imported in functions
    from tests.killed import Killer, Told, Work

    Attempt = Callable[[Killer, float | None], str]

LIMIT_S = 300
MOST_STUCK = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Where kills strike: at one of the next `reach` writes to paths that match `of`, `kills` times in a life; `share`
    is the number of kills of this phase in 1000."""

    share: int
    of: tuple[str, ...] = ("*",)
    reach: int = 6
    kills: int = 12
    workers: str = "made up, in the run's own process"
    changes: dict[str, Any] | None = None
    tuners: tuple[str, ...] | None = None
    first: str | None = None
    by_time: bool = False


SEARCH = ("*/proposals.jsonl", "*/attempts.jsonl", "*/trials.jsonl", "*/models/*")
FINALS = (
    *("*/finals.json", "*/trainings.jsonl", "*/attempts.jsonl", "*/evaluations.jsonl"),
    *("*/finals/*", "*/members/*", "*/maps/*"),
)
DELIVERY = ("*/predictions/d*", "*/model.*", "*/.model*", "*/killed/model", "*/delivery.json")
SETTING = (
    *("*/.owner", "*/experiment.json", "*/environment.json", "*/dataset.json", "*/audit.json", "*/split.json"),
    *("*/run.json", "*/predictions/images.npz", "*/augmentation.npz"),
)

PHASES: dict[str, Phase] = {
    "beginning": Phase(share=60, of=("*.new/*", "*/results/killed"), reach=12, kills=6),
    "search": Phase(share=240, of=SEARCH),
    "race on folds": Phase(share=120, of=SEARCH, changes={"search_folds": 2}, tuners=("random", "bayesian", "tpe")),
    "final evaluation": Phase(share=150, of=FINALS),
    "learning curve": Phase(share=60, of=FINALS, changes={"learning_curve": True}, first="whole"),
    "delivery": Phase(share=100, of=DELIVERY, reach=6, kills=10),
    "delivery in an earlier one's place": Phase(share=40, of=DELIVERY, reach=6, kills=8, first="undelivered"),
    "resume": Phase(share=80, of=SETTING, reach=10, kills=8, first="killed"),
    "random moments": Phase(share=60, by_time=True),
    "worker processes": Phase(share=40, kills=8, workers="made up, two processes", by_time=True),
    "Ray": Phase(share=40, kills=5, reach=60, workers="made up, two Ray actors"),
    "TensorFlow": Phase(share=10, kills=5, workers="trained"),
}


@dataclass(frozen=True, kw_only=True)
class Life:
    """What came of one run. `said` is what was wrong, in words."""

    phase: str
    number: int
    kills: int
    lost: int = 0
    repeated: int = 0
    stuck: int = 0
    said: str = ""


class Graveyard:
    """What lives have in common: the data, drawn once, and a cluster, begun when it is needed."""

    def __init__(self, stack: ExitStack) -> None:
        from tests.killed import in_memory

        self._stack = stack
        self.root = stack.enter_context(in_memory())

    @cached_property
    def material(self) -> Any:
        from tests.killed import drawn_material

        return drawn_material(self.root / "data")

    @cached_property
    def address(self) -> str:
        from tests.killed_on_ray import cluster

        return self._stack.enter_context(cluster())

    def live(self, name: str, number: int) -> Life:
        from tests.killed import Told

        phase, dice = PHASES[name], random.Random(f"{name}:{number}")
        told = Told()
        with tempfile.TemporaryDirectory(prefix="life", dir=self.root) as folder:
            if name == "TensorFlow":
                return trained_life(Path(folder), number, phase.kills, dice)
            return self._live(Path(folder), name, number, dice, told)

    def _live(self, root: Path, name: str, number: int, dice: random.Random, told: "Told") -> Life:
        from tests.killed import FINISHED, KILLED, Killer
        from tests.killed import PHASES as MOMENTS

        phase = PHASES[name]
        attempt = self._beginning(root, phase, dice, told)
        kills, ended = 0, KILLED
        while ended == KILLED and kills < phase.kills:
            moment_s = dice.uniform(0.05, 0.8) * (1 + kills / 5) if phase.by_time else None
            killer = Killer() if phase.by_time else Killer(dice.randrange(phase.reach), dice.choice(MOMENTS), phase.of)
            ended = attempt(killer, moment_s)
            kills += ended == KILLED
        if ended == KILLED:
            ended = attempt(Killer(), None)
        if ended != FINISHED:
            return Life(phase=name, number=number, kills=kills, stuck=1, said=f"the run {ended}")
        return judged(name, number, kills, root / "results" / "killed", told)

    def _beginning(self, root: Path, phase: Phase, dice: random.Random, told: "Told") -> "Attempt":
        """A run that has come to where its phase begins, and what goes on with it."""
        from bench.tuners import ORACLES
        from tests.killed import Killer, lived, stand_in_work

        tuner, slots = dice.choice(phase.tuners or tuple(ORACLES)), dice.choice((1, 3))
        changes, pace_s = phase.changes or {}, 0.02 if phase.by_time else 0.0
        if "Ray" in phase.workers:
            from tests.killed_on_ray import lived as lived_on_ray

            return lambda killer, _: lived_on_ray(self.address, root, tuner, self.material, told, killer)
        if "processes" in phase.workers:
            work = worker_processes(root, tuner, self.material)
        else:
            work = stand_in_work(root, tuner, self.material, slots=slots, pace_s=pace_s, **changes)
        if phase.first == "whole":
            plain = stand_in_work(root, tuner, self.material, slots=slots)
            lived(plain, Killer(), told, limit_s=LIMIT_S)
        elif phase.first == "undelivered":
            lived(work, Killer(), told, limit_s=LIMIT_S)
            (root / "results" / "killed" / "delivery.json").unlink()
        elif phase.first == "killed":
            lived(work, Killer(dice.randrange(20, 60)), told, limit_s=LIMIT_S)
        return lambda killer, moment_s: lived(work, killer, told, limit_s=LIMIT_S, moment_s=moment_s)


def worker_processes(root: Path, tuner: str, material: Any) -> "Work":
    """A run on two worker processes, begun and ended as real ones are, which train nothing."""
    from unittest import mock

    from bench.engine import worker
    from bench.engine.devices import Placement
    from bench.engine.executor import LocalExecutor
    from tests.engine import stand_in_worker
    from tests.killed import experiment, run_with, saying

    def work(killer: "Killer", pipe: int) -> None:
        def executor(_: object, scratch: Path, *__: object) -> LocalExecutor:
            return saying(LocalExecutor, pipe)(None, scratch, [Placement(), Placement()])

        with mock.patch.object(worker, "run_worker", stand_in_worker.serve_stand_in):
            run_with(executor, root, experiment(tuner), material, killer, pipe)

    return work


def judged(name: str, number: int, kills: int, directory: Path, told: "Told") -> Life:
    """What is there of a run that came to its end."""
    from bench.records.store import load
    from tests.killed import keys_of, require_complete

    run, said = load(directory), ""
    lost = set(told.acknowledged) - set(keys_of(run))
    try:
        require_complete(directory, run)
    except AssertionError as error:
        said = f"the run is not whole: {error or error.__traceback__.tb_next.tb_lineno}"
    return Life(
        phase=name,
        number=number,
        kills=kills,
        lost=len(lost),
        repeated=len(told.repeated),
        stuck=int(bool(said)),
        said=said,
    )


def trained_life(root: Path, number: int, most: int, dice: random.Random) -> Life:
    """With TensorFlow, by the command line, killed a moment after it has printed a number of lines. There is no other
    acknowledgement: a record that exists after a kill must stay."""
    import subprocess

    from bench.records.store import load
    from tests.killed import EXPERIMENT, draw, keys_of

    (root / "killed.yaml").write_text(EXPERIMENT)
    command = [
        *(sys.executable, "-m", "bench", "run", str(root / "killed.yaml"), "--data", str(draw(root / "data"))),
        *("--name", "killed", "--results", str(root / "results"), "--reports", str(root / "reports")),
    ]
    directory = root / "results" / "killed"
    kills, recorded, code = 0, {}, -9
    lost = repeated = 0
    while code == -9:
        lines_left = dice.randrange(1, 25) if kills < most else None
        resumed = ["--resume"] if directory.is_dir() else []
        with subprocess.Popen([*command, *resumed], stdout=subprocess.PIPE, text=True) as driver:
            for _ in driver.stdout or ():
                if lines_left is not None and (lines_left := lines_left - 1) == 0:
                    time.sleep(dice.uniform(0, 1))
                    driver.kill()
        code = driver.returncode
        kills += code == -9
        if directory.is_dir():
            run = load(directory)
            now = dict(zip(keys_of(run), (*run.trials, *run.trainings), strict=True))
            lost += len(recorded.keys() - now.keys())
            repeated += sum(record != now.get(key, record) for key, record in recorded.items())
            recorded = now
    whole = (
        code == 0 and load(directory).record.status == "finished" and (directory / "model" / "model.keras").is_file()
    )
    said = "" if whole else f"the run ended with exit code {code}"
    return Life(
        phase="TensorFlow", number=number, kills=kills, lost=lost, repeated=repeated, stuck=int(not whole), said=said
    )


def table(lives: Sequence[Life]) -> list[dict[str, Any]]:
    """A row a phase and one of all."""
    counts: dict[str, Counter[str]] = {}
    for life in lives:
        row = counts.setdefault(life.phase, Counter())
        row.update(lives=1, kills=life.kills, lost=life.lost, repeated=life.repeated, stuck=life.stuck)
    counts["all"] = sum(counts.values(), Counter())
    columns = ("lives", "kills", "lost", "repeated", "stuck")
    workers = {name: phase.workers for name, phase in PHASES.items()}
    return [
        {"phase": name, "trials": workers.get(name, ""), **{each: row[each] for each in columns}}
        for name, row in counts.items()
    ]


def due(kills: int, names: Sequence[str], lives: Sequence[Life]) -> Iterator[tuple[str, int]]:
    """The next life of each phase that has not had its share, until all have or `MOST_STUCK` lives of it were stuck."""
    for name in names:
        while True:
            of_phase = [life for life in lives if life.phase == name]
            if sum(life.kills for life in of_phase) >= PHASES[name].share * kills / 1000:
                break
            if sum(life.stuck for life in of_phase) >= MOST_STUCK:
                break
            yield name, len(of_phase)


def said_of(life: Life, lives: Sequence[Life], took_s: float) -> str:
    """A line for whoever waits; `lives` are all so far, those of earlier calls too."""
    wrong = f", {life.said}" if life.said else ""
    so_far = sum(each.kills for each in lives)
    return f"{life.phase} {life.number}: {life.kills} kills in {took_s:.0f} s{wrong}; {so_far} kills so far"


def main() -> None:
    from tabulate import tabulate

    from bench.records.durable import write_file

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--only", default=",".join(PHASES), help="phases, with commas between them")
    parser.add_argument("--out", type=Path, default=Path("kills.json"))
    parser.add_argument("--life", help="PHASE:NUMBER, this one alone; nothing is kept")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        graveyard = Graveyard(stack)
        if arguments.life:
            name, number = arguments.life.split(":")
            print(json.dumps(asdict(graveyard.live(name, int(number)))))
            return
        kept = json.loads(arguments.out.read_text())["lives"] if arguments.out.is_file() else []
        lives = [Life(**life) for life in kept]
        for name, number in due(arguments.kills, arguments.only.split(","), lives):
            began = time.monotonic()
            life = graveyard.live(name, number)
            lives.append(life)
            content = {"table": table(lives), "lives": [asdict(each) for each in lives]}
            write_file(arguments.out, json.dumps(content, indent=1).encode())
            print(said_of(life, lives, time.monotonic() - began), flush=True)
    print(tabulate(table(lives), headers="keys", tablefmt="pipe"))
    sys.exit(any(life.lost or life.repeated or life.stuck for life in lives))


if __name__ == "__main__":
    main()
