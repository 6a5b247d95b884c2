"""`init`: an experiment file to start from, with every field, its default and what it means."""

import json
import re
from pathlib import Path

from bench.errors import UserError
from bench.experiments import PRESETS

FOR_YOUR_DATA = {
    "space": "transfer",
    "search": "auto",
    "tuners": "[tpe]",
    "trials": "null",
    "budget": "15m",
    "split_prefixes": "{train_: train, training_: train, val_: val, test_: test}",
    "keep_models": "3",
    "finalists": "3",
}
"""What is different where images of one's own take the place of the sample set."""


def experiment_text(name: str, data: str | None) -> str:
    """The default experiment's YAML with its comments, named `name`; with `data`, a folder, the settings of `run
    --data`."""
    text = PRESETS["default"].read_text(encoding="utf-8")
    text = text[text.index("\nname:") + 1 :]
    changed = {"name": name} | ({"path": json.dumps(data), **FOR_YOUR_DATA} if data else {})
    for field, value in changed.items():
        found = re.search(rf"(?m)^ *{field}: (\[.*?\]|\{{.*?\}}|\S+)", text)
        assert found is not None  # a test holds that the preset names every field
        text = text[: found.start(1)] + value + text[found.end(1) :]
    return f"# An experiment: python -m bench run {name}.yaml\n\n{text}"


def write_experiment(path: Path, data: str | None, schema: Path | None = None) -> None:
    """Its first line tells editors where the `schema` beside it is. Raises UserError for a file that exists, or a name
    that a run cannot have."""
    if path.suffix not in {".yaml", ".yml"}:
        raise UserError(f"{path} is no YAML file: choose a name that ends in .yaml")
    if path.exists():
        raise UserError(f"{path} exists: choose another name")
    for_editors = f"# yaml-language-server: $schema={schema.name}\n" if schema else ""
    path.write_text(for_editors + experiment_text(path.stem, data), encoding="utf-8")
