"""Setup and reproduction: data, split, protocol, effort, machine, command, fingerprints."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain

from bench import formats
from bench.analysis.final_evaluation import Finals
from bench.analysis.labels import training_length
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import Busy
from bench.formats import plural
from bench.records import Run, TrainingRecord, TrialRecord
from bench.report.blocks import Block, Facts, Folded, Heading, Listing

SHORT_VERSIONS = ("tensorflow", "tensorflow-cpu", "keras", "keras-tuner")


def setup(found: Analysis) -> Iterator[Block]:
    run = found.run
    blocks = (Facts(tuple(_facts(found))), *_reproduction(run))
    yield Folded(
        "Setup and reproduction",
        f"{run.record.command.splitlines()[-1] if run.record.command else ''} · {_versions(run)}",
        blocks,
        "setup",
    )


def _facts(found: Analysis) -> Iterator[tuple[str, str]]:
    run, held = found.run, found.final
    yield "Data", _data(run)
    parts = [f"{formats.percent(value)} ({name})" for name, value in run.audit.background_accuracy.items()]
    if parts:
        yield (
            "Background only",
            f"predicting no foreground is right in {formats.listing(parts)} of the pixels, so that pixel accuracy "
            f"says little",
        )
    if isinstance(held, Finals) and held.annotators:
        yield (
            "Annotators",
            (
                f"agree at IoU {formats.rounded(held.annotators.iou)} ({plural(held.annotators.pictures, 'image')} "
                f"annotated twice): scores near this do not differ from "
                "how people differ"
            ),
        )
    yield "Split", _split(run)
    yield "Protocol", _protocol(run)
    if run.record.studies:
        yield "Search", _search(found)
    yield "Final evaluation", _final(found)
    if encoders := _encoders(run):
        yield "Encoders began with", encoders
    yield (
        "Hardware",
        f"{run.environment.device}; {formats.gibibytes(run.environment.memory_bytes)} of memory; precision "
        f"{run.environment.precision}",
    )
    yield "Time", _time(run)
    if found.delivered is not None and run.delivery is not None:
        yield (
            "Delivered model",
            f"{run.delivery.rule} (threshold {formats.plain(run.delivery.threshold)}, {run.delivery.image_size} px)",
        )


def _data(run: Run) -> str:
    dataset = run.dataset
    skipped = f", {len(dataset.skipped)} skipped" if dataset.skipped else ""
    count = "1 class" if len(dataset.classes) == 1 else f"{len(dataset.classes)} classes"
    shrunk = "" if dataset.mask_resize == "majority" else f"; masks shrunk by the rule {dataset.mask_resize}"
    return (
        f"{dataset.name} ({dataset.format}), {plural(dataset.num_images, 'image')}{skipped}; {count} "
        f"({', '.join(dataset.classes)}){shrunk}"
    )


def _split(run: Run) -> str:
    split = run.split
    return (
        f"{len(split.train)} train, {len(split.val)} validation, {len(split.test)} held out for the test "
        f"({split.rule}); "
        f"{plural(len(run.audit.twin_groups), 'group')} of duplicates, {plural(len(split.excluded), 'image')} excluded"
    )


def _protocol(run: Run) -> str:
    known = {name.replace("_", " "): value for name, value in run.protocol.items() if value is not None}
    return ", ".join(f"{name} {formats.plain(value)}" for name, value in known.items()) or "not recorded"


def _search(found: Analysis) -> str:
    run = found.run
    seeds: dict[str, list[str]] = {}
    for study in run.record.studies:
        ended = f", ended by: {study.ended}" if study.ended else ""
        seeds.setdefault(study.tuner, []).append(f"seed {study.seed}{ended}")
    ended_trials = {trial.key for trial in run.trials}
    not_run = sum(each.key not in ended_trials for each in run.proposals)
    left = f"; {not_run} more proposed and not run" if not_run else ""
    return "; ".join(f"{tuner} ({', '.join(studies)})" for tuner, studies in seeds.items()) + left


def _final(found: Analysis) -> str:
    held = found.final
    if not isinstance(held, Finals):
        return f"none: {held.reason}"
    record = held.record
    return (
        f"{held.trained} of {plural(held.planned, 'training')}: {plural(len(record.candidates), 'candidate')} × "
        f"{plural(record.folds, 'fold')} × "
        f"{plural(len(record.seeds), 'seed')}, {training_length(record)} each; {record.rule}"
    )


def _encoders(run: Run) -> str:
    """Pretrained weights by backbone and name, with the checksums on record: more than one where a file was changed
    between two sessions of the run."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    trained: Iterable[TrialRecord | TrainingRecord] = chain(run.trials, run.trainings)
    for each in trained:
        if each.encoder_sha256:
            pair = str(each.hyperparameters.get("backbone")), str(each.hyperparameters.get("encoder_weights"))
            found.setdefault(pair, {})[each.encoder_sha256] = None
    return "; ".join(
        f"{backbone} {weights} (SHA-256 {', '.join(digest[:16] for digest in digests)})"
        for (backbone, weights), digests in sorted(found.items())
    )


def _time(run: Run) -> str:
    """The search's time is its studies'; that of the final evaluation is when a training was running, pauses left
    out."""
    whole = run.record.wall_s
    spent = {
        "the search": sum(study.wall_s or 0.0 for study in run.record.studies),
        "the final evaluation": Busy((each.started_at, each.wall_s) for each in run.trainings).until_s(),
        "the learning curve": Busy((each.started_at, each.wall_s) for each in run.curve_trainings).until_s(),
    }
    shares = [
        f"{formats.duration(seconds)} ({formats.percent(seconds / whole)}) for {what}"
        for what, seconds in spent.items()
        if seconds and whole
    ]
    parts = f", {formats.listing(shares)}" if shares else ""
    began = datetime.fromisoformat(run.record.started_at)
    return (
        f"{formats.duration(whole)} of wall time{parts}; started {began:%Y-%m-%d %H:%M} {began.tzname() or ''}".rstrip()
    )


def _versions(run: Run) -> str:
    known = [f"{name} {run.environment.versions[name]}" for name in SHORT_VERSIONS if name in run.environment.versions]
    return ", ".join([f"Python {run.environment.python}", *known])


def _reproduction(run: Run) -> Iterator[Block]:
    import yaml

    environment = run.environment
    yield Heading("Reproduce", level=4)
    yield Listing(run.record.command, "sh")
    yield Facts(
        (
            ("Data fingerprint", run.dataset.fingerprint),
            ("Split fingerprint", run.split.fingerprint),
            ("Commit", environment.commit or "not recorded"),
        )
    )
    resolved = yaml.safe_dump(dict(run.experiment), sort_keys=False, allow_unicode=True, width=110)
    yield Folded("The experiment, resolved", "every field and its value", (Listing(resolved, "yaml"),))
    facts = {
        "Device": environment.device,
        "Cores": str(environment.cores),
        "Platform": environment.platform,
        "Python": environment.python,
        **{name: environment.versions[name] for name in sorted(environment.versions)},
    }
    yield Folded("Environment", f"{plural(len(environment.versions), 'package')}", (Facts(tuple(facts.items())),))
