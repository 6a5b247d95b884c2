"""Budgets as people write them."""

import re

from bench.errors import ExperimentError

LONGEST_BUDGET_S = 366 * 24 * 3600.0

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds, from "90s", "10m", "1.5h" or several of them ("1h30m"). Raises ExperimentError."""
    if len(text) > 40:
        raise ExperimentError(f"{text[:40]!r}... is not a duration; write it like 90s, 10m or 1.5h")
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smh])\s*", text)
    if not parts or not re.fullmatch(r"(\s*\d+(\.\d+)?\s*[smh])+\s*", text):
        raise ExperimentError(f"{text!r} is not a duration; write it like 90s, 10m or 1.5h")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds <= 0:
        raise ExperimentError(f"{text!r} is no time at all; write a budget like 90s, 10m or 1.5h")
    if seconds > LONGEST_BUDGET_S:
        raise ExperimentError(f"{text!r} is more than a year; write a budget like 90s, 10m or 1.5h")
    return seconds
