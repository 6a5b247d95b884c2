"""`encoder_weights: run:NAME`: the encoder of the network that an earlier run delivered."""

from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.places import folder_of_model

if TYPE_CHECKING:
    from bench.experiments import Experiment

OF_RUN = "run:"


def with_weights_of_runs(experiment: "Experiment", results: Path) -> "Experiment":
    """`experiment` with the path of its network in place of each `run:NAME`. Every Keras file is looked at before a
    worker opens it. Raises UserError for a run without a model, and for a file that no delivered model has."""
    from bench.delivery import NETWORK
    from bench.delivery.keras_file import check_keras_file

    def path_of(weights: str) -> str:
        run = weights.removeprefix(OF_RUN)
        return weights if run == weights else str(folder_of_model(run, results) / NETWORK)

    weights = tuple(map(path_of, experiment.space.encoder_weights))
    for file in map(Path, weights):
        if file.suffix.lower() == ".keras" and file.is_file():  # who reads it says that it is missing
            check_keras_file(file)
    space = experiment.space.model_copy(update={"encoder_weights": weights})
    return experiment.model_copy(update={"space": space})
