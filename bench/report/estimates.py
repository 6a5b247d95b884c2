"""Scores and differences with their 95 % intervals as text: short in a table, spelt out in a sentence."""

from bench import formats
from bench.evaluation.pooling import Estimate
from bench.evaluation.statistics import Difference, Interval
from bench.formats import MISSING


def score(value: float | None, interval: Interval | None) -> str:
    """'0.41 (0.35 to 0.47)', with the digits that the interval deserves; the value alone where there is none."""
    if value is None or interval is None:
        return formats.rounded(value)
    return formats.within(value, interval.low, interval.high)


def estimate(of: Estimate | None) -> str:
    return MISSING if of is None else score(of.value, of.interval)


def difference(by: Difference | None) -> str:
    """'+0.02 (-0.01 to +0.05)'."""
    return MISSING if by is None else formats.signed_within(by.value, by.interval.low, by.interval.high)


def gain(of: Estimate | None) -> str:
    """An estimated difference, as `difference`."""
    if of is None:
        return MISSING
    if of.interval is None:
        return formats.signed(of.value, 2)
    return formats.signed_within(of.value, of.interval.low, of.interval.high)


def digits(value: float | None, interval: Interval | None) -> str:
    """The value alone, with as many digits as its interval deserves."""
    return formats.rounded(value, formats.decimals(interval.low, interval.high) if interval else 2)


def limits(interval: Interval | None) -> str:
    return formats.limits(interval.low, interval.high) if interval else ""


def spelt(by: Difference | None) -> str:
    """'+0.02 (95 % interval -0.01 to +0.05)'."""
    if by is None:
        return MISSING
    places = formats.decimals(by.interval.low, by.interval.high)
    low, high = (formats.signed(value, places) for value in (by.interval.low, by.interval.high))
    return f"{formats.signed(by.value, places)} (95 % interval {low} to {high})"


def spelt_lead(by: Difference) -> str:
    """As `spelt`, without the sign of a lead, and without those of its interval where all of that is a lead."""
    if by.interval.low < 0:
        return spelt(by) if by.value < 0 else spelt(by).removeprefix("+")
    places = formats.decimals(by.interval.low, by.interval.high)
    value, low, high = (formats.rounded(each, places) for each in (by.value, by.interval.low, by.interval.high))
    return f"{value} (95 % interval {low} to {high})"
