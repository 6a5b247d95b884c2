"""The card on the first screen: which model to take, how good it is, how sure that is. Words follow from numbers."""

from collections.abc import Iterator

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
from bench.analysis.run_analysis import Analysis
from bench.evaluation.statistics import Interval
from bench.formats import plural, titled
from bench.records import DEFAULT
from bench.report import estimates
from bench.report.blocks import Colour, Tile, VerdictCard

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
    delivered = "delivered network" if choice.is_refit else f"{choice.label[0].lower()}{choice.label[1:]}"
    if choice.is_default and choice.delivery is not None:
        return f"Use the {delivered}: {_model(choice)} (the default configuration)."
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
        development = sum(map(len, found.run.split.folds))
        yield (
            f"It was trained on all {plural(development, 'development image')}, so that only the "
            f"{plural(len(choice.delivery.test), 'held-out image')} can score it; out of fold, other trainings of its "
            "recipe were scored on images that they did not see."
        )
    if choice.delivery is not None and isinstance(found.final, Finals) and len(found.final.ranking) > 1:
        yield from _delivery(found, choice, found.final)
    if decision.kind == CLEAR and decision.closest:
        other, by = decision.closest
        yield (
            f"The leader is significantly better than every other candidate; the closest, {other.label}, is behind "
            f"by {estimates.spelt_lead(by)}."
        )
    elif decision.kind == TIED:
        yield from _tie(found, decision)
    elif decision.kind == SINGLE:
        yield (
            "The budget allowed one candidate: nothing is compared with it. Its score is of images that it did not see."
        )
    elif decision.kind == UNCONFIRMED:
        yield (
            "This score comes from the search, which chose the model by it: it is optimistically biased, and nothing "
            "compares it with "
            "the default configuration."
        )
    elif decision.kind == UNUSABLE:
        yield from _unusable(decision)
    yield from _other_tool(found)


def _other_tool(found: Analysis) -> Iterator[str]:
    """The best model of another tool, if one was scored on the images of the candidates."""
    others = found.final.external.ranking if isinstance(found.final, Finals) else ()
    best = next((each for each in others if each.whole), None)
    if best is not None and best.leader_ahead is not None:
        yield (
            f"{best.label}, of another tool, scores {formats.rounded(best.score)} on the same images: "
            f"{estimates.spelt(best.leader_ahead.reversed())} against the leader."
        )


def _delivery(found: Analysis, choice: Choice, held: Finals) -> Iterator[str]:
    leader = held.ranking[0]
    lead = lead_of_delivery(found.run, choice, leader, held)
    same = leader.candidate.hyperparameters == choice.hyperparameters
    if lead is None or (choice.is_refit and same):  # only threshold and mirrored copies set its recipe off the leader
        return
    of = (
        "one network of its configuration, the leader of the ranking"
        if same
        else f"the leader of the ranking, {leader.label}"
    )
    what = "the recipe of the delivered network" if choice.is_refit else "the delivered model"
    yield f"On the same images, {what} scores {estimates.spelt(lead)} against {of}."


def _tie(found: Analysis, decision: Decision) -> Iterator[str]:
    if decision.leader is None or decision.choice is None:
        return
    leader, others = decision.leader, decision.tied
    if decision.choice.is_default and DEFAULT not in leader.candidate.roles:
        default = next(each for each in others if DEFAULT in each.candidate.roles)
        lead = default.to_default or leader.to_default
        by = f" ({estimates.spelt(lead)})" if lead else ""
        yield f"{leader.label} scores higher, and not significantly so{by}."
    elif decision.closest and others:
        other, by_other = decision.closest
        tied = "candidate is" if len(others) == 1 else "candidates are"
        own = "its recipe" if decision.choice.is_refit else "it"
        of = own if leader.candidate.hyperparameters == decision.choice.hyperparameters else "the leader"
        yield (
            f"{len(others)} other {tied} statistically tied with {of}; the closest, {other.label}, is behind by "
            f"{estimates.spelt_lead(by_other)}."
        )
    elif decision.closest:
        other, by_other = decision.closest
        yield (
            f"The leader scores higher than every other candidate; the closest, {other.label}, is behind by "
            f"{estimates.spelt_lead(by_other)}."
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
    by = f" (difference {estimates.spelt(lead)})" if lead else ""
    yield f"{decision.choice.label} scores {own}, the {label} {formats.rounded(score)}{by}."


def _tiles(found: Analysis, decision: Decision) -> Iterator[Tile]:
    choice = decision.choice
    if choice is None:
        return
    scores = [_out_of_fold(found, choice), _held_out(choice)]
    yield from filter(None, reversed(scores) if choice.is_refit else scores)  # first what this very model has
    if decision.baseline:
        label, score, where = _best_baseline(found, choice, *decision.baseline[:2])
        people = found.final.annotators if isinstance(found.final, Finals) else None
        agreement = f"; two annotators agree at {formats.rounded(people.iou)}" if people else ""
        agreement += ": expect little more" if people and (choice.iou or 0.0) < people.iou else ""
        yield Tile(formats.rounded(score), f"IoU of the best baseline without a model{where}: {label}{agreement}")
    size = (
        formats.bytes_of(choice.delivery.num_bytes)
        if choice.delivery
        else f"{formats.millions(choice.num_params)} parameters"
    )
    if choice.latency_s is not None:
        yield Tile(formats.milliseconds(choice.latency_s), f"per image on this machine · {size}")
    elif choice.num_params is not None:
        yield Tile(formats.millions(choice.num_params), "parameters")


def _best_baseline(found: Analysis, choice: Choice, label: str, score: float) -> tuple[str, float, str]:
    """A baseline's label and IoU, and on which images: those of the first tile."""
    if not choice.is_refit or not isinstance(found.final, Finals):
        return label, score, ""
    of = {each.label: each.test for each in found.final.references if each.test is not None}
    best = max(of, key=lambda each: of[each], default=None)
    return (label, score, "") if best is None else (best, of[best], " on the held-out images")


def _out_of_fold(found: Analysis, choice: Choice) -> Tile | None:
    if choice.iou is None:
        return None
    of = f"IoU {how_scored(found)}" if choice.is_refit else f"{_iou(choice.interval)}, {how_scored(found)}"
    return Tile(estimates.digits(choice.iou, choice.interval), of, estimates.limits(choice.interval))


def _held_out(choice: Choice) -> Tile | None:
    if choice.test is None:
        return None
    of = "IoU, held-out test set"
    if choice.delivery is not None and choice.is_refit:
        images = plural(len(choice.delivery.test), "held-out image")
        of = f"{_iou(choice.test_interval)}, of this network on {images}"
    return Tile(estimates.digits(choice.test, choice.test_interval), of, estimates.limits(choice.test_interval))


def _iou(interval: Interval | None) -> str:
    """For the first tile, which says once what it counts."""
    return "IoU (overlap, 0 to 1) with 95 % interval" if interval else "IoU (overlap, 0 to 1)"


def how_scored(found: Analysis) -> str:
    choice = found.decision.choice
    if choice is not None and choice.delivery is not None:
        development = sum(map(len, found.run.split.folds))
        scored = len(choice.delivery.out_of_fold)
        if choice.delivery.refit:
            return f"of its recipe, out of fold on {plural(scored, 'image')}"
        return "cross-validated" if scored == development else f"out of fold on {plural(scored, 'image')}"
    return found.final.held_out if isinstance(found.final, Finals) else "on validation"
