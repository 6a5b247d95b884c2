"""A machine that trains nothing and whose clock moves by what it would have taken: how much of a budget does a run use?

python -m tests.run.made_up_machine    prints the table of docs/decisions/0014-lengths.md
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest import mock

from tabulate import tabulate

from bench.engine.spec import Event, TrialOutcome, TrialSpec
from bench.engine.training.batches import PROBE_SHARE
from bench.engine.training.length import Length
from bench.experiments import Experiment, load_experiment, override
from bench.formats import plural
from bench.progress import Progress
from bench.records import STOPPED, SplitRecord, TrainingRecord
from bench.run.budget import Timekeeper
from bench.run.costs import CostModel, Deadline, Price
from bench.run.experiment_plan import plan_of
from bench.run.final_evaluation import run_finals
from bench.run.final_plan import budgeted_finals
from bench.run.plan import Plan
from bench.run.probe import NoProbe, probe
from tests.engine.stand_in import StandInExecutor

EPOCH = 25
FOLDS = tuple(tuple(f"{fold}/{number}" for number in range(17)) for fold in range(3))
LOCKED = tuple(f"locked/{number}" for number in range(12))
SPLIT = SplitRecord(train=FOLDS[0] + FOLDS[1], val=FOLDS[2], test=LOCKED, rule="", fingerprint="ab", folds=FOLDS)


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds. A training's steps take `pace` times what the probe's did; a recipe that is not the default one takes
    `dearer` times as long."""

    step_s: float
    compile_s: float
    image_s: float = 0.02
    begin_s: float = 16.0
    pace: float = 1.0
    dearer: float = 1.3

    def closing_s(self, networks: int) -> float:
        """Of a made-up run. The reference run took 25 s for three networks, 28 locked images and its report, where
        compiling had taken 7 s; by this it would have been 23."""
        delivery_s = self.compile_s * (1.1 + 0.1 * networks) + 2 * networks * len(LOCKED) * self.image_s
        return 10.0 + (delivery_s if networks else 0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    @contextmanager
    def everywhere(self) -> Iterator[None]:
        """In place of the real one, wherever a run reads it."""
        with mock.patch("bench.clock.now", self):
            yield


class MadeUpMachine(StandInExecutor):
    """Trains by `costs` on `clock`; one training at a time."""

    def __init__(self, costs: Costs, clock: Clock) -> None:
        super().__init__(folds=FOLDS, test_ids=LOCKED, size=2)
        self._costs, self._clock, self._known = costs, clock, set[str]()

    def events(self) -> Iterator[Event]:
        spec = self._running.pop(0)
        yield self._timed(spec, self._outcome(spec))

    def _timed(self, spec: TrialSpec, outcome: TrialOutcome) -> TrialOutcome:
        costs, values = self._costs, str(sorted(spec.hyperparameters.items()))
        new = values not in self._known
        self._known.add(values)
        compile_s = costs.compile_s if new else 0.0
        dear = 1.0 if values == self._default else costs.dearer
        step_s = costs.step_s * dear * (1.0 if spec.probe else costs.pace)
        steps = 1 if spec.probe else EPOCH
        ended, stopped = self._epochs(spec, steps * step_s, compile_s)
        scoring_s = 0.0 if stopped else (17 + 12 + 34) * costs.image_s + 1.0
        self._clock.now += ended[-1] + scoring_s
        record = replace(
            outcome.record,
            status=STOPPED if stopped else outcome.record.status,
            curve=(),
            epochs_run=len(ended),
            build_s=0.0,
            first_step_s=compile_s,
            train_s=(len(ended) * steps - 1) * step_s,
            wall_s=ended[-1] + scoring_s,
            latency_s=costs.image_s,
        )
        return replace(outcome, record=record)

    def submit(self, spec: TrialSpec) -> None:
        if spec.probe:
            self._default = str(sorted(spec.hyperparameters.items()))
        super().submit(spec)

    @staticmethod
    def _epochs(spec: TrialSpec, epoch_s: float, compile_s: float) -> tuple[list[float], bool]:
        """Seconds after which each epoch ended, and whether the training was stopped, by the engine's rules."""
        length, ended = Length(spec.epochs, EPOCH), []
        while len(ended) < length.epochs:
            ended.append(compile_s + (len(ended) + 1) * epoch_s)
            if spec.fit_s is not None:
                length.fit(ended, epoch_s, spec.fit_s)
            left = length.epochs - len(ended)
            share = PROBE_SHARE if spec.probe else 1.0
            unlimited = spec.fit_s is not None or (spec.probe and len(ended) < 2)
            limit_s = None if unlimited else spec.time_limit_s
            if left > 0 and limit_s is not None and ended[-1] + left * epoch_s > 1.05 * share * limit_s:
                return ended, True
        return ended, False


@dataclass(frozen=True, kw_only=True)
class Used:
    """Of a budget: the `share` that was used, closing included, the plan and the trainings that came to their end."""

    share: float
    plan: Plan
    trainings: list[TrainingRecord]

    @property
    def steps(self) -> list[int]:
        return [EPOCH * each.epochs_run for each in self.trainings]


def run(budget_s: float, costs: Costs) -> Used:
    """What a run does with its budget, from its beginning to its report, by its own parts."""
    clock = Clock()
    with clock.everywhere():
        experiment = override(load_experiment("transfer"), budget=f"{budget_s:.0f}s", name="made-up")
        times, machine = Timekeeper(experiment, None, clock()), MadeUpMachine(costs, clock)
        clock.now += costs.begin_s
        chosen, model = _planned(experiment, times, machine)
        trained: list[TrainingRecord] = []
        if chosen.candidates:
            finals = budgeted_finals(experiment, chosen, len(FOLDS), (), None)
            run_finals(
                finals,
                executor=machine,
                finished=(),
                retries=0,
                deadline=Deadline.after(times.finals_s),
                costs=model,
                keep=trained.append,
                keep_evidence=lambda name, evidence: None,
                progress=Progress(),
                leaders_first=True,
                fitted=chosen.fitted if finals.fitted else None,
            )
        clock.now += costs.closing_s(min(9, len(trained)))
        return Used(share=times.wall_s / budget_s, plan=chosen, trainings=trained)


def _planned(experiment: Experiment, times: Timekeeper, machine: MadeUpMachine) -> tuple[Plan, CostModel]:
    """As `OpenRun.plan` does."""
    measured = probe(experiment, machine, SPLIT, times.finals_s or 0.0)
    assert not isinstance(measured, NoProbe)
    model = CostModel(probe=measured)
    times.keep_for_closing(measured, len(LOCKED), 1)
    cost = {"step_s": measured.step_s, "first_s": measured.first_s, "scoring_s": measured.scoring_s}
    price = Price.of(experiment.protocol, **cost)
    chosen = plan_of(experiment, times.finals_s or 0.0, price=price, folds=len(FOLDS), slots=1)
    times.keep_for_closing(measured, len(LOCKED), chosen.fitted or 9)
    return chosen, model


def main() -> None:
    rows = []
    for minutes in (3, 5, 15, 60):
        for step_s, compile_s in ((0.2, 6.0), (0.4, 10.0), (0.6, 15.0), (1.2, 25.0)):
            shares, last = [], None
            for pace in (0.85, 1.0, 1.15):
                last = run(60 * minutes, Costs(step_s=step_s, compile_s=compile_s, pace=pace))
                shares.append(f"{last.share:.0%}")
                if pace == 1.0:
                    trained = f"{plural(len(last.steps), 'training')} of about {last.plan.steps} steps"
                    said = f"{plural(last.plan.candidates, 'candidate')}, {trained}"
            rows.append([minutes, step_s, compile_s, *shares, said])
    heads = ["minutes", "s a step", "s to compile", "15 % faster", "as measured", "15 % slower", "as measured: what"]
    print(tabulate(rows, heads, tablefmt="github"))  # noqa: T201  the table is what it is for


if __name__ == "__main__":
    main()
