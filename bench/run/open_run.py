"""A run under way, as its stages see it."""

from bench.run.costs import Probe
from bench.run.journal import Journal
from bench.run.plan import Plan


class OpenRun(Journal):
    """What a run works with and has recorded so far, with what its first stages found out for the later ones."""

    chosen: Plan | None = None
    """What the budget has room for; None where the protocol is the plan."""

    probe: Probe | None = None
    """What a training of the default configuration costs here; None where that was not measured."""

    @property
    def fits_nothing(self) -> bool:
        """The budget has no room for a single training."""
        return self.chosen is not None and not self.chosen.candidates

    @property
    def compared_s(self) -> float:
        """What the trainings of a comparison have taken so far: of a resumed one the plan is that of the whole, so that
        it has no fewer levels."""
        if self.experiment.search != "compare":
            return 0.0
        return sum(each.wall_s or 0.0 for each in self.trainings) / max(1, self.executor.places)
