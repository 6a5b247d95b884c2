"""What somebody who watches a run is told."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from bench import clock
from bench.progress import PlainProgress, Progress, QuietProgress, StudyView, configuration, duration, limits, outcome
from bench.progress.ahead import Ahead, RunView
from bench.progress.live import LiveProgress
from bench.records import COLLAPSED, FAILED, PRUNED, STOPPED, EpochRecord, StudyRecord
from tests.examples import trial


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


AHEAD = Ahead(
    budget_s=600.0,
    epochs=6,
    varies=frozenset({"architecture", "learning_rate"}),
    fixed={"optimizer": "adam", "image_size": 96},
)
"""Of three trials of two epochs."""


def a_study(progress: Progress) -> None:
    progress.stage("reading 3 images")
    progress.note("[0, 1] are the masks' values")
    progress.warning("2 duplicates [train, test] left out")
    progress.run_started(AHEAD)
    progress.study_started("random-0", trials=3, budget_s=600.0)
    records = [
        trial(0, epochs_planned=2, epochs_run=2),
        trial(1, epochs_planned=2, status=FAILED, error="out of memory [96 px]\nTraceback", val_metrics={}),
        trial(2, epochs_planned=2, epochs_run=2, val_metrics={"iou": 0.5}),
    ]
    for record in records:
        progress.trial_started(record.trial_id, hyperparameters=record.hyperparameters, epochs=2)
        progress.epoch_ended(
            record.trial_id, EpochRecord(epoch=1, train_loss=0.5, val_loss=0.4, val_iou=None, elapsed_s=1.0)
        )
        progress.trial_ended(record)
    progress.study_ended(StudyRecord(study_id="random-0", tuner="random", seed=0, ended="trials", wall_s=6.0))


def test_plain_progress_is_a_line_an_event() -> None:
    lines: list[str] = []
    a_study(PlainProgress(write=lines.append, clock=Clock()))
    assert lines == [
        "reading 3 images",
        "note: [0, 1] are the masks' values",
        "warning: 2 duplicates [train, test] left out",
        "in every trial: adam, image size 96",
        "random-0: at most 3 trials or 10 min 00 s",
        "  trial 1/3: IoU 0.25 in 2.0 s · unet, learning rate 0.001, run ends in about 4.0 s",
        "  trial 2/3: failed: out of memory [96 px] in 2.0 s · unet, learning rate 0.001, run ends in about 2.0 s",
        "  trial 3/3: IoU 0.50 in 2.0 s · unet, learning rate 0.001",
        "random-0: 3 trials, 1 failed (ended by: trials); best IoU 0.50 · unet, learning rate 0.001",
    ]


def test_a_verbose_log_has_every_epoch_and_every_hyperparameter() -> None:
    lines: list[str] = []
    a_study(PlainProgress(write=lines.append, clock=Clock(), verbose=True))
    assert lines.count("    0002, epoch 1: training loss 0.500, validation loss 0.400, 1.0 s") == 1
    assert "  trial 3/3: IoU 0.50 in 2.0 s · unet, learning rate 0.001, image size 96" in lines


def test_a_quiet_run_says_warnings_alone() -> None:
    lines: list[str] = []
    a_study(QuietProgress(write=lines.append))
    assert lines == ["warning: 2 duplicates [train, test] left out"]


def test_a_training_of_the_final_evaluation_is_known_by_its_name() -> None:
    lines: list[str] = []
    progress = PlainProgress(write=lines.append, clock=Clock())
    progress.study_started("finals", trials=None, budget_s=None)
    progress.trial_ended(trial(trial_id="finalist 1, seed 2, fold 3"))
    assert lines[-1] == "  training 1: IoU 0.25 in 2.0 s · finalist 1, seed 2, fold 3"


def test_live_progress_leaves_notes_and_finished_trials_on_the_screen() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=200, color_system=None)
    with LiveProgress(console) as progress:
        a_study(progress)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for line in (
        "warning: 2 duplicates [train, test] left out",
        "in every trial: adam, image size 96",
        "note: [0, 1] are the masks' values",
        "failed: out of memory [96 px]",
        "IoU 0.50",
        "ended by: trials",
    ):
        assert line in shown


def test_live_display_shows_trial_epoch_best_and_time_left() -> None:
    console = Console(file=io.StringIO(), width=200)
    progress = LiveProgress(console)
    progress.run_started(AHEAD)
    progress.study_started("random-0", trials=3, budget_s=None)
    progress.trial_ended(trial(0, epochs_planned=2, epochs_run=2))
    progress.trial_started("0001", hyperparameters={"architecture": "fpn"}, epochs=4)
    progress.epoch_ended("0001", EpochRecord(epoch=1, train_loss=0.5, val_loss=0.4, val_iou=0.125, elapsed_s=1.0))
    with console.capture() as captured:
        console.print(progress)
    for shown in ("trial 2 of 3", "fpn", "epoch 1/4", "IoU 0.12", "best IoU 0.25", "run ends in about 4.0 s"):
        assert shown in captured.get()


def test_live_display_says_how_long_a_trial_has_been() -> None:
    console = Console(file=io.StringIO(), width=200)
    progress = LiveProgress(console)
    progress.clock = own = Clock()
    progress.study_started("random-0", trials=3, budget_s=None)
    progress.trial_started("0000", hyperparameters={"architecture": "fpn"}, epochs=4)
    own.now += 42
    with console.capture() as captured:
        console.print(progress)
    assert "42.0 s" in captured.get()


def test_time_in_which_the_process_was_stopped_is_shown_nowhere() -> None:
    displays = PlainProgress(write=print), QuietProgress(write=print), LiveProgress(Console(file=io.StringIO()))
    for progress in displays:
        assert progress.clock is progress.run.clock is clock.now
        progress.run_started(AHEAD)
        assert progress.run.clock is clock.now
    assert RunView().clock is clock.now


def test_live_display_shows_every_trial_under_way() -> None:
    console = Console(file=io.StringIO(), width=200)
    progress = LiveProgress(console)
    progress.study_started("random-0", trials=3, budget_s=None, places=2)
    for number, architecture in enumerate(("fpn", "pspnet")):
        progress.trial_started(f"000{number}", hyperparameters={"architecture": architecture}, epochs=4)
    progress.trial_ended(trial(0))
    progress.trial_started("0002", hyperparameters={"architecture": "linknet"}, epochs=4)
    with console.capture() as captured:
        console.print(progress)
    assert "trial 2 of 3  pspnet" in captured.get()
    assert "trial 3 of 3  linknet" in captured.get()
    assert "fpn" not in captured.get()


def test_two_places_halve_the_time_left() -> None:
    view = RunView(Ahead(epochs=10), places=2, clock=Clock())
    view.trial_ended(trial(0, epochs_planned=2, epochs_run=2, wall_s=10.0))
    assert view.remaining_s() == pytest.approx(20.0)


def test_time_left_is_the_mean_epoch_for_each_epoch_that_the_run_has_left() -> None:
    view = RunView(Ahead(epochs=10), clock=Clock())
    assert view.remaining_s() is None
    view.trial_ended(trial(0, epochs_planned=2, epochs_run=2, wall_s=10.0))
    view.trial_ended(trial(1, epochs_planned=2, epochs_run=2, wall_s=20.0))
    assert view.remaining_s() == pytest.approx(45.0)


def test_epochs_that_a_trial_was_spared_are_over_too() -> None:
    view = RunView(Ahead(epochs=10), clock=Clock())
    view.trial_ended(trial(0, epochs_planned=8, epochs_run=2, wall_s=10.0, status=COLLAPSED))
    assert view.remaining_s() == pytest.approx(10.0)


def test_time_left_is_of_the_whole_run_and_never_more_than_its_budget() -> None:
    own = Clock()
    view = RunView(Ahead(budget_s=60.0), clock=own)
    own.now += 45.0
    assert view.remaining_s() == 15.0
    own.now += 45.0
    assert view.remaining_s() == 0.0


def test_resumed_study_counts_what_was_finished_before() -> None:
    lines: list[str] = []
    progress = PlainProgress(write=lines.append, clock=Clock())
    progress.run_started(Ahead(epochs=4))
    progress.study_started("random-0", trials=4, budget_s=None, earlier=[trial(0, val_metrics={"iou": 0.75}), trial(1)])
    progress.trial_ended(trial(2, epochs_planned=2, epochs_run=2))
    progress.study_ended(StudyRecord(study_id="random-0", tuner="random", seed=0))
    assert lines[0] == "random-0: at most 4 trials, 2 finished before"
    assert lines[1].startswith("  trial 3/4: IoU 0.25 ")
    assert lines[1].endswith(", run ends in about 2.0 s")
    assert "best IoU 0.75" in lines[2]


@pytest.mark.parametrize(("status", "counted"), [(COLLAPSED, "stopped as collapsed"), (PRUNED, "pruned")])
def test_a_trial_that_was_ended_early_is_named_and_counted_and_never_the_best(status: str, counted: str) -> None:
    lines: list[str] = []
    progress = PlainProgress(write=lines.append, clock=Clock())
    progress.study_started("random-0", trials=2, budget_s=None)
    progress.trial_ended(trial(0, status=status, val_metrics={"iou": 0.9}))
    progress.trial_ended(trial(1))
    progress.study_ended(StudyRecord(study_id="random-0", tuner="random", seed=0))
    assert f"IoU 0.90 ({status.lower()})" in lines[1]
    assert lines[3].startswith(f"random-0: 2 trials, 1 {counted}; best IoU 0.25")


def test_trial_that_did_not_complete_is_never_the_best() -> None:
    view = StudyView("random-0")
    view.trial_ended(trial(0, status=STOPPED, val_metrics={"iou": 0.9}))
    view.trial_ended(trial(1, status=FAILED, val_metrics={}))
    assert (view.best, view.finished, view.statuses[FAILED]) == (None, 2, 1)
    view.trial_ended(trial(2, val_metrics={"iou": 0.0}))
    assert view.best == trial(2, val_metrics={"iou": 0.0})


@pytest.mark.parametrize(
    ("parent", "said"),
    [({}, "after 12 epochs in 2.0 s"), ({"tuner/trial_id": "0004"}, "after 12 epochs, promoted from 0004, in 2.0 s")],
)
def test_a_trial_of_a_rung_says_how_long_it_was_trained(parent: dict[str, str], said: str) -> None:
    record = replace(trial(), epochs_run=12)
    rung = {**record.hyperparameters, "tuner/epochs": 3, "tuner/initial_epoch": 0, **parent}
    assert outcome(replace(record, hyperparameters=rung)).startswith(f"IoU 0.25 {said} · unet, learning rate")


def test_trial_that_its_tuner_stopped_says_so() -> None:
    assert outcome(trial(status=STOPPED)).startswith("IoU 0.25 (stopped) in 2.0 s")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (lambda: duration(0.04), "0.0 s"),
        (lambda: duration(59.96), "1 min 00 s"),
        (lambda: duration(245), "4 min 05 s"),
        (lambda: duration(3599.7), "1 h 00 min"),
        (lambda: limits(StudyView("random-0"), 0), "no limit"),
        (lambda: limits(StudyView("random-0", trials=4, places=2), 0), "at most 4 trials, 2 at a time"),
        (lambda: configuration({"loss": "dice", "augmentation": 0.5, "learning_rate": 0.00031234}),
         "dice, augmentation 0.5, learning rate 0.000312"),
    ],
)  # fmt: skip
def test_numbers_are_said_for_people(said: Callable[[], str], expected: str) -> None:
    assert said() == expected


def test_a_configuration_shows_what_is_asked_for_or_all_where_it_has_none_of_it() -> None:
    values = {"loss": "dice", "augmentation": 0.5}
    assert configuration(values, {"loss", "backbone"}) == "dice"
    assert configuration(values, {"backbone"}) == "dice, augmentation 0.5"


def test_a_tuners_book_keeping_is_not_shown():
    assert configuration({"loss": "dice", "tuner/epochs": 2, "learning_rate": 0.001}) == "dice, learning rate 0.001"


class Ending:
    """The end of something that lasts, which comes at the third look; 15 s of `clock` pass before each."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self.looks = clock, 0

    def wait(self, seconds: float) -> bool:
        self._clock.now += seconds
        self.looks += 1
        return self.looks == 3

    def set(self) -> None:
        self.looks = max(self.looks, 2)


def test_a_log_says_how_long_something_has_lasted() -> None:
    lines: list[str] = []
    clock = Clock()
    ending = Ending(clock)
    progress = PlainProgress(write=lines.append, clock=clock, ended=lambda: ending)
    with progress.lasting("measuring"):
        while ending.looks < 3:
            pass
    assert lines == ["measuring", "measuring: 15.0 s so far", "measuring: 30.0 s so far"]


def test_a_terminal_says_how_long_a_slow_stage_has_been() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    progress = LiveProgress(console)
    progress.clock = clock = Clock()
    with progress.lasting("measuring"):
        clock.now += 3
        console.print(progress)
        clock.now += 40
        console.print(progress)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "measuring, 3" not in said
    assert "measuring, 43.0 s" in said
