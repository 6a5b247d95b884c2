"""What a reader needs to know before believing a number: data, split, protocol, effort, machine."""

from collections.abc import Iterator, Mapping, Sequence

from bench import formats
from bench.analysis.annotators import annotators
from bench.analysis.final_evaluation import Finals, NoFinals
from bench.analysis.leaderboard import Row, counted
from bench.analysis.series import Busy
from bench.records import ImageFacts, Run
from bench.report import markdown
from bench.report.finals_section import detectable

SHORT_VERSIONS = ("tensorflow", "tensorflow-cpu", "keras", "keras-tuner")


def trust_box(run: Run, rows: Sequence[Row], held: Finals | NoFinals) -> Iterator[str]:
    facts = {
        "Data": _data(run),
        "Foreground": foreground(run.audit.images),
        "Background only": _background(run),
        **_annotators(run),
        "Split": _split(run),
        "Protocol": _protocol(run),
        "Search": _search(run),
        "Trials": _trials(run, rows),
        "Finals": _finals(held),
        "Hardware": f"{run.environment.device}; {formats.gibibytes(run.environment.memory_bytes)} of memory",
        "Time": _time(run),
        "Versions": _versions(run),
    }
    yield "## What this rests on"
    yield "\n".join(f"- **{name}:** {markdown.text(fact)}" for name, fact in facts.items())


def foreground(images: Sequence[ImageFacts]) -> str:
    """Mean, lowest and highest share of foreground over images, all classes together."""
    shares = [sum(image.foreground_share) for image in images]
    if not shares:
        return "not recorded"
    mean = sum(shares) / len(shares)
    return f"{formats.percent(mean)} of an image on average, from {formats.percent(min(shares))} to {formats.percent(max(shares))}"


def _data(run: Run) -> str:
    dataset = run.dataset
    skipped = f", {len(dataset.skipped)} skipped" if dataset.skipped else ""
    classes = (
        f"{formats.plural(len(dataset.classes), 'class').replace('classs', 'classes')} ({', '.join(dataset.classes)})"
    )
    return f"{dataset.name} ({dataset.format}), {formats.plural(dataset.num_images, 'image')}{skipped}; {classes}"


def _background(run: Run) -> str:
    parts = {name: formats.percent(value) for name, value in run.audit.background_accuracy.items()}
    if not parts:
        return "not recorded"
    return f"predicting nothing is right in {formats.listing([f'{share} ({part})' for part, share in parts.items()])} of the pixels"


def _annotators(run: Run) -> dict[str, str]:
    found = annotators(run)
    if found is None:
        return {}
    times = f"{formats.plural(found.pictures, 'picture')} annotated twice"
    return {
        "Two annotators": f"agree at IoU {formats.fraction(found.iou)} ({times}): scores near this cannot be told from how people differ"
    }


def _split(run: Run) -> str:
    split = run.split
    twins = run.audit.twin_groups
    return (
        f"{len(split.train)} train, {len(split.val)} validation, {len(split.test)} test ({split.rule}); "
        f"{formats.plural(len(twins), 'group')} of twin images, {formats.plural(len(split.excluded), 'image')} excluded"
    )


def _protocol(run: Run) -> str:
    protocol = run.experiment.get("protocol")
    if not isinstance(protocol, Mapping) or not protocol:
        return "not recorded"
    return ", ".join(f"{str(name).replace('_', ' ')} {formats.plain(value)}" for name, value in protocol.items())


def _search(run: Run) -> str:
    seeds: dict[str, list[str]] = {}
    for study in run.record.studies:
        ended = f", ended by: {study.ended}" if study.ended else ""
        seeds.setdefault(study.tuner, []).append(f"seed {study.seed}{ended}")
    return "; ".join(f"{tuner} ({', '.join(studies)})" for tuner, studies in seeds.items()) or "no tuner has started"


def _trials(run: Run, rows: Sequence[Row]) -> str:
    counts = counted(rows)
    ended = {(trial.study_id, trial.trial_id) for trial in run.trials}
    not_run = sum((proposal.study_id, proposal.trial_id) not in ended for proposal in run.proposals)
    in_time = any(study.ended == "budget" for study in run.record.studies)
    left = f"; {not_run} more proposed and not run{', for want of time' if in_time else ''}" if not_run else ""
    pruned = f"{counts['pruned']} pruned, " if counts["pruned"] else ""
    return (
        f"{counts['completed']} completed, {counts['collapsed']} collapsed, {pruned}{counts['stopped']} stopped by the budget, "
        f"{counts['failed']} failed{left}"
    )


def _finals(held: Finals | NoFinals) -> str:
    if isinstance(held, NoFinals):
        return f"none: {held.reason}"
    record = held.record
    return (
        f"{held.trained} of {formats.plural(held.planned, 'training')}: {formats.plural(len(record.contestants), 'contestant')} x "
        f"{formats.plural(record.folds, 'fold')} x {formats.plural(len(record.seeds), 'seed')}, {record.epochs} epochs each; {record.rule}."
        + (
            f" Smallest difference to the first that would have shown: {detectable(held)}"
            if held.comparison.num_trainings > 1
            else ""
        )
    )


def _time(run: Run) -> str:
    """The search's time is its studies'; that of the finals is when a training was under way, pauses left out."""
    whole = run.record.wall_s
    spent = {
        "the search": sum(study.wall_s or 0.0 for study in run.record.studies),
        "the finals": Busy((each.started_at, each.wall_s) for each in run.trainings).until_s(),
        "the learning curve": Busy((each.started_at, each.wall_s) for each in run.curve_trainings).until_s(),
    }
    shares = [
        f"{formats.duration(seconds)} ({formats.percent(seconds / whole)}) on {what}" if whole else ""
        for what, seconds in spent.items()
        if seconds
    ]
    parts = f", {formats.listing(shares)}" if shares and whole else ""
    return f"{formats.duration(whole)} of wall time{parts}; started {run.record.started_at}"


def _versions(run: Run) -> str:
    known = [f"{name} {run.environment.versions[name]}" for name in SHORT_VERSIONS if name in run.environment.versions]
    return ", ".join([f"Python {run.environment.python}", *known])
