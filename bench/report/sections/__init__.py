"""One file a section: each is a function of an `Analysis` that yields blocks, and writes nothing."""
