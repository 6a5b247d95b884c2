"""Whatever a trial may choose: architectures, backbones, losses, augmentation, optimisers, and the presets that draw from them.

Nothing here knows `bench`. The tables of names import without TensorFlow; what they build imports it when it is built.
"""

from pathlib import Path

PRESETS: dict[str, Path] = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.yaml"))}
"""Search spaces that come with SegBench, by name."""
