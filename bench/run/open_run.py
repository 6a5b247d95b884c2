"""A running run, as its stages see it."""

from bench.run.costs import Price, Probe
from bench.run.journal import Journal
from bench.run.plan import Plan


class OpenRun(Journal):
    """What a run works with, its records so far, and the results of early stages for later ones."""

    chosen: Plan | None = None
    """The plan within the budget; None without a budget, where the protocol is the plan."""

    probe: Probe | None = None
    """The cost of a training of the default configuration here; None if it was not measured."""

    price: Price | None = None
    """The price of trainings by which the budget is planned; None without a budget."""

    @property
    def fits_nothing(self) -> bool:
        """Whether the budget has no room for a single training."""
        return self.chosen is not None and not self.chosen.candidates

    @property
    def trained_s(self) -> float:
        """Seconds that the trainings of the final evaluation have taken so far, in all sessions."""
        return sum(each.wall_s or 0.0 for each in self.trainings) / max(1, self.executor.slots)

    @property
    def compared_s(self) -> float:
        """`trained_s` of a comparison, else 0. They count as time left, so that a resumed comparison has no fewer
        levels."""
        return self.trained_s if self.experiment.search == "compare" else 0.0
