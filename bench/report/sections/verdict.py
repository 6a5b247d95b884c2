"""The first screen: which model to take, how good it is, how sure that is; and what would change that decision. Words
follow from numbers."""

from collections.abc import Iterator
from datetime import datetime

from bench import formats
from bench.analysis.decision import (
    CLEAR,
    NOTHING,
    SINGLE,
    TIED,
    UNCONFIRMED,
    UNUSABLE,
    Choice,
    Decision,
    lead_of_delivery,
)
from bench.analysis.final_evaluation import Finals
from bench.analysis.labels import configuration_label
from bench.analysis.run_analysis import Analysis
from bench.evaluation.statistics import Difference, Interval
from bench.formats import plural, titled
from bench.records import DEFAULT, FAILED, Candidate
from bench.report.blocks import Banner, Colour, Tile, VerdictCard

FEW_IMAGES = 50
"""With fewer scored images an interval is so wide that only large differences show."""

FIRST = 5
"""Rows of the ranking in a summary."""

MANY_FAILURES = 0.2
LOW_IOU = 0.4
_COLOURS: dict[str, Colour] = {
    CLEAR: "good",
    TIED: "unsure",
    SINGLE: "unsure",
    UNCONFIRMED: "unsure",
    UNUSABLE: "bad",
    NOTHING: "none",
}


def verdict(found: Analysis) -> VerdictCard:
    decision = found.decision
    return VerdictCard(
        kind=_COLOURS[decision.kind],
        badge=decision.kind,
        answer=answer(decision),
        reasons=tuple(_reasons(found, decision)),
        tiles=tuple(_tiles(found, decision)),
    )


def in_one_line(found: Analysis) -> str:
    """The verdict as the list of reports and the end of a run print it."""
    decision = found.decision
    choice = decision.choice
    said = f"{decision.kind.capitalize()}. {answer(decision)}"
    if choice is None:
        return f"{said} {decision.reason}".strip()
    scores = [
        f"{where} IoU {_scored(value, interval)}"
        for where, value, interval in (
            (_how_scored(found), choice.iou, choice.interval),
            ("held-out test set", choice.test, choice.test_interval),
        )
        if value is not None
    ]
    return f"{said} {'; '.join(scores)[:1].upper()}{'; '.join(scores)[1:]}." if scores else said


def summary(found: Analysis) -> dict[str, object]:
    """The verdict and the first of the ranking for programs, at full precision."""
    decision, choice = found.decision, found.decision.choice
    facts: dict[str, object] = {"kind": decision.kind, "model": None, "iou": None, "ranking": _first_ranked(found)}
    if choice is None:
        return facts
    return facts | {
        "model": choice.label,
        "iou": choice.iou,
        "iou_low": choice.interval.low if choice.interval else None,
        "iou_high": choice.interval.high if choice.interval else None,
        "test_iou": choice.test,
    }


def _first_ranked(found: Analysis) -> list[dict[str, object]]:
    """Candidates of the final evaluation and then baselines, or trials where there was none: `FIRST` of them."""
    if isinstance(found.final, Finals):
        candidates = [
            _ranked(found.final.rank_of(each), each.label, each.score, each.interval, each.test, each.latency_s)
            for each in found.final.standings
        ]
        best_first = sorted(found.final.references, key=lambda each: -each.score)
        baselines = [_ranked(None, each.label, each.score, each.interval, each.test, None) for each in best_first]
        return [*candidates, *baselines][:FIRST]
    return [
        _ranked(
            row.rank,
            configuration_label(Candidate(name=row.name, roles=(), hyperparameters=row.trial.hyperparameters)),
            row.iou,
            None,
            (row.test or {}).get("iou"),
            row.trial.latency_s,
        )
        for row in found.ranked[:FIRST]
    ]


def _ranked(
    rank: int | None,
    model: str,
    iou: float | None,
    interval: Interval | None,
    test: float | None,
    latency_s: float | None,
) -> dict[str, object]:
    return {
        "rank": rank,
        "model": model,
        "iou": iou,
        "iou_low": interval.low if interval else None,
        "iou_high": interval.high if interval else None,
        "test_iou": test,
        "latency_s": latency_s,
    }


def facts_line(found: Analysis) -> str:
    run = found.run
    day = datetime.fromisoformat(run.record.started_at)
    status = "" if run.record.status == "finished" else f" · {run.record.status}"
    return (
        f"{run.dataset.name} · {plural(run.dataset.num_images, 'image')} · {day.day} {day:%b %Y} · "
        f"{formats.duration(run.record.wall_s)} on {run.environment.device}{status}"
    )


def answer(decision: Decision) -> str:
    """What to do, in one sentence."""
    choice = decision.choice
    if choice is None or decision.kind == NOTHING:
        return "There is no model to rank."
    if decision.kind == UNUSABLE:
        than = decision.baseline[0] if decision.baseline else "a baseline"
        return (
            f"Do not use any of these models yet: the best is not clearly better than the {than}, which needs no model."
        )
    delivered = f"{choice.label[0].lower()}{choice.label[1:]}"
    if choice.is_default and choice.delivery is not None:
        return f"Use the {delivered}, the default configuration: {_model(choice)}."
    if choice.is_default:
        return f"Stay with the default configuration: {_model(choice)}."
    if choice.delivery is not None:
        return f"Use the {delivered}: {_model(choice)}."
    if decision.kind == UNCONFIRMED:
        return f"Best so far: {_model(choice)}. No final evaluation confirms it yet."
    return f"Use {_model(choice)}."


def _model(choice: Choice) -> str:
    """'U-Net with MobileNetV2, BCE + Dice loss'."""
    values = choice.hyperparameters
    backbone = f" with {titled(values['backbone'])}" if "backbone" in values else ""
    loss = f", {titled(values['loss'])} loss" if "loss" in values else ""
    return f"{titled(values['architecture'])}{backbone}{loss}" if "architecture" in values else choice.label


def _reasons(found: Analysis, decision: Decision) -> Iterator[str]:
    choice = decision.choice
    if choice is None:
        yield decision.reason
        return
    if choice.delivery is not None and choice.delivery.refit:
        yield (
            "It saw all development images, so that none of them scores it: its cross-validated IoU is that of its recipe, trained on folds. "
            "The locked images were scored by this very network."
        )
    if choice.delivery is not None and isinstance(found.final, Finals) and len(found.final.standings) > 1:
        yield from _delivery(found, choice, found.final)
    if decision.kind == CLEAR and decision.closest:
        other, by = decision.closest
        yield (
            f"The leader is significantly better than every other candidate; the closest, {other.label}, is behind "
            f"by {_amount(by)}."
        )
    elif decision.kind == TIED:
        yield from _tie(found, decision)
    elif decision.kind == SINGLE:
        yield "The budget allowed one candidate: nothing is compared with it. Its score is of images that it did not see."
    elif decision.kind == UNCONFIRMED:
        yield (
            "This score comes from the search, which chose the model by it: it is optimistically biased, and nothing "
            "compares it with "
            "the default configuration."
        )
    elif decision.kind == UNUSABLE:
        yield from _unusable(decision)
    yield from _other_tool(found)
    label, score, lead = decision.baseline or ("", 0.0, None)
    if decision.kind in (CLEAR, TIED, SINGLE) and lead:
        yield f"{'It' if decision.kind == SINGLE else 'The leader'} is ahead of the best baseline, the {label} ({formats.rounded(score)}), by {_amount(lead)}."


def _other_tool(found: Analysis) -> Iterator[str]:
    """The best model of another tool, if one was scored on the images of the candidates."""
    others = found.final.external.standings if isinstance(found.final, Finals) else ()
    best = next((each for each in others if each.whole), None)
    if best is not None and best.leader_ahead is not None:
        yield (
            f"{best.label}, of another tool, scores {formats.rounded(best.score)} on the same images: "
            f"{_difference(best.leader_ahead.turned())} against the leader."
        )


def _delivery(found: Analysis, choice: Choice, held: Finals) -> Iterator[str]:
    leader = held.standings[0]
    lead = lead_of_delivery(found.run, choice, leader, held)
    if lead is not None:
        same = leader.candidate.hyperparameters == choice.hyperparameters
        of = (
            "one network of its configuration, the leader of the ranking"
            if same
            else f"the leader of the ranking, {leader.label}"
        )
        yield f"On the same images, the delivered model scores {_difference(lead)} against {of}."


def _tie(found: Analysis, decision: Decision) -> Iterator[str]:
    if decision.leader is None or decision.choice is None:
        return
    leader, others = decision.leader, decision.tied
    if decision.choice.is_default and DEFAULT not in leader.candidate.roles:
        default = next(each for each in others if DEFAULT in each.candidate.roles)
        lead = default.to_default or leader.to_default
        by = f" ({_difference(lead)})" if lead else ""
        yield f"{leader.label} scores higher, and not significantly so{by}."
    elif decision.closest and others:
        other, by_other = decision.closest
        count = f"{len(others)} other {'candidate is' if len(others) == 1 else 'candidates are'} statistically tied with the leader"
        yield f"{count}; the closest, {other.label}, differs by {_difference(by_other.turned())}."
    elif decision.closest:
        other, by_other = decision.closest
        yield (
            f"The leader scores higher than every other candidate; the closest, {other.label}, is behind by "
            f"{_amount(by_other)}."
        )
    if found.final.comparison.num_trainings == 1:  # type: ignore[union-attr]
        unknown = "each candidate was trained with one seed: seed variance is unknown, and a lead may be due to it."
        yield f"E{unknown[1:]}" if others else f"No winner is named, since {unknown}"
    if decision.detectable:
        low, high = decision.detectable
        span = (
            formats.rounded(high)
            if formats.rounded(low) == formats.rounded(high)
            else f"{formats.rounded(low)} to {formats.rounded(high)}"
        )
        yield f"With these images, a difference below about {span} IoU is unlikely to be detected."


def _unusable(decision: Decision) -> Iterator[str]:
    if not decision.baseline or not decision.choice:
        return
    label, score, lead = decision.baseline
    own = formats.rounded(decision.choice.iou)
    by = f" (difference {_difference(lead)})" if lead else ""
    yield f"{decision.choice.label} scores {own}, the {label} {formats.rounded(score)}{by}."


def _tiles(found: Analysis, decision: Decision) -> Iterator[Tile]:
    choice = decision.choice
    if choice is None:
        return
    if choice.iou is not None:
        sure = " with 95 % interval" if choice.interval else ""
        yield Tile(_digits(choice.iou, choice.interval), f"IoU{sure}, {_how_scored(found)}", _limits(choice.interval))
    if choice.test is not None:
        yield Tile(_digits(choice.test, choice.test_interval), "IoU, held-out test set", _limits(choice.test_interval))
    if decision.baseline:
        label, score, _ = decision.baseline
        people = found.final.annotators if isinstance(found.final, Finals) else None
        agreement = f"; two annotators agree at {formats.rounded(people.iou)}" if people else ""
        yield Tile(formats.rounded(score), f"IoU of the best baseline without a model: {label}{agreement}")
    size = (
        formats.bytes_of(choice.delivery.num_bytes)
        if choice.delivery
        else f"{formats.millions(choice.num_params)} parameters"
    )
    if choice.latency_s is not None:
        yield Tile(formats.milliseconds(choice.latency_s), f"per image on this machine · {size}")
    elif choice.num_params is not None:
        yield Tile(formats.millions(choice.num_params), "parameters")


def _how_scored(found: Analysis) -> str:
    choice = found.decision.choice
    if choice is not None and choice.delivery is not None:
        development = sum(map(len, found.run.split.folds))
        scored = len(choice.delivery.out_of_fold)
        if choice.delivery.refit:
            return f"of its recipe, out of fold on {plural(scored, 'image')}"
        return "cross-validated" if scored == development else f"out of fold on {plural(scored, 'image')}"
    return found.final.held_out if isinstance(found.final, Finals) else "on validation"


def banners(found: Analysis) -> Iterator[Banner]:
    """Findings that change a decision, one line each."""
    run, held = found.run, found.final
    if run.record.status != "finished":
        yield Banner(f"The run is not finished (status: {run.record.status}); this is what it has so far.")
    yield from _data_banners(found)
    yield from _quality_banners(found)
    total, failed = len(found.rows), found.counts[FAILED]
    if total and failed / total > MANY_FAILURES:
        yield Banner(
            f"{failed} of {plural(total, 'trial')} failed: what was compared is a part of what was tried.", "failures"
        )
    if isinstance(held, Finals):
        if held.out:
            yield Banner(f"Left out of the ranking, since a training failed: {', '.join(held.out)}.", "failures")
        if held.record.folds < held.all_folds:
            extent = f"{held.record.folds} of {plural(held.all_folds, 'fold')}"
            yield Banner(
                f"The budget allowed {extent}: candidates are compared on {plural(held.scored, 'image')}, and intervals are wide.",
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
    if 0 < scored < FEW_IMAGES and all_folds:
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


def _scored(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return formats.rounded(value)
    return formats.within(value, interval.low, interval.high)


def _digits(value: float | None, interval: Interval | None) -> str:
    return formats.rounded(value, formats.decimals(interval.low, interval.high) if interval else 2)


def _limits(interval: Interval | None) -> str:
    return formats.limits(interval.low, interval.high) if interval else ""


def _amount(by: Difference) -> str:
    """A lead without a sign, where its interval has one sign only."""
    if by.interval.low < 0:
        return _difference(by)
    places = formats.decimals(by.interval.low, by.interval.high)
    value, low, high = (formats.rounded(each, places) for each in (by.value, by.interval.low, by.interval.high))
    return f"{value} (95 % interval {low} to {high})"


def _difference(by: Difference | None) -> str:
    if by is None:
        return formats.MISSING
    places = formats.decimals(by.interval.low, by.interval.high)
    low, high = (formats.signed(value, places) for value in (by.interval.low, by.interval.high))
    return f"{formats.signed(by.value, places)} (95 % interval {low} to {high})"
