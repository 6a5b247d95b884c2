"""How are the same steps of training best spent on few images: on three folds, on five, or on all of them?

    python benchmarks/folds.py --data PATH [PATH ...] [--images 52] [--steps 450] [--seeds 0] [--out FILE]

`--images` development images of each set are drawn to train. Up to 100 others score the mean of the networks'
probabilities, mirrored copies included, at a threshold of 0.5. No held-out image is used.

An arrangement trains the default configuration for a number of steps in all: one network for each of three or five
folds, trained on the others; three or two seeds on all images; or one long training on all images. Those of both
take the steps once for each. Differences are paired over images (95 % intervals), to three folds where they
were trained, else to the first arrangement that was. Every finished arrangement is appended to --out and not trained
again. The last line is one JSON object.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from anytime_peers import Task, prepared
from counted_lines import Counts, Line, append, counts_from, difference, figures_of, pooled_iou, recorded, said, told
from tabulate import tabulate

from bench.engine.spec import TrialSpec
from bench.engine.worker import TrialWorker
from bench.evaluation.counting import confusion_of, counts_of
from bench.evaluation.ensemble import at_size
from bench.evaluation.postprocess import class_ids
from search_spaces.portfolio import portfolio

SCORED = 100
KEY = ("data", "images", "steps", "arrangement", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`networks` that share the steps equally: one for each of so many `folds`, or on all images (0), with seeds of
    their own."""

    networks: int
    folds: int = 0


FOLDS, SEEDS, ONE = Part(networks=3, folds=3), Part(networks=2), Part(networks=1)

ARRANGEMENTS: Mapping[str, Sequence[Part]] = {
    "3 folds": (FOLDS,),
    "5 folds": (Part(networks=5, folds=5),),
    "all images, 3 seeds": (Part(networks=3),),
    "all images, 2 seeds": (SEEDS,),
    "all images, one training": (ONE,),
    "3 folds and 2 seeds of all images": (FOLDS, SEEDS),
    "3 folds and one training of all images": (FOLDS, ONE),
}
"""The model of each is the mean of its networks. Those of two parts take the steps twice: a run that compares recipes
on folds has the networks of the folds anyway."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--images", type=int, default=52)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--arrangements", nargs="+", choices=ARRANGEMENTS, default=list(ARRANGEMENTS))
    parser.add_argument("--out", type=Path, default=Path("folds.jsonl"))
    asked = parser.parse_args()
    done = recorded(asked.out)
    known = {tuple(line[key] for key in KEY) for line in done}
    for data in asked.data:
        with tempfile.TemporaryDirectory() as folder:
            task = prepared(data, 0, time.monotonic(), Path(folder))
            for seed in asked.seeds:
                maps: Maps = {}
                for name in asked.arrangements:
                    line: Line = dict(zip(KEY, (Path(data).name, asked.images, asked.steps, name, seed), strict=True))
                    if tuple(line.values()) in known:
                        continue
                    counts = trained(task, ARRANGEMENTS[name], asked.images, asked.steps, seed, maps)
                    done.append(line | {"counts": told(counts)})
                    append(asked.out, done[-1])
                    print(f"{' '.join(map(str, line.values()))}: {pooled_iou(counts):.3f}", flush=True)
    say(done)


Maps = dict[tuple[Part, int], np.ndarray]
"""Probabilities of the scored images by part and number of the network, so that arrangements share their networks."""


def trained(task: Task, arrangement: Sequence[Part], images: int, steps: int, seed: int, known: Maps) -> Counts:
    """Counts of the scored images by the mean of the arrangement's networks, of which those not `known` are trained."""
    order = np.random.default_rng(seed).permutation(task.development).tolist()
    development, scored = order[:images], order[images : images + SCORED]
    networks = [(part, number) for part in arrangement for number in range(part.networks)]
    for part, number in networks:
        if (part, number) not in known:
            left_out = development[number :: part.folds] if part.folds else []
            used = [name for name in development if name not in left_out]
            known[part, number] = _probabilities(task, used, scored, steps / part.networks, seed + 1000 * number)
    return _counts(task, scored, np.mean([known[network] for network in networks], axis=0))


def _probabilities(task: Task, used: list[str], scored: list[str], steps: float, seed: int) -> np.ndarray:
    setup = task.trained_on(used, scored)
    spec = TrialSpec(
        study_id="folds",
        trial_id=str(seed),
        hyperparameters=portfolio(task.space)[0],
        seed=seed,
        epochs=max(1, round(steps / task.setup.steps_per_epoch)),
        fold=0,
    )
    with TrialWorker(setup, task.scratch / "log") as worker:
        outcome = worker.run(spec)
    if outcome.scored is None or outcome.scored.maps is None:
        raise SystemExit(f"the training failed: {outcome.record.error}")
    return outcome.scored.maps.values[:, 1].astype(np.float32) / 255


def _counts(task: Task, scored: Sequence[str], probabilities: np.ndarray) -> Counts:
    pixels, found = task.material.pixels(), {}
    for name, row, values in zip(scored, pixels.rows(scored), probabilities, strict=True):
        mask = class_ids(at_size(values, task.material.evaluation_size), 0.5)
        found[name] = counts_of(confusion_of(pixels.masks[row], mask, pixels.valid[row], task.num_classes))
    return found


def say(done: Sequence[Line]) -> None:
    cells: dict[tuple, dict[int, Counts]] = defaultdict(dict)
    for line in done:
        cells[line["data"], line["images"], line["steps"], line["arrangement"]][line["seed"]] = counts_from(
            line["counts"]
        )
    rows, figures = [], {}
    for (*which, name), by_seed in cells.items():
        base = next(each for each in ARRANGEMENTS if (*which, each) in cells)
        gain = difference(by_seed, cells[*which, base]) if name != base else None
        iou = float(np.mean([pooled_iou(counts) for counts in by_seed.values()]))
        rows.append([*which, name, len(by_seed), iou, said(gain), base])
        figures["/".join(map(str, (*which, name)))] = {"iou": iou, "minus": base, "difference": figures_of(gain)}
    columns = ["set", "images", "steps", "arrangement", "seeds", "IoU", "difference (95 %)", "to"]
    print(tabulate(rows, columns, floatfmt=".3f"))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
