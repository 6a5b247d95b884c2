"""Several classes: the IoU of each with its interval, and the confusion matrix."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from bench import formats
from bench.analysis.classes import ClassScore, class_scores, summed
from bench.analysis.final_evaluation import Finals, RankedCandidate
from bench.analysis.run_analysis import Analysis
from bench.analysis.scored_trainings import out_of_fold, trainings_of
from bench.formats import MISSING
from bench.records import OUT_OF_FOLD, Evaluation, Run, TrainingRecord
from bench.report import estimates
from bench.report.blocks import Block, Column, Data, Heading, Shade, Table, paragraph


def classes(found: Analysis, held: Finals) -> Iterator[Block]:
    """Nothing where there is one class."""
    names = found.run.dataset.classes
    if len(names) < 2:
        return
    yield Heading("IoU by class", level=4)
    yield paragraph(
        "Each class against all others, pooled over images that the model did not see, with its 95 % interval over "
        "images and trainings; precision and recall are in class_scores.csv."
    )
    models = list(_models(found, held))
    columns = (Column("Model", "model"), *(Column(name, f"iou_{name}", number=True) for name in names))
    records: list[Mapping[str, object]] = [
        {"model": label, **{f"iou_{each.name}": estimates.estimate(each.iou) for each in scores}}
        for label, scores in models
    ]
    records += [
        {
            "model": each.label,
            **{f"iou_{name}": formats.rounded(each.metrics.get(f"iou_{name}")) for name in names},
            "group": "baseline",
        }
        for each in held.references
    ]
    yield Table("IoU by class", columns, records)
    yield Data("class_scores.csv", [_row(label, each) for label, scores in models for each in scores])
    yield from _confusion(found.run, held)


def _models(found: Analysis, held: Finals) -> Iterator[tuple[str, Sequence[ClassScore]]]:
    run = found.run
    if found.delivered is not None and run.delivery is not None:
        own = Evaluation(reference="delivered", split=OUT_OF_FOLD, seed=0, counts=run.delivery.out_of_fold)
        yield found.delivered.label, class_scores([own], run.dataset.classes)
    for each in held.ranking:
        scored = out_of_fold(_trainings(run, held, each), held.seeds)
        yield each.label, class_scores(scored, run.dataset.classes)


def _trainings(run: Run, held: Finals, standing: RankedCandidate) -> list[TrainingRecord]:
    return [each for each in trainings_of(run, standing.candidate) if each.fold < held.record.folds]


def _confusion(run: Run, held: Finals) -> Iterator[Block]:
    """Of the delivered model on the held-out images; of the leader out of fold where none was delivered."""
    leader = held.ranking[0]
    counted = [each.confusion for each in _trainings(run, held, leader) if each.seed in held.seeds]
    who, matrix = f"{leader.label}, out of fold", summed(counted)
    if run.delivery is not None and run.delivery.confusion:
        who, matrix = "the delivered model, on the held-out test set", summed([run.delivery.confusion])
    if matrix is None:
        return
    names = ("background", *run.dataset.classes)
    yield Heading("Confusion matrix", level=4)
    yield paragraph(
        f"Of {who}: what the pixels of each class (rows) were taken for (columns), in shares of the row. The diagonal "
        "is right; pixels in confusion.csv."
    )
    shares = np.divide(matrix, matrix.sum(axis=1, keepdims=True), where=matrix.sum(axis=1, keepdims=True) > 0,
                       out=np.zeros(matrix.shape))  # fmt: skip
    columns = (Column("True class", "truth"), *(Column(name, f"as_{name}", number=True) for name in names))
    records = [
        {
            "truth": name,
            **{f"as_{other}": _shade(pixels.sum(), share) for other, share in zip(names, row, strict=True)},
        }
        for name, pixels, row in zip(names, matrix, shares, strict=True)
    ]
    yield Table("Confusion matrix", columns, records)
    yield Data(
        "confusion.csv",
        [
            {"truth": name, **{f"as_{other}": int(count) for other, count in zip(names, row, strict=True)}}
            for name, row in zip(names, matrix, strict=True)
        ],
    )


def _shade(pixels: int, share: float) -> Shade:
    return Shade(formats.percent(share) if pixels else MISSING, float(share))


def _row(label: str, of: ClassScore) -> dict[str, object]:
    row: dict[str, object] = {"model": label, "class": of.name, "images": of.images}
    for name, own in (("iou", of.iou), ("precision", of.precision), ("recall", of.recall)):
        interval = own.interval if own else None
        row |= {
            name: own.value if own else None,
            f"{name}_low": interval.low if interval else None,
            f"{name}_high": interval.high if interval else None,
        }
    return row
