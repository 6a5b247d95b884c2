"""Files of PyTorch's tensors. Weights that no package has are beside the files that Keras keeps."""

import os
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from search_spaces.encoders.torch_file import read_tensors

SUFFIXES = (".safetensors", ".pth", ".bin")


class MissingFileError(ValueError):
    """There is no file of a backbone's weights; the message is one line, "what is wrong; what mends it"."""


def imagenet_file(backbone: str) -> Path:
    """The backbone's file in the folder `models` of `$KERAS_HOME` (by default `~/.keras`). Raises MissingFileError."""
    folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
    found = [path for suffix in SUFFIXES if (path := folder / f"{backbone}{suffix}").is_file()]
    if not found:
        raise MissingFileError(
            f"no ImageNet weights for backbone {backbone}: no package has them; put their file at {folder / backbone}"
            f"{SUFFIXES[0]} (or {', '.join(SUFFIXES[1:])}), or set encoder_weights to its path, or to none"
        )
    return found[0]


def tensors_of(path: Path) -> dict[str, np.ndarray]:
    """Name -> array, PyTorch's axes, of a file of safetensors or one that PyTorch saved. Raises an Exception of the
    reader's for one that is neither."""
    return load_file(path) if path.suffix.lower() == ".safetensors" else read_tensors(path)
