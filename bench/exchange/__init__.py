"""Other tools: a run's folds written for them (docs/other-tools.md)."""
