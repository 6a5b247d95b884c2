"""Everything that the records of one run say, each number computed once and when it is first asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from bench.analysis import factors, final_evaluation, leaderboard, search_result, series
from bench.analysis.compared_levels import ComparedLevels, compared_levels
from bench.analysis.data_curve import DataCurve, data_curve
from bench.analysis.decision import Choice, Decision, decide, delivered, lead_of_delivery
from bench.analysis.effects import Effects, effects
from bench.analysis.final_evaluation import Finals, NoFinals
from bench.analysis.importance import Importances, importances
from bench.analysis.pictures import AugmentationGrid, Samples, augmentation_grid, samples
from bench.analysis.predictions import Gallery, gallery
from bench.analysis.probabilities import ProbabilityMetrics, probability_metrics
from bench.analysis.rungs import LengthAgreement, Rung, length_agreements, rungs
from bench.analysis.scored_trainings import trainings_of
from bench.analysis.series import Missing
from bench.analysis.tuners import Tuners, compare_tuners
from bench.records import Run, Status


@dataclass(frozen=True)
class Analysis:
    """A run and what follows from it. A section takes what it needs, and nothing is computed that no section asks
    for."""

    run: Run

    @cached_property
    def rows(self) -> tuple[leaderboard.Row, ...]:
        """Every trial of the search; () where candidates came from the portfolio alone."""
        return leaderboard.leaderboard(self.run)

    @cached_property
    def ranked(self) -> tuple[leaderboard.Row, ...]:
        return leaderboard.ranked(self.rows)

    @cached_property
    def counts(self) -> Mapping[Status, int]:
        """How many trials ended in which way."""
        return leaderboard.counted(self.rows)

    @cached_property
    def baselines(self) -> tuple[leaderboard.Reference, ...]:
        return leaderboard.references(self.run)

    @cached_property
    def final(self) -> Finals | NoFinals:
        return final_evaluation.finals(self.run)

    @cached_property
    def searched(self) -> search_result.SearchResult:
        return search_result.judge(self.run, self.rows)

    @cached_property
    def decision(self) -> Decision:
        return decide(self.run, self.final, self.searched)

    @cached_property
    def delivered(self) -> Choice | None:
        return delivered(self.run)

    @cached_property
    def probabilities(self) -> Mapping[str, ProbabilityMetrics | None]:
        """By a candidate's name; {} without a final evaluation."""
        held = self.final
        if isinstance(held, NoFinals):
            return {}
        return {
            each.candidate.name: probability_metrics(
                self.run,
                [one for one in trainings_of(self.run, each.candidate) if one.fold < held.record.folds],
                held.seeds,
            )
            for each in held.ranking
        }

    @cached_property
    def data_curve(self) -> DataCurve | Missing | None:
        return None if isinstance(self.final, NoFinals) else data_curve(self.run, self.final)

    @cached_property
    def gallery(self) -> Gallery | Missing:
        return gallery(self.run, self.rows, self.final)

    @cached_property
    def levels(self) -> Mapping[str, tuple[factors.Level, ...]]:
        """The levels of each factor of which several values were tried: by candidates where `by_candidates`, else by
        trials."""
        held = self.final
        if self.by_candidates and isinstance(held, Finals):
            return factors.compare_candidates([(each.candidate.hyperparameters, each.score) for each in held.ranking])
        return factors.compare(self.rows)

    @cached_property
    def by_candidates(self) -> bool:
        """Whether factors are compared by the candidates of the final evaluation, since the search has no more to say:
        no effects, and no more ranked trials than there are candidates."""
        held = self.final
        return isinstance(held, Finals) and isinstance(self.effects, Missing) and len(self.ranked) <= len(held.ranking)

    @cached_property
    def compared_levels(self) -> ComparedLevels | Missing | None:
        """Of a run that compares one factor at a time; None of others, and without a final evaluation."""
        return compared_levels(self.run, self.final) if isinstance(self.final, Finals) else None

    @cached_property
    def effects(self) -> Effects | Missing:
        return effects(self.rows)

    @cached_property
    def importance(self) -> Importances | Missing:
        return importances(self.run, self.rows)

    @cached_property
    def tuners(self) -> Tuners | Missing:
        return compare_tuners(self.run, self.rows)

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        return rungs(self.rows)

    @cached_property
    def length_agreements(self) -> tuple[LengthAgreement, ...]:
        return length_agreements(self.rows)

    @cached_property
    def progress(self) -> series.Progress | Missing:
        return series.progress(self.run, self.rows)

    @cached_property
    def training_curves(self) -> series.TrainingCurves | Missing:
        return series.training_curves(self.run, self.rows)

    @cached_property
    def score_grid(self) -> series.ScoreGrid | Missing:
        return series.score_grid(self.run, self.rows)

    @cached_property
    def costs(self) -> tuple[series.CostPanel, ...] | Missing:
        """Of the candidates of the final evaluation; of the trials where there was none."""
        if isinstance(self.final, Finals):
            return series.candidates_against_cost(self.final, self._delivered_at_its_latency(self.final))
        return series.quality_against_cost(self.run, self.rows)

    def _delivered_at_its_latency(self, held: Finals) -> series.CostPoint | None:
        """At the leader's IoU and its lead over it, so that it compares with candidates that were scored on fewer
        images."""
        choice, leader = self.delivered, held.ranking[0]
        lead = None if choice is None else lead_of_delivery(self.run, choice, leader, held)
        if choice is None or lead is None or not choice.latency_s:
            return None
        return series.CostPoint(
            rank=None, label=choice.label, cost=1000 * choice.latency_s, iou=leader.score + lead.value
        )

    @cached_property
    def foreground(self) -> series.ForegroundShares | Missing:
        return series.foreground_shares(self.run, self.rows)

    @cached_property
    def samples(self) -> Samples | Missing:
        return samples(self.run)

    @cached_property
    def augmentation(self) -> AugmentationGrid | Missing:
        return augmentation_grid(self.run)

    @cached_property
    def vanished(self) -> tuple[str, ...]:
        """Images whose foreground has no pixel left at the size of the evaluation."""
        annotated = {image.id for image in self.run.audit.images if sum(image.foreground_share) > 0}
        scored = {
            name: counts
            for evaluation in self.run.evaluations
            if evaluation.reference is not None
            for name, counts in evaluation.counts.items()
        }
        return tuple(
            name for name in sorted(annotated & scored.keys()) if not any(own.tp + own.fn for own in scored[name][1:])
        )
