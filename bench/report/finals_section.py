"""The finals on the page: the headline, the standings in tables, and what they rest on. Words follow from numbers alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import formats
from bench.analysis.final_evaluation import Finals, NoFinals, Standing, trainings_of
from bench.analysis.leaderboard import JUDGE, REFERENCES, Row
from bench.analysis.probabilities import beyond
from bench.evaluation.statistics import Difference, Interval
from bench.formats import fraction, percent, plural, signed
from bench.records import DEFAULT, FINALIST, ORIGIN, Run
from bench.report import beyond_section, markdown, tables
from bench.report.captions import about_standings
from bench.report.figures import draw_standings
from bench.report.plots import Plot, left_out, shown

SHOWN_PAIRS_OF = 5
"""So many contestants meet each other on the page; the file of all pairs has the rest."""


def headline(found: Finals) -> str:
    """The verdict in one line of plain text: a winner, or who ties; its score, and its gain over the default recipe."""
    leader = found.standings[0]
    group = [each for each in found.standings if each.group == 1]
    if found.winner:
        line = f"{leader.label} wins"
    elif len(group) > 1:
        line = f"Tie between {formats.listing([each.label for each in group])}"
    else:
        line = f"{leader.label} leads, but one training each cannot tell merit from luck"
    scored = f"{_held_out_iou(found)} {fraction(leader.score)} ({_span(leader.interval)})"
    line += f": {scored if found.winner or len(group) == 1 else f'the first has {scored}'}"
    if leader.to_default is not None:
        line += f", {_difference(leader.to_default)} over the default recipe"
    line += f"; {fraction(leader.test)} on the locked test set."
    nearest = next((each for each in found.standings if FINALIST in each.contestant.roles and each is not leader), None)
    if DEFAULT in leader.contestant.roles and nearest is not None:
        line += f" Nothing that the search found has more than the default recipe; the nearest differs by {_difference(nearest.to_default)}."
    return line


def qualifications(found: Finals) -> list[str]:
    """Sentences that stand under the headline."""
    lines = [
        _newer(found),
        _out(found.out),
        _against_mean_mask(found),
        _against(found, ORIGIN),
        _detectable(found),
        _optimism(found),
    ]
    return [line for line in lines if line]


def section(found: Finals | NoFinals, run: Run, rows: Sequence[Row], directory: Path) -> Iterator[str]:
    yield "## Finals"
    if isinstance(found, NoFinals):
        yield left_out("finals", found.reason)
        yield markdown.text(_out(found.out))
        return
    record = found.record
    whole = len(found.seeds) == len(record.seeds)
    extent = record.rule if whole else f"of {len(record.seeds)} seeds, those that came to their end; {record.rule}"
    several = found.comparison.num_trainings > 1
    yield (
        f"{plural(len(found.standings), 'contestant')}, chosen before, each scored on {plural(record.folds, 'fold')} by trainings on the others, "
        f"with {plural(len(found.seeds), 'seed')} for {plural(record.epochs, 'epoch')} ({extent}): no image is scored by a training "
        f"that saw it. {found.choosing} of the {found.scored} images are those by which the search chose its finalists, which "
        "favours them. Within a rank nobody can be told from its first (5 %, Holm). Intervals are for other images"
        f"{' and for training again on these' if several else ', of these trainings: with one seed nothing tells what training again would change'} "
        "(95 %); P(first) is the share of redraws in which a contestant is first."
    )
    yield standings(found)
    plot = Plot("Standings", "finals.png", lambda run, rows: found, draw_standings, about_standings)
    yield from shown(plot, run, rows, directory)
    yield "### Who can be told from whom"
    yield separation(found)
    yield "### Quality and cost"
    yield (
        "IoU per image is the mean over images, in which small objects weigh as much as large ones; the rest is pooled over pixels. Background is the "
        "accuracy of predicting nothing on the same images: whoever has less in accuracy is worse than nothing there. These have no intervals. Memory is what the worker process held at most, the graphs of "
        "earlier trials included."
    )
    yield quality(found)
    measured = {
        each.contestant.name: beyond(
            run, [one for one in trainings_of(run, each.contestant) if one.fold < record.folds], found.seeds
        )
        for each in found.standings
    }
    yield from beyond_section.section(found, measured, _threshold(run))
    yield "### What the search saw, and what came out"
    yield optimism(found)
    yield _choice_of_epoch(found, rows)
    yield _variance(found)
    if found.trained < found.planned:
        yield f"{found.trained} of {found.planned} trainings are on record; used are those of {plural(len(found.seeds), 'seed')}."
    _write_tables(found, measured, directory / "tables")
    links = [markdown.link(f"tables/{name}", f"tables/{name}") for name in ("finals.csv", "finals-pairs.csv")]
    yield f"At full precision, and every pair with its test: {' and '.join(links)}."


def standings(found: Finals) -> str:
    head = ["Rank", "Contestant", "IoU", "95 % interval", "P(first)", "over the default recipe"]
    cells: list[list[object]] = [
        [
            each.group,
            each.label,
            fraction(each.score),
            _span(each.interval),
            percent(each.first_probability),
            _difference(each.to_default),
        ]
        for each in found.standings
    ]
    dash = formats.MISSING
    cells += [[dash, each.label, fraction(each.score), _span(each.interval), dash, dash] for each in found.references]
    if found.annotators:
        cells.append([dash, found.annotators.label, fraction(found.annotators.iou), dash, dash, dash])
    return markdown.table(head, cells, right=[0, 2, 4])


def separation(found: Finals) -> str:
    """Every pair of the first `SHOWN_PAIRS_OF` contestants, in the order of their standings."""
    foremost = found.standings[:SHOWN_PAIRS_OF]
    head = ["has more", "has less", "difference", "p (Holm)"]
    own = [
        (a, b, difference, p) if foremost.index(a) < foremost.index(b) else (b, a, difference.turned(), p)
        for a, b, difference, p in found.pairs
        if a in foremost and b in foremost
    ]
    own.sort(key=lambda pair: (foremost.index(pair[0]), foremost.index(pair[1])))
    cells: list[list[object]] = [
        [more.label, less.label, _difference(by), "< 0.001" if p < 0.001 else fraction(p)] for more, less, by, p in own
    ]
    return markdown.table(head, cells, right=[3])


def quality(found: Finals) -> str:
    head = [
        "Contestant",
        "IoU per image",
        "Dice per image",
        "Dice",
        "Precision",
        "Recall",
        "Accuracy",
        "Background",
        "Parameters",
        "Training",
        "Latency / image",
        "Memory",
    ]
    cells: list[list[object]] = [
        [
            each.label,
            *_metrics(each),
            fraction(found.background_share),
            formats.millions(each.num_params),
            formats.duration(each.train_s),
            formats.milliseconds(each.latency_s),
            formats.gibibytes(each.peak_memory_bytes),
        ]
        for each in found.standings
    ]
    for reference in found.references:
        shown = [fraction(reference.metrics.get(name)) for name in _METRICS]
        cells.append([reference.label, *shown, fraction(found.background_share), *[formats.MISSING] * 4])
    return markdown.table(head, cells, right=range(1, len(head)))


def optimism(found: Finals) -> str:
    head = ["Contestant", "search", found.held_out, "locked test", "95 % interval", "search - test"]
    cells: list[list[object]] = []
    for each in found.standings:
        seen = each.contestant.search_iou
        gap = formats.MISSING if seen is None or each.test is None else signed(seen - each.test)
        span = formats.MISSING if each.test_interval is None else _span(each.test_interval)
        cells.append([each.label, fraction(seen), fraction(each.score), fraction(each.test), span, gap])
    dash = formats.MISSING
    for reference in found.references:
        span = dash if reference.test_interval is None else _span(reference.test_interval)
        cells.append([reference.label, dash, fraction(reference.score), fraction(reference.test), span, dash])
    return markdown.table(head, cells, right=[1, 2, 3, 5])


_METRICS = ("image_iou", "image_dice", "dice", "precision", "recall", "pixel_accuracy")


def _metrics(standing: Standing) -> list[str]:
    return [fraction(standing.metrics.get(name)) for name in _METRICS]


def _held_out_iou(found: Finals) -> str:
    whole = found.record.folds == found.all_folds
    return f"{found.held_out} IoU" if whole else f"IoU {found.held_out}:"


def _newer(found: Finals) -> str:
    if found.newer is None:
        return ""
    return (
        f"The best trial of the search, {found.newer.study_id}/{found.newer.trial_id} with {fraction(found.newer.val_metrics.get('iou'))} on "
        "validation, was not in these finals: they were held before it, and there was no time for others since."
    )


def _against_mean_mask(found: Finals) -> str:
    mask = next((each for each in found.references if each.label == REFERENCES[JUDGE]), None)
    if mask is None:
        return ""
    verb = "beats" if mask.leader_ahead.interval.low > 0 else "does NOT clearly beat"
    if found.comparison.num_trainings == 1:
        verb = "is ahead of" if mask.leader_ahead.value > 0 else "is NOT ahead of"
    return f"The first {verb} the mean training mask ({fraction(mask.score)}), which looks at no image: {_difference(mask.leader_ahead)}."


def _against(found: Finals, role: str) -> str:
    leader, other = found.standings[0], found.of_role(role)
    if other is None or other is leader:
        return ""
    pair = next(d if a is leader else d.turned() for a, b, d, _ in found.pairs if leader in (a, b) and other in (a, b))
    if found.comparison.num_trainings == 1:
        verb = "scored less, in one training each" if pair.value > 0 else "scored as much"
    elif other.group > 1:
        verb = "is beaten"
    elif pair.interval.low > 0:
        verb = "is NOT beaten beyond doubt, corrected for the number of comparisons"
    else:
        verb = "is NOT beaten beyond doubt"
    return f"The {role} ({fraction(other.score)}) {verb}: {_difference(pair)}."


def _detectable(found: Finals) -> str:
    if found.comparison.num_trainings == 1:  # which shows no difference, however large
        return ""
    return (
        "The smallest difference to the first that this data and these trainings would have shown four times out of five"
        f"{', each comparison taken alone' if len(found.standings) > 2 else ''}: {detectable(found)}."
    )


def detectable(found: Finals) -> str:
    """The smallest detectable differences of the others to the first."""
    leader = found.standings[0]
    own = [d.detectable for a, b, d, _ in found.pairs if leader in (a, b)]
    ends = fraction(min(own)), fraction(max(own))
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _optimism(found: Finals) -> str:
    leader = found.standings[0]
    seen = leader.contestant.search_iou
    if seen is None:
        return ""
    return (
        f"Optimism: in the search the first had {fraction(seen)} on validation, {found.held_out} it has {fraction(leader.score)}, on the "
        f"locked test set {fraction(leader.test)}."
    )


def _choice_of_epoch(found: Finals, rows: Sequence[Row]) -> str:
    """What of the optimism is not the choice of a configuration."""
    leader = found.standings[0].contestant
    trial = next(
        (row.trial for row in rows if (row.trial.study_id, row.trial.trial_id) == (leader.study_id, leader.trial_id)),
        None,
    )
    said = "The search scores a trial by its best epoch, chosen on the images that it is scored on; the finals score the last epoch."
    if trial is None or not trial.curve or trial.curve[-1].val_iou is None:
        return said
    return f"{said} Its last epoch gave the first {fraction(trial.curve[-1].val_iou)} in the search."


def _out(out: Mapping[str, str]) -> str:
    if not out:
        return ""
    return f"Out, since a training failed: {'; '.join(f'{name} ({tables.error_line(reason)})' for name, reason in out.items())}."


def _variance(found: Finals) -> str:
    parts = found.variance
    if parts is None or parts.images_by_training is None:  # one training each tells nothing of luck
        return ""
    trained_on = "which images were trained on" + ("" if len(found.seeds) > 1 else ", and the seed")
    shares = {
        "which images are scored": parts.images,
        trained_on: parts.folds,
        "the training seed": parts.seeds,
        "which images suit which training": parts.images_by_training,
    }
    known = {name: value for name, value in shares.items() if value is not None}
    total = sum(known.values())
    if not total:
        return ""
    said = [f"{percent(value / total)} {name}" for name, value in sorted(known.items(), key=lambda item: -item[1])]
    return f"What moves the test score of one configuration: {formats.listing(said)}."


def _difference(difference: Difference | None) -> str:
    return (
        formats.MISSING
        if difference is None
        else f"{signed(difference.value)} ({_span(difference.interval, sign=True)})"
    )


def _span(interval: Interval, *, sign: bool = False) -> str:
    """A score's interval is cut at 0 and 1 where few images make it reach beyond; a difference has signs."""
    return (formats.signed_span if sign else formats.span)(interval.low, interval.high)


def _threshold(run: Run) -> float | None:
    protocol = run.experiment.get("protocol")
    several = len(run.dataset.classes) > 1  # then the most probable class wins
    return protocol.get("threshold") if isinstance(protocol, Mapping) and not several else None


def _write_tables(found: Finals, measured: beyond_section.Measured, directory: Path) -> None:
    rows: list[dict[str, object]] = [
        {
            "rank": each.group, "contestant": each.label, "roles": ", ".join(each.contestant.roles),
            "study_id": each.contestant.study_id, "trial_id": each.contestant.trial_id,
            "iou": each.score, "iou_low": each.interval.low, "iou_high": each.interval.high,
            "first_probability": each.first_probability,
            **{name: each.metrics.get(name) for name in _METRICS}, "background_share": found.background_share,
            **beyond_section.records(measured.get(each.contestant.name)),
            "test_iou": each.test, "test_iou_low": each.test_interval.low if each.test_interval else None,
            "test_iou_high": each.test_interval.high if each.test_interval else None,
            "search_iou": each.contestant.search_iou, "num_params": each.num_params, "train_s": each.train_s,
            "latency_s": each.latency_s, "peak_memory_bytes": each.peak_memory_bytes,
        }
        for each in found.standings
    ]  # fmt: skip
    rows += [
        {
            "contestant": each.label,
            "roles": "reference",
            "iou": each.score,
            "iou_low": each.interval.low,
            "iou_high": each.interval.high,
            "test_iou": each.test,
            "test_iou_low": each.test_interval.low if each.test_interval else None,
            "test_iou_high": each.test_interval.high if each.test_interval else None,
            **{name: each.metrics.get(name) for name in _METRICS},
            "background_share": found.background_share,
        }
        for each in found.references
    ]
    if found.annotators:
        rows.append({"contestant": found.annotators.label, "roles": "annotators", "iou": found.annotators.iou})
    tables.write_csv(directory / "finals.csv", rows, ["rank", "contestant"])
    pairs = [
        {"first": a.label, "second": b.label, "difference": d.value, "low": d.interval.low, "high": d.interval.high, "p": d.p,
         "p_holm": p, "detectable": d.detectable}
        for a, b, d, p in found.pairs
    ]  # fmt: skip
    tables.write_csv(directory / "finals-pairs.csv", pairs, ["first", "second"])
