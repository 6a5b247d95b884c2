"""How a command ends that did not do what it was asked for."""

MENDABLE, NO_MODEL, INTERRUPTED = 2, 3, 130
