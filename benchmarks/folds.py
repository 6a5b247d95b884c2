"""How are the same steps of training best spent on few images: on three folds, on five, or on all of them?

    python benchmarks/folds.py --data PATH [PATH ...] [--images 52] [--steps 450] [--seeds 0] [--out FILE]

`--images` development images of each set are drawn to train. Up to 100 others score the mean of the networks'
probabilities, mirrored copies included, at a threshold of 0.5. No held-out image is used.

An arrangement trains the default configuration for a number of steps in all: one network for each of three or five
folds, trained on the others; three or two seeds on all images; or one long training on all images. Those of both
take the steps once for each. A seed draws images of its own. Where three folds are trained, the threshold is also
chosen out of fold; the IoU at every threshold is kept as `by_threshold`. Differences are paired over images (95 %
intervals), to three folds where they were trained, else to the first arrangement that was. Every finished arrangement
is appended to --out and not trained again. The last line is one JSON object.
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
from bench.evaluation.ensemble import THRESHOLDS, at_size
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
                    said_by = " ".join(map(str, line.values()))
                    line |= trained(task, ARRANGEMENTS[name], asked.images, asked.steps, seed, maps)
                    done.append(line)
                    append(asked.out, line)
                    print(f"{said_by}: {pooled_iou(counts_from(line['counts'])):.3f}", flush=True)
    say(done)


Maps = dict[tuple[Part, int], dict[str, np.ndarray]]
"""Probabilities of images that a network did not see, by its part and number: arrangements share their networks."""


def trained(task: Task, arrangement: Sequence[Part], images: int, steps: int, seed: int, known: Maps) -> Line:
    """Counts of the scored images by the mean of the arrangement's networks, of which those not `known` are trained;
    where those of three folds are and there are two classes, also at the `threshold` that is best out of fold."""
    order = np.random.default_rng(seed).permutation(task.development).tolist()
    development, scored = order[:images], order[images : images + SCORED]
    networks = [(part, number) for part in arrangement for number in range(part.networks)]
    for part, number in networks:
        if (part, number) not in known:
            left_out = development[number :: part.folds] if part.folds else []
            used = [name for name in development if name not in left_out]
            known[part, number] = _probabilities(
                task, used, [*left_out, *scored], steps / part.networks, seed + 1000 * number
            )
    together = {name: np.mean([known[network][name] for network in networks], axis=0) for name in scored}
    line: Line = {"counts": told(_counts(task, together, 0.5))}
    if task.num_classes == 2:
        line["by_threshold"] = {"scored": _by_threshold(task, together)}
    if task.num_classes == 2 and (FOLDS, 0) in known:
        out_of_fold = {
            name: known[FOLDS, number][name]
            for number in range(FOLDS.folds)
            for name in development[number :: FOLDS.folds]
        }
        line["by_threshold"]["out_of_fold"] = curve = _by_threshold(task, out_of_fold)
        best = max(THRESHOLDS, key=curve.__getitem__)
        line |= {"threshold": best, "tuned": told(_counts(task, together, best))}
    return line


def _probabilities(task: Task, used: list[str], others: list[str], steps: float, seed: int) -> dict[str, np.ndarray]:
    setup = task.trained_on(used, others)
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
    maps = outcome.scored.maps
    return dict(zip(maps.ids, maps.values[:, 1].astype(np.float32) / 255, strict=True))


def _by_threshold(task: Task, probabilities: Mapping[str, np.ndarray]) -> dict[float, float]:
    """Pooled IoU at each threshold."""
    return {level: pooled_iou(_counts(task, probabilities, level)) for level in THRESHOLDS}


def _counts(task: Task, probabilities: Mapping[str, np.ndarray], threshold: float) -> Counts:
    pixels, found = task.material.pixels(), {}
    for name, row in zip(probabilities, pixels.rows(list(probabilities)), strict=True):
        mask = class_ids(at_size(probabilities[name], task.material.evaluation_size), threshold)
        found[name] = counts_of(confusion_of(pixels.masks[row], mask, pixels.valid[row], task.num_classes))
    return found


def say(done: Sequence[Line]) -> None:
    """A row for each arrangement of each seed, which draws images of its own."""
    cells: dict[tuple, dict[str, Line]] = defaultdict(dict)
    for line in done:
        cells[line["data"], line["images"], line["steps"], line["seed"]][line["arrangement"]] = line
    rows, figures = [], {}
    for which, found in cells.items():
        base = next(each for each in ARRANGEMENTS if each in found)
        for name, line in found.items():
            at = {key: counts_from(line[key]) for key in ("counts", "tuned") if key in line}
            gains = {
                key: difference({0: at[key]}, {0: counts_from(found[base][key])}) if name != base else None
                for key in at
            }
            own = [cell for key in at for cell in (pooled_iou(at[key]), said(gains[key]))]
            rows.append([*which, name, *own[:2], line.get("threshold"), *own[2:]])
            figures["/".join(map(str, (*which, name)))] = {"minus": base} | {
                key: {"iou": pooled_iou(at[key]), "difference": figures_of(gains[key])} for key in at
            }
    columns = ["set", "images", "steps", "seed", "arrangement"]
    scores = ["IoU", "minus the first (95 %)", "threshold", "IoU with it", "minus the first (95 %)"]
    print(tabulate(rows, columns + scores, floatfmt=".3f"))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
