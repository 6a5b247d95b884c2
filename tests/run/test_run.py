"""Whole runs on a tiny data set: what they leave behind, how they are interrupted, and how they go on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from bench.delivery import verification
from bench.delivery.model import load_model
from bench.errors import ExperimentError, StoreError
from bench.evaluation.pixel_metrics import BINS
from bench.evaluation.pixel_statistics import PixelStatistics
from bench.experiments import Experiment
from bench.progress import PlainProgress
from bench.records import COMPLETED, OUT_OF_FOLD, ClassCounts, Run, configuration_name
from bench.records.store import load, load_arrays
from bench.report import write_report
from bench.report.check import differences
from bench.run import run_experiment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """15 pictures of bright squares, 40 x 32 px."""
    root = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for number in range(15):
        mask = np.zeros((32, 40), np.uint8)
        top, left = rng.integers(0, 18, 2)
        mask[top : top + 12, left : left + 12] = 255
        image = rng.integers(0, 60, (32, 40, 1)) + (mask[..., None] // 2)
        Image.fromarray(image.repeat(3, axis=2).astype(np.uint8)).save(root / "images" / f"{number}.png")
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


def experiment(data: Path, **changed: object) -> Experiment:
    content = {
        "name": "tiny",
        "data": {"path": str(data)},
        "space": {
            "architecture": ["plain_unet"],
            "loss": ["bce_dice", "dice", "focal"],
            "augmentation": [0.0, 0.5],
            "image_size": [32],
            "batch_size": [4],
            "learning_rate": [3e-3],
        },
        "tuners": ["random", "hyperband"],
        "trials": 3,
        "protocol": {
            "steps": 9,
            "steps_per_epoch": 3,
            "shortest_steps": 3,
            "keep_models": 2,
            "finalists": 1,
            "folds": 2,
            "final_seeds": 2,
        },
    }
    return Experiment.model_validate(content | changed)


def run(chosen: Experiment, root: Path, *, resume: bool = False) -> Path:
    return run_experiment(
        chosen,
        results=root / "results",
        reports=root / "reports",
        command="python -m bench run tiny.yaml",
        resume=resume,
        progress=PlainProgress(write=lambda line: None),
    )


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory) -> tuple[Path, Run]:
    root = tmp_path_factory.mktemp("finished")
    run(experiment(data), root)
    return root, load(root / "results" / "tiny")


def test_a_run_records_every_trial_of_every_study(finished):
    _, record = finished
    assert record.record.status == "finished"
    assert [study.ended for study in record.record.studies] == ["trials", "trials"]
    assert [(trial.study_id, trial.trial_id) for trial in record.trials] == [
        (study, f"000{number}") for study in ("random-seed0", "hyperband-seed0") for number in range(3)
    ]
    assert all(trial.status == COMPLETED for trial in record.trials)


def test_references_and_the_best_models_are_scored_on_the_locked_images(finished):
    _, record = finished
    scored = {(e.reference or (e.study_id, e.trial_id), e.split) for e in record.evaluations}
    assert {(name, part) for name in ("predict_nothing", "mean_mask", "otsu") for part in ("val", "test")} <= scored
    models = {who for who, part in scored if isinstance(who, tuple) and part == "test"}
    assert len(models) == 2
    assert all((who, "val") in scored for who in models)
    for evaluation in record.evaluations:
        if evaluation.split == OUT_OF_FOLD:
            assert set(evaluation.counts) == {*record.split.train, *record.split.val}
        else:
            assert set(evaluation.counts) == set(getattr(record.split, evaluation.split))


def test_what_the_search_saw_and_what_is_scored_later_agree(finished):
    from bench.evaluation.metrics import pool, summarise

    _, record = finished
    trials = {(trial.study_id, trial.trial_id): trial for trial in record.trials}
    for evaluation in record.evaluations:
        trial = trials.get((evaluation.study_id, evaluation.trial_id))
        if trial and evaluation.split == "val":
            assert summarise(pool(evaluation.counts.values()), ["x"])["iou"] == trial.val_metrics["iou"]


def test_the_finals_train_every_candidate_on_every_fold_with_every_seed(finished):
    _, record = finished
    assert record.finals.seeds == (1, 2)
    assert [each.name for each in record.finals.candidates][1:] in (
        ["default configuration", "original baseline"],
        ["original baseline"],
    )
    units = [(each.candidate, each.seed, each.fold) for each in record.trainings]
    assert len(set(units)) == len(units) == len(record.finals.candidates) * 2 * 2
    for each in record.trainings:
        assert each.status == COMPLETED
        assert set(each.out_of_fold) == set(record.split.folds[each.fold])
        assert set(each.test) == set(record.split.test)


def test_the_finals_keep_what_probabilities_and_contours_say(finished):
    root, record = finished
    directory = root / "results" / "tiny"
    assert len(list((directory / "finals").iterdir())) == len(record.trainings)
    middle = BINS // 2
    for each in record.trainings:
        arrays = load_arrays(directory, each.evidence)
        evidence = PixelStatistics.of_arrays(arrays)
        counts = {**each.out_of_fold, **each.test}
        assert set(evidence.ids) == set(counts)
        for name, histogram in zip(evidence.ids, evidence.histogram[:, 0], strict=True):
            (tn, fp), (fn, tp) = ((half[:middle].sum(), half[middle:].sum()) for half in histogram)
            assert ClassCounts(tp=tp, fp=fp, fn=fn, tn=tn) == counts[name][1]
    page = (root / "reports" / "tiny" / "leaderboard.html").read_text()
    assert "Boundary F1 (0.3 px)" in page  # 0.75 % of the diagonal of 32 px
    assert list(differences([record], root / "reports" / "tiny")) == []


def test_only_the_best_models_are_kept_and_no_checkpoint_stays(finished):
    root, record = finished
    directory = root / "results" / "tiny"
    names = {path.name.removesuffix(".weights.h5") for path in (directory / "models").iterdir()}
    assert len(names) == 2
    candidates = {configuration_name(each.hyperparameters) for each in record.finals.candidates}
    shown = {"images", "development", "delivered"}
    assert {path.stem for path in (directory / "predictions").iterdir()} == names | candidates | shown
    assert not (directory / "checkpoints").exists()
    pictures = load_arrays(directory, "predictions/images")
    assert tuple(pictures["ids"]) == record.split.val
    assert pictures["images"].shape == (len(record.split.val), 32, 32, 3)
    assert not pictures["valid"].all()  # a 40 x 32 picture is padded


def test_the_report_can_be_made_again_and_says_the_same(finished, tmp_path):
    root, record = finished
    page = write_report(record, tmp_path / "tiny")
    assert page.read_text() == (root / "reports" / "tiny" / "leaderboard.md").read_text()


def test_a_name_that_is_taken_is_refused(finished, data):
    root, _ = finished
    with pytest.raises(StoreError, match=r"run 'tiny' exists in .*--resume or choose another --name"):
        run(experiment(data), root)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"protocol": {"steps": 12, "keep_models": 2}}, "the experiment's protocol changed"),
        ({"seeds": [1]}, r"the experiment's seeds changed from \[0\] to \[1\]"),
    ],
)
def test_a_run_does_not_go_on_as_something_else(finished, data, changed, what):
    root, _ = finished
    with pytest.raises(StoreError, match=f"cannot be resumed: {what}"):
        run(experiment(data, **changed), root, resume=True)


def test_a_run_does_not_go_on_with_other_pixels(finished, data, tmp_path):
    root, _ = finished
    altered = shutil.copytree(data, tmp_path / "altered") / "images" / "0.png"
    Image.fromarray(255 - np.asarray(Image.open(altered))).save(altered)
    with pytest.raises(StoreError, match="cannot be resumed"):
        run(experiment(altered.parent.parent), root, resume=True)


def test_nothing_to_resume_is_said(data, tmp_path):
    with pytest.raises(StoreError, match="no run 'tiny' in"):
        run(experiment(data), tmp_path, resume=True)


def test_two_processes_do_not_share_a_run(finished, data):
    root, _ = finished
    directory = root / "results" / "tiny"
    (directory / ".owner").write_text("process 12 on here since noon")
    with (
        FileLock(directory / ".lock"),
        pytest.raises(StoreError, match=r"is being worked on by another process \(process 12 on here since noon\)"),
    ):
        run(experiment(data, trials=4), root, resume=True)


def test_more_trials_may_be_added_to_a_finished_run(finished, data, tmp_path):
    root, before = finished
    shutil.copytree(root, tmp_path / "copy")
    run(experiment(data, trials=4), tmp_path / "copy", resume=True)
    after = load(tmp_path / "copy" / "results" / "tiny")
    assert len(after.trials) == 8
    assert [trial for trial in after.trials if trial in before.trials] == list(before.trials)
    assert len({(trial.study_id, trial.trial_id) for trial in after.trials}) == 8
    assert all(trial.status == COMPLETED for trial in after.trials)
    promoted = next(trial for trial in after.trials if "tuner/trial_id" in trial.hyperparameters)
    assert promoted.epochs_run == 3  # its parent's training state is gone: it starts again, and ends the same
    assert after.experiment["trials"] == 4


def test_a_learning_curve_may_be_added_to_a_finished_run_and_goes_on_without_training_twice(finished, data, tmp_path):
    root, before = finished
    root = shutil.copytree(root, tmp_path / "copy")
    directory = root / "results" / "tiny"
    run(experiment(data, learning_curve=True), root, resume=True)
    after = load(directory)
    assert (after.trials, after.trainings) == (before.trials, before.trainings)
    units = [(each.seed, each.train_share, each.fold) for each in after.curve_trainings]
    assert units == [(seed, share, fold) for seed in (1, 2) for share in (0.75, 0.5, 0.25) for fold in (0, 1)]
    for each in after.curve_trainings:
        whole = sum(len(ids) for fold, ids in enumerate(after.split.folds) if fold != each.fold)
        assert each.train_images == pytest.approx(each.train_share * whole, abs=0.5)
        assert set(each.out_of_fold) == set(after.split.folds[each.fold])
        assert load_arrays(directory, each.evidence) is not None
    assert "Would more images help?" in (root / "reports" / "tiny" / "leaderboard.html").read_text()
    assert list(differences([after], root / "reports" / "tiny")) == []

    log = directory / "trainings.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-2]))
    run(experiment(data, learning_curve=True), root, resume=True)
    assert log.read_bytes().splitlines(keepends=True)[:-2] == lines[:-2]
    again = load(directory).curve_trainings
    assert [each.out_of_fold for each in again] == [each.out_of_fold for each in after.curve_trainings]


def test_a_single_network_takes_the_place_of_a_finished_runs_ensemble_and_says_what_it_is(finished, data, tmp_path):
    root, before = finished
    root = shutil.copytree(root, tmp_path / "copy")
    directory = root / "results" / "tiny"
    run(experiment(data, single=True), root, resume=True)
    after = load(directory)
    assert after.trainings == before.trainings
    (member,) = after.delivery.members
    assert (after.delivery.refit, member.fold) == (True, None)
    assert set(after.delivery.out_of_fold) == {name for ids in after.split.folds for name in ids}
    assert set(after.delivery.test) == set(after.split.test)
    weights = (directory / member.weights).read_bytes()
    assert all(path.read_bytes() != weights for path in (directory / "members").glob("*-fold*"))
    assert list(verification.differences(directory, load_model(directory))) == []
    assert "trained on all development images" in (directory / "model" / "card.md").read_text()
    page = (root / "reports" / "tiny" / "leaderboard.md").read_text()
    assert "held-out images can score it" in page
    assert list(differences([after], root / "reports" / "tiny")) == []

    written = (directory / "delivery.json").read_bytes()
    run(experiment(data, single=True), root, resume=True)  # trains and writes nothing twice
    assert (directory / "delivery.json").read_bytes() == written
    assert (directory / member.weights).read_bytes() == weights


def test_a_learning_curve_for_which_no_time_is_left_is_one_note(finished, data, tmp_path):
    root = shutil.copytree(finished[0], tmp_path / "copy")
    said = []
    run_experiment(
        experiment(data, learning_curve=True, budget="16s"),
        results=root / "results",
        reports=root / "reports",
        command="python -m bench run",
        resume=True,
        progress=PlainProgress(write=said.append),
    )
    assert [line for line in said if "the whole learning curve" in line] == [
        "warning: the budget left too little time for the whole learning curve; a larger one goes on with it"
    ]
    assert load(root / "results" / "tiny").curve_trainings == ()


def test_weights_that_cannot_be_had_stop_the_run_before_anything_is_written(data, tmp_path):
    space = {"architecture": ["linknet"], "backbone": ["mobilenet"], "encoder_weights": ["gone.h5"], "image_size": [32]}
    with pytest.raises(ExperimentError, match=r"gone\.h5"):
        run(experiment(data, space=space), tmp_path)
    assert not (tmp_path / "results").exists()


WITHOUT_TRAINING = """
from bench.cli import main
from bench.engine import worker
from tests.engine.stand_in_worker import serve_stand_in

worker.run_worker = serve_stand_in
main()
"""
"""The command, its driver and its worker processes as they are; what the workers would train is made up."""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=lambda sent: sent.name)
def test_ctrl_c_and_a_schedulers_end_keep_what_is_finished_and_the_report_can_be_made(data, tmp_path, sent):
    file = tmp_path / "tiny.yaml"
    chosen = experiment(
        data, trials=50, tuners=["random"], protocol={"steps": 450, "steps_per_epoch": 3, "finalists": 0}
    )
    file.write_text(json.dumps(chosen.model_dump(mode="json")))
    places = ["--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")]
    process = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_TRAINING, "run", str(file), *places],
        start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for_trials(process, tmp_path / "results" / "tiny" / "trials.jsonl", 1)
    os.killpg(process.pid, sent)  # as a terminal does: to every process of the group
    _, said = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "--resume --name tiny" in said
    assert "Traceback" not in said
    record = load(tmp_path / "results" / "tiny")
    assert record.record.status == "interrupted"
    assert [study.ended for study in record.record.studies] == ["interrupted"]
    page = write_report(record, tmp_path / "page").with_name("leaderboard.html")
    assert "random (seed 0, ended by: interrupted)" in page.read_text()


def wait_for_trials(process: subprocess.Popen, log: Path, count: int) -> None:
    deadline = time.monotonic() + 600
    while not (log.is_file() and log.read_bytes().count(b"\n") >= count):
        assert process.poll() is None, "the run ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_run_goes_on_and_repeats_nothing(data, tmp_path):
    file = tmp_path / "tiny.yaml"
    searched = {
        "steps": 9,
        "steps_per_epoch": 3,
        "finalists": 0,
    }  # the final evaluation's resume is in `test_crashes.py`
    chosen = experiment(data, trials=6, tuners=["random"], protocol=searched)
    file.write_text(json.dumps(chosen.model_dump(mode="json")))
    command = [sys.executable, "-m", "bench", "run", str(file)]
    places = ["--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports")]
    log = tmp_path / "results" / "tiny" / "trials.jsonl"
    with subprocess.Popen(
        [*command, *places], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        wait_for_trials(process, log, 2)
        os.killpg(process.pid, signal.SIGKILL)
    before = log.read_bytes()
    done = subprocess.run([*command, "--resume", *places], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    after = load(tmp_path / "results" / "tiny")
    assert after.record.status == "finished"
    assert [trial.trial_id for trial in after.trials] == [f"000{number}" for number in range(6)]
    assert log.read_bytes().startswith(before[: before.rfind(b"\n") + 1])


def test_a_finished_run_that_is_resumed_delivers_nothing_again(finished, data, tmp_path):
    shutil.copytree(finished[0], tmp_path / "copy")
    model = tmp_path / "copy" / "results" / "tiny" / "model" / "model.keras"
    before = model.stat().st_mtime_ns, load(model.parents[1]).delivery
    run(experiment(data), tmp_path / "copy", resume=True)
    assert (model.stat().st_mtime_ns, load(model.parents[1]).delivery) == before
