"""Other tools: a run's folds written for them, and their masks scored into its ranking (docs/other-tools.md)."""
