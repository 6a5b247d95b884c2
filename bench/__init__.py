"""SegBench: which segmentation model suits a small, imbalanced data set?"""

__version__ = "0.1.0"
