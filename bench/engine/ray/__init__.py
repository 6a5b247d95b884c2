"""Trials on a Ray cluster: its machines, its executor, the actor around a trainer."""
