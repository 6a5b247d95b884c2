"""The half of the engine that computes: one trial, the compiled graphs that trials share, batches ahead of the step."""
