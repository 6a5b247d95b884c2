"""Everything that an experiment can name, with one line each: what `python -m bench list` prints."""

from collections.abc import Mapping
from pathlib import Path


def catalogue() -> dict[str, dict[str, str]]:
    """Kind -> name -> description, from the tables themselves. Imports no TensorFlow."""
    from bench.datasets import FORMATS
    from bench.engine.devices import PRECISIONS, XLA
    from bench.engine.training.batch_statistics import BATCH_NORM
    from bench.experiments import PRESETS as EXPERIMENTS
    from bench.tuners import ORACLES
    from search_spaces import PRESETS as SPACES
    from search_spaces.architectures import ARCHITECTURES
    from search_spaces.backbones import BACKBONES
    from search_spaces.class_weights import CLASS_WEIGHTS
    from search_spaces.losses import LOSSES
    from search_spaces.optimizers import OPTIMIZERS, SCHEDULES
    from search_spaces.views import VIEWS

    return {
        "experiments": _first_comments(EXPERIMENTS),
        "search spaces": _first_comments(SPACES),
        "tuners": {name: kind.description for name, kind in ORACLES.items()},
        "architectures": {name: architecture.description for name, architecture in ARCHITECTURES.items()},
        "backbones": {
            name: f"{backbone.description}; {backbone.params_m:g} M parameters" for name, backbone in BACKBONES.items()
        },
        "losses": {name: description for name, (description, _) in LOSSES.items()},
        "class weights": {name: description for name, (description, _) in CLASS_WEIGHTS.items()},
        "views": dict(VIEWS),
        "optimizers": {name: description for name, (description, _) in OPTIMIZERS.items()},
        "schedules": {name: description for name, (description, _) in SCHEDULES.items()},
        "batch_norm policies": dict(BATCH_NORM),
        "precisions": dict(PRECISIONS),
        "xla": dict(XLA),
        "data formats": {name: known.wants for name, known in FORMATS.items()},
    }


def preset_files() -> dict[str, Mapping[str, Path]]:
    """Of the kinds that are files, where each is: to read, and to copy."""
    from bench.experiments import PRESETS as EXPERIMENTS
    from search_spaces import PRESETS as SPACES

    return {"experiments": EXPERIMENTS, "search spaces": SPACES}


def _first_comments(presets: Mapping[str, Path]) -> dict[str, str]:
    """A preset's first line is a comment that says what it is."""
    return {name: path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for name, path in presets.items()}
