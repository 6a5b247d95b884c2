"""The finals beyond one threshold, on the page: a table, and what it means in words."""

from collections.abc import Iterator, Mapping
from dataclasses import fields

from bench import formats
from bench.analysis.final_evaluation import Finals, Standing
from bench.analysis.probabilities import Beyond
from bench.evaluation.pixel_metrics import BINS, TOLERANCE
from bench.evaluation.pooling import Estimate
from bench.formats import fraction
from bench.report import markdown

Measured = Mapping[str, Beyond | None]
"""By a contestant's name."""


def section(found: Finals, measured: Measured, threshold: float | None) -> Iterator[str]:
    """`threshold` is the protocol's, None where several classes compete instead. Where no training kept evidence there is one line."""
    yield "### Beyond one threshold"
    known = [each for each in measured.values() if each]
    if not known:
        yield "No probabilities of its finals are with this run: contours, other thresholds and calibration cannot be told."
        return
    tolerance_px = known[0].tolerance_px
    yield (
        f"From the same predictions out of fold, pooled over images, their probabilities in {BINS} bins. A tuned threshold is the best on the other folds, never on the image's "
        f"own; gain is over the protocol's, and its interval takes the thresholds as given. Contours are near within {tolerance_px:.1f} px ({100 * TOLERANCE:.2f} % of the diagonal). The "
        "calibration error is how far, on average over pixels, the probability of the likelier side is from how often it is right: low is good, "
        "and where background is most of an image it is mostly background's. Thresholds end at the edges of the bins, and average precision does not "
        "see order within one, which costs it most where probabilities pile up near 0 or 1. With several classes each is told from the rest."
    )
    yield table(found, measured, tolerance_px, threshold)
    gone = [each.label for each in found.standings if measured.get(each.contestant.name) is None]
    if gone:
        yield f"Not every training of {formats.listing(gone)} left its probabilities with this run."
    leader = measured.get(found.standings[0].contestant.name)
    if leader:
        yield " ".join(
            filter(
                None,
                [
                    "" if threshold is None else _tuning(found.standings[0], leader),
                    _calibration(leader),
                    "" if threshold is None else _without_skill(found),
                ],
            )
        )


def table(found: Finals, measured: Measured, tolerance_px: float, threshold: float | None) -> str:
    at = "IoU" if threshold is None else f"IoU at {formats.plain(threshold)}"
    head = [
        "Contestant",
        at,
        "tuned",
        "gain",
        "threshold",
        f"Boundary F1 ({tolerance_px:.1f} px)",
        "Average precision",
        "Calibration error",
    ]
    cells: list[list[object]] = [
        [each.label, fraction(each.score), *_cells(measured.get(each.contestant.name))] for each in found.standings
    ]
    cells += [[each.label, fraction(each.score), *[formats.MISSING] * 6] for each in found.references]
    return markdown.table(head, cells, right=[1])


def records(of: Beyond | None) -> dict[str, object]:
    """Columns of tables/finals.csv; none where nothing was kept."""
    if of is None:
        return {}
    values = {field.name: getattr(of, field.name) for field in fields(of)}
    names = {"tuned": "tuned_iou", "gain": "tuned_gain"}
    estimates = {names.get(name, name): each for name, each in values.items() if isinstance(each, Estimate)}
    low, median, high = of.thresholds
    return {
        "threshold": median,
        "threshold_low": low,
        "threshold_high": high,
        "tuned_test_iou": of.tuned_test,
        "tolerance_px": of.tolerance_px,
        **{column: value for name, each in estimates.items() for column, value in _columns(name, each).items()},
    }


def _columns(name: str, of: Estimate) -> dict[str, float | None]:
    low, high = (of.interval.low, of.interval.high) if of.interval else (None, None)
    return {name: of.value, f"{name}_low": low, f"{name}_high": high}


def _cells(of: Beyond | None) -> list[str]:
    if of is None:
        return [formats.MISSING] * 6
    estimates = (of.boundary_f1, of.average_precision, of.calibration_error)
    return [_cell(of.tuned), _gain(of.gain), _thresholds(of), *map(_cell, estimates)]


def _cell(of: Estimate | None) -> str:
    if of is None:
        return formats.MISSING
    return fraction(of.value) + ("" if of.interval is None else f" ({formats.span(of.interval.low, of.interval.high)})")


def _gain(of: Estimate | None) -> str:
    if of is None:
        return formats.MISSING
    within = "" if of.interval is None else f" ({formats.signed_span(of.interval.low, of.interval.high)})"
    return formats.signed(of.value) + within


def _thresholds(of: Beyond) -> str:
    if of.tuned is None:
        return formats.MISSING
    low, median, high = (f"{value:.2f}" for value in of.thresholds)
    return median if low == high else f"{median} ({low} to {high})"


def _tuning(first: Standing, own: Beyond) -> str:
    if own.tuned is None:
        return ""
    said = (
        f"With a threshold of its own, {_thresholds(own)}, the first has {fraction(own.tuned.value)} where it has {fraction(first.score)} at the "
        f"protocol's: {_gain(own.gain)}."
    )
    if own.tuned_test is None or first.test is None:
        return said
    return (
        f"{said} On the locked images, cut at the threshold that is best out of fold, it has {fraction(own.tuned_test)} where it has "
        f"{fraction(first.test)}."
    )


def _without_skill(found: Finals) -> str:
    if found.background_share is None:
        return ""
    return f"Average precision without skill is the share of foreground: {fraction(1 - found.background_share)}."


def _calibration(own: Beyond) -> str:
    if own.calibration_error is None:
        return ""
    points = f"{100 * own.calibration_error.value:.1f}"
    return f"The first's probabilities and how often they are right are {points} percentage points apart, on average over pixels."
