"""The ranking: candidates and baselines in one table, with their intervals drawn; of a run without a final
evaluation, its best trials."""

from collections.abc import Iterator, Mapping, Sequence

from bench import formats
from bench.analysis.decision import Choice, lead_of_delivery
from bench.analysis.external import ExternalStanding
from bench.analysis.final_evaluation import Finals, ReferenceStanding, Standing
from bench.analysis.labels import role_title, training_length
from bench.analysis.run_analysis import Analysis
from bench.evaluation.statistics import Difference
from bench.evaluation.statistics import Interval as Limits
from bench.formats import MISSING, plural
from bench.report.blocks import Badged, Block, Column, Data, Figure, Heading, Interval, Table, paragraph
from bench.report.figures.intervals import draw_intervals
from bench.report.sections.metrics import METRICS, probability_records
from bench.report.sections.search import reference_records, trial_table

TOGGLES = (("test", "held-out test set"), ("baseline", "baselines"))


def ranking(found: Analysis) -> Iterator[Block]:
    yield Heading("Ranking", anchor="ranking")
    held = found.final
    if not isinstance(held, Finals):
        yield paragraph(
            f"No final evaluation: {held.reason}. These are the best trials of the search, each trained once."
        )
        yield trial_table(found)
        yield Data("references.csv", reference_records(found), ("reference", "split"), "Baselines")
        return
    yield paragraph(explained(held))
    yield table(found, held)
    yield Data("references.csv", reference_records(found), ("reference", "split"), "Baselines")
    yield Data("finals.csv", _records(found, held), ("rank", "candidate"), "Every metric of the ranking")
    if held.pairs:
        yield Data("finals-pairs.csv", pair_records(held), ("first", "second"), "Every pairwise comparison")


def brief(found: Analysis) -> Iterator[Block]:
    """For the markdown page: the table and its picture."""
    yield Heading("Ranking")
    held = found.final
    if not isinstance(held, Finals):
        yield paragraph(
            f"No final evaluation: {held.reason}. These are the best trials of the search, each trained once."
        )
        yield trial_table(found)
        return
    yield paragraph(explained(held))
    yield table(found, held)
    yield Figure("ranking", "Ranking with intervals", caption(held), lambda: draw_intervals(held))


def explained(held: Finals) -> str:
    several = held.comparison.num_trainings > 1
    same_rank = (
        "Candidates with the same rank do not differ significantly from the best of that rank (alpha = 0.05, Holm-corrected). "
        if len(held.standings) > 1
        else ""
    )
    spread = "other images and repeated training" if several else "other images, but no other seeds"
    trained = "each trained" if len(held.standings) > 1 else "trained"
    return (
        f"{plural(len(held.standings), 'candidate')}, {trained} for {training_length(held.record)} on "
        f"{plural(held.record.folds, 'fold')} with {plural(len(held.seeds), 'seed')}; every image is scored by trainings "
        f"that did not see it. {same_rank}The 95 % intervals cover {spread}.{_of_other_tools(held)}"
    )


def _of_other_tools(held: Finals) -> str:
    if not held.external.standings:
        return ""
    return (
        " Models of other tools were scored once, from their masks on the same images: their intervals cover other images alone. "
        "Ranks count those that were given for every fold."
    )


def caption(held: Finals) -> str:
    leader = held.standings[0]
    level = sum(each.group == 1 for each in held.standings) - 1
    others = len(held.standings) - 1
    if not others:
        return f"{leader.label} has {formats.within(leader.score, leader.interval.low, leader.interval.high)}."
    return (
        f"{leader.label} leads with {formats.within(leader.score, leader.interval.low, leader.interval.high)}; "
        f"{level} of {plural(others, 'other candidate')} {'does' if level == 1 else 'do'} not differ significantly "
        f"from it."
    )


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
        Column(held.held_out.capitalize(), "iou_text", number=True, wide=True),
        Column("Held-out test set", "test_text", number=True, group="test", wide=True),
        Column("Over the default", "to_default", number=True, wide=True),
        Column("P(best)", "best", _percent, number=True, wide=True),
        Column("Latency", "latency_s", _latency, number=True, wide=True),
        Column("Parameters", "num_params", _millions, number=True, wide=True),
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
    rows = [(True, each.score, _candidate(each, held)) for each in held.standings]
    rows += [(each.whole, each.score or 0.0, _other_tool(each, held)) for each in held.external.standings]
    return [row for *_, row in sorted(rows, key=lambda each: (not each[0], -each[1]))]


def _other_tool(each: ExternalStanding, held: Finals) -> dict[str, object]:
    partly = () if each.whole or not each.images else (f"{each.images} of {held.scored} images",)
    return {
        "rank": each.rank,
        "model": Badged(each.label, ("other tool", *partly)),
        "interval": drawn(each.score, each.interval, each.test, each.test_interval),
        "iou_text": scored(each.score, each.interval),
        "test_text": scored(each.test, each.test_interval),
        "to_default": difference(each.to_default),
    }


def _candidate(each: Standing, held: Finals) -> dict[str, object]:
    return {
        "rank": held.rank_of(each),
        "model": Badged(each.label, tuple(map(role_title, each.candidate.roles))),
        "interval": drawn(each.score, each.interval, each.test, each.test_interval),
        "iou_text": scored(each.score, each.interval),
        "test_text": scored(each.test, each.test_interval),
        "to_default": difference(each.to_default),
        "best": each.first_probability,
        "latency_s": each.latency_s,
        "num_params": each.num_params,
    }


def _baseline(each: ReferenceStanding) -> dict[str, object]:
    return {
        "model": Badged(each.label, ("no model",)),
        "interval": drawn(each.score, each.interval, each.test, each.test_interval),
        "iou_text": scored(each.score, each.interval),
        "test_text": scored(each.test, each.test_interval),
        "group": "baseline",
    }


def _delivered(found: Analysis, held: Finals) -> Iterator[dict[str, object]]:
    choice = found.delivered
    if choice is None:
        return
    default = next(
        (each for each in held.standings if "default configuration" in map(role_title, each.candidate.roles)), None
    )
    yield {
        "model": Badged(choice.label, ("delivered", *_other_images(choice, held))),
        "interval": drawn(choice.iou, choice.interval, choice.test, choice.test_interval),
        "iou_text": scored(choice.iou, choice.interval),
        "test_text": scored(choice.test, choice.test_interval),
        "to_default": difference(lead_of_delivery(found.run, choice, default, held)),
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
    return Interval(own.value, own.low, own.high, also, text=scored(score, limits))


def _interval(value: float | None, limits: Limits | None) -> Interval:
    if limits is None:
        return Interval(value)
    return Interval(value, max(0.0, limits.low), min(1.0, limits.high))


def scored(value: float | None, limits: Limits | None) -> str:
    if value is None or limits is None:
        return formats.rounded(value)
    return formats.within(value, limits.low, limits.high)


def difference(by: Difference | None) -> str:
    return MISSING if by is None else formats.signed_within(by.value, by.interval.low, by.interval.high)


def _percent(value: object) -> str:
    return f"{100 * formats.settled(value):.0f} %" if isinstance(value, float) else MISSING


def _latency(value: object) -> str:
    return formats.milliseconds(value if isinstance(value, float) else None)


def _millions(value: object) -> str:
    return formats.millions(value if isinstance(value, int) else None)


def _records(found: Analysis, held: Finals) -> list[Mapping[str, object]]:
    rows: list[Mapping[str, object]] = [
        {
            "rank": held.rank_of(each),
            "candidate": each.label,
            "roles": ", ".join(map(role_title, each.candidate.roles)),
            "study_id": each.candidate.study_id,
            "trial_id": each.candidate.trial_id,
            "iou": each.score,
            "iou_low": each.interval.low,
            "iou_high": each.interval.high,
            "best_probability": each.first_probability,
            **{name: each.metrics.get(name) for name in METRICS},
            "background_share": held.background_share,
            **probability_records(found.probabilities.get(each.candidate.name)),
            "test_iou": each.test,
            "test_iou_low": each.test_interval.low if each.test_interval else None,
            "test_iou_high": each.test_interval.high if each.test_interval else None,
            "search_iou": each.candidate.search_iou,
            "num_params": each.num_params,
            "train_s": each.train_s,
            "latency_s": each.latency_s,
            "peak_memory_bytes": each.peak_memory_bytes,
        }
        for each in held.standings
    ]
    choice = found.delivered
    if choice is not None:
        rows.append(
            {
                "candidate": choice.label,
                "roles": "delivered",
                "iou": choice.iou,
                "test_iou": choice.test,
                "latency_s": choice.latency_s,
                "iou_low": choice.interval.low if choice.interval else None,
                "iou_high": choice.interval.high if choice.interval else None,
                "test_iou_low": choice.test_interval.low if choice.test_interval else None,
                "test_iou_high": choice.test_interval.high if choice.test_interval else None,
                **{name: choice.metrics.get(name) for name in METRICS},
            }
        )
    rows += [
        {
            "candidate": each.label,
            "roles": "baseline",
            "iou": each.score,
            "iou_low": each.interval.low,
            "iou_high": each.interval.high,
            "test_iou": each.test,
            "test_iou_low": each.test_interval.low if each.test_interval else None,
            "test_iou_high": each.test_interval.high if each.test_interval else None,
            **{name: each.metrics.get(name) for name in METRICS},
            "background_share": held.background_share,
        }
        for each in held.references
    ]
    rows += [
        {
            "rank": each.rank,
            "candidate": each.label,
            "roles": "other tool",
            "iou": each.score,
            "iou_low": each.interval.low if each.interval else None,
            "iou_high": each.interval.high if each.interval else None,
            "test_iou": each.test,
            "test_iou_low": each.test_interval.low if each.test_interval else None,
            "test_iou_high": each.test_interval.high if each.test_interval else None,
            **{name: each.metrics.get(name) for name in METRICS},
            "background_share": held.background_share if each.whole else None,
        }
        for each in held.external.standings
    ]
    if held.annotators:
        rows.append({"candidate": held.annotators.label, "roles": "annotators", "iou": held.annotators.iou})
    return rows


def pair_records(held: Finals) -> list[Mapping[str, object]]:
    return [
        {
            "first": a.label,
            "second": b.label,
            "difference": d.value,
            "low": d.interval.low,
            "high": d.interval.high,
            "p": d.p,
            "p_holm": p,
            "detectable": d.detectable,
        }
        for a, b, d, p in held.pairs
    ]
