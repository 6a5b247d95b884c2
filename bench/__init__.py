"""SegBench: which segmentation model suits a small, imbalanced data set?

from bench import load_model, load_run

mask = load_model("results/cars").predict("photograph.jpg")  # uint8 [H, W], class ids
table = load_run("results/cars").leaderboard()               # pandas.DataFrame
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.delivery.finished_run import load_run
    from bench.delivery.model import load_model

__version__ = "0.1.0"
__all__ = ["__version__", "load_model", "load_run"]

_PLACES = {"load_model": "bench.delivery.model", "load_run": "bench.delivery.finished_run"}


def __getattr__(name: str) -> Any:
    """Imports what is asked for when it is asked for: `import bench` stays light."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
