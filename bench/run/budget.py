"""The time of a run: how much of its budget each study has left and has used, over all sessions of a resumed run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from bench import clock
from bench.experiments import Experiment
from bench.records import Run, StudyRecord
from bench.run.costs import Probe

CLOSING_SHARE, CLOSING_S, LONGEST_CLOSING_S = 0.07, 30.0, 150.0
"""Time kept for choosing and writing the model and the report until a probe tells more: a share of the budget, and its
least and most seconds. A dozen networks take a minute to be built, written, opened and scored on two cores."""

REPORT_SHARE, REPORT_S, LONGEST_REPORT_S = 0.01, 6.0, 40.0
"""Of that choosing and the report, which are longer the more was trained: of one training 2 s, of a whole day 13
(docs/performance.md)."""

LEAST_CLOSING_S = 15.0

START_SHARE, NETWORK_SHARE = 1.0, 0.25
"""Time to start a process and open the model, and time to build and write each network. The unit is the time in which a
network is built and compiled for training."""


class Timekeeper:
    """Times of a run that began at `began` (seconds of `bench.clock`), and of its `earlier` sessions."""

    def __init__(self, experiment: Experiment, earlier: Run | None, began: float) -> None:
        self._budget_s = experiment.budget_s
        self.search_share = 1.0  # of a budget, until a plan keeps a part of it for a final evaluation
        self._earlier_s = (earlier.record.wall_s or 0.0) if earlier else 0.0
        self._began = began
        self.kept_s = 0.0  # of the final evaluation's time, for a last training
        self._closing_s = min(LONGEST_CLOSING_S, max(CLOSING_S, CLOSING_SHARE * (self._budget_s or 0.0)))
        before = {study.study_id: study for study in earlier.record.studies} if earlier else {}
        new = [
            StudyRecord(study_id=f"{tuner}-seed{seed}", tuner=tuner, seed=seed)
            for seed in (experiment.seeds if experiment.search != "compare" else ())
            for tuner in experiment.tuners
        ]
        self._studies = {study.study_id: before.get(study.study_id, study) for study in new}
        self._running: tuple[str, float] | None = None

    @property
    def wall_s(self) -> float:
        """Of the whole run until now."""
        return self._earlier_s + clock.now() - self._began

    @property
    def studies(self) -> tuple[StudyRecord, ...]:
        """As they are now, with the time of the running one."""
        self._spend()
        return tuple(self._studies.values())

    def share_s(self, study_ids: Sequence[str]) -> float | None:
        """Seconds for the first of these studies, so that all of them can have equal time in the end (None: no
        budget)."""
        if self._budget_s is None:
            return None
        searched_s = sum(study.wall_s or 0.0 for study in self._studies.values())
        open_s = self._open_s - self.kept_s
        left_s = min(open_s * self.search_share - searched_s, open_s - self.wall_s)
        left_s = max(0.0, left_s)
        spent_s = [self._studies[study_id].wall_s or 0.0 for study_id in study_ids]
        return max(0.0, water_level(left_s, spent_s) - spent_s[0])

    @property
    def finals_s(self) -> float | None:
        """Seconds left for the final evaluation after the search (None: no budget)."""
        return None if self._budget_s is None else max(0.0, self._open_s - self.wall_s)

    @property
    def left_s(self) -> float | None:
        """Seconds until the budget ends, what closing takes included; None: no budget."""
        return None if self._budget_s is None else max(0.0, self._budget_s - self.wall_s)

    @property
    def _open_s(self) -> float:
        """The budget without what closing takes."""
        return (self._budget_s or 0.0) - self._closing_s

    def keep_for_closing(self, probe: Probe, held_out: int, networks: int) -> None:
        """Keeps the time to deliver `networks` and to score `held_out` images and their mirrored copies with them, by
        what a `probe` measured."""
        report_s = min(LONGEST_REPORT_S, REPORT_S + REPORT_SHARE * (self._budget_s or 0.0))
        building_s = (START_SHARE + NETWORK_SHARE * networks) * probe.first_s
        self._closing_s = max(LEAST_CLOSING_S, report_s + building_s + 2 * networks * held_out * probe.image_s)

    @contextmanager
    def timing(self, study_id: str) -> Iterator[None]:
        """Counts the time of a study, however the block ends."""
        self._studies[study_id] = replace(self._studies[study_id], ended=None)
        self._running = study_id, clock.now()
        try:
            yield
        finally:
            self._spend()
            self._running = None

    def end(self, study_id: str, ended: str) -> StudyRecord:
        """Says why a study is over (`StudyRecord.ended`)."""
        self._studies[study_id] = replace(self._studies[study_id], ended=ended)
        return self._studies[study_id]

    def interrupt(self) -> None:
        """Studies that have not ended are marked as interrupted."""
        for study in self._studies.values():
            if study.ended is None:
                self.end(study.study_id, "interrupted")

    def _spend(self) -> None:
        if self._running is None:
            return
        study_id, since = self._running
        now, study = clock.now(), self._studies[study_id]
        self._studies[study_id] = replace(study, wall_s=(study.wall_s or 0.0) + now - since)
        self._running = study_id, now


def water_level(left: float, spent: Sequence[float]) -> float:
    """The level that water reaches when `left` is poured on ground of these heights: those that have spent least get
    the time."""
    ground = sorted(spent)
    return min((left + sum(ground[:count])) / count for count in range(1, len(ground) + 1))
