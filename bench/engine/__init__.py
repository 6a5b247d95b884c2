"""The trial engine: worker processes on this machine or a Ray cluster, which train and score trials."""
