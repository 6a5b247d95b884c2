"""Findings that change the decision, a line each, above the verdict."""

from collections.abc import Iterator

from bench import formats
from bench.analysis.final_evaluation import Finals
from bench.analysis.run_analysis import Analysis
from bench.formats import plural
from bench.records import FAILED
from bench.report.blocks import Banner

FEW_IMAGES = 50
"""With fewer scored images an interval is so wide that only large differences show."""


MANY_FAILURES = 0.2


LOW_IOU = 0.4


def banners(found: Analysis) -> Iterator[Banner]:
    """Findings that change a decision, one line each."""
    run, held = found.run, found.final
    if run.record.status != "finished":
        yield Banner(f"The run is not finished (status: {run.record.status}); this is what it has so far.")
    yield from _data_banners(found)
    yield from _quality_banners(found)
    total, failed = len(found.rows), found.counts[FAILED]
    if found.decision.choice is not None and total and failed / total > MANY_FAILURES:
        yield Banner(
            f"{failed} of {plural(total, 'trial')} failed: what was compared is a part of what was tried.", "failures"
        )
    if isinstance(held, Finals):
        if held.out:
            yield Banner(f"Left out of the ranking, since a training failed: {', '.join(held.out)}.", "failures")
        if held.record.folds < held.all_folds:
            extent = f"{held.record.folds} of {plural(held.all_folds, 'fold')}"
            images = f"{held.scored} of the {plural(sum(map(len, run.split.folds)), 'development image')}"
            yield Banner(
                f"Candidates are compared on {images} ({extent}): intervals are wide.",
                "setup",
            )
        elif held.trained < held.planned:
            yield Banner(f"The budget allowed {held.trained} of {plural(held.planned, 'training')}.", "setup")
        if held.newer is not None:
            score = formats.rounded(held.newer.val_metrics.get("iou"))
            yield Banner(
                f"The best trial of the search, {held.newer.study_id}/{held.newer.trial_id} ({score} on validation), "
                f"was found "
                "after the final evaluation and is not in the ranking.",
                "search",
            )


def _data_banners(found: Analysis) -> Iterator[Banner]:
    run, held = found.run, found.final
    crossing = _leaks(found)
    if crossing:
        yield Banner(
            f"{plural(crossing, 'group')} of duplicate images is in more than one part of the split: scores may be "
            f"too high.",
            "data",
        )
    if found.vanished:
        yield Banner(
            f"On {plural(len(found.vanished), 'image')} all foreground vanishes at the evaluated size: objects are "
            f"too small for it.",
            "data",
        )
    scored = held.scored if isinstance(held, Finals) else len(run.split.val)
    all_folds = not isinstance(held, Finals) or held.record.folds == held.all_folds
    if found.decision.choice is not None and 0 < scored < FEW_IMAGES and all_folds:
        yield Banner(
            f"Only {plural(scored, 'image')} are scored, so that intervals are wide; more annotated images narrow "
            f"them.",
            "certainty",
        )


def _leaks(found: Analysis) -> int:
    """Groups of duplicates with images in two parts; those that the split has left out do no harm."""
    split = found.run.split
    part_of = {
        name: part for part, names in (("test", split.test), ("open", (*split.train, *split.val))) for name in names
    }
    fold_of = {name: number for number, names in enumerate(split.folds) for name in names}
    hold_of = {
        name: part
        for part, names in (("train", split.train), ("val", split.val), ("test", split.test))
        for name in names
    }
    crossing = 0
    for group in found.run.audit.twin_groups:
        for of in (part_of, fold_of, hold_of):
            if len({of[name] for name in group if name in of}) > 1:
                crossing += 1
                break
    return crossing


def _quality_banners(found: Analysis) -> Iterator[Banner]:
    choice = found.decision.choice
    if choice is None or choice.iou is None or choice.iou >= LOW_IOU:
        return
    recall, precision = choice.metrics.get("recall"), choice.metrics.get("precision")
    if recall is not None and (precision is None or recall <= precision + 0.1):
        yield Banner(
            f"Low score: about {_share(1 - recall)} of the foreground pixels are missed. Look at the predictions "
            f"before using it.",
            "predictions",
        )
    elif precision is not None:
        yield Banner(
            f"Low score: about {_share(1 - precision)} of the pixels that it marks are false alarms. Look at the "
            f"predictions before using it.",
            "predictions",
        )


def _share(value: float) -> str:
    """A share in round words: 'two thirds', '80 %'."""
    for share, words in ((1 / 3, "a third"), (1 / 2, "half"), (2 / 3, "two thirds"), (3 / 4, "three quarters")):
        if abs(value - share) < 0.03:
            return words
    return f"{100 * formats.settled(value):.0f} %"
