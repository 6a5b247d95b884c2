"""A machine that trains nothing and whose clock moves by what it would have taken: how much of a budget does a run use?

python -m tests.run.made_up_machine    prints the table of docs/decisions/0014-lengths.md
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
from tabulate import tabulate

from bench.baselines import REFERENCES
from bench.engine.spec import Event, TrialOutcome, TrialSpec
from bench.engine.training.batches import PROBE_SHARE
from bench.engine.training.length import Length
from bench.evaluation.ensemble import MOST_MEMBERS
from bench.experiments import Experiment, load_experiment, override
from bench.formats import plural
from bench.progress import Progress
from bench.records import (
    COMPLETED,
    OUT_OF_FOLD,
    STOPPED,
    DeliveryRecord,
    EpochRecord,
    Member,
    SplitRecord,
    TrainingRecord,
    configuration_key,
)
from bench.run.budget import Timekeeper
from bench.run.costs import CostModel
from bench.run.delivery import Selection, weights_path
from bench.run.final_plan import leaders
from bench.run.open_run import OpenRun
from bench.run.plan import Plan
from bench.run.refit import refits
from bench.run.stages import delivery as delivery_stage
from bench.run.stages.delivery import deliver_model
from bench.run.stages.final_evaluation import evaluate_finally
from bench.run.stages.planning import plan_budget
from tests.engine.stand_in import StandInExecutor

EPOCH = 25
FOLDS = tuple(tuple(f"{fold}/{number}" for number in range(17)) for fold in range(3))
LOCKED = tuple(f"locked/{number}" for number in range(12))
CHOOSING_S = 2.0
NOWHERE = Path("made-up")
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
    report_s: float = 4.0

    def delivery_s(self, networks: int) -> float:
        """Of so many networks, made up. The reference run took 10 s for one and 28 locked images, where compiling had
        taken 7 s; by this it would have been 13."""
        return 4.0 + self.compile_s * (1.1 + 0.1 * networks) + 2 * networks * len(LOCKED) * self.image_s


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
        scored = 0 if spec.refit else 17 + 12 + 34
        scoring_s = 0.0 if stopped else scored * costs.image_s + 1.0
        self._clock.now += ended[-1] + scoring_s
        record = replace(
            outcome.record,
            status=STOPPED if stopped else outcome.record.status,
            curve=curve(ended) if spec.probe else (),
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


def curve(ended: Sequence[float]) -> tuple[EpochRecord, ...]:
    known = {"train_loss": 0.5, "val_loss": None, "val_iou": None}
    return tuple(EpochRecord(epoch=number, elapsed_s=at, **known) for number, at in enumerate(ended, 1))


class MadeUpRun(OpenRun):
    """A run on it: stages, plan, costs and times are those of a real one; what it would write is nowhere."""

    def __init__(self, experiment: Experiment, costs: Costs, clock: Clock) -> None:
        self.experiment, self.progress = experiment, Progress()
        self.executor, self.costs = MadeUpMachine(costs, clock), CostModel()
        self.times = Timekeeper(experiment, None, clock())
        self.prepared = SimpleNamespace(
            split=SPLIT, dataset=SimpleNamespace(classes=("damage",)), cache_directory=NOWHERE, evaluation_size=2,
            pixels=lambda: None,
        )  # fmt: skip
        self.store = mock.Mock(directory=NOWHERE)
        self.trials, self.trainings = [], []
        self.evaluations = [SimpleNamespace(reference=name, split=OUT_OF_FOLD) for name in REFERENCES]
        self.finals = self.delivered = None

    def keep_training(self, record: TrainingRecord) -> None:
        self.trainings.append(record)

    def keep_model(self, *_: object) -> None:
        pass

    def keep_evidence(self, *_: object) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class Used:
    """Of a budget: the `share` that was used, closing included; the plan, the trainings on folds that came to their
    end, and the steps of the one of all images (None: the ensemble of the folds was delivered)."""

    share: float
    plan: Plan
    trainings: list[TrainingRecord]
    last: int | None

    @property
    def steps(self) -> list[int]:
        return [EPOCH * each.epochs_run for each in self.trainings]

    @property
    def said(self) -> str:
        trained = f"{plural(len(self.steps), 'training')} of about {self.plan.steps} steps"
        last = "" if self.last is None else f", then one of {self.last}"
        return f"{plural(self.plan.candidates, 'candidate')}, {trained}{last}"


def run(budget_s: float, costs: Costs, *, single: bool | None = None) -> Used:
    """What a run does with its budget, from its beginning to its report, by its own stages. `single` as in an
    experiment."""
    clock = Clock()
    with ExitStack() as stack:
        stack.enter_context(clock.everywhere())
        experiment = override(load_experiment("transfer"), budget=f"{budget_s:.0f}s", name="made-up")
        experiment = experiment.model_copy(update={"single": single})
        images = sum(map(len, FOLDS))
        run = MadeUpRun(experiment.model_copy(update={"single": refits(experiment, images)}), costs, clock)
        made_up = {
            "select": _selection(run, clock),
            "deliver": _delivery(costs, clock),
            "_keep_predictions": mock.Mock(),
        }
        for name, part in made_up.items():
            stack.enter_context(mock.patch.object(delivery_stage, name, part))
        clock.now += costs.begin_s
        plan_budget(run)
        evaluate_finally(run)
        deliver_model(run)
        clock.now += costs.report_s
        delivered = next(
            (call.args[0] for call in run.store.write.mock_calls if isinstance(call.args[0], DeliveryRecord)), None
        )
        last = _refit_steps(delivered) if delivered is not None and delivered.refit else None
        assert run.chosen is not None
        return Used(share=run.times.wall_s / budget_s, plan=run.chosen, trainings=run.trainings, last=last)


def _refit_steps(record: DeliveryRecord) -> int:
    return EPOCH * int(record.members[0].weights.removesuffix(".weights.h5").rpartition("-all")[2])


def _selection(run: MadeUpRun, clock: Clock) -> Callable[..., Selection | None]:
    """In place of `bench.run.delivery.select`: the units that were trained on the most folds, the leaders first."""

    def select(*_: object, most: int = MOST_MEMBERS) -> Selection | None:
        clock.now += CHOOSING_S
        completed = [each for each in run.trainings if each.status == COMPLETED]
        if not completed:
            return None
        units = defaultdict(list)
        for training in completed:
            units[training.configuration, training.seed].append(training)
        folds = max(map(len, units.values()))
        order = [configuration_key(each.hyperparameters) for each in leaders(run.finals, completed)]
        whole = sorted(
            (key for key in units if len(units[key]) == folds), key=lambda key: (order.index(key[0]), key[1])
        )
        members = tuple(_member(training) for key in whole[:most] for training in units[key])
        record = DeliveryRecord(members=members, image_size=32, flips=True, threshold=0.5, smallest_object=0.0, rule="")
        return Selection(record=record, ids=(), masks=np.zeros((0, 2, 2), np.uint8))

    return select


def _member(training: TrainingRecord) -> Member:
    return Member(
        candidate=training.candidate,
        hyperparameters=training.hyperparameters,
        fold=training.fold,
        seed=training.seed,
        weights=weights_path(training),
    )


def _delivery(costs: Costs, clock: Clock) -> Callable[..., DeliveryRecord]:
    def deliver(_: Path, record: DeliveryRecord, **__: object) -> DeliveryRecord:
        clock.now += costs.delivery_s(len(record.members))
        return record

    return deliver


def main() -> None:
    rows = []
    for minutes in (3, 5, 15, 60):
        for step_s, compile_s in ((0.2, 6.0), (0.4, 10.0), (0.6, 15.0), (1.2, 25.0)):
            shares, last = [], None
            for pace in (0.85, 1.0, 1.15):
                last = run(60 * minutes, Costs(step_s=step_s, compile_s=compile_s, pace=pace))
                shares.append(f"{last.share:.0%}")
                if pace == 1.0:
                    said = last.said
            rows.append([minutes, step_s, compile_s, *shares, said])
    heads = ["minutes", "s a step", "s to compile", "15 % faster", "as measured", "15 % slower", "as measured: what"]
    print(tabulate(rows, heads, tablefmt="github"))  # noqa: T201  the table is what it is for


if __name__ == "__main__":
    main()
