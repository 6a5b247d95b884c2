"""The JSON schema of an experiment file, for editors that complete and check YAML: the fields and their types from the
experiment itself, names from the tables, and what a field means from the comments of the default experiment."""

import json
import re
from collections.abc import Collection
from typing import Any

from bench.datasets.dataset import MASK_RESIZE
from bench.engine.devices import PRECISIONS, XLA
from bench.engine.training.batch_statistics import BATCH_NORM
from bench.experiments import PRESETS, Experiment
from bench.experiments.experiment import SEARCH
from bench.tuners import ORACLES
from search_spaces import PRESETS as SPACES
from search_spaces.architectures import ARCHITECTURES
from search_spaces.backbones import BACKBONES
from search_spaces.class_weights import CLASS_WEIGHTS
from search_spaces.losses import LOSSES
from search_spaces.optimizers import OPTIMIZERS, SCHEDULES
from search_spaces.views import VIEWS

NAMES: dict[str, dict[str, Collection[str]]] = {
    "Experiment": {"tuners": ORACLES, "search": SEARCH},
    "Data": {"mask_resize": MASK_RESIZE},
    "Protocol": {"batch_norm": BATCH_NORM, "precision": PRECISIONS, "xla": XLA},
    "Space": {
        "architecture": ARCHITECTURES,
        "backbone": BACKBONES,
        "loss": LOSSES,
        "class_weights": CLASS_WEIGHTS,
        "view": VIEWS,
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
    },
}
"""Section -> field -> the names that it takes, or that its list takes."""


def experiment_schema() -> dict[str, Any]:
    """In draft 2020-12. A file may leave its name and its space out, and name a space by a preset or a file."""
    schema = Experiment.model_json_schema()
    sections = {"Experiment": schema, **schema["$defs"]}
    for section, fields in NAMES.items():
        for field, names in fields.items():
            said = sections[section]["properties"][field]
            said.get("items", said)["enum"] = list(names)
    for section in ("Experiment", "Data", "Protocol"):
        for field, said in sections[section]["properties"].items():
            meaning = _comment(field)
            if meaning and "description" not in said:
                said["description"] = meaning
    own = {"$ref": "#/$defs/Space"}
    schema["properties"]["space"] |= {
        "anyOf": [{"enum": list(SPACES)}, {"type": "string", "pattern": r"\.ya?ml$"}, own],
        "default": "default",
    }
    del schema["properties"]["space"]["$ref"], schema["required"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_text() -> str:
    return json.dumps(experiment_schema(), indent=2) + "\n"


def _comment(field: str) -> str:
    """What the default experiment says beside a field, on the lines of comment below it too; "" where it says
    nothing."""
    lines = PRESETS["default"].read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if re.match(rf" *{field}:", line))
    said = [lines[at].partition(" # ")[2]]
    for line in lines[at + 1 :]:
        if not line.startswith(" ") or not line.strip().startswith("# "):
            break
        said.append(line.strip().removeprefix("# "))
    return " ".join(said).strip() if said[0] else ""
