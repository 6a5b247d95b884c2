"""The live display of a run in a terminal: what is being tried, how far it is, and the best so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape as escaped
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bench.formats import printable, rounded
from bench.progress import (
    Progress,
    StudyView,
    configuration,
    duration,
    epoch_line,
    in_every_trial,
    is_named,
    limits,
    outcome,
    summary,
)
from bench.progress.ahead import Ahead
from bench.records import FAILED, EpochRecord, StudyRecord, TrialRecord


def escape(text: str) -> str:
    """Names come from files: neither markup nor control characters of theirs reach the terminal."""
    return escaped(printable(text))


SLOW_S = 5.0
"""From then on a stage says how long it has been."""


@dataclass(slots=True)
class _Running:
    """A trial under way; `started` is in seconds of the display's clock."""

    number: int
    name: str
    epochs: int
    started: float
    epoch: EpochRecord | None = None


class LiveProgress(Progress):
    """A few lines at the bottom that are drawn anew; finished trials and notes scroll above them. A context manager.
    `verbose` leaves a line for each epoch too, and shows all hyperparameters of a trial."""

    def __init__(self, console: Console, *, verbose: bool = False) -> None:
        super().__init__()
        self._console, self._verbose = console, verbose
        self._live = Live(self, console=console, refresh_per_second=4, transient=True)
        self._spinner = Spinner("dots", "")
        self._stage, self._stage_began = "starting", self.clock()
        self._numbers: dict[str, int] = {}
        self._running: dict[str, _Running] = {}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def stage(self, text: str) -> None:
        self._stage, self._stage_began = text, self.clock()

    def note(self, text: str) -> None:
        self._console.print(f"[cyan]note:[/] {escape(text)}", highlight=False)

    def warning(self, text: str) -> None:
        self._console.print(f"[bold yellow]warning:[/] [yellow]{escape(text)}[/]", highlight=False)

    def run_started(self, ahead: Ahead) -> None:
        super().run_started(ahead)
        if ahead.fixed:
            self._console.print(escape(in_every_trial(ahead)), highlight=False)

    def study_is_known(self, view: StudyView, earlier: Sequence[TrialRecord]) -> None:
        self._numbers = {record.trial_id: number for number, record in enumerate(earlier, start=1)}
        self._console.print(f"[bold]{escape(view.study_id)}[/]: {limits(view, len(earlier))}", highlight=False)

    def trial_started(self, trial_id: str, *, hyperparameters: Mapping[str, object], epochs: int) -> None:
        number = self._numbers.setdefault(trial_id, len(self._numbers) + 1)
        name = trial_id if is_named(trial_id) else configuration(hyperparameters, self._shown)
        self._running[trial_id] = _Running(number, name, epochs, self.clock())

    def epoch_ended(self, trial_id: str, epoch: EpochRecord) -> None:
        self._running[trial_id].epoch = epoch
        if self._verbose:
            self._console.print(escape(epoch_line(trial_id, epoch)), highlight=False, style="dim")

    def trial_ended(self, record: TrialRecord) -> None:
        self._running.pop(record.trial_id, None)
        number = self._numbers.setdefault(record.trial_id, len(self._numbers) + 1)
        super().trial_ended(record)
        colour = "red" if record.status == FAILED else "green" if self.view and self.view.best is record else "default"
        self._console.print(f"  {number:>3}  [{colour}]{escape(outcome(record, self._shown))}[/]", highlight=False)

    def study_ended(self, study: StudyRecord) -> None:
        if self.view is not None:
            self._console.print(escape(summary(self.view, study, self._shown)), highlight=False)
        self.view = None
        self.stage("scoring")
        self._running.clear()

    def __rich__(self) -> Group:
        if self.view is None or not self._running:
            spent_s = self.clock() - self._stage_began
            so_far = f", {duration(spent_s)}" if spent_s >= SLOW_S else ""
            self._spinner.update(text=Text(printable(f"{self._stage}{so_far}")))
            return Group(self._spinner)
        trials = sorted(self._running.values(), key=lambda trial: trial.number)
        now_s = self.clock()
        lines = [line for trial in trials for line in (self._trial_line(trial), _epoch_bar(trial, now_s))]
        return Group(*lines, self._best_line(self.view))

    @property
    def _shown(self) -> frozenset[str]:
        return frozenset() if self._verbose else self.run.ahead.varies

    def _trial_line(self, trial: _Running) -> Text:
        of = f" of {self.view.trials}" if self.view and self.view.trials else ""
        text = f"trial {trial.number}{of}  {trial.name}"
        return Text(text, style="bold", no_wrap=True, overflow="ellipsis")

    def _best_line(self, view: StudyView) -> Text:
        best = "no score yet"
        if view.best is not None:
            shown = configuration(view.best.hyperparameters, self._shown)
            best = f"best IoU {rounded(view.best.val_metrics['iou'])}  {shown}"
        troubles = "".join(f"{count} {said}  " for count, said in view.in_trouble(lambda status: status.word))
        left = self.run.remaining_s()
        eta = "" if left is None else f"run ends in about {duration(left)}  "
        return Text(f"{eta}{troubles}{best}", style="dim", no_wrap=True, overflow="ellipsis")


def _epoch_bar(trial: _Running, now_s: float) -> Table:
    done = 0 if trial.epoch is None else trial.epoch.epoch
    row = Table.grid(padding=(0, 1))
    iou = None if trial.epoch is None else trial.epoch.val_iou
    state = "compiling and first steps" if trial.epoch is None else "" if iou is None else f"IoU {rounded(iou)}"
    spent = duration(now_s - trial.started)
    epochs = max(done, trial.epochs)  # a length that is fitted to the time may grow
    bar = ProgressBar(total=max(1, epochs), completed=done, width=30)
    row.add_row(f"epoch {done}/{epochs}", bar, spent, state)
    return row
