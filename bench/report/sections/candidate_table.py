"""Candidates, models of other tools and baselines in one table, the delivered model above them."""

from collections.abc import Iterator, Mapping, Sequence

from bench import formats
from bench.analysis.decision import Choice, lead_of_delivery
from bench.analysis.external import RankedTool
from bench.analysis.final_evaluation import Finals, RankedBaseline, RankedCandidate
from bench.analysis.labels import role_title
from bench.analysis.run_analysis import Analysis
from bench.evaluation.statistics import Interval as Limits
from bench.formats import MISSING, plural
from bench.records import DEFAULT
from bench.report import cells, estimates
from bench.report.blocks import Badged, Column, Interval, Table

TOGGLES = (("test", "held-out test set"), ("baseline", "baselines"))


def table(found: Analysis, held: Finals) -> Table:
    return candidate_table(held, tuple(_delivered(found, held)))


def candidate_table(
    held: Finals, delivered: Sequence[Mapping[str, object]] = (), name: str = "Ranking of the candidates and baselines"
) -> Table:
    """Candidates and baselines of one final evaluation, the delivered model's record above them."""
    columns = (
        Column("#", "rank", number=True),
        Column("Model", "model"),
        Column("IoU", "interval"),
        Column("Out of fold", "iou_text", number=True, wide=True),
        Column("Held-out test set", "test_text", number=True, group="test", wide=True),
        Column("Over the default", "to_default", number=True, wide=True),
        Column("P(best)", "best", cells.whole_percent, number=True, wide=True),
        Column("Latency", "latency_s", cells.latency, number=True, wide=True),
        Column("Parameters", "num_params", cells.millions, number=True, wide=True),
    )
    records = [*delivered, *_placed(held), *map(_baseline, held.references)]
    if held.annotators:
        agreement = formats.rounded(held.annotators.iou)
        records.append(
            {
                "model": held.annotators.label,
                "interval": Interval(held.annotators.iou, text=agreement),
                "iou_text": agreement,
                "group": "baseline",
            }
        )
    return Table(name, columns, records, TOGGLES)


def _placed(held: Finals) -> list[dict[str, object]]:
    """Candidates and models of other tools by their score; what was not given for every fold comes last."""
    rows = [(True, each.score, _candidate(each, held)) for each in held.ranking]
    rows += [(each.whole, each.score or 0.0, _other_tool(each, held)) for each in held.external.ranking]
    return [row for *_, row in sorted(rows, key=lambda each: (not each[0], -each[1]))]


def _other_tool(each: RankedTool, held: Finals) -> dict[str, object]:
    partly = () if each.whole or not each.images else (f"{each.images} of {held.scored} images",)
    return {
        "rank": each.rank,
        "model": Badged(each.label, ("other tool", *partly)),
        "interval": drawn(each.score, each.interval, each.test, each.test_interval),
        "iou_text": estimates.score(each.score, each.interval),
        "test_text": estimates.score(each.test, each.test_interval),
        "to_default": estimates.difference(each.to_default),
    }


def _candidate(each: RankedCandidate, held: Finals) -> dict[str, object]:
    roles = sorted(each.candidate.roles, key=lambda role: role != DEFAULT)  # the search may find the default again
    return {
        "rank": held.rank_of(each),
        "model": Badged(each.label, tuple(map(role_title, roles))),
        "interval": drawn(each.score, each.interval, each.test, each.test_interval),
        "iou_text": estimates.score(each.score, each.interval),
        "test_text": estimates.score(each.test, each.test_interval),
        "to_default": estimates.difference(each.to_default),
        "best": each.first_probability if len(held.ranking) > 1 else None,
        "latency_s": each.latency_s,
        "num_params": each.num_params,
    }


def _baseline(each: RankedBaseline) -> dict[str, object]:
    return {
        "model": Badged(each.label, ("no model",)),
        "interval": drawn(each.score, each.interval, each.test, each.test_interval),
        "iou_text": estimates.score(each.score, each.interval),
        "test_text": estimates.score(each.test, each.test_interval),
        "group": "baseline",
    }


def _delivered(found: Analysis, held: Finals) -> Iterator[dict[str, object]]:
    choice = found.delivered
    if choice is None:
        return
    default = held.of_role(DEFAULT)
    # One network of the default's own recipe: what is left of a difference is its threshold and mirrored copies.
    own = default is not None and choice.is_refit and default.candidate.hyperparameters == choice.hyperparameters
    of_recipe = ("its recipe's IoU on folds",) if choice.is_refit else ()
    yield {
        "model": Badged(choice.label, ("delivered", *of_recipe, *_other_images(choice, held))),
        "interval": drawn(choice.iou, choice.interval, choice.test, choice.test_interval),
        "iou_text": estimates.score(choice.iou, choice.interval),
        "test_text": estimates.score(choice.test, choice.test_interval),
        "to_default": MISSING if own else estimates.difference(lead_of_delivery(found.run, choice, default, held)),
        "latency_s": choice.latency_s,
    }


def _other_images(choice: Choice, held: Finals) -> Iterator[str]:
    """On how many images the delivered model was scored, where these are not those of the candidates."""
    scored = len(choice.delivery.out_of_fold) if choice.delivery else held.scored
    if scored != held.scored:
        yield f"on {plural(scored, 'image')}, candidates on {held.scored}"


def drawn(
    score: float | None, limits: Limits | None, test: float | None = None, test_limits: Limits | None = None
) -> Interval:
    also = None if test is None else _interval(test, test_limits)
    own = _interval(score, limits)
    return Interval(own.value, own.low, own.high, also, text=estimates.score(score, limits))


def _interval(value: float | None, limits: Limits | None) -> Interval:
    if limits is None:
        return Interval(value)
    return Interval(value, max(0.0, limits.low), min(1.0, limits.high))
