"""Trains every configuration of a finite space once and writes the table for `oracles.py quality` (see tabular.py).

    python benchmarks/record_table.py TABLE.json.gz [--space benchmarks/table_space.yaml] [--data PATH]
                                      [--epochs 9] [--seed 0]

It may be stopped at any time: each finished trial is a line in TABLE.json.gz.partial, and the same command goes on
after the last one. It refuses other settings than those of the partial file. Prints a line for each trial and, as its
last line, one JSON object.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from tabular import Curve, Table, every_configuration, key, write_table

from bench.engine.spec import TrialSpec
from bench.engine.worker import TrialWorker
from bench.experiments import Data, Protocol
from bench.progress import PlainProgress
from bench.records import COMPLETED
from bench.run.setup import prepare
from search_spaces.space import Space


def main() -> None:
    arguments = _arguments()
    space = Space.model_validate(yaml.safe_load(arguments.space.read_text(encoding="utf-8")))
    protocol = Protocol(steps=6 * arguments.epochs, steps_per_epoch=6, collapse_epochs=0)  # a table has whole curves
    with tempfile.TemporaryDirectory() as scratch:
        material = prepare(Data(path=arguments.data), protocol, space.image_size, Path(scratch), PlainProgress(print))
        about = {
            "data": material.dataset.name,
            "fingerprint": material.dataset.fingerprint,
            "split": material.split.fingerprint,
            "seed": arguments.seed,
            "protocol": protocol.model_dump(mode="json"),
            "space": space.model_dump(mode="json"),
        }
        setup = material.trial_setup(protocol)
        with TrialWorker(setup, Path(scratch) / "worker.log") as worker:

            def train(hyperparameters: Mapping[str, Any]) -> Curve | None:
                return _train(worker, hyperparameters, epochs=protocol.epochs, seed=arguments.seed)

            curves = record(space, about, arguments.table.with_name(arguments.table.name + ".partial"), train)
    del about["space"]
    write_table(Table(space=space, epochs=protocol.epochs, curves=curves, about=about), arguments.table)
    failed = sum(curve is None for curve in curves.values())
    size = arguments.table.stat().st_size
    print(json.dumps({"table": str(arguments.table), "rows": len(curves), "failed": failed, "bytes": size}))


def record(
    space: Space, about: Mapping[str, Any], partial: Path, train: Callable[[Mapping[str, Any]], Curve | None]
) -> dict[str, Curve | None]:
    """Curves of every configuration by `key`, from `partial` or else from `train`, each kept as soon as it is known.

    Raises ValueError where `partial` was begun with other settings than `about`.
    """
    curves = _begun(partial, about)
    everything = every_configuration(space)
    with partial.open("a", encoding="utf-8") as file:
        if not file.tell():
            _append(file, about)
        for number, hyperparameters in enumerate(everything, start=1):
            name = key(hyperparameters)
            if name in curves:
                continue
            curves[name] = train(hyperparameters)
            _append(file, {"hyperparameters": hyperparameters, "val_iou": curves[name]})
            shown = "failed" if curves[name] is None else f"{max(curves[name] or ()):.3f}"
            print(f"{number}/{len(everything)} {shown} {name}", flush=True)
    return {key(hyperparameters): curves[key(hyperparameters)] for hyperparameters in everything}


def _begun(partial: Path, about: Mapping[str, Any]) -> dict[str, Curve | None]:
    """What an earlier call left; a last line that a crash tore is cut off."""
    if not partial.exists():
        return {}
    text = partial.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        partial.write_text(whole, encoding="utf-8")
    lines = [json.loads(line) for line in whole.splitlines()]
    if lines and lines[0] != json.loads(json.dumps(about)):
        raise ValueError(f"{partial} was begun with other data, space, protocol or seed; give the table another name")
    return {key(row["hyperparameters"]): row["val_iou"] and tuple(row["val_iou"]) for row in lines[1:]}


def _append(file: Any, line: Mapping[str, Any]) -> None:
    file.write(json.dumps(line) + "\n")
    file.flush()
    os.fsync(file.fileno())


def _train(worker: TrialWorker, hyperparameters: Mapping[str, Any], *, epochs: int, seed: int) -> Curve | None:
    spec = TrialSpec(study_id="table", trial_id="0", hyperparameters=hyperparameters, seed=seed, epochs=epochs)
    trained = worker.run(spec, lambda epoch: None).record
    return tuple(epoch.val_iou or 0.0 for epoch in trained.curve) if trained.status == COMPLETED else None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--space", type=Path, default=Path(__file__).with_name("table_space.yaml"))
    parser.add_argument("--data", default="sample")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
