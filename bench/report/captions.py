"""The sentence under each figure: what to see in it, made from its numbers."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.analysis.effects import Effect
from bench.analysis.final_evaluation import Finals
from bench.analysis.importance import RESAMPLES, Importances
from bench.analysis.series import CostPanel, FactorScores, ForegroundShares, LearningCurves, Progress, ScoreGrid
from bench.formats import duration, fraction, listing, percent, plural, signed
from bench.report.factor_figures import MAX_DOTS
from bench.report.pictures import AugmentationGrid, Overlays, Samples

A_FALL = 0.02
"""IoU; curves that end less than this below their best say nothing of how the best epoch was chosen."""


def about_factor_scores(series: FactorScores) -> str:
    spreads = {
        title: max(level.median or 0 for level in levels) - min(level.median or 0 for level in levels)
        for title, levels in series.panels
    }
    widest = max(spreads, key=lambda title: spreads[title])
    line = f"Medians differ most between the levels of {widest.lower()} (by {fraction(spreads[widest])})"
    if series.baseline is not None:
        ious = [iou for level in series.panels[0][1] for iou in level.ious]
        above = sum(iou > series.baseline for iou in ious)
        line += f"; {above} of {plural(len(ious), 'scored trial')} {'are' if above != 1 else 'is'} above the mean training mask"
    many = max(level.trials for _, levels in series.panels for level in levels) > MAX_DOTS
    thin = f" Of a level with more than {MAX_DOTS} trials so many are drawn, evenly spaced by rank." if many else ""
    return f"{line}. Groups are neither equal in number nor paired.{thin}"


def about_importances(series: Importances) -> str:
    beyond = [one for one in series.factors if one.beyond_chance]
    named = listing([f"{one.title.lower()} ({percent(one.share)})" for one in beyond])
    found = (
        f"more than in any of {RESAMPLES} shuffles of the scores: {named}"
        if beyond
        else f"none of them more than {RESAMPLES} shuffles of the scores reached at most: this may be noise"
    )
    return (
        f"Share of a random forest's variance over {plural(series.trials, 'configuration')} that each hyperparameter alone accounts for, with the lowest and "
        f"the highest of {RESAMPLES} resamples; {found}."
    )


def about_effects(series: Mapping[str, Sequence[Effect]]) -> str:
    named = [(title, one) for title, levels in series.items() for one in levels]
    clear = [(title, one) for title, one in named if one.low > 0 or one.high < 0]
    title, widest = max(clear or named, key=lambda pair: abs(pair[1].value))
    return (
        f"{len(clear)} of {plural(len(named), 'level')} differ from the mean of their factor (95% intervals, not corrected for their number: {0.05 * len(named):.1f} would "
        f"by chance); the largest such effect: {title.lower()} {widest.label}, {signed(widest.value)}."
        if clear
        else f"No level can be told from the mean of its factor; the largest estimate: {title.lower()} {widest.label}, {signed(widest.value)}."
    )


def about_scales(series: Mapping[str, Sequence[Effect]]) -> str:
    parts = []
    for title, levels in series.items():
        best = max(levels, key=lambda one: one.mean)
        overlap = sum(one is not best and one.high >= best.low for one in levels)
        parts.append(
            f"{title.lower()} {best.label} is highest with {fraction(best.mean)}, its interval overlaps with {overlap} of {plural(len(levels) - 1, 'other')}"
        )
    return f"Expected IoU at each level, all else at its mean: {'; '.join(parts)}."


def about_score_grid(series: ScoreGrid) -> str:
    cells = {
        (backbone, loss): (value, count)
        for backbone, values, counts in zip(series.backbones, series.medians, series.counts, strict=True)
        for loss, value, count in zip(series.losses, values, counts, strict=True)
        if value is not None
    }
    (backbone, loss), (value, count) = max(cells.items(), key=lambda cell: cell[1][0])
    single = sum(number == 1 for _, number in cells.values())
    return (
        f"Highest median: {backbone} with {loss} at {fraction(value)} (n={count}); {single} of {len(cells)} filled cells "
        f"rest on one trial, {len(series.backbones) * len(series.losses) - len(cells)} were never scored."
    )


def about_progress(series: Progress) -> str:
    parts = []
    for line in series.lines:
        best = line.best[-1]
        at = line.best.index(best)
        parts.append(
            f"{line.tuner} (seed {line.seed}) reached its best, {fraction(best)}, with trial {at + 1} of {len(line.ious)} "
            f"after {duration(line.spent_s[at])} of {duration(line.spent_s[-1])}"
        )
    return f"{'; '.join(parts)}."


def about_learning_curves(series: LearningCurves) -> str:
    late = [curve for curve in series.curves if curve.best_epoch is not None and curve.best_epoch >= curve.epochs[-1]]
    if late:
        said = f"{len(late)} of {plural(len(series.curves), 'trial')} scored best in the last epoch: training longer may help them."
    else:
        known = [curve.best_epoch for curve in series.curves if curve.best_epoch is not None]
        middle = f" (median best epoch: {median(known):g})" if known else ""
        said = f"No trial scored best in its last epoch: training longer is unlikely to have helped them{middle}."
    fallen = max(series.curves, key=lambda curve: max(curve.ious) - curve.ious[-1])
    fall = max(fallen.ious) - fallen.ious[-1]
    if fall < A_FALL:
        return said
    return (
        f"{said} Number {fallen.rank} ({fallen.label}) fell most after its best, from {fraction(max(fallen.ious))} to {fraction(fallen.ious[-1])} at the "
        "end: a score chosen among epochs flatters."
    )


def about_quality_against_cost(series: tuple[CostPanel, ...]) -> str:
    sentences = []
    for panel in series:
        first, last = panel.front[0], panel.front[-1]
        name = panel.title.lower().split(" (")[0]
        sentences.append(
            f"{name}: rank {first.rank} ({first.label}) scores best and costs least"
            if first is last
            else f"{name}: from rank {first.rank} ({first.label}, {fraction(first.iou)}) to rank {last.rank} "
            f"({last.label}, {fraction(last.iou)}) for {last.cost / first.cost:.1f} times the cost"
        )
    joined = "; ".join(sentences)
    return f"The blue line joins the trials that no other beats in both quality and cost. Over {joined}."


def about_foreground_shares(series: ForegroundShares) -> str:
    medians = [f"{percent(median(shares))} in {name}" for name, shares in series.parts]
    shares = [share for _, values in series.parts for share in values]
    empty = sum(share == 0 for share in shares)
    line = (
        f"The median image has {listing(medians)}; shares range from {percent(min(shares))} to {percent(max(shares))}"
    )
    return f"{line}{f', {empty} without any foreground' if empty else ''}."


def about_overlays(series: Overlays) -> str:
    scores = [f"{case.title.lower()} {fraction(case.iou)}" for case in series.cases]
    return (
        f"Rank {series.rank} ({series.label}) on {plural(series.num_images, 'validation image')} with foreground, "
        f"IoU of the image alone: {listing(scores)}. White outlines the truth; light grey is padding and counts nowhere."
    )


def about_augmentation_grid(series: AugmentationGrid) -> str:
    kept = series.kept_foreground
    least = min(range(len(kept)), key=lambda index: kept[index])
    line = "The same picture at rising strength; the outline is its mask, which moves with it"
    if kept[least] >= 0.995:
        return f"{line}. No foreground is lost on the way."
    return f"{line}. At strength {series.strengths[least]:g} the least foreground is left: {percent(kept[least])} of its pixels."


def about_samples(series: Samples) -> str:
    first, last = series.shares[0], series.shares[-1]
    return (
        f"{len(series.shares)} of {plural(series.num_images, 'validation image')}, from the least foreground ({percent(first)}) to the most "
        f"({percent(last)}); white outlines what is annotated, light grey is padding."
    )


def about_standings(found: Finals) -> str:
    leader, ranks = found.standings[0], max(each.group for each in found.standings)
    level = sum(each.group == 1 for each in found.standings)
    separated = (
        "no contestant can be told from the first"
        if ranks == 1
        else f"{len(found.standings) - level} of {plural(len(found.standings) - 1, 'other')} can be told from the first"
    )
    if found.comparison.num_trainings == 1:
        separated += ", of these trained models: nothing tells what training again would change"
    gaps = [abs(each.score - each.test) for each in found.standings if each.test is not None]
    locked = f" Scores {found.held_out} and on the locked images differ by up to {fraction(max(gaps))}." if gaps else ""
    return (
        f"{leader.label} is first with {fraction(leader.score)} and first in {percent(leader.first_probability)} of the redraws; "
        f"{separated}.{locked}"
    )
