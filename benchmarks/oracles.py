"""What do the tuners cost, and what do they find? Nothing trains.

    python benchmarks/oracles.py speed [--tuners random tpe ...] [--finished 50 200 500] [--limit-s 120]
    python benchmarks/oracles.py quality TABLE.json.gz [--tuners ...] [--seeds 20] [--budgets 12 25 50]

`speed`: seconds for a proposal after a number of finished trials of the default space (median of five, each with its
tell; promotions cost little and are left out). The score is a smooth function of the configuration with noise. A tuner
that has used up its limit proposes fewer times, at least once; the table then says how often.

`quality`: searches a recorded table (tabular.py). A budget is a number of full trainings, counted in epochs, so that a
tuner with rungs gets as many epochs as one without; a failed trial costs one epoch. A search's result is the
configuration with the best score at any rung; its IoU after training to the end counts. Regret is the table's best
minus that. Means over seeds have 95% bootstrap intervals. The gains over random search, with the same budget and with
twice the budget, are paired by seed. Grid search has no seed, so that its interval is a point without meaning. A row
was trained once, so that no interval includes seed variance.

Prints a table and, as its last line, one JSON object.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np
from tabular import Table, load_table
from tabulate import tabulate

from bench.experiments import load_experiment
from bench.records import COMPLETED, FAILED, TrialRecord
from bench.tuners import ORACLES
from bench.tuners.keras_tuner import Proposal, ask, tell
from search_spaces.segmentation import SegmentationHyperModel
from search_spaces.space import Space

RESAMPLES = 10_000
REPEATS = 5
COSTLY = "bayesian"
"""Takes longest a proposal: what `speed` lets it have finished, others have chosen."""


def main() -> None:
    arguments = _arguments()
    if arguments.part == "speed":
        speed(arguments.tuners or list(ORACLES), arguments.finished, arguments.limit_s)
    else:
        quality(load_table(arguments.table), arguments.tuners or list(ORACLES), arguments.seeds, arguments.budgets)


def speed(tuners: Sequence[str], finished: Sequence[int], limit_s: float) -> None:
    space = load_experiment("default").space
    times = {tuner: _proposal_times(tuner, space, finished, limit_s) for tuner in tuners}
    shown = [[tuner, *map(_median, row)] for tuner, row in times.items()]
    print(tabulate(shown, ["seconds a proposal after", *map(str, finished)], disable_numparse=True))
    print(json.dumps({tuner: dict(zip(map(str, finished), row, strict=True)) for tuner, row in times.items()}))


def _median(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.4f}" + (f" (of {len(times)})" if len(times) < REPEATS else "")


def _smooth(oracle: Any, proposal: Proposal, noise: random.Random) -> float:
    """A score 0-1, best if every hyperparameter is at 0.3 of its range. A Gaussian process is fast on pure noise, and
    slow on this."""
    places = [
        hp.value_to_prob(proposal.values[hp.name]) for hp in oracle.hyperparameters.space if hp.name in proposal.values
    ]
    return 0.9 - statistics.mean((place - 0.3) ** 2 for place in places) + noise.gauss(0, 0.01)


def _proposal_times(tuner: str, space: Space, finished: Sequence[int], limit_s: float) -> list[list[float]]:
    """Seconds of single proposals, by number of finished trials."""
    oracle, others, noise = _oracle(tuner, space, 0), _oracle("random", space, 1), random.Random(0)
    measured: list[list[float]] = []
    for count in finished:
        while len(oracle.trials) < count:  # the Gaussian process need not choose all of them
            oracle.replayed = _must(ask(others)).values if tuner == COSTLY else None
            proposal = _must(ask(oracle))
            _end(oracle, proposal, _smooth(oracle, proposal, noise))
        oracle.replayed = None
        times: list[float] = []
        while not times or (len(times) < REPEATS and sum(map(sum, measured)) + sum(times) < limit_s):
            started = time.perf_counter()
            proposal = _must(ask(oracle))
            _end(oracle, proposal, _smooth(oracle, proposal, noise))
            if "tuner/trial_id" not in proposal.values:
                times.append(time.perf_counter() - started)
        measured.append(times)
    return measured


def quality(table: Table, tuners: Sequence[str], seeds: int, budgets: Sequence[int]) -> None:
    doubled = [2 * budget for budget in budgets]
    found = {tuner: _results(table, tuner, seeds, budgets) for tuner in dict.fromkeys(["random", *tuners])}
    twice = _results(table, "random", seeds, doubled)
    rows, summary = [], []
    for column, budget in enumerate(budgets):
        for tuner, values in found.items():
            here = values[:, column]
            measured = {
                "regret": table.best - here,
                "over_random": here - found["random"][:, column],
                "over_2x_random": here - twice[:, column],
            }
            intervals = {name: _mean_and_interval(numbers) for name, numbers in measured.items()}
            rows.append([budget, tuner, *("{:.4f} [{:.4f}, {:.4f}]".format(*i) for i in intervals.values())])
            summary.append({"budget": budget, "tuner": tuner, **intervals})
    print(f"{len(table.curves)} configurations, best IoU {table.best:.4f}, {table.epochs} epochs, {seeds} seeds")
    print(tabulate(rows, ["full trainings", "tuner", "regret", "gain over random", "gain over 2 x random"]))
    print(json.dumps({"best": table.best, "seeds": seeds, "results": summary}))


def _results(table: Table, tuner: str, seeds: int, budgets: Sequence[int]) -> np.ndarray:
    """What `search` gives, [seeds, budgets]."""
    return np.array([search(table, tuner, seed, budgets) for seed in range(seeds)])


def search(table: Table, tuner: str, seed: int, budgets: Sequence[int]) -> list[float]:
    """For each budget (in full trainings): the IoU after full training of one search's best configuration; 0 if none
    completed in time."""
    oracle = _oracle(tuner, table.space, seed, table.epochs)
    limits = [budget * table.epochs for budget in budgets]
    spent, seen, known = 0, -1.0, [(0, 0.0)]
    while spent < max(limits) and isinstance(proposal := ask(oracle), Proposal):
        observed = table.observed(proposal.values)
        spent += 1 if observed is None else table.trained_to(proposal.values)  # a promoted trial trains from the start
        _end(oracle, proposal, observed)
        if observed is not None and observed > seen:
            seen = observed
            known.append((spent, table.final(proposal.values) or 0.0))
    return [next(worth for epoch, worth in reversed(known) if epoch <= limit) for limit in limits]


def _mean_and_interval(values: np.ndarray) -> tuple[float, float, float]:
    """The mean, and the 2.5th and 97.5th percentile of bootstrap means; always of the same resamples."""
    rows = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[rows].mean(axis=1), [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def _oracle(tuner: str, space: Space, seed: int, epochs: int = 9) -> Any:
    return ORACLES[tuner].make(SegmentationHyperModel(space, 2).declare(kt.HyperParameters()), seed, epochs)


def _must(answer: Any) -> Proposal:
    assert isinstance(answer, Proposal), answer
    return answer


def _end(oracle: Any, proposal: Proposal, score: float | None) -> None:
    record = TrialRecord(
        study_id="benchmark",
        trial_id=proposal.trial_id,
        status=FAILED if score is None else COMPLETED,
        hyperparameters=proposal.values,
        seed=0,
        val_metrics={} if score is None else {"iou": score},
        started_at="",
    )
    tell(oracle, record)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    of_speed, of_quality = parts.add_parser("speed"), parts.add_parser("quality")
    for part in (of_speed, of_quality):
        part.add_argument("--tuners", nargs="+", choices=list(ORACLES))
    of_speed.add_argument("--finished", nargs="+", type=int, default=[50, 200, 500])
    of_speed.add_argument("--limit-s", type=float, default=120.0)
    of_quality.add_argument("table", type=Path)
    of_quality.add_argument("--seeds", type=int, default=20)
    of_quality.add_argument("--budgets", nargs="+", type=int, default=[12, 25, 50])
    return parser.parse_args()


if __name__ == "__main__":
    main()
