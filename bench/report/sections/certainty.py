"""How sure the ranking is: pairwise comparisons, selection bias, sources of variance, and what more images would do."""

from collections.abc import Iterator, Mapping

from bench import formats
from bench.analysis.data_curve import CurvePoint, DataCurve
from bench.analysis.decision import UNUSABLE
from bench.analysis.final_evaluation import Finals
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import Missing
from bench.formats import MISSING, plural
from bench.report import cells, estimates
from bench.report.blocks import Block, Column, Data, Figure, Folded, Heading, Table, paragraph
from bench.report.figures.data_curve import draw_data_curve

SHOWN_PAIRS_OF = 5
"""So many candidates are compared with each other on the page; the file of all pairs has the rest."""


def certainty(found: Analysis) -> Iterator[Block]:
    held = found.final
    if not isinstance(held, Finals):
        return
    blocks = (*_over_baseline(found, held), *_pairs(held), *_selection(found, held), *_variance(held))
    if blocks:
        yield Folded("How sure is this?", _finding(found, held), blocks, "certainty")
    curve = found.data_curve
    if curve is not None:
        said = curve.reason if isinstance(curve, Missing) else about_data_curve(curve)
        yield Folded("Would more images help?", said, tuple(_curve(curve)), "more-images")


def _finding(found: Analysis, held: Finals) -> str:
    leader = held.ranking[0]
    if len(held.ranking) == 1:
        return "One candidate, compared with nothing."
    best = f"P(best) of the leader is {100 * formats.settled(leader.first_probability):.0f} %"
    detectable = found.decision.detectable
    if detectable is None:
        return f"{best}; with one seed each, seed variance is unknown."
    low, high = (formats.rounded(value) for value in detectable)
    return f"{best}; minimum detectable difference {low if low == high else f'{low} to {high}'} IoU (80 % power)."


def _over_baseline(found: Analysis, held: Finals) -> Iterator[Block]:
    label, score, lead = found.decision.baseline or ("", 0.0, None)
    if lead is not None and found.decision.kind != UNUSABLE:
        leader = "The only candidate" if len(held.ranking) == 1 else "The leader of the ranking"
        yield paragraph(
            f"{leader} ({formats.rounded(held.ranking[0].score)}) is ahead of the best baseline, the {label} "
            f"({formats.rounded(score)}), by {estimates.spelt_lead(lead)}."
        )


def _pairs(held: Finals) -> Iterator[Block]:
    if len(held.ranking) < 2:
        return
    yield Heading("Pairwise comparisons", level=4)
    yield paragraph(
        "Differences are paired on images and trainings. P(best) in the ranking is the share of bootstrap resamples "
        "in which a candidate is best. "
        + (
            "The minimum detectable difference would be found significant in four of five such experiments "
            "(uncorrected)."
            if held.comparison.num_trainings > 1
            else "With one seed each, differences are of these trained models on other images."
        )
    )
    foremost = held.ranking[:SHOWN_PAIRS_OF]
    own = [
        (a, b, difference, p) if foremost.index(a) < foremost.index(b) else (b, a, difference.reversed(), p)
        for a, b, difference, p in held.pairs
        if a in foremost and b in foremost
    ]
    own.sort(key=lambda pair: (foremost.index(pair[0]), foremost.index(pair[1])))
    columns = (
        Column("Better", "better"),
        Column("Worse", "worse"),
        Column("Difference", "difference", number=True),
        Column("p (Holm)", "p", number=True),
        Column("Detectable", "detectable", number=True, wide=True),
    )
    records = [
        {
            "better": a.label,
            "worse": b.label,
            "difference": estimates.difference(by),
            "p": "< 0.001" if p < 0.001 else formats.fraction(p),
            "detectable": formats.rounded(by.detectable) if held.comparison.num_trainings > 1 else MISSING,
        }
        for a, b, by, p in own
    ]
    yield Table("Pairwise comparisons", columns, records)


def _selection(found: Analysis, held: Finals) -> Iterator[Block]:
    if any(each.candidate.search_iou is not None for each in held.ranking):
        yield Heading("Selection bias", level=4)
        yield paragraph(
            "The validation score of the search chose the candidates and is optimistically biased; scores out of fold "
            f"and on the held-out test set did not choose them. {held.choosing} of the {held.scored} images that are "
            "scored out of fold are also those of the search, which favours what it found."
        )
        columns = (
            Column("Model", "model"),
            Column("Search", "search", cells.rounded, number=True),
            Column(held.held_out.capitalize(), "iou", number=True),
            Column("Held-out test set", "test", number=True),
            Column("Search minus test", "gap", number=True),
        )
        records = [
            {
                "model": each.label,
                "search": each.candidate.search_iou,
                "iou": estimates.score(each.score, each.interval),
                "test": estimates.score(each.test, each.test_interval)
                if each.test is not None and each.test_interval
                else formats.rounded(each.test),
                "gap": MISSING
                if each.test is None or each.candidate.search_iou is None
                else formats.signed(each.candidate.search_iou - each.test, 2),
            }
            for each in held.ranking
        ]
        yield Table("Selection bias", columns, records)
        epoch = _last_epoch(found, held)
        if epoch is not None:
            yield paragraph(
                "The search scores a trial at its best epoch, chosen on the images that it is scored on; the final "
                "evaluation scores the last. The leader's last "
                f"epoch gave {formats.rounded(epoch)} in the search."
            )


def _last_epoch(found: Analysis, held: Finals) -> float | None:
    leader = held.ranking[0].candidate
    for row in found.rows:
        if row.trial.key == (leader.study_id, leader.trial_id) and row.trial.curve:
            return row.trial.curve[-1].val_iou
    return None


def _variance(held: Finals) -> Iterator[Block]:
    parts = held.variance
    if parts is None or parts.images_by_training is None:  # one training each says nothing about seeds
        return
    folds = "fold" if len(held.seeds) > 1 else "fold and seed"
    known = {
        "test images": parts.images,
        "image-by-training interaction": parts.images_by_training,
        "seed": parts.seeds,
        folds: parts.folds,
    }
    shares = {name: value for name, value in known.items() if value is not None}
    total = sum(shares.values())
    if total:
        said = [
            f"{name} {formats.percent(value / total)}"
            for name, value in sorted(shares.items(), key=lambda item: -item[1])
        ]
        yield paragraph(f"Sources of variance in one configuration's test score: {formats.listing(said)}.")


def _curve(curve: DataCurve | Missing) -> Iterator[Block]:
    if isinstance(curve, Missing):
        yield paragraph(f"No learning curve: {curve.reason}.")
        return
    extent = plural(curve.planned, "seed")
    if len(curve.seeds) < curve.planned:
        extent = f"{len(curve.seeds)} of {extent} (those of which every training completed)"
    yield paragraph(
        f"Learning curve of {curve.label}: trained on fractions of each fold's training images with {extent}, for "
        f"equally many steps, so that only the "
        "images differ. Fractions are nested and stratified by foreground, duplicates stay together. "
        f"Intervals cover other images{' and repeated training' if len(curve.seeds) > 1 else ''} (95 %). The model "
        f"leads by its score on all images, which "
        "favours that point."
    )
    yield Figure("data-curve", "IoU by training images", about_data_curve(curve), lambda: draw_data_curve(curve))
    columns = (
        Column("Images", "share", number=True),
        Column("Training images", "images", number=True),
        Column("IoU", "iou", number=True),
        Column("Over the fraction before", "gain", number=True),
    )
    records = [
        {
            "share": _share(point),
            "images": f"{point.train_images:.1f}",
            "iou": estimates.score(point.iou, point.interval),
            "gain": MISSING if point.gain is None else _gain(point),
        }
        for point in curve.points
    ]
    yield Table("Learning curve", columns, records)
    yield Data("data-curve.csv", [_record(point) for point in curve.points])


def about_data_curve(found: DataCurve) -> str:
    """Whether more images would help, as the last step says."""
    *_, before, last = found.points
    gain = last.gain
    assert gain is not None  # only the first point has none
    said = (
        f"From {_share(before)} of the images ({before.train_images:.0f}) to all ({last.train_images:.0f}) IoU "
        f"changes by {_gain(last)}: "
    )
    if len(found.seeds) == 1:
        return f"{said}with one seed the effect of images cannot be separated from seed variance."
    if gain.interval.low > 0:
        return f"{said}more images are likely to help."
    if gain.interval.high < 0:
        return f"{said}fewer images scored higher, so that more images of this kind are unlikely to help."
    return f"{said}no significant gain; a gain below {formats.rounded(gain.detectable)} could have stayed undetected."


def _share(point: CurvePoint) -> str:
    return f"{100 * point.train_share:.0f} %"


def _gain(point: CurvePoint) -> str:
    gain = point.gain
    return MISSING if gain is None else estimates.difference(gain)


def _record(point: CurvePoint) -> Mapping[str, object]:
    gain = point.gain
    return {
        "train_share": point.train_share,
        "train_images": point.train_images,
        "iou": point.iou,
        "iou_low": point.interval.low,
        "iou_high": point.interval.high,
        "gain": gain and gain.value,
        "gain_low": gain and gain.interval.low,
        "gain_high": gain and gain.interval.high,
        "p": gain and gain.p,
        "detectable": gain and gain.detectable,
    }
