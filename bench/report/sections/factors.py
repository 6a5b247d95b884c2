"""Comparison by factor: what each architecture, backbone, loss, strength of augmentation and size does to the score;
quality against cost."""

from collections.abc import Iterator, Mapping, Sequence

from bench import formats
from bench.analysis.design import MIN_LEVEL
from bench.analysis.effects import Effect, Effects
from bench.analysis.factors import FACTORS, Level
from bench.analysis.final_evaluation import Finals
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import CostPanel, Missing, ScoreGrid
from bench.formats import plural, titled
from bench.records import COMPLETED, Status
from bench.report import cells
from bench.report.blocks import (
    Block,
    Column,
    Data,
    Dots,
    Figure,
    Folded,
    Grid,
    Heading,
    Interval,
    Shade,
    Table,
    paragraph,
)
from bench.report.figures.cost import draw_quality_against_cost, point_titles
from bench.report.sections import compared_levels

FOREMOST = ("architecture", "backbone", "loss", "augmentation", "image_size")
"""Factors that stand open; the others are folded."""

MOST_DOTS = 60


def factors(found: Analysis) -> Iterator[Block]:
    compared = tuple(_comparison(found))
    cost = tuple(_cost(found))
    if compared or cost:
        yield Heading("Comparison by factor" if compared else "Quality against cost", anchor="factors")
        yield from compared
        if compared and cost:
            yield Heading("Quality against cost", level=3)
        yield from cost


def brief(found: Analysis) -> Iterator[Block]:
    """For the markdown page, of a run that compares levels."""
    beside = found.compared_levels
    if beside is not None and isinstance(found.final, Finals):
        yield from compared_levels.brief(beside, found.final)


def _comparison(found: Analysis) -> Iterator[Block]:
    beside = found.compared_levels
    if beside is not None and isinstance(found.final, Finals):
        yield from compared_levels.compared_levels(beside, found.final)
        return
    compared = found.levels
    if not any(level.ious for levels in compared.values() for level in levels):
        return
    yield paragraph(_of_candidates(found) if found.by_candidates else _explained(found.effects, found))
    own = {} if isinstance(found.effects, Missing) else found.effects.factors
    groups = [tuple(_factor(name, compared[name], own.get(name, ()))) for name in FOREMOST if name in compared]
    grid = found.score_grid
    if not isinstance(grid, Missing):
        groups.append((Heading("Backbone and loss", level=3), _grid(grid)))
    yield Grid(tuple(groups))
    rest = [name for name in compared if name not in FOREMOST]
    if rest:
        blocks = tuple(block for name in rest for block in _factor(name, compared[name], own.get(name, ())))
        yield Folded("Other hyperparameters", formats.listing([FACTORS[name].title.lower() for name in rest]), blocks)


def _factor(name: str, levels: Sequence[Level], effects: Sequence[Effect]) -> Iterator[Block]:
    """Effects where they are known; else every trial as a dot, which mixes all factors."""
    known = {effect.label: effect for effect in effects}
    title = FACTORS[name].title
    yield Heading(title, level=3)
    middle: tuple[Column, ...]
    single = not known and _are_single(levels)
    if single:
        middle = (Column("IoU", "dots"), Column("IoU", "median", cells.rounded, number=True))
    elif known:
        middle = (
            Column("Effect on IoU", "drawn", mark=0.0),
            Column("95 % interval", "effect_text", number=True, wide=True),
        )
    else:
        middle = (Column("IoU of each", "dots"), Column("Median", "median", cells.rounded, number=True))
    columns = (
        Column(title, "label"),
        *middle,
        *[Column("Best", "best", cells.rounded, number=True)] * (not single),
        *[Column("Number", "trials", number=True, wide=True)] * (not single),
        *[Column("Completed", "completed", number=True, wide=True)] * any(level.lost for level in levels),
    )
    yield Table(title, columns, [_level(level, known.get(level.label)) for level in levels])
    yield Data(f"by-{name.replace('_', '-')}.csv", comparison_records(levels, effects), ("label",))


def _are_single(levels: Sequence[Level]) -> bool:
    """Whether there is one score for each value, which is its median and its best as well."""
    return all(len(level.ious) == 1 and not level.lost for level in levels)


def _level(level: Level, effect: Effect | None) -> dict[str, object]:
    record: dict[str, object] = {
        "label": titled(level.label),
        "dots": Dots(thinned(level.ious), level.median),
        "median": level.median,
        "best": level.best,
        "completed": level.ended[COMPLETED],
        "trials": level.ended[COMPLETED] + level.lost,
    }
    if effect is None:
        return record
    clear = effect.low > 0 or effect.high < 0
    return record | {
        "drawn": Interval(
            effect.value,
            effect.low,
            effect.high,
            clear=clear,
            text=formats.signed_within(effect.value, effect.low, effect.high),
        ),
        "effect_text": formats.signed_within(effect.value, effect.low, effect.high),
    }


def thinned(values: Sequence[float], most: int = MOST_DOTS) -> tuple[float, ...]:
    """At most so many of them, evenly spaced by their place, with the first and the last."""
    if len(values) <= most:
        return tuple(values)
    return tuple(values[round(place * (len(values) - 1) / (most - 1))] for place in range(most))


def _of_candidates(found: Analysis) -> str:
    where = found.final.held_out if isinstance(found.final, Finals) else "out of fold"
    bar = "" if all(map(_are_single, found.levels.values())) else " (bar: median)"
    return (
        f"IoU of the candidates that share a value, {where}{bar}. They are few and differ in other hyperparameters "
        "too: this describes them and says nothing about causes."
    )


def _explained(effects: Effects | Missing, found: Analysis) -> str:
    if isinstance(effects, Missing):
        return (
            "Validation IoU of the trials that share a value (bar: median). Groups are unequal and other "
            "hyperparameters differ too: this describes the "
            f"trials and says nothing about causes. No effects are estimated: {effects.reason}."
        )
    rare = (
        f" {plural(effects.left_out, 'trial')} at levels with fewer than {MIN_LEVEL} are left out."
        if effects.left_out
        else ""
    )
    epochs = {row.trial.epochs_planned for row in found.rows if row.trial.status == COMPLETED}
    lengths = f" Trials were planned for {min(epochs)} to {max(epochs)} epochs." if len(epochs) > 1 else ""
    promoted = any(row.was_promoted for row in found.rows)
    early = (
        " Of a promoted configuration its first, short training counts, which favours what learns early."
        if promoted
        else ""
    )
    return (
        f"An effect is what a value adds to the mean validation IoU with all other factors held equal (additive "
        f"model, {plural(effects.trials, 'configuration')}, "
        f"explains {formats.percent(max(0.0, effects.explained))} of the variance). Filled points differ from zero "
        f"(95 %, not corrected for their number)."
        f"{rare}{lengths}{early} The model knows no interactions; a dash means too few trials, or always together "
        f"with another choice."
    )


def _grid(grid: ScoreGrid) -> Table:
    highest = max((value for line in grid.medians for value in line if value is not None), default=0.0) or 1.0
    columns = (
        Column("Backbone", "backbone"),
        *(Column(titled(loss), f"loss {number}") for number, loss in enumerate(grid.losses)),
    )
    records = [
        {"backbone": titled(backbone)}
        | {
            f"loss {number}": Shade(f"{formats.rounded(value)} (n = {count})", value / highest)
            for number, (value, count) in enumerate(zip(values, counts, strict=True))
            if value is not None
        }
        for backbone, values, counts in zip(grid.backbones, grid.medians, grid.counts, strict=True)
    ]
    return Table("Median validation IoU by backbone and loss", columns, records)


def _cost(found: Analysis) -> Iterator[Block]:
    panels = found.costs
    if isinstance(panels, Missing):
        return
    held = found.final
    score = f"IoU, {held.held_out}" if isinstance(held, Finals) else "IoU on validation"
    beside = any(point.rank is None for panel in panels for point in panel.points)
    delivered = (
        " The diamond is the delivered model, as far above or below the leader as on the images of both."
        if beside
        else ""
    )
    yield paragraph(
        f"The line is the Pareto front: no other model is both better and cheaper.{delivered} Point at a dot for its "
        "name."
    )
    yield Grid(tuple((_cost_figure(panel, score),) for panel in panels))


def _cost_figure(panel: CostPanel, score: str) -> Figure:
    name = panel.title.lower().split(" (")[0]
    return Figure(
        f"cost-{name.replace(' ', '-')}",
        f"Quality against {name}",
        _about_cost(panel, name),
        lambda: draw_quality_against_cost(panel, score),
        titles=point_titles(panel),
    )


def _about_cost(panel: CostPanel, name: str) -> str:
    first, last = panel.front[0], panel.front[-1]
    if first is last:
        return f"By {name}, {first.label} is both best and cheapest."
    return (
        f"By {name}, from {first.label} ({formats.rounded(first.iou)}) to {last.label} ({formats.rounded(last.iou)}) "
        f"at {last.cost / first.cost:.1f} times the cost."
    )


def comparison_records(levels: Sequence[Level], effects: Sequence[Effect]) -> list[Mapping[str, object]]:
    known = {
        one.label: {"effect": one.value, "effect_low": one.low, "effect_high": one.high, "effect_trials": one.trials}
        for one in effects
    }
    return [
        {
            "label": level.label,
            "best": level.best,
            "median": level.median,
            **{status.word: level.ended.get(status, 0) for status in Status},
            **known.get(level.label, {}),
        }
        for level in levels
    ]
