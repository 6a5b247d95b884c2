"""The trial engine: oracles propose, a worker process trains and scores, the oracle is told."""
