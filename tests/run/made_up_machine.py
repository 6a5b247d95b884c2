"""A machine that trains nothing and whose clock moves by what it would have taken: how much of a budget does a run use?

python -m tests.run.made_up_machine    prints the table of docs/decisions/0014-lengths.md
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
    SplitRecord,
    TrainingRecord,
    configuration_key,
)
from bench.run.budget import Timekeeper
from bench.run.costs import CostModel
from bench.run.delivery import Selection, member_of
from bench.run.final_plan import leaders
from bench.run.open_run import OpenRun
from bench.run.plan import Plan
from bench.run.refit import refits
from bench.run.stages import delivery as delivery_stage
from bench.run.stages.delivery import deliver_model
from bench.run.stages.final_evaluation import evaluate_finally
from bench.run.stages.planning import plan_budget
from search_spaces.portfolio import portfolio
from tests.engine.stand_in import StandInExecutor

EXPERIMENT = load_experiment("transfer")
EPOCH = 25
FOLDS = tuple(tuple(f"{fold}/{number}" for number in range(17)) for fold in range(3))
LOCKED = tuple(f"locked/{number}" for number in range(12))
CHOOSING_S = 3.0
SEARCHED = 0.7
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
    interrupted_after: float | None = None
    """Of the last training, if at all, by Ctrl-C: a share of its time."""

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
        self.costs, self._clock, self._known = costs, clock, set[str]()
        self._default = str(sorted(portfolio(EXPERIMENT.space)[0].items()))

    def events(self) -> Iterator[Event]:
        spec = self._running.pop(0)
        yield self._timed(spec, self._outcome(spec))

    def _timed(self, spec: TrialSpec, outcome: TrialOutcome) -> TrialOutcome:
        costs, values = self.costs, str(sorted(spec.hyperparameters.items()))
        new = values not in self._known
        self._known.add(values)
        compile_s = costs.compile_s if new else 0.0
        dear = 1.0 if values == self._default else costs.dearer
        step_s = costs.step_s * dear * (1.0 if spec.probe else costs.pace)
        steps = 1 if spec.probe else EPOCH
        if spec.refit and costs.interrupted_after is not None:
            self._clock.now += costs.interrupted_after * (spec.fit_s or spec.time_limit_s)
            raise KeyboardInterrupt
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
    """A run on it: stages, plan, costs and times are those of a real one; what it would write is nowhere. `earlier` is
    its first sitting."""

    def __init__(self, experiment: Experiment, costs: Costs, clock: Clock, earlier: "MadeUpRun | None" = None) -> None:
        self.experiment, self.progress, self._clock = experiment, Progress(), clock
        self.executor = MadeUpMachine(costs, clock)
        before = earlier and SimpleNamespace(record=SimpleNamespace(wall_s=earlier.times.wall_s, studies=()))
        self.times = Timekeeper(experiment, before, clock())
        self.prepared = SimpleNamespace(
            split=SPLIT,
            dataset=SimpleNamespace(classes=("damage",)),
            cache_directory=NOWHERE,
            evaluation_size=2,
            pixels=lambda: None,
        )
        self.store = mock.Mock(directory=NOWHERE)
        self.trials, self.trainings = [], list(earlier.trainings) if earlier else []
        self.evaluations = [SimpleNamespace(reference=name, split=OUT_OF_FOLD) for name in REFERENCES]
        self.finals, self.delivered = earlier and earlier.finals, None
        self.costs = CostModel((), self.trainings)

    def keep_training(self, record: TrainingRecord) -> None:
        self.trainings.append(record)

    def keep_model(self, *_: object) -> None:
        pass

    def keep_evidence(self, *_: object) -> None:
        pass

    def go_on(self) -> None:
        """From the plan to the model. A search has no trials, and takes `SEARCHED` of its time."""
        costs = self.executor.costs
        made_up = {
            "select": _selection(self, self._clock),
            "deliver": _delivery(costs, self._clock),
            "_keep_predictions": mock.Mock(),
        }
        with mock.patch.multiple(delivery_stage, **made_up):
            self._clock.now += costs.begin_s
            plan_budget(self)
            if self.chosen.search_share:
                self._clock.now += SEARCHED * self.times.share_s([each.study_id for each in self.times.studies])
            evaluate_finally(self)
            deliver_model(self)
            self._clock.now += costs.report_s

    @property
    def delivery(self) -> DeliveryRecord | None:
        written = [call.args[0] for call in self.store.write.mock_calls]
        return next((record for record in written if isinstance(record, DeliveryRecord)), None)


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


def run(
    budget_s: float, costs: Costs, *, single: bool | None = None, search: str = "auto", steps: int | None = None
) -> Used:
    """What a run does with its budget, from its beginning to its report; `single`, `search` and `steps` as in an
    experiment. With `costs` that have it interrupted it is resumed at once."""
    clock = Clock()
    with clock.everywhere():
        experiment = override(EXPERIMENT, budget=f"{budget_s:.0f}s", name="made-up")
        protocol = experiment.protocol.model_copy(update={"steps": steps})
        experiment = experiment.model_copy(update={"single": single, "search": search, "protocol": protocol})
        chosen = refits(experiment, sum(map(len, FOLDS)))
        experiment = experiment.model_copy(update={"single": chosen})
        run = MadeUpRun(experiment, costs, clock)
        try:
            run.go_on()
        except KeyboardInterrupt:
            run = MadeUpRun(experiment, replace(costs, interrupted_after=None), clock, run)
            run.go_on()
        last = _refit_steps(run.delivery) if run.delivery is not None and run.delivery.refit else None
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
        members = tuple(member_of(training) for key in whole[:most] for training in units[key])
        record = DeliveryRecord(members=members, image_size=32, flips=True, threshold=0.5, smallest_object=0.0, rule="")
        return Selection(record=record, ids=(), masks=np.zeros((0, 2, 2), np.uint8))

    return select


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
