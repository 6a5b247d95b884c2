"""Records that do not belong together: each contradiction is named with its file and its place."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.records import ClassCounts, Run
from bench.records.consistency import contradiction
from bench.records.data import SecondAnnotation
from tests.report.made_finals import with_finals
from tests.report.runs import full_run

WHOLE = with_finals(full_run())


def with_training(run: Run, **changed: object) -> Run:
    first, *others = run.trainings
    return replace(run, trainings=(replace(first, **changed), *others))


def counts_of(classes: int, pixels: int = 10) -> tuple[ClassCounts, ...]:
    return (ClassCounts(tp=pixels, fp=0, fn=0, tn=0),) * classes


def with_classes(run: Run, *classes: str) -> Run:
    return replace(run, dataset=replace(run.dataset, classes=classes))


def with_split(run: Run, **changed: object) -> Run:
    return replace(run, split=replace(run.split, **changed))


def with_finals_record(run: Run, **changed: object) -> Run:
    assert run.finals is not None
    return replace(run, finals=replace(run.finals, **changed))


CONTRADICTIONS: dict[str, tuple[Callable[[Run], Run], str]] = {
    "no class": (with_classes, "dataset.json: classes: there is none, or one twice"),
    "a class twice": (lambda run: with_classes(run, "dent", "dent"), "dataset.json: classes: there is none, or one"),
    "shares of other classes": (
        lambda run: with_classes(run, "dent", "scratch"),
        "audit.json: images.0: it has not one share for each of the 2 classes",
    ),
    "counts of other classes": (
        lambda run: with_training(run, out_of_fold={"a.png": counts_of(3)}),
        "seed 0, fold 1: out_of_fold: a.png has counts of 3 classes, and the data set has 2",
    ),
    "classes of other sizes": (
        lambda run: with_training(run, test={"a.png": (*counts_of(1, 10), *counts_of(1, 11))}),
        "seed 0, fold 1: test: the classes of a.png have not the same number of pixels",
    ),
    "a second annotation of other classes": (
        lambda run: replace(
            run,
            audit=replace(
                run.audit, second_annotations=(SecondAnnotation(first="a", second="b", counts=counts_of(3)),)
            ),
        ),
        "audit.json: second_annotations.0: a has counts of 3 classes",
    ),
    "a confusion of other counts": (
        lambda run: with_training(run, confusion=((1, 0), (0, 1))),
        "seed 0, fold 1: confusion: it does not have the counts of out_of_fold",
    ),
    "a confusion that is no square": (
        lambda run: with_training(run, confusion=((1, 0), (0,))),
        "confusion: it does not have the counts of out_of_fold",
    ),
    "a trial twice": (
        lambda run: replace(run, trials=(*run.trials, run.trials[0])),
        "trials.jsonl: trial {} is there twice",
    ),
    "an image twice": (
        lambda run: replace(run, audit=replace(run.audit, images=(*run.audit.images, run.audit.images[0]))),
        "audit.json: image {} is there twice",
    ),
    "a seed twice": (lambda run: with_finals_record(run, seeds=(0, 1, 1)), "finals.json: seed 1 is there twice"),
    "an image in two parts": (
        lambda run: with_split(run, val=run.split.train[:1]),
        "split.json: train, val and test: {} is there twice",
    ),
    "an image in two folds": (
        lambda run: with_split(run, folds=(run.split.folds[0], run.split.folds[0])),
        "split.json: folds: {} is there twice",
    ),
    "a held-out image in a fold": (
        lambda run: with_split(run, folds=(*run.split.folds, run.split.test[:1])),
        "split.json: folds: they hold images of the held-out test set",
    ),
    "no candidate": (
        lambda run: with_finals_record(run, candidates=()),
        "finals.json: there is no candidate, or no seed",
    ),
    "a fold too many": (
        lambda run: with_training(run, fold=7),
        "trainings.jsonl: finalist 1 has a fold 8 of 3",
    ),
}


def test_a_whole_run_contradicts_itself_nowhere() -> None:
    assert contradiction(WHOLE) is None


@pytest.mark.parametrize(("changed", "said"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_what_does_not_belong_together_is_named(changed: Callable[[Run], Run], said: str) -> None:
    found = contradiction(changed(WHOLE))
    assert found is not None
    assert all(part in found for part in said.split("{}")), found


def test_a_confusion_that_says_the_same_as_its_counts_is_none() -> None:
    """Of 100 pixels 6 of 10 are found, and 4 of 90 are taken for one."""
    background = ClassCounts(tp=86, fp=4, fn=4, tn=6)
    dent = ClassCounts(tp=6, fp=4, fn=4, tn=86)
    run = with_training(WHOLE, out_of_fold={"a.png": (background, dent)}, confusion=((86, 4), (4, 6)))
    assert contradiction(run) is None
    wrong = with_training(WHOLE, out_of_fold={"a.png": (background, dent)}, confusion=((86, 4), (5, 5)))
    assert "confusion" in str(contradiction(wrong))
