"""Pixel counts to metrics, and the references that every model is compared with. NumPy only."""
