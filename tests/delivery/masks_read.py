"""A written mask, read by Pillow alone: the ids of its palette."""

from pathlib import Path

import numpy as np
from PIL import Image


def read_mask(path: Path) -> np.ndarray:
    """Class ids uint8 [H, W]."""
    with Image.open(path) as mask:
        return np.array(mask)
