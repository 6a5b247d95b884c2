"""What a run tells whoever watches it, and the plain form for logs: one line an event. `bench.progress.live` has the
form for terminals."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.clock import now
from bench.formats import plural, rounded
from bench.progress.ahead import Ahead, RunView
from bench.records import COMPLETED, FAILED, NOTED, TROUBLES, EpochRecord, Status, StudyRecord, TrialRecord


@dataclass(slots=True)
class StudyView:
    """What a watcher wants to know about the study under way, from the events so far."""

    study_id: str
    trials: int | None = None
    budget_s: float | None = None
    places: int = 1
    statuses: Counter[Status] = field(default_factory=Counter)
    best: TrialRecord | None = None

    def trial_ended(self, record: TrialRecord) -> None:
        self.statuses[record.status] += 1
        iou = _iou(record)
        if iou is not None and record.status == COMPLETED and (self.best is None or iou > (_iou(self.best) or 0.0)):
            self.best = record

    @property
    def finished(self) -> int:
        return self.statuses.total()

    def in_trouble(self, name: Callable[[Status], str]) -> list[tuple[int, str]]:
        """How many did not complete, and what that is called; of those that have a name."""
        return [(self.statuses[each], name(each)) for each in TROUBLES if self.statuses[each] and each.counted]


class Progress:
    """What a run tells whoever watches it: it calls these in order, and none of them may raise. This form keeps count
    and says nothing; the others override what they say. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = now) -> None:
        self.clock = clock
        self.run = RunView(clock=clock)
        self.view: StudyView | None = None

    def stage(self, text: str) -> None:
        """What the run is doing now, outside a trial: "reading 64 images"."""

    @contextmanager
    def lasting(self, text: str) -> Iterator[None]:
        """What the run is doing for as long as the block lasts, which may be minutes; how long it has been is said
        meanwhile."""
        self.stage(text)
        yield

    def note(self, text: str) -> None:
        """Something that the user should know; it stays on the screen."""

    def warning(self, text: str) -> None:
        """Something that the user should act on, or that changes what a score means."""

    def run_started(self, ahead: Ahead) -> None:
        """The data are ready, and trainings begin."""
        self.run = RunView(ahead, self.clock)

    def study_started(
        self,
        study_id: str,
        *,
        trials: int | None,
        budget_s: float | None,
        earlier: Sequence[TrialRecord] = (),
        places: int = 1,
    ) -> None:
        """A study begins, with at most that many trials in that many seconds (None: no limit).

        `earlier` are the trials, counted in `trials`, that a resumed study had finished before; `places` trials train
        at once.
        """
        self.view = StudyView(study_id, trials, budget_s, places)
        self.run.places = places
        for record in earlier:
            self.view.trial_ended(record)
        self.study_is_known(self.view, earlier)

    def study_is_known(self, view: StudyView, earlier: Sequence[TrialRecord]) -> None:
        """The study that begins, with what had finished before."""

    def trial_started(self, trial_id: str, *, hyperparameters: Mapping[str, object], epochs: int) -> None:
        """A trial begins, or begins again; it may train that many epochs."""

    def epoch_ended(self, trial_id: str, epoch: EpochRecord) -> None:
        """A trial under way has been validated."""

    def trial_ended(self, record: TrialRecord) -> None:
        """A trial is on record."""
        if self.view is None:
            self.view = StudyView(record.study_id)
        self.view.trial_ended(record)
        self.run.trial_ended(record)

    def study_ended(self, study: StudyRecord) -> None:
        """The study is over; `study.ended` says why."""


class QuietProgress(Progress):
    """Warnings alone."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self.write = write

    def warning(self, text: str) -> None:
        self.write(f"warning: {text}")


LASTING_S = 15.0
"""How often a log hears that something still lasts."""


class PlainProgress(Progress):
    """One line an event, for logs and pipes. Epochs get a line of their own, and trials all their hyperparameters,
    where it is `verbose`. `ended` makes what waits so many seconds for the end of something that lasts, and says
    whether that has come."""

    def __init__(
        self,
        write: Callable[[str], None],
        clock: Callable[[], float] = now,
        *,
        verbose: bool = False,
        ended: Callable[[], threading.Event] = threading.Event,
    ) -> None:
        super().__init__(clock)
        self.write, self.verbose, self._ended = write, verbose, ended

    def stage(self, text: str) -> None:
        self.write(text)

    @contextmanager
    def lasting(self, text: str) -> Iterator[None]:
        self.stage(text)
        ended, began = self._ended(), self.clock()

        def say_how_long() -> None:
            while not ended.wait(LASTING_S):
                self.write(f"{text}: {duration(self.clock() - began)} so far")

        speaker = threading.Thread(target=say_how_long, daemon=True)
        speaker.start()
        try:
            yield
        finally:
            ended.set()
            speaker.join()

    def note(self, text: str) -> None:
        self.write(f"note: {text}")

    def warning(self, text: str) -> None:
        self.write(f"warning: {text}")

    def run_started(self, ahead: Ahead) -> None:
        super().run_started(ahead)
        if ahead.fixed:
            self.write(in_every_trial(ahead))

    def study_is_known(self, view: StudyView, earlier: Sequence[TrialRecord]) -> None:
        self.write(f"{view.study_id}: {limits(view, len(earlier))}")

    def epoch_ended(self, trial_id: str, epoch: EpochRecord) -> None:
        """A log of epochs is in the records too."""
        if self.verbose:
            self.write(epoch_line(trial_id, epoch))

    def trial_ended(self, record: TrialRecord) -> None:
        super().trial_ended(record)
        assert self.view is not None
        left = self.run.remaining_s()
        of = f"/{self.view.trials}" if self.view.trials else ""
        eta = f", run ends in about {duration(left)}" if left else ""
        unit = "training" if is_named(record.trial_id) else "trial"
        self.write(f"  {unit} {self.view.finished}{of}: {outcome(record, self._shown)}{eta}")

    def study_ended(self, study: StudyRecord) -> None:
        if self.view is not None:
            self.write(summary(self.view, study, self._shown))

    @property
    def _shown(self) -> Collection[str]:
        return () if self.verbose else self.run.ahead.varies


def is_named(trial_id: str) -> bool:
    """Whether it is a training of the final evaluation, whose name says candidate, seed and fold; a tuner numbers its
    trials."""
    return not trial_id.isdecimal()


def outcome(record: TrialRecord, varies: Collection[str] = ()) -> str:
    """A finished trial in one line: of its hyperparameters those that vary, or all; of a training of the final
    evaluation its name."""
    iou = _iou(record)
    if record.status == FAILED:
        result = f"failed: {(record.error or 'no reason recorded').splitlines()[0]}"
    else:
        result = "no IoU" if iou is None else f"IoU {rounded(iou)}"
        result += "" if record.status == COMPLETED else f" ({record.status.word})"
        result += _rung(record)
    spent = "" if record.wall_s is None else f" in {duration(record.wall_s)}"
    who = record.trial_id if is_named(record.trial_id) else configuration(record.hyperparameters, varies)
    return f"{result}{spent} · {who}"


def epoch_line(trial_id: str, epoch: EpochRecord) -> str:
    """A trial's state after an epoch, for a verbose log."""
    losses = [("training loss", epoch.train_loss, 3), ("validation loss", epoch.val_loss, 3), ("IoU", epoch.val_iou, 2)]
    known = ", ".join(f"{name} {rounded(value, places)}" for name, value, places in losses if value is not None)
    return f"    {trial_id}, epoch {epoch.epoch}: {known or 'no score'}, {duration(epoch.elapsed_s)}"


def in_every_trial(ahead: Ahead) -> str:
    """What no trial changes, once for all of them."""
    return f"in every trial: {configuration(ahead.fixed)}"


def _rung(record: TrialRecord) -> str:
    """How long a tuner that promotes let a trial train, and which one it is again; nothing of others."""
    promotion = record.promotion
    if promotion is None or promotion.epochs is None:
        return ""
    parent = promotion.parent
    return f" after {plural(record.epochs_run, 'epoch')}" + (f", promoted from {parent}," if parent else "")


def summary(view: StudyView, study: StudyRecord, varies: Collection[str] = ()) -> str:
    """A finished study in one line, of its best trial the hyperparameters that vary, or all."""
    best = "no trial completed"
    if view.best is not None:
        best = f"best IoU {rounded(_iou(view.best))} · {configuration(view.best.hyperparameters, varies)}"
    troubles = "".join(f", {count} {said}" for count, said in view.in_trouble(lambda status: status.counted))
    why = f" (ended by: {study.ended})" if study.ended else ""
    if study.study_id == study.tuner:  # the finals: the luckiest of their trainings is no answer
        return f"{study.study_id}: {view.finished} training{'' if view.finished == 1 else 's'}{troubles}{why}"
    return f"{study.study_id}: {_trials(view.finished)}{troubles}{why}; {best}"


_NAMED = ("class_weights", "view")
"""Hyperparameters whose values say nothing alone."""


def configuration(hyperparameters: Mapping[str, object], shown: Collection[str] = ()) -> str:
    """Hyperparameters in one line: names by their value alone, numbers and `_NAMED` with their name, a tuner's own
    book-keeping not at all. Of them those that are to be `shown`; all, where none of these is there."""
    own = {name: value for name, value in hyperparameters.items() if not name.startswith(NOTED)}
    words = []
    for name, value in ({name: own[name] for name in own if name in shown} or own).items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        said = f"{value:.3g}" if number else str(value)
        words.append(f"{name.replace('_', ' ')} {said}" if number or name in _NAMED else said)
    return ", ".join(words)


def limits(view: StudyView, finished: int) -> str:
    """What ends a study, how many trials it runs at once, and how much of it is done already, in words."""
    parts = [_trials(view.trials)] if view.trials else []
    parts += [duration(view.budget_s)] if view.budget_s is not None else []
    at_once = f", {view.places} at a time" if view.places > 1 else ""
    done = f", {finished} finished before" if finished else ""
    return (f"at most {' or '.join(parts)}" if parts else "no limit") + at_once + done


def duration(seconds: float) -> str:
    """A length of time for people: 8.3 s, 4 min 05 s, 1 h 02 min."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _trials(number: int) -> str:
    return "1 trial" if number == 1 else f"{number} trials"


def _iou(record: TrialRecord) -> float | None:
    return record.val_metrics.get("iou")
