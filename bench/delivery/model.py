"""A delivered model, ready to use: images of any size to masks of that size."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench.datasets.images import read_image
from bench.datasets.letterbox import letterbox, valid_area
from bench.datasets.windows import squared, through_windows
from bench.delivery import DESCRIPTION, FOLDER, NETWORK
from bench.delivery.description import ModelDescription, read_description
from bench.delivery.keras_file import check_keras_file
from bench.errors import DataError
from bench.evaluation.postprocess import segment
from bench.formats import printable
from bench.records import ValueRange

CPU_BATCH, GPU_BATCH = 2, 16
"""Images that are computed at once.

The number never varies, since a kernel may round differently for another one, and equal images must get equal masks.
oneDNN needs more time for one image than for two (docs/performance.md).
"""

Image = np.ndarray | str | Path
"""RGB uint8 [H, W, 3], or the file that holds it."""


class SegmentationModel:
    """What `load_model` returns.

    Its methods state what an image must be, and raise DataError, one line, for any other.
    """

    def __init__(self, network: Any, description: ModelDescription) -> None:
        import tensorflow as tf

        self.description = description
        self._on_gpu = bool(tf.config.list_logical_devices("GPU"))
        size = description.image_size
        spec = tf.TensorSpec([None, size, size, 3], tf.float32)
        self._compute = tf.function(lambda images: network(images, training=False), [spec], autograph=False)
        self.network = network
        """The Keras model: float32 [batch, S, S, 3] in 0-255 to float32 probabilities [batch, S, S, channels]."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Foreground classes by id from 1; 0 is background."""
        return self.description.classes

    @property
    def sees_patches(self) -> bool:
        """Whether it sees images through windows at their own resolution, not shrunk."""
        return self.description.view == "patches"

    @property
    def batch_size(self) -> int:
        """Images that are computed at once."""
        return GPU_BATCH if self._on_gpu else CPU_BATCH

    def predict(self, image: Image) -> np.ndarray:
        """Class ids, uint8 [H, W], of one image at its own size; a file is turned upright first."""
        pixels = _pixels(image, self.description.value_range)
        return self.mask_of(self.probabilities(pixels))

    def probabilities(self, image: Image) -> np.ndarray:
        """float32 [H, W, channels] in 0-1 of one image at its own size.

        The channels are the only foreground class, or background and every class.
        """
        pixels = _pixels(image, self.description.value_range)
        if self.sees_patches:
            return through_windows(pixels, self.description.image_size, self.squares, self.batch_size)
        square = self.squares(letterbox(pixels, self.description.image_size)[None])[0]
        return self.unletterbox(square, *pixels.shape[:2])

    def scored(self, image: np.ndarray, size: int) -> np.ndarray:
        """Probabilities of one image, uint8 [H, W, 3], as it is scored: letterboxed, float32 [size, size, channels]."""
        if self.sees_patches:
            return squared(self.probabilities(image), size)
        return self.squares_at(letterbox(image, self.description.image_size)[None], size)[0]

    def squares(self, images: np.ndarray) -> np.ndarray:
        """Probabilities float32 [N, S, S, channels] of letterboxed images, uint8 [N, S, S, 3]."""
        return np.concatenate([np.asarray(part)[:used] for part, used in self._batches(images)])

    def squares_at(self, images: np.ndarray, size: int) -> np.ndarray:
        """`squares` at another size, [N, size, size, channels], as images are scored: bilinear, by TensorFlow."""
        import tensorflow as tf

        own = self.description.image_size
        parts = (
            (part if size == own else tf.image.resize(part, [size, size]), used) for part, used in self._batches(images)
        )
        return np.concatenate([np.asarray(part)[:used] for part, used in parts])

    def unletterbox(self, square: np.ndarray, height: int, width: int) -> np.ndarray:
        """A result of `squares`, float32 [S, S, channels], at its image's own size, [height, width, channels]."""
        valid = valid_area(height, width, self.description.image_size)
        rows, columns = (np.flatnonzero(valid.any(axis=axis)) for axis in (1, 0))
        inner = square[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        channels = [
            cv2.resize(np.ascontiguousarray(inner[..., channel]), (width, height), interpolation=cv2.INTER_LINEAR)
            for channel in range(inner.shape[-1])
        ]
        return np.stack(channels, axis=-1)

    def mask_of(self, probabilities: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
        """Class ids uint8 [H, W] of float32 [H, W, channels]: the model's threshold and smallest object."""
        about = self.description
        return segment(probabilities, threshold=about.threshold, smallest_object=about.smallest_object, valid=valid)

    def _batches(self, images: np.ndarray) -> Iterator[tuple[Any, int]]:
        """Probabilities of `batch_size` images at a time, and how many of them count; the last image fills up."""
        if not len(images):
            raise ValueError("no image")
        for start in range(0, len(images), self.batch_size):
            rows = np.arange(start, start + self.batch_size).clip(max=len(images) - 1)
            yield self._compute(images[rows].astype(np.float32)), min(self.batch_size, len(images) - start)


def load_model(path: str | Path) -> SegmentationModel:
    """Opens a delivered model: a run's folder, the model's folder or its `model.keras`.

    Only Keras's own layers are loaded, in its safe mode. Raises DataError, one line that names the file, for a file
    that is missing, torn, foreign or of another shape than its description says.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    folder = model_folder(Path(path))
    description = read_description(folder)
    file = folder / NETWORK
    check_keras_file(file)
    import keras

    try:
        network = keras.models.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises what its layers raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{file} cannot be loaded: {reason}") from error
    side, channels = description.image_size, description.num_channels
    expected = ((None, side, side, 3), (None, side, side, channels))
    if (network.input_shape, network.output_shape) != expected:
        found = f"{network.input_shape} to {network.output_shape}"
        raise DataError(f"{file} maps {found}; {DESCRIPTION} says {expected[0]} to {expected[1]}")
    return SegmentationModel(network, description)


def model_folder(path: Path) -> Path:
    """The folder of the model that a path stands for. Raises DataError where there is none."""
    if path.name == NETWORK and path.is_file():
        return path.parent
    if (path / DESCRIPTION).is_file():
        return path
    if (path / FOLDER / DESCRIPTION).is_file():
        return path / FOLDER
    if (path / "run.json").is_file():
        if (path / "delivery.json").is_file():
            raise DataError(
                f"run {path} has delivered a model that is not kept here (git has none); "
                "run it again under another --name"
            )
        raise DataError(f"run {path} has no model: {_why_none(path)}")
    raise DataError(f"{path} holds no model; give a run, or a folder with {NETWORK} and {DESCRIPTION}")


def _why_none(run: Path) -> str:
    """Of a run that has delivered none."""
    with contextlib.suppress(OSError):
        worker = (run / ".owner").read_text(errors="replace").strip()[:200]
        return printable(
            f"none was delivered yet, a run does that at its end, and {worker} works on it; "
            "if that is gone, continue with run --resume"
        )
    return "none was delivered yet, and no run works on it; continue it with run --resume"


def _pixels(image: Image, value_range: ValueRange | None) -> np.ndarray:
    if isinstance(image, str | Path):
        return read_image(Path(image), value_range)[0]
    if not isinstance(image, np.ndarray):
        raise DataError(f"an image is a path or a NumPy array, not {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise DataError(f"an image is RGB uint8 [H, W, 3], not {image.dtype} {list(image.shape)}")
    return image
