"""The choices of a trial: architectures, backbones, losses, augmentation, optimisers, and presets of search spaces.

Nothing here knows `bench`. The tables of names import without TensorFlow; a builder imports it when it is called.
"""

from pathlib import Path

PRESETS: dict[str, Path] = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}
"""Search spaces that come with SegBench, by name."""
