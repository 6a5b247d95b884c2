"""Trials per hour: this engine against plain Keras Tuner, on the same list of 24 trials.

    python benchmarks/trial_engine.py [--data PATH] [--quick]

The networks are three architectures of the default search space x two backbones. Each trains twice for 2 epochs and
twice for 6: once as a promoted trial (a configuration of 2 epochs again, from the start) and once as a new one, as in
the brackets of a Hyperband search. Losses, augmentation and learning rates vary.

Both sides have the same networks, initial weights and augmented batches in the same order, and validate every epoch on
Keras's moving statistics; the engine's re-estimation of these is off. Each side has a process, whose start counts.
Keras Tuner runs on TensorFlow's default kernels, the engine on those that it chooses; TF_ENABLE_ONEDNN_OPTS=1 gives
both the same. They take turns, a block of trials at a time; the waiting one sleeps.

Then some trials that ran on a used graph are run again, each in a new process. `equal_results` is true if every epoch's
training loss and validation IoU are equal to the last bit. `first_epoch_loss_gap` is the largest relative difference
between the sides' training losses of a first epoch; a small one shows that they did the same work. `overhead_share` is
the fraction of a 6-epoch trial's wall time, on a used graph, that is neither a training step nor validation.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from plain_keras_tuner import PlainOutcome, PlainWorker
from setting import hyperparameters, worker_setup
from tabulate import tabulate

from bench.engine.spec import TrialSetup, TrialSpec
from bench.engine.worker import TrialWorker
from bench.records import COMPLETED, TrialRecord
from search_spaces.space import Range, Space

SIZE = 96
SHORT, LONG = 2, 6
"""Epochs of the two rungs."""

LOSSES = ("bce_dice", "focal", "dice", "bce", "tversky")


@dataclass(frozen=True, slots=True)
class Timed:
    """A trial through both candidates, in wall seconds seen from outside the processes that train."""

    spec: TrialSpec
    record: TrialRecord
    engine_s: float
    plain: PlainOutcome
    plain_s: float


def main() -> None:
    arguments = _arguments()
    architectures, backbones = ("unet", "linknet", "pspnet"), ("resnet18", "mobilenetv2")
    if arguments.quick:
        architectures, backbones = ("linknet",), ("mobilenetv2",)
    networks = [(architecture, backbone) for architecture in architectures for backbone in backbones]
    specs = trial_list(networks)
    space = Space(
        architecture=architectures,
        backbone=backbones,
        loss=LOSSES,
        augmentation=Range(min=0, max=1),
        image_size=(SIZE,),
        learning_rate=Range(min=1e-5, max=1e-1, sampling="log"),
        schedule=("constant",),
    )
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        setup = worker_setup(
            arguments.data, SIZE, scratch, epochs=LONG, train_images=arguments.train_images, batch_norm="keras"
        )
        timed, engine_start_s, plain_start_s = compare(specs, setup, space, scratch, block=len(networks))
        long_used = [each for each in timed if _is_long(each.spec) and each.record.graph_reused]
        equal = [
            equals_fresh(each, setup, scratch) for each in long_used[:: max(1, len(long_used) // arguments.checks)]
        ]
    engine_s = engine_start_s + sum(each.engine_s for each in timed)
    plain_s = plain_start_s + sum(each.plain_s for each in timed)
    print_trials_an_hour(timed, (engine_start_s, engine_s), (plain_start_s, plain_s))
    print_split(timed)
    figures = {
        "speedup": plain_s / engine_s,
        "overhead_share": statistics.median(overhead_share(each) for each in long_used),
        "equal_results": all(equal),
        "equal_checked": len(equal),
        "first_epoch_loss_gap": max(loss_gap(each) for each in timed),
        "trials": len(timed),
        "trials_per_hour": 3600 * len(timed) / engine_s,
        "plain_trials_per_hour": 3600 * len(timed) / plain_s,
    }
    print(json.dumps(figures))


def trial_list(networks: Sequence[tuple[str, str]]) -> list[TrialSpec]:
    """Block by block: every network at 2 epochs, at 2 again, the first ones at 6, and new ones at 6."""
    specs: list[TrialSpec] = []
    for number in range(4 * len(networks)):
        block, place = divmod(number, len(networks))
        promoted = block == 2
        values = hyperparameters(
            *networks[place],
            SIZE,
            loss=LOSSES[number % len(LOSSES)],
            augmentation=number % 5 / 4,
            learning_rate=10 ** -(2.5 + number % 4 / 2),
        )
        specs.append(
            TrialSpec(
                study_id="benchmark",
                trial_id=f"{number:02}",
                hyperparameters=dict(specs[place].hyperparameters) if promoted else values,
                seed=0,
                epochs=SHORT if block < 2 else LONG,
            )
        )
    return specs


def compare(
    specs: Sequence[TrialSpec], setup: TrialSetup, space: Space, scratch: Path, block: int
) -> tuple[list[Timed], float, float]:
    """All trials through both, `block` at a time; and the seconds until each was ready for its first."""
    timed: list[Timed] = []
    started = time.perf_counter()
    with TrialWorker(setup, scratch / "engine.log") as engine:
        engine.device()
        engine_start_s = time.perf_counter() - started
        started = time.perf_counter()
        with PlainWorker(setup, space, scratch / "plain") as plain:
            plain_start_s = time.perf_counter() - started
            for first in range(0, len(specs), block):
                part = specs[first : first + block]
                ours = [_run_engine(engine, spec) for spec in part]
                for spec, (record, engine_s) in zip(part, ours, strict=True):
                    started = time.perf_counter()
                    outcome = plain.run(spec)
                    timed.append(Timed(spec, record, engine_s, outcome, time.perf_counter() - started))
                    print(f"{_name(spec)}: {engine_s:.1f} s, plain {timed[-1].plain_s:.1f} s", flush=True)
    return timed, engine_start_s, plain_start_s


def equals_fresh(earlier: Timed, setup: TrialSetup, scratch: Path) -> bool:
    """Whether the trial gives the same curve on a new graph in a new process."""
    with TrialWorker(setup, scratch / "fresh.log") as worker:
        record, _ = _run_engine(worker, earlier.spec)
    assert not record.graph_reused
    equal = _curve(record) == _curve(earlier.record)
    print(f"{_name(earlier.spec)}: {'equal' if equal else 'NOT equal'} to the same trial in a new process", flush=True)
    return equal


def overhead_share(trial: Timed) -> float:
    return 1 - (_step_s(trial.record) + (trial.record.evaluate_s or 0.0)) / trial.engine_s


def loss_gap(trial: Timed) -> float:
    ours, theirs = trial.record.curve[0].train_loss, trial.plain.train_loss[0]
    assert ours is not None
    return abs(ours - theirs) / abs(ours)


def print_trials_an_hour(timed: Sequence[Timed], engine: tuple[float, float], plain: tuple[float, float]) -> None:
    kinds = {
        f"{SHORT} epochs, network not seen before": [t for t in timed if not t.record.graph_reused],
        f"{SHORT} epochs": [t for t in timed if t.record.graph_reused and t.spec.epochs == SHORT],
        f"{LONG} epochs": [t for t in timed if _is_long(t.spec)],
    }
    rows = [["start of the process", "", engine[0], plain[0], plain[0] / engine[0]]]
    for kind, trials in kinds.items():
        if trials:
            ours, theirs = (statistics.mean(t.engine_s for t in trials), statistics.mean(t.plain_s for t in trials))
            rows.append([kind, len(trials), ours, theirs, theirs / ours])
    rows.append(["everything", len(timed), engine[1], plain[1], plain[1] / engine[1]])
    per_hour = [3600 * len(timed) / total for total in (engine[1], plain[1])]
    rows.append(["trials an hour", "", *per_hour, per_hour[0] / per_hour[1]])
    print(tabulate(rows, ["s a trial", "trials", "engine", "plain Keras Tuner", "ratio"], floatfmt=".2f"))


def print_split(timed: Sequence[Timed]) -> None:
    """Where the engine's time goes."""
    kinds = {
        "network not seen before": [t for t in timed if not t.record.graph_reused],
        f"{LONG} epochs, used graph": [t for t in timed if _is_long(t.spec) and t.record.graph_reused],
    }
    parts = ("build", "reset", "first step", "later steps", "validation", "input wait", "other", "all")
    split = {
        kind: [statistics.mean(column) for column in zip(*map(_parts, trials), strict=True)]
        for kind, trials in kinds.items()
        if trials
    }
    rows = [[part, *(means[number] for means in split.values())] for number, part in enumerate(parts)]
    print(tabulate(rows, ["engine, s a trial", *split], floatfmt=".3f"))


def _parts(trial: Timed) -> list[float]:
    record = trial.record
    known = [
        record.build_s,
        record.reset_s,
        record.first_step_s,
        record.train_s,
        record.evaluate_s,
        record.input_wait_s,
    ]
    parts = [part or 0.0 for part in known]
    return [*parts, trial.engine_s - sum(parts), trial.engine_s]


def _step_s(record: TrialRecord) -> float:
    return (record.first_step_s or 0.0) + (record.train_s or 0.0)


def _run_engine(worker: TrialWorker, spec: TrialSpec) -> tuple[TrialRecord, float]:
    started = time.perf_counter()
    record = worker.run(spec, lambda epoch: None).record
    assert record.status == COMPLETED, record.error
    return record, time.perf_counter() - started


def _is_long(spec: TrialSpec) -> bool:
    return spec.epochs == LONG


def _curve(record: TrialRecord) -> Iterable[tuple[float | None, float | None]]:
    return [(epoch.train_loss, epoch.val_iou) for epoch in record.curve]


def _name(spec: TrialSpec) -> str:
    values = spec.hyperparameters
    return f"{spec.trial_id} {values['architecture']}/{values['backbone']}, {spec.epochs} epochs"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument(
        "--train-images", type=int, default=49, help="at most; the rest of the training part is not used"
    )
    parser.add_argument("--checks", type=int, default=3, help="trials that are run again in a new process")
    parser.add_argument("--quick", action="store_true", help="one network, four trials")
    return parser.parse_args()


if __name__ == "__main__":
    main()
