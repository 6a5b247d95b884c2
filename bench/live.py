"""The live display of a run in a terminal: what is being tried, how far it is, and the best so far."""

import time
from collections.abc import Mapping, Sequence
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bench.progress import StudyView, configuration, duration, limits, outcome, summary
from bench.records import FAILED, EpochRecord, StudyRecord, TrialRecord


class LiveProgress:
    """A few lines at the bottom that are drawn anew; finished trials and notes scroll above them. A context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(self, console=console, refresh_per_second=4, transient=True)
        self._spinner = Spinner("dots", "")
        self._stage = "starting"
        self._view: StudyView | None = None
        self._number = 0
        self._hyperparameters: Mapping[str, object] | None = None
        self._epochs = 0
        self._epoch: EpochRecord | None = None
        self._trial_started = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def stage(self, text: str) -> None:
        self._stage = text

    def note(self, text: str) -> None:
        self._console.print(f"[yellow]note:[/] {escape(text)}", highlight=False)

    def study_started(
        self, study_id: str, *, trials: int | None, budget_s: float | None, earlier: Sequence[TrialRecord] = ()
    ) -> None:
        self._view = StudyView(study_id, trials, budget_s)
        for record in earlier:
            self._view.trial_ended(record)
        self._console.print(f"[bold]{escape(study_id)}[/]: {limits(trials, budget_s, len(earlier))}", highlight=False)

    def trial_started(self, *, number: int, hyperparameters: Mapping[str, object], epochs: int) -> None:
        self._number, self._hyperparameters, self._epochs = number, hyperparameters, epochs
        self._epoch, self._trial_started = None, time.monotonic()

    def epoch_ended(self, epoch: EpochRecord) -> None:
        self._epoch = epoch

    def trial_ended(self, record: TrialRecord) -> None:
        self._hyperparameters = None
        if self._view is not None:
            self._view.trial_ended(record)
        colour = (
            "red" if record.status == FAILED else "green" if self._view and self._view.best is record else "default"
        )
        self._console.print(f"  {self._number:>3}  [{colour}]{escape(outcome(record))}[/]", highlight=False)

    def study_ended(self, study: StudyRecord) -> None:
        if self._view is not None:
            self._console.print(escape(summary(self._view, study)), highlight=False)
        self._view, self._stage = None, "scoring"

    def __rich__(self) -> Group:
        if self._view is None or self._hyperparameters is None:
            self._spinner.update(text=Text(self._stage))
            return Group(self._spinner)
        return Group(self._trial_line(), self._epoch_bar(), self._best_line(self._view))

    def _trial_line(self) -> Text:
        view = self._view
        of = f" of {view.trials}" if view and view.trials else ""
        text = f"trial {self._number}{of}  {configuration(self._hyperparameters or {})}"
        return Text(text, style="bold", no_wrap=True, overflow="ellipsis")

    def _epoch_bar(self) -> Table:
        done = 0 if self._epoch is None else self._epoch.epoch
        row = Table.grid(padding=(0, 1))
        epoch = f"epoch {done}/{self._epochs}"
        iou = None if self._epoch is None else self._epoch.val_iou
        state = "compiling and first steps" if self._epoch is None else "" if iou is None else f"IoU {iou:.3f}"
        spent = duration(time.monotonic() - self._trial_started)
        row.add_row(epoch, ProgressBar(total=max(1, self._epochs), completed=done, width=30), spent, state)
        return row

    def _best_line(self, view: StudyView) -> Text:
        best = "no score yet"
        if view.best is not None:
            best = f"best IoU {view.best.val_metrics['iou']:.3f}  {configuration(view.best.hyperparameters)}"
        failed = f"{view.failed} failed  " if view.failed else ""
        left = view.remaining_s()
        eta = "" if left is None else f"about {duration(left)} left  "
        return Text(f"{eta}{failed}{best}", style="dim", no_wrap=True, overflow="ellipsis")
