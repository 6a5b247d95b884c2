"""Whether the records of a run belong together: what each of them says of the others is true."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from itertools import chain
from operator import add

from bench.records import ClassCounts, Confusion, Run

Counts = Mapping[str, tuple[ClassCounts, ...]]

NOTHING = ClassCounts(tp=0, fp=0, fn=0, tn=0)


def contradiction(run: Run) -> str | None:
    """The first one, with the file and the line or field that it is in; None where there is none."""
    return next(chain(_of_classes(run), _of_confusions(run), _of_names(run), _of_parts(run), _of_finals(run)), None)


def _of_classes(run: Run) -> Iterator[str]:
    classes = run.dataset.classes
    if not classes or len(set(classes)) < len(classes):
        yield "dataset.json: classes: there is none, or one twice"
    for number, image in enumerate(run.audit.images):
        if len(image.foreground_share) != len(classes) or len(image.survives_from) not in (
            0,
            len(classes) + 1,
            len(classes),
        ):
            yield f"audit.json: images.{number}: it has not one share for each of the {len(classes)} classes"
    for place, counts in _all_counts(run):
        for name, per_class in counts.items():
            if len(per_class) != len(classes) + 1:
                yield (
                    f"{place}: {name[:60]} has counts of {len(per_class)} classes, and the data set has "
                    f"{len(classes) + 1}"
                )
            elif len({each.tp + each.fp + each.fn + each.tn for each in per_class}) > 1:
                yield f"{place}: the classes of {name[:60]} have not the same number of pixels"


def _of_confusions(run: Run) -> Iterator[str]:
    """A confusion matrix says the same as the counts of its images."""
    for training in (*run.trainings, *run.curve_trainings):
        if training.confusion and not _agree(training.confusion, training.out_of_fold):
            where = f"{training.candidate[:60]}, seed {training.seed}, fold {training.fold + 1}"
            yield f"trainings.jsonl: {where}: confusion: it does not have the counts of out_of_fold"
    if run.delivery is not None and run.delivery.confusion and not _agree(run.delivery.confusion, run.delivery.test):
        yield "delivery.json: confusion: it does not have the counts of test"


def _agree(confusion: Confusion, counts: Counts) -> bool:
    size = len(confusion)
    if any(len(row) != size for row in confusion) or any(len(per_class) != size for per_class in counts.values()):
        return False
    pooled = [reduce(add, (per_class[number] for per_class in counts.values()), NOTHING) for number in range(size)]
    predicted = [sum(column) for column in zip(*confusion, strict=True)]
    return all(
        (row[number], sum(row), predicted[number]) == (own.tp, own.tp + own.fn, own.tp + own.fp)
        for number, (row, own) in enumerate(zip(confusion, pooled, strict=True))
    )


def _all_counts(run: Run) -> Iterator[tuple[str, Counts]]:
    for number, trial in enumerate(run.trials, start=1):
        yield f"trials.jsonl:{number}: out_of_fold", trial.out_of_fold
    for number, evaluation in enumerate(run.evaluations, start=1):
        yield f"evaluations.jsonl:{number}: counts", evaluation.counts
    for training in (*run.trainings, *run.curve_trainings):
        where = f"trainings.jsonl: {training.candidate[:60]}, seed {training.seed}, fold {training.fold + 1}"
        yield f"{where}: out_of_fold", training.out_of_fold
        yield f"{where}: test", training.test
    if run.delivery is not None:
        yield "delivery.json: out_of_fold", run.delivery.out_of_fold
        yield "delivery.json: test", run.delivery.test
    for number, scored in enumerate(run.external, start=1):
        yield f"external.jsonl:{number}: out_of_fold", scored.out_of_fold
        yield f"external.jsonl:{number}: test", scored.test
    for number, pair in enumerate(run.audit.second_annotations):
        yield f"audit.json: second_annotations.{number}", {pair.first: pair.counts}


def _of_names(run: Run) -> Iterator[str]:
    for file, names in (
        ("trials.jsonl: trial", [(each.study_id, each.trial_id) for each in run.trials]),
        ("proposals.jsonl: trial", [(each.study_id, each.trial_id) for each in run.proposals]),
        ("run.json: study", [each.study_id for each in run.record.studies]),
        ("audit.json: image", [each.id for each in run.audit.images]),
        ("finals.json: candidate", [each.name for each in run.finals.candidates] if run.finals else []),
        ("finals.json: seed", run.finals.seeds if run.finals else ()),
    ):
        for name in _repeated(names):
            yield f"{file} {str(name)[:80]} is there twice"


def _repeated(names: Iterable[object]) -> Iterator[object]:
    return (name for name, count in Counter(names).items() if count > 1)


def _of_parts(run: Run) -> Iterator[str]:
    split = run.split
    for said, parts in (("train, val and test", (split.train, split.val, split.test)), ("folds", split.folds)):
        for name in _repeated(chain.from_iterable(parts)):
            yield f"split.json: {said}: {str(name)[:80]} is there twice"
    if split.folds and set(chain.from_iterable(split.folds)) & set(split.test):
        yield "split.json: folds: they hold images of the held-out test set"


def _of_finals(run: Run) -> Iterator[str]:
    if run.finals is None:
        return
    if not run.finals.candidates or not run.finals.seeds:
        yield "finals.json: there is no candidate, or no seed"
    folds = max(run.finals.folds, len(run.split.folds))
    for training in (*run.trainings, *run.curve_trainings):
        if training.fold >= folds:
            yield f"trainings.jsonl: {training.candidate[:60]} has a fold {training.fold + 1} of {folds}"
