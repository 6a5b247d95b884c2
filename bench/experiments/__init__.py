"""An experiment: data, search space, tuners, budget, and the protocol that is equal for all candidates.

It is written as YAML; the presets are beside this file. It is checked as a whole before anything runs. Its resolved
form is stored with the run, so that it can be loaded and run again. Nothing here imports TensorFlow.
"""

from bench.experiments.data import Data
from bench.experiments.durations import parse_duration
from bench.experiments.experiment import SEARCH, WITHOUT_TUNERS, Experiment
from bench.experiments.loading import PRESETS, load_experiment, load_space, load_stored, override, to_json
from bench.experiments.protocol import DEFAULT_STEPS, Protocol
from bench.options import SAMPLE

__all__ = [
    "DEFAULT_STEPS",
    "PRESETS",
    "SAMPLE",
    "SEARCH",
    "WITHOUT_TUNERS",
    "Data",
    "Experiment",
    "Protocol",
    "load_experiment",
    "load_space",
    "load_stored",
    "override",
    "parse_duration",
    "to_json",
]
