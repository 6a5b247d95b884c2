"""Levels beside the default configuration, factor by factor: what a run with `search: compare` answers."""

from collections.abc import Iterator, Mapping, Sequence

from bench import formats
from bench.analysis.compared_levels import ComparedLevel, ComparedLevels
from bench.analysis.factors import FACTORS
from bench.analysis.final_evaluation import Finals
from bench.analysis.labels import training_length
from bench.analysis.series import Missing
from bench.formats import MISSING, plural, titled
from bench.report import cells, estimates
from bench.report.blocks import Badged, Block, Column, Data, Grid, Heading, Interval, Items, Strong, Table, paragraph


def compared_levels(compared: ComparedLevels | Missing, held: Finals) -> Iterator[Block]:
    """A table a factor, with a sentence that says whether any of its levels differs."""
    if isinstance(compared, Missing):
        yield paragraph(f"No level is compared: {compared.reason}.")
        return
    yield paragraph(explained(compared, held), " The line at 0 is the default; filled points differ significantly.")
    yield from _left_out(compared)
    yield Grid(tuple(tuple(_factor(name, levels, compared)) for name, levels in compared.factors.items()))


def brief(compared: ComparedLevels | Missing, held: Finals) -> Iterator[Block]:
    """For the markdown page: the sentences."""
    yield Heading("Comparison by factor")
    if isinstance(compared, Missing):
        yield paragraph(f"No level is compared: {compared.reason}.")
        return
    yield paragraph(explained(compared, held))
    yield from _left_out(compared)
    yield Items(
        tuple(
            (Strong(f"{FACTORS[name].title}:"), f" {verdict(levels, compared.seeds)}")
            for name, levels in compared.factors.items()
        )
    )


def _left_out(compared: ComparedLevels) -> Iterator[Block]:
    if compared.left_out:
        said = formats.listing([f"{name} ({reason})" for name, reason in compared.left_out.items()])
        yield paragraph(f"Not compared: {said}.")


def explained(compared: ComparedLevels, held: Finals) -> str:
    others = sum(len(levels) - 1 for levels in compared.factors.values())
    default = compared.default
    own = estimates.score(default.score, default.interval)
    certain = (
        f"Significant is p below 0.05, Holm-corrected for {plural(others, 'level')}."
        if compared.seeds > 1
        else "With one seed each, intervals cover other images and not chance in training, so that no level is called "
        "different."
    )
    return (
        f"Each level is the default configuration ({default.label}, IoU {own}) with one other value. All were trained "
        f"for {training_length(held.record)} on {plural(held.record.folds, 'fold')} with "
        f"{plural(compared.seeds, 'seed')}, {plural(compared.trainings, 'training')} each. Differences in IoU are out "
        f"of fold, paired on images and trainings. {certain} One factor at a time says nothing about two changes "
        f"together. Planned: {held.record.rule}."
    )


def verdict(levels: Sequence[ComparedLevel], seeds: int) -> str:
    """Whether any level of a factor differs from the default's own."""
    own = next(titled(level.label) for level in levels if level.difference is None)
    by = {titled(level.label): level.difference for level in levels if level.difference is not None}
    clear = [titled(level.label) for level in levels if level.clear]
    if clear:
        said = formats.listing([f"{name} {estimates.difference(by[name])}" for name in clear])
        rest = "; no other level does" if len(clear) < len(by) else ""
        differ = "differs" if len(clear) == 1 else "differ"
        return f"{said} {differ} significantly from {own}{rest}."
    largest = max(by, key=lambda name: abs(by[name].value))
    if seeds == 1:
        return (
            f"With one seed each, no level can be called different from {own}; the largest difference of these "
            f"trained models is that of {largest}, {estimates.difference(by[largest])}."
        )
    detectable = formats.rounded(max(difference.detectable for difference in by.values()))
    power = f"A difference of {detectable} would have been found in four of five such experiments (uncorrected)."
    if len(by) == 1:
        return f"{largest} does not differ significantly from {own}: {estimates.difference(by[largest])}. {power}"
    return (
        f"No level differs significantly from {own}; the largest difference is that of {largest}, "
        f"{estimates.difference(by[largest])}. {power}"
    )


def _factor(name: str, levels: Sequence[ComparedLevel], compared: ComparedLevels) -> Iterator[Block]:
    title = FACTORS[name].title
    yield Heading(title, level=3)
    yield paragraph(verdict(levels, compared.seeds))
    columns = (
        Column(title, "label"),
        Column("Over the default", "drawn", mark=0.0),
        Column("95 % interval", "difference", number=True, wide=True),
        Column("Trainings", "trainings", number=True, wide=True),
        Column("Train time", "train_s", cells.duration, number=True, wide=True),
        Column("Latency", "latency_s", cells.latency, number=True, wide=True),
    )
    yield Table(f"{title} beside the default", columns, [_shown(level, compared) for level in levels])
    yield Data(f"by-{name.replace('_', '-')}.csv", [_record(level, compared) for level in levels], ("label",))


def _shown(level: ComparedLevel, compared: ComparedLevels) -> dict[str, object]:
    by = level.difference
    record: dict[str, object] = {
        "label": titled(level.label) if by else Badged(titled(level.label), ("default",)),
        "difference": estimates.difference(by) if by else MISSING,
        "trainings": compared.trainings,
        "train_s": level.standing.train_s,
        "latency_s": level.standing.latency_s,
    }
    if by is not None:
        record["drawn"] = Interval(
            by.value, by.interval.low, by.interval.high, clear=level.clear, text=estimates.difference(by)
        )
    return record


def _record(level: ComparedLevel, compared: ComparedLevels) -> Mapping[str, object]:
    by, own = level.difference, level.standing
    return {
        "label": level.label,
        "is_default": by is None,
        "difference": by and by.value,
        "low": by and by.interval.low,
        "high": by and by.interval.high,
        "p": by and by.p,
        "p_holm": level.p,
        "is_significant": level.clear,
        "detectable": by.detectable if by and compared.seeds > 1 else None,
        "iou": own.score,
        "iou_low": own.interval.low,
        "iou_high": own.interval.high,
        "trainings": compared.trainings,
        "seeds": compared.seeds,
        "train_s": own.train_s,
        "latency_s": own.latency_s,
        "num_params": own.num_params,
        "peak_memory_bytes": own.peak_memory_bytes,
    }
