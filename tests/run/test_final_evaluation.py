"""The finals: who is trained again, how a plan is cut to its time, and that nothing finished is lost."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from bench.errors import StoreError
from bench.experiments import load_experiment
from bench.progress import PlainProgress
from bench.records import (
    COMPLETED,
    DEFAULT,
    FAILED,
    FINALIST,
    ORIGINAL,
    PORTFOLIO,
    STOPPED,
    ClassCounts,
    EpochRecord,
    TrainingRecord,
    TrialRecord,
)
from bench.run.candidates import select_candidates
from bench.run.costs import MARGIN, CostModel, Deadline, Probe
from bench.run.final_evaluation import FILLED, _specs, evidence_name, run_finals, unit_name
from bench.run.final_plan import budgeted_finals, in_order, leaders, whole_finals
from bench.run.plan import Plan
from bench.run.stages.final_evaluation import _require_same_length
from search_spaces.defaults import default_configuration, original_baseline
from search_spaces.portfolio import portfolio
from tests import examples
from tests.engine.stand_in import ENCODER, StandInExecutor

EXPERIMENT = load_experiment("default")
EXPERIMENT = EXPERIMENT.model_copy(
    update={"protocol": EXPERIMENT.protocol.model_copy(update={"finalists": 2, "final_seeds": 3, "steps": None})}
)
SPACE = EXPERIMENT.space
FOLDS = (("a", "c"), ("b", "d"))


def trial(number: int, iou: float, **changed: object) -> TrialRecord:
    values = default_configuration(SPACE) | {"architecture": "linknet", "learning_rate": 1e-3 + number * 1e-4} | changed
    curve = tuple(
        EpochRecord(epoch=epoch, train_loss=0.5, val_loss=0.5, val_iou=iou, elapsed_s=10.0 * epoch) for epoch in (1, 2)
    )
    return replace(
        examples.trial(number), hyperparameters=values, val_metrics={"iou": iou}, curve=curve, wall_s=20.0,
        graph_reused=True, train_s=20.0, evaluate_s=0.0, epochs_run=2,
    )  # fmt: skip


TRIALS = [trial(0, 0.1), trial(1, 0.3), trial(2, 0.2), trial(1, 0.25, **{"tuner/epochs": 4})]


def planned(trials=TRIALS):
    return whole_finals(EXPERIMENT, FOLDS, trials)


def in_budget(before=None, trials=(), **changed):
    chosen = {"candidates": 3, "steps": 100, "everywhere": False, "search_share": 0.0, "reason": "a plan"} | changed
    return budgeted_finals(EXPERIMENT, Plan(**chosen), len(FOLDS), trials, before)


def hold(record, executor, finished=(), deadline=Deadline(None), costs=None, **changed):  # noqa: B008  frozen
    kept = []
    ended = run_finals(
        record,
        executor=executor,
        finished=finished,
        retries=1,
        deadline=deadline,
        costs=costs or CostModel(),
        keep=kept.append,
        keep_evidence=lambda name, evidence: None,
        progress=PlainProgress(write=lambda line: None),
        **changed,
    )
    return ended, kept


def test_of_those_that_differ_in_their_learning_rate_alone_one_takes_part_while_there_are_others():
    other = trial(4, 0.05, loss="focal")
    chosen = select_candidates([*TRIALS, other], SPACE, 3)
    assert [each.search_iou for each in chosen[:3]] == [0.3, 0.05, 0.2]


def test_the_best_distinct_configurations_and_both_recipes_compete():
    chosen = select_candidates(TRIALS, SPACE, 2)
    assert [each.roles for each in chosen] == [(FINALIST,), (FINALIST,), (DEFAULT,), (ORIGINAL,)]
    assert [each.search_iou for each in chosen] == [0.3, 0.2, None, None]
    assert chosen[0].trial_id == TRIALS[1].trial_id
    assert chosen[3].hyperparameters == original_baseline(SPACE)
    assert chosen[3].hyperparameters["architecture"] == "plain_unet"


def test_a_recipe_that_is_a_finalist_competes_once():
    own = replace(trial(5, 0.9), hyperparameters=default_configuration(SPACE) | {"tuner/epochs": 3})
    chosen = select_candidates([*TRIALS, own], SPACE, 2)
    assert chosen[0].roles == (FINALIST, DEFAULT)
    assert len(chosen) == 3


def test_without_a_budget_the_whole_protocol_is_held():
    record = planned()
    assert (len(record.candidates), record.folds, record.seeds) == (4, 2, (1, 2, 3))
    assert (record.rule, record.epochs) == ("the whole protocol", 8)


def test_without_the_budget_trainings_of_another_length_are_refused():
    whole, before = planned(), in_budget(steps=150)
    run = SimpleNamespace(
        finals=before, trainings=[object()], experiment=EXPERIMENT, record=SimpleNamespace(name="cars")
    )
    with pytest.raises(StoreError, match=r"'cars' has trainings of 150 steps, and without a budget they have 200"):
        _require_same_length(run, whole)
    for allowed in (replace(before, epochs=whole.epochs), None):
        run.finals = allowed
        assert _require_same_length(run, whole) is None


def test_without_budget_and_search_recipes_of_the_portfolio_are_evaluated():
    never = EXPERIMENT.model_copy(update={"search": "never"})
    roles = [each.roles for each in whole_finals(never, FOLDS, []).candidates]
    assert roles == [(DEFAULT,), (PORTFOLIO,), (PORTFOLIO,), (ORIGINAL,)]


def test_seeds_start_after_those_of_the_search():
    several = EXPERIMENT.model_copy(update={"seeds": (4, 0, 2)})
    record = whole_finals(several, FOLDS, TRIALS)
    assert record.seeds == (5, 6, 7)


def test_no_finals_where_nothing_completed():
    assert planned(trials=[replace(TRIALS[0], status=FAILED)]) is None


def test_every_candidate_is_trained_on_every_fold_with_every_seed():
    record = planned()
    ended, kept = hold(record, StandInExecutor(folds=FOLDS, test_ids=("t",), slots=3, shuffle=1))
    assert ended == "trials"
    units = [(each.candidate, each.seed, each.fold) for each in kept]
    assert len(set(units)) == len(units) == 4 * 3 * 2
    for each in kept:
        assert set(each.out_of_fold) == set(FOLDS[each.fold])
        assert set(each.test) == {"t"}
        assert each.status == COMPLETED
        assert each.encoder_sha256 == ENCODER


def test_the_evidence_of_a_training_is_kept_before_its_line_and_under_its_name():
    record, kept = planned(), []
    run_finals(
        record,
        executor=StandInExecutor(folds=FOLDS, test_ids=("t",), fails=lambda spec: spec.seed == 1),
        finished=(),
        retries=1,
        deadline=Deadline(None),
        costs=CostModel(),
        keep=kept.append,
        keep_evidence=lambda name, evidence: kept.append((name, evidence)),
        progress=PlainProgress(write=lambda line: None),
    )
    failed = [each for each in kept if isinstance(each, TrainingRecord) and each.status == FAILED]
    assert [each.evidence for each in failed] == [None] * 8
    whole = [each for each in kept if each not in failed]
    assert len({name for name, _ in whole[::2]}) == len(whole[::2]) == 4 * 2 * 2
    for (name, evidence), training in zip(whole[::2], whole[1::2], strict=True):
        assert name == training.evidence
        assert set(evidence.ids) == {*training.out_of_fold, *training.test}


def test_evidence_is_named_by_configuration():
    one = {"image_size": 96, "loss": "dice"}
    assert evidence_name(one, 0, 1) == evidence_name(dict(reversed(one.items())), 0, 1)
    others = [({**one, "loss": "bce"}, 0, 1), (one, 1, 1), (one, 0, 0)]
    assert len({evidence_name(*each) for each in [(one, 0, 1), *others]}) == 4


def test_what_is_finished_is_not_trained_again():
    record = planned()
    _, whole = hold(record, StandInExecutor(folds=FOLDS))
    executor = StandInExecutor(folds=FOLDS)
    _, rest = hold(record, executor, finished=whole[:7])
    assert rest == whole[7:]
    assert len(executor.specs) == len(whole) - 7


def test_a_process_that_dies_costs_an_attempt_and_then_the_training_is_failed():
    record = planned()
    once = StandInExecutor(folds=FOLDS, crashes=lambda spec: spec.attempt == 1 and spec.seed == 1)
    _, kept = hold(record, once)
    assert {each.status for each in kept} == {COMPLETED}
    assert {each.attempts for each in kept if each.seed == 1} == {2}
    _, kept = hold(record, StandInExecutor(folds=FOLDS, crashes=lambda spec: spec.seed == 2 and spec.fold == 0))
    assert sum(each.status == FAILED for each in kept) == 4
    assert len(kept) == 24


def test_finals_that_the_budget_ends_are_whole_for_the_first_seeds():
    class Dear(CostModel):
        def of(self, spec):
            return 0.0 if len(executor.specs) < 9 else 3600.0

    executor = StandInExecutor(folds=FOLDS)
    ended, kept = hold(planned(), executor, deadline=Deadline.after(60), costs=Dear([], []))
    assert (ended, len(kept)) == ("budget", 9)
    assert sum(each.seed == 1 for each in kept) == 8


def test_a_training_that_was_stopped_is_not_on_record():
    class Stopping(StandInExecutor):
        def _outcome(self, spec):
            outcome = super()._outcome(spec)
            return replace(outcome, record=replace(outcome.record, status=STOPPED), scored=None, test=None)

    assert hold(planned(), Stopping(folds=FOLDS)) == ("budget", [])


def test_a_candidate_that_its_own_limit_stopped_is_out_and_the_others_go_on(monkeypatch):
    """The limit, 60 s, is more than is left after it."""
    now = [1000.0]
    monkeypatch.setattr("bench.clock.now", lambda: now[0])

    class Slow(StandInExecutor):
        def _outcome(self, spec):
            outcome = super()._outcome(spec)
            is_slow = spec.hyperparameters == record.candidates[1].hyperparameters
            lasted_s = spec.time_limit_s if is_slow else 20.0
            now[0] += lasted_s
            trial = replace(outcome.record, status=STOPPED if is_slow else COMPLETED, wall_s=lasted_s)
            return replace(outcome, record=trial)

    record = in_budget(folds=2)
    executor = Slow(folds=FOLDS)
    hold(record, executor, deadline=Deadline.after(125.0), leaders_first=True, longest_s=60.0)
    first, slow, *others = [(spec.hyperparameters, spec.time_limit_s) for spec in executor.specs]
    assert [each[0] for each in (first, slow)] == [each.hyperparameters for each in record.candidates[:2]]
    assert slow[1] == pytest.approx(60.0)
    assert others, "45 s were left"


def test_a_training_costs_what_its_like_did_and_a_new_network_what_the_others_do():
    record = planned()
    first, *_, origin = [spec for spec, _ in _specs(record)][: 2 * len(record.candidates)]
    costs = CostModel(TRIALS, [])
    assert costs.of(first) == costs.of(origin) == pytest.approx(8 * 10.0 * MARGIN)
    _, kept = hold(record, StandInExecutor(folds=FOLDS))
    measured = [replace(each, wall_s=32.0 if each.fold else 64.0, epochs_run=16) for each in kept]
    assert CostModel(TRIALS, measured).of(first) == pytest.approx(8 * 2.0 * MARGIN)


def test_a_probe_says_what_its_network_costs_and_what_a_new_one_costs_more():
    default, *_, origin = [spec for spec, _ in _specs(in_budget(everywhere=True))][:8]
    probed = Probe(hyperparameters=default.hyperparameters, step_s=0.8, steps_per_epoch=25, first_s=15.0, scoring_s=3.0)
    costs = CostModel([], [], probed)
    assert costs.of(default) == pytest.approx((4 * 20.0 + 3.0) * MARGIN)
    assert costs.of(origin) == pytest.approx((4 * 20.0 + 3.0 + 15.0) * MARGIN)


def test_a_budget_trains_recipes_of_the_portfolio_and_the_default_first():
    record = in_budget()
    assert [each.roles for each in record.candidates] == [(DEFAULT,), (PORTFOLIO,), (PORTFOLIO,)]
    assert (record.epochs, record.steps_per_epoch, record.folds) == (4, 25, 2)
    assert [each.hyperparameters for each in record.candidates] == list(portfolio(SPACE)[:3])


def test_what_a_search_found_takes_the_place_of_recipes():
    record = in_budget(trials=TRIALS, candidates=4, search_share=0.25)
    assert [each.roles for each in record.candidates] == [(DEFAULT,), (FINALIST,), (FINALIST,), (PORTFOLIO,)]


def test_a_resumed_plan_keeps_its_candidates_and_its_length():
    before = in_budget(candidates=4, steps=200)
    after = in_budget(before=before, candidates=1, steps=100)
    assert (after.candidates, after.epochs) == (before.candidates, 8)


def test_a_resumed_search_adds_its_finalists_under_names_of_their_own():
    before = in_budget(trials=TRIALS[:1], candidates=3, search_share=0.25)
    after = in_budget(before=before, trials=[*TRIALS, trial(7, 0.9, loss="focal")], candidates=3, search_share=0.25)
    names = [each.name for each in after.candidates]
    assert names[: len(before.candidates)] == [each.name for each in before.candidates]
    assert len(names) > len(before.candidates)
    assert len(set(names)) == len(names)


def units(record, trained):
    return [(candidate.name, seed, fold) for candidate, seed, fold in in_order(record, trained)]


def trained(record, scores):
    """Trainings of the first fold, of pooled IoU `scores` in hundredths."""
    first = record.seeds[0]
    return [
        TrainingRecord(
            candidate=each.name, hyperparameters=each.hyperparameters, fold=0, seed=first, status=COMPLETED,
            out_of_fold={"a": (ClassCounts(tp=0, fp=0, fn=0, tn=0), ClassCounts(tp=score, fp=0, fn=100 - score, tn=0))},
            started_at="2026-01-01", train_s=cost,
        )
        for each, (score, cost) in zip(record.candidates, scores, strict=True)
    ]  # fmt: skip


def test_all_candidates_meet_on_the_first_fold_and_then_the_leaders_go_on():
    record = in_budget()
    order = units(record, trained(record, [(40, 1.0), (60, 1.0), (50, 1.0)]))
    assert order[:3] == [("default configuration", 1, 0), ("recipe 2", 1, 0), ("recipe 3", 1, 0)]
    assert order[3:6] == [("recipe 2", 1, 1), ("recipe 3", 1, 1), ("default configuration", 1, 1)]
    assert order[6:8] == [("recipe 2", 2, 0), ("recipe 2", 2, 1)]


def test_a_lead_that_one_fold_cannot_tell_goes_to_the_cheaper_one():
    record = in_budget()
    assert [each.name for each in leaders(record, trained(record, [(60, 2.0), (60, 1.0), (50, 1.0)]))][:2] == [
        "recipe 2", "default configuration",
    ]  # fmt: skip


def test_everywhere_means_fold_by_fold():
    record = in_budget(everywhere=True)
    order = units(record, [])
    assert [fold for _, seed, fold in order if seed == 1] == [0] * 4 + [1] * 4


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_candidate_whose_training_failed_or_took_too_long_gets_no_other(everywhere):
    record = in_budget(everywhere=everywhere)
    scores = [(40, 1.0)] * len(record.candidates)
    first, second, *rest = trained(record, scores)
    order = units(record, [first, replace(second, status=STOPPED, out_of_fold={}), *rest])
    assert [fold for name, _, fold in order if name == "recipe 2"] == [0]
    assert ("default configuration", 1, 1) in order


def test_what_is_too_long_by_now_leaves_its_time_to_something_cheaper():
    class ByArchitecture(CostModel):
        def of(self, spec):
            return 3600.0 if spec.hyperparameters["architecture"] == "linknet" else 1.0

    record = replace(in_budget(), candidates=planned().candidates)
    executor = StandInExecutor(folds=FOLDS)
    ended, kept = hold(record, executor, deadline=Deadline.after(60), costs=ByArchitecture([], []), leaders_first=True)
    assert ended == "budget"
    assert kept
    assert {each.hyperparameters["architecture"] for each in kept}.isdisjoint({"linknet"})


def test_fitted_trainings_share_the_time_that_is_left_whatever_was_trained_before():
    record = in_budget(candidates=1, everywhere=True, fitted=2)
    assert record.fitted
    assert len(record.candidates) == 1
    _, whole = hold(record, StandInExecutor(folds=FOLDS))
    executor = StandInExecutor(folds=FOLDS)
    hold(record, executor, finished=whole[:1], deadline=Deadline(time.monotonic() + 1000), leaders_first=True, fitted=2)
    first, second, third = [spec.fit_s for spec in executor.specs[:3]]
    assert first == pytest.approx(FILLED * 500, abs=5)
    assert second == pytest.approx(FILLED * 1000, abs=10)
    assert third is None, "what is left beyond them has the planned length"


def test_several_candidates_have_one_length():
    assert not in_budget(candidates=3, fitted=2).fitted


def test_the_model_of_a_training_is_kept_before_its_line():
    order = []
    run_finals(
        replace(planned(), seeds=(1,)),
        executor=StandInExecutor(folds=FOLDS),
        finished=(),
        retries=1,
        deadline=Deadline(None),
        costs=CostModel(),
        keep=lambda training: order.append(unit_name(training)),
        keep_evidence=lambda name, evidence: None,
        keep_model=lambda name, spec, outcome: order.append(name),
        progress=PlainProgress(write=lambda line: None),
    )
    assert order[::2] == order[1::2]
    assert len(order) == 2 * 4 * 2


def test_a_share_of_the_images_is_another_training():
    record = planned()
    one = replace(record, candidates=record.candidates[:1])
    _, whole = hold(record, StandInExecutor(folds=FOLDS))
    _, parts = hold(one, StandInExecutor(folds=FOLDS), finished=whole, study="learning curve", shares=(0.75, 0.5))
    assert [(each.seed, each.train_share, each.fold) for each in parts] == [
        (seed, share, fold) for seed in (1, 2, 3) for share in (0.75, 0.5) for fold in (0, 1)
    ]
    assert {each.candidate for each in parts} == {record.candidates[0].name}
    assert len({each.evidence for each in (*whole, *parts)}) == len(whole) + len(parts)
    _, again = hold(record, StandInExecutor(folds=FOLDS), finished=parts)
    assert len(again) == len(whole)  # the finals want all images
