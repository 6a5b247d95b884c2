"""`run --dry-run`: what a run would do, in words."""

from collections.abc import Iterator

from bench import formats
from bench.formats import plural
from bench.progress import configuration
from bench.run.experiment_plan import said_of_time
from bench.run.outlook import Outlook, Supposed


def dry_run_lines(told: Outlook) -> Iterator[str]:
    yield f"{told.name}: what this run would do; nothing was trained and nothing written"
    yield f"data:        {_images(told)}; classes {', '.join(told.classes)}"
    yield f"search:      {_search(told)}"
    for name, values in told.varies.items():
        yield f"             {name.replace('_', ' ')}: {values}"
    if told.fixed:
        yield f"             in every trial: {configuration(told.fixed)}"
    yield f"final:       {_final(told)}"
    yield from _plan(told)
    yield f"time:        {said_of_time(told.budget_s, told.seconds)}"
    yield f"memory:      {_memory(told)}"
    if told.measured is not None:
        step = f"a step of the default configuration {told.measured.step_s:.2f} s"
        if told.measured.scoring_s:
            step += f", its scoring through windows {told.measured.scoring_s:.0f} s"
        yield f"taken from:  run {told.measured.run} ({told.measured.device}): {step}"
    unknown = list(_unknown(told))
    if unknown:
        yield f"not known:   {'; '.join(unknown)}"


def _images(told: Outlook) -> str:
    parts = ", ".join(f"{count} {part}" for part, count in told.images.items())
    return f"{plural(sum(told.images.values()), 'image')} ({parts}), {plural(told.folds, 'fold')}"


def _search(told: Outlook) -> str:
    if told.search == "compare":
        others = plural(told.recipes - 1, "other")
        return f"none; the default configuration is compared with {others} that differ in one value each"
    if not told.studies:
        return "none; candidates are recipes of the portfolio"
    if told.plans and not any(each.search_share for each in told.plans):
        return "none, the budget has no room for one; candidates are recipes of the portfolio"
    trials = "as many trials as fit" if told.trials is None else f"at most {plural(told.trials, 'trial')}"
    space = "a space with ranges" if told.configurations is None else f"{told.configurations:,} configurations"
    return f"{', '.join(told.studies)}: {trials} each, of {space}; first the {told.recipes} recipes of the portfolio"


def _final(told: Outlook) -> str:
    if told.candidates is None:
        return "candidates, folds and lengths follow from the plan"
    if not told.candidates or not told.trainings:
        return "none, and no model"
    each = f"{told.steps} steps each"
    return (
        f"at most {plural(told.candidates, 'candidate')} on {plural(told.folds, 'fold')} with "
        f"{plural(told.seeds or 0, 'seed')}: {plural(told.trainings, 'training')}, {each}"
    )


def _plan(told: Outlook) -> Iterator[str]:
    if not told.plans:
        return
    known = len(told.plans) == 1 and told.measured is not None
    yield "plan:        " + (
        _planned(told.plans[0])
        if known or len(told.plans) == 1
        else "its first minute measures a short training of the default configuration; where one takes"
    )
    if len(told.plans) > 1:
        for each in told.plans:
            span = f"{each.least_s:g} s" if each.least_s == each.most_s else f"{each.least_s:g} to {each.most_s:g} s"
            yield f"             {span:>10}: {_planned(each)}"


def _planned(each: Supposed) -> str:
    if not each.candidates:
        return "no training comes to its end, and no model: a larger --budget is needed"
    low, high = each.steps
    length = f"{low}" if low == high else f"{low} to {high}"
    search = f"{each.search_share:.0%} of the time for a search, then " if each.search_share else ""
    whole = "on every fold" if each.folds is None else f"on {plural(each.folds, 'fold')}"
    where = whole if each.everywhere else "on one fold, the best on all"
    return f"{search}{plural(each.candidates, 'candidate')} {where}, {length} steps each"


def _memory(told: Outlook) -> str:
    cache = f"pixels take {formats.bytes_of(told.cache_bytes)} of disk"
    limit = f"this machine has {formats.gibibytes(told.memory_limit_bytes)}"
    peak = told.measured.peak_memory_bytes if told.measured else None
    if told.measured is None or peak is None:
        return f"{cache}; {limit}"
    return f"at most {formats.gibibytes(peak)} a worker in {told.measured.run}; {limit}; {cache}"


def _unknown(told: Outlook) -> Iterator[str]:
    """What only training would tell."""
    if told.measured is None:
        yield (
            "seconds of a step and memory of a training here: no earlier run on such a device trained the default "
            "configuration"
        )
    else:
        yield "what other networks cost, until each has run once"
