"""Which recipe is best at equal cost? Variations of the default configuration, trained on folds with this project's
graph.

    python benchmarks/recipes.py --data PATH [PATH ...] --recipes default size_128 ... (--steps 100 | --minutes 2)
                                 [--seeds 0 1 2] [--out FILE]
    python benchmarks/recipes.py --data PATH --steps 100 --recipes default --vary 'wide={"architecture": "unet"}'

Each recipe changes the default configuration: hyperparameters of a search space, or an addition of `Recipe` (a running
mean of the weights, a smaller learning rate for the pretrained encoder, clipped gradients, smaller images at first).
With --steps all trainings have the same length. With --minutes a training has as many steps as fit, by its own first
steps, without compiling. Each training sees all folds but one and is scored on that one, plain and averaged with its
mirrored copies, at the evaluation size of space `transfer`. Held-out images are not decoded.

Every finished training is appended to --out with commit, machine and the counts of each image, and is not trained
again. The table pools images over folds. The difference to the first of --recipes is paired over seeds with all folds
of both, with a 95 % interval over images and seeds (`bench.evaluation.statistics`; over images alone with one seed). If
five recipes were trained at two lengths, Kendall's tau shows whether they rank alike. Prints a table and, as its last
line, one JSON object.
"""

import argparse
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from counted_lines import Line, append, counts_from, difference, figures_of, pooled_iou, recorded, said
from tabulate import tabulate

from bench.engine.devices import Placement, prepare
from bench.evaluation.rank_agreement import Agreement, agreement
from bench.experiments import load_experiment, override
from bench.progress import PlainProgress
from bench.records import ClassCounts
from bench.records.environment import current_environment
from bench.run.setup import examine
from search_spaces.portfolio import active, whole
from search_spaces.space import Space

KEY = ("data", "recipe", "fold", "folds", "seed", "length")
"""What names a training in --out, where `counts` and `mirrored` are by image as [[tp, fp, fn, tn], ...]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """`values` change hyperparameters of the default configuration. `average`: the momentum of a running mean of the
    weights, which is then scored (0: the last weights are). `encoder_rate`: the learning rate of pretrained layers, as
    a fraction of the others'. `clip`: the largest global norm of a gradient. `grow`: the image size of the first half
    of the steps (None: the same throughout)."""

    values: Mapping[str, Any] = field(default_factory=dict)
    average: float = 0.0
    encoder_rate: float = 1.0
    clip: float | None = None
    grow: int | None = None

    def hyperparameters(self, space: Space) -> dict[str, Any]:
        return active({**whole(space), **self.values})


RECIPES: dict[str, Recipe] = {
    "default": Recipe(),
    "size_128": Recipe(values={"image_size": 128}),
    "size_288": Recipe(values={"image_size": 288}),
    "grow": Recipe(grow=96),
    "rate_low": Recipe(values={"learning_rate": 5e-4}),
    "rate_high": Recipe(values={"learning_rate": 2e-3}),
    "encoder_tenth": Recipe(values={"learning_rate": 3e-3}, encoder_rate=0.1),
    "average": Recipe(average=0.98),
    "augment_0": Recipe(values={"augmentation": 0.0}),
    "augment_25": Recipe(values={"augmentation": 0.25}),
    "augment_75": Recipe(values={"augmentation": 0.75}),
    "bce": Recipe(values={"loss": "bce"}),
    "dice": Recipe(values={"loss": "dice"}),
    "focal": Recipe(values={"loss": "focal"}),
    "tversky": Recipe(values={"loss": "tversky"}),
    "adamw": Recipe(values={"weight_decay": 1e-2}),
    "adamw_strong": Recipe(values={"weight_decay": 1e-1}),
    "oversample_third": Recipe(values={"foreground_oversampling": 0.33}),
    "oversample_all": Recipe(values={"foreground_oversampling": 1.0}),
    "frozen_tenth": Recipe(values={"frozen_start": 0.1}),
    "frozen_third": Recipe(values={"frozen_start": 0.33}),
    "wide": Recipe(values={"architecture": "unet"}),
    "batch_4": Recipe(values={"batch_size": 4}),
    "batch_16": Recipe(values={"batch_size": 16}),
    "clip": Recipe(clip=1.0),
    "lite1": Recipe(values={"backbone": "efficientnet_lite1"}),
    "lite2": Recipe(values={"backbone": "efficientnet_lite2"}),
}
"""What is compared, by name."""


def by_seed(lines: Sequence[Line], which: str) -> dict[int, dict[str, tuple[ClassCounts, ...]]]:
    """Counts of all images, of the seeds that were trained on every fold."""
    found: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        found[line["seed"]].append(line)
    return {
        seed: {name: counts for line in own for name, counts in counts_from(line[which]).items()}
        for seed, own in sorted(found.items())
        if len({line["fold"] for line in own}) == own[0]["folds"]
    }


def say(done: Sequence[Line], names: Sequence[str]) -> None:
    """A table for each set and length, and the JSON line."""
    cells: dict[tuple[str, str, str], list[Line]] = defaultdict(list)
    for line in done:
        cells[line["data"], line["length"], line["recipe"]].append(line)
    figures = {}
    for data, length in sorted({(data, length) for data, length, _ in cells}):
        rows = []
        for name in names:
            lines = cells.get((data, length, name), [])
            plain, mirrored = (by_seed(lines, which) for which in ("counts", "mirrored"))
            if not plain:
                continue
            beside = by_seed(cells.get((data, length, names[0]), []), "mirrored")
            gain = difference(mirrored, beside) if name != names[0] else None
            means = [float(np.mean([pooled_iou(counts) for counts in each.values()])) for each in (plain, mirrored)]
            step_s = float(np.mean([line["step_s"] for line in lines]))
            steps = float(np.mean([line["steps"] for line in lines]))
            rows.append([name, len(plain), steps, step_s, *means, said(gain)])
            figures[f"{data}/{length}/{name}"] = {
                "iou": means[0],
                "mirrored": means[1],
                "seeds": len(plain),
                "difference": figures_of(gain),
            }
        heads = ["recipe", "seeds", "steps", "s a step", "IoU", "mirrored", f"mirrored, minus {names[0]} (95 %)"]
        print(f"\n{data}, {length}, out of fold\n{tabulate(rows, heads, floatfmt='.3f')}")
    for data, short, long, ranks in rank_agreements(cells):
        tau = f"{ranks.tau:.2f} ({ranks.low:.2f} to {ranks.high:.2f})"
        print(f"\n{data}: {short} rank like {long} with a Kendall's tau of {tau}")
        figures[f"{data}/{short}/{long}"] = {"tau": ranks.tau, "low": ranks.low, "high": ranks.high}
    print(json.dumps(figures))


def rank_agreements(cells: Mapping[tuple[str, str, str], Sequence[Line]]) -> Iterator[tuple[str, str, str, Agreement]]:
    """Agreement of ranks for each set and each two lengths, the shorter first, over recipes with a whole seed at both;
    none for fewer than five recipes."""
    scores: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    steps: dict[str, float] = {}
    for (data, length, name), lines in cells.items():
        seeds = by_seed(lines, "mirrored").values()
        if seeds:
            scores[data, length][name] = float(np.mean([pooled_iou(counts) for counts in seeds]))
            steps[length] = float(np.mean([line["steps"] for line in lines]))
    for (data, one), (other_data, other) in permutations(sorted(scores), 2):
        if data == other_data and steps[one] < steps[other]:
            both = sorted(scores[data, one].keys() & scores[data, other].keys())
            ranks = agreement([scores[data, one][name] for name in both], [scores[data, other][name] for name in both])
            if ranks is not None:
                yield data, one, other, ranks


def require_same(name: str, recipe: Recipe, known: Sequence[Line]) -> None:
    """Raises SystemExit where --out has another recipe by that name: lines of two would be pooled."""
    for line in known:
        if line["recipe"] == name and line["content"] != asdict(recipe):
            raise SystemExit(f"--out has another recipe {name!r}: {line['content']}, now {asdict(recipe)}")


def train_all(data: str, recipes: Mapping[str, Recipe], arguments: argparse.Namespace, done: list[Line]) -> None:
    """Seed by seed, fold by fold, all recipes in turn, so that a busy hour is everybody's."""
    from recipe_training import Bench, Training

    experiment = override(load_experiment("transfer"), data=data)
    silent = PlainProgress(write=lambda line: None)
    sizes = {int(recipe.hyperparameters(experiment.space)["image_size"]) for recipe in recipes.values()}
    sizes |= {recipe.grow for recipe in recipes.values() if recipe.grow}
    length = f"{arguments.steps} steps" if arguments.steps else f"{arguments.minutes:g} min"
    known = {tuple(line[key] for key in KEY) for line in done}
    with tempfile.TemporaryDirectory() as folder:
        found = examine(experiment.data, experiment.protocol, experiment.space.image_size, Path(folder), silent)
        bench = Bench.of(found, experiment.space, sorted(sizes), Path(folder) / "pixels")
        for seed in arguments.seeds:
            for fold in range(len(bench.folds)):
                for name, recipe in recipes.items():
                    key = (Path(data).resolve().name, name, fold, len(bench.folds), seed, length)
                    if key in known:
                        continue
                    seconds = 60 * arguments.minutes if arguments.minutes else None
                    line = Training(bench, recipe, fold, seed).run(steps=arguments.steps, seconds=seconds)
                    line |= {"content": asdict(recipe), "commit": current_environment("", "float32").commit}
                    line |= {"machine": f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.1f}"}
                    done.append(dict(zip(KEY, key, strict=True)) | line)
                    append(arguments.out, done[-1])
                    print(f"{' '.join(map(str, key))}: {pooled_iou(counts_from(line['counts'])):.3f}", flush=True)


def made(text: str) -> tuple[str, Recipe]:
    """NAME={...} of --vary: fields of `Recipe`, and hyperparameters."""
    name, _, content = text.partition("=")
    try:
        given = json.loads(content)
        own = {each.name: given.pop(each.name) for each in fields(Recipe) if each.name in given}
    except (ValueError, AttributeError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME={{...}}: {error}") from error
    return name, Recipe(**{"values": given, **own})


def main() -> None:
    arguments = _arguments()
    chosen = {name: RECIPES[name] for name in arguments.recipes} | dict(arguments.vary)
    done = recorded(arguments.out)
    for name, recipe in chosen.items():
        require_same(name, recipe, done)
    prepare(Placement())
    for data in arguments.data:
        train_all(data, chosen, arguments, done)
    say(done, list(chosen))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=["default"])
    parser.add_argument("--vary", nargs="+", type=made, default=[], metavar="NAME={...}")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--steps", type=int)
    length.add_argument("--minutes", type=float)
    parser.add_argument("--out", type=Path, default=Path("recipes.jsonl"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
