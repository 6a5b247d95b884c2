"""How far people agree, where images were annotated twice: scores near that do not differ from how people differ.
It is no strict ceiling: a model that averages two annotators' tastes may agree with each better than they with one
another."""

from dataclasses import dataclass

from bench.evaluation.metrics import pool, summarise
from bench.formats import plural
from bench.records import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotators:
    """The IoU of second annotations with first ones, pooled over `pictures` pairs of masks."""

    iou: float
    pictures: int

    @property
    def label(self) -> str:
        return f"two annotators ({plural(self.pictures, 'pair')})"


def annotators(run: Run) -> Annotators | None:
    """None where no picture was annotated twice."""
    twice = run.audit.second_annotations
    pooled = pool(each.counts for each in twice)
    iou = summarise(pooled, run.dataset.classes)["iou"] if pooled else None
    return None if iou is None else Annotators(iou=iou, pictures=len(twice))
