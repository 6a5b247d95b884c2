"""Made-up runs of several data sets."""

from dataclasses import replace

from bench.records import ExternalRecord, Run
from bench.records.store import RunStore
from tests.report.made_finals import LEVELS, with_finals
from tests.report.runs import counts, full_run

LEVEL = dict(LEVELS)


def made(name: str, data: str, *, finals: bool = True, levels=LEVEL) -> Run:
    run = full_run(f"results/{name}")
    run = replace(
        run,
        record=replace(run.record, name=name),
        dataset=replace(run.dataset, name=data, fingerprint=data.ljust(64, "0")),
    )
    run = replace(
        run, evaluations=tuple(each for each in run.evaluations if each.trial_id is None or each.split == "test")
    )
    return with_finals(run, levels) if finals else run


def save(run: Run, directory) -> None:
    with RunStore.create(directory) as store:
        store.write_experiment(run.experiment)
        for record in (
            run.record,
            run.environment,
            run.dataset,
            run.audit,
            run.split,
            *([run.finals] if run.finals else []),
        ):
            store.write(record)
        for record in (*run.trials, *run.evaluations, *run.trainings):
            store.append(record)


def scored_elsewhere(run: Run, name: str, iou: float, *, images: int | None = None) -> Run:
    """With the masks of another tool on the first `images` of each fold, all by default."""
    names = [image for fold in run.split.folds for image in fold[:images]]
    external = ExternalRecord(
        name=name,
        folder="masks",
        scored_at=run.record.started_at,
        evaluation_size=96,
        masks_digest="ef" * 32,
        out_of_fold={image: counts(iou) for image in names},
        test={image: counts(iou) for image in run.split.test},
    )
    return replace(run, external=(*run.external, external))
