"""The finals: who is trained again, how a plan is cut to its time, and that nothing finished is lost."""

from dataclasses import replace

import pytest

from bench.experiments import load_experiment
from bench.progress import PlainProgress
from bench.records import (
    COMPLETED,
    DEFAULT,
    FAILED,
    FINALIST,
    ORIGIN,
    STOPPED,
    EpochRecord,
    TrainingRecord,
    TrialRecord,
)
from bench.run.costs import MARGIN, Deadline
from bench.run.final_evaluation import Costs, _specs, contestants, evidence_name, plan_finals, run_finals
from search_spaces.reference import origin_recipe, reference_recipe
from tests import examples
from tests.engine.stand_in import StandInExecutor

EXPERIMENT = load_experiment("default")
SPACE = EXPERIMENT.space
FOLDS = (("a", "c"), ("b", "d"))


def trial(number: int, iou: float, **changed: object) -> TrialRecord:
    values = reference_recipe(SPACE) | {"architecture": "linknet", "learning_rate": 1e-3 + number * 1e-4} | changed
    curve = tuple(
        EpochRecord(epoch=epoch, train_loss=0.5, val_loss=0.5, val_iou=iou, elapsed_s=10.0 * epoch) for epoch in (1, 2)
    )
    return replace(
        examples.trial(number), hyperparameters=values, val_metrics={"iou": iou}, curve=curve, wall_s=20.0,
        graph_reused=True, train_s=20.0, evaluate_s=0.0, epochs_run=2,
    )  # fmt: skip


TRIALS = [trial(0, 0.1), trial(1, 0.3), trial(2, 0.2), trial(1, 0.25, **{"tuner/epochs": 4})]


def planned(left_s: float | None = None, finished=(), trials=TRIALS, places: int = 1, before=None):
    return plan_finals(EXPERIMENT, FOLDS, trials=trials, finished=finished, before=before, left_s=left_s, places=places)


def hold(record, executor, finished=(), deadline=Deadline(None), costs=None, **changed):  # noqa: B008  frozen
    kept = []
    ended = run_finals(
        record,
        executor=executor,
        finished=finished,
        retries=1,
        deadline=deadline,
        costs=costs or Costs([], []),
        keep=kept.append,
        keep_evidence=lambda name, evidence: None,
        progress=PlainProgress(write=lambda line: None),
        **changed,
    )
    return ended, kept


def test_of_those_that_differ_in_their_learning_rate_alone_one_takes_part_while_there_are_others():
    other = trial(4, 0.05, loss="focal")
    chosen = contestants([*TRIALS, other], SPACE, 3)
    assert [each.search_iou for each in chosen[:3]] == [0.3, 0.05, 0.2]


def test_the_best_distinct_configurations_and_both_recipes_compete():
    chosen = contestants(TRIALS, SPACE, 2)
    assert [each.roles for each in chosen] == [(FINALIST,), (FINALIST,), (DEFAULT,), (ORIGIN,)]
    assert [each.search_iou for each in chosen] == [0.3, 0.2, None, None]
    assert chosen[0].trial_id == TRIALS[1].trial_id
    assert chosen[3].hyperparameters == origin_recipe(SPACE)
    assert chosen[3].hyperparameters["architecture"] == "plain_unet"


def test_a_recipe_that_is_a_finalist_competes_once():
    own = replace(trial(5, 0.9), hyperparameters=reference_recipe(SPACE) | {"tuner/epochs": 3})
    chosen = contestants([*TRIALS, own], SPACE, 2)
    assert chosen[0].roles == (FINALIST, DEFAULT)
    assert len(chosen) == 3


def test_without_a_budget_the_whole_protocol_is_held():
    record = planned()
    assert (len(record.contestants), record.folds, record.seeds) == (4, 2, (1, 2, 3))
    assert (record.rule, record.epochs) == ("the whole protocol", 16)


def test_seeds_start_after_those_of_the_search():
    several = EXPERIMENT.model_copy(update={"seeds": (4, 0, 2)})
    record = plan_finals(several, FOLDS, trials=TRIALS, finished=(), before=None, left_s=None, places=1)
    assert record.seeds == (5, 6, 7)


@pytest.mark.parametrize(
    ("share", "finalists", "seeds", "said"),
    [
        (1.0, 2, 3, "the whole protocol"),
        (0.9, 1, 3, "cut to the time: 1 of 2 finalists (finalists go first, then seeds, then folds)"),
        (0.6, 1, 2, "cut to the time: 1 of 2 finalists, 2 of 3 seeds (finalists go first, then seeds, then folds)"),
    ],
)
def test_a_plan_is_cut_to_its_time(share, finalists, seeds, said):
    whole_s = 4 * 2 * 3 * 16 * 10.0 * 1.15 * 1.001
    record = planned(share * whole_s)
    assert sum(FINALIST in each.roles for each in record.contestants) == finalists
    assert (len(record.seeds), record.rule) == (seeds, said)


def test_at_the_end_a_fold_goes_and_a_longer_run_takes_it_up_again():
    small = planned(3 * 16 * 10.0 * 1.15 * 1.001)
    assert (len(small.contestants), small.seeds, small.folds) == (3, (1,), 1)
    assert "1 of 3 seeds, 1 of 2 folds" in small.rule
    _, kept = hold(small, StandInExecutor(folds=FOLDS))
    assert {each.fold for each in kept} == {0}
    assert planned(1e9, before=small, finished=kept) == planned()


def test_no_finals_where_nothing_fits_or_nothing_completed():
    assert planned(10.0) is None
    assert planned(trials=[replace(TRIALS[0], status=FAILED)]) is None


def test_what_is_finished_costs_nothing_any_more():
    record = planned()
    _, kept = hold(record, StandInExecutor(folds=FOLDS))
    assert planned(1.0, finished=kept) == record


def test_every_contestant_is_trained_on_every_fold_with_every_seed():
    record = planned()
    ended, kept = hold(record, StandInExecutor(folds=FOLDS, test_ids=("t",), places=3, shuffle=1))
    assert ended == "trials"
    units = [(each.contestant, each.seed, each.fold) for each in kept]
    assert len(set(units)) == len(units) == 4 * 3 * 2
    for each in kept:
        assert set(each.out_of_fold) == set(FOLDS[each.fold])
        assert set(each.test) == {"t"}
        assert each.status == COMPLETED


def test_the_evidence_of_a_training_is_kept_before_its_line_and_under_its_name():
    record, kept = planned(), []
    run_finals(
        record,
        executor=StandInExecutor(folds=FOLDS, test_ids=("t",), fails=lambda spec: spec.seed == 1),
        finished=(),
        retries=1,
        deadline=Deadline(None),
        costs=Costs([], []),
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
    class Dear(Costs):
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


def test_what_was_planned_is_not_cut_by_a_resume_and_may_grow():
    whole = planned()
    assert planned(0.0, before=whole) == whole
    small = planned(500.0 * 1.15 * 4)
    assert len(small.seeds) < 3
    assert planned(1e9, before=small) == whole


def test_better_trials_change_the_finals_where_there_is_time_for_no_smaller_ones():
    whole, other = planned(), [trial(7, 0.8), *TRIALS]
    assert planned(1e9, trials=other, before=whole) == planned(trials=other) != whole
    assert planned(1.0, trials=other, before=whole) == whole
    assert planned(500.0 * 1.15 * 4, trials=other, before=whole) == whole
    assert planned(1.0, trials=other) is None


def test_a_training_costs_what_its_like_did_and_a_new_network_what_the_others_do():
    record = planned()
    first, *_, origin = [spec for spec, _ in _specs(record)][: 2 * len(record.contestants)]
    costs = Costs(TRIALS, [])
    assert costs.of(first) == costs.of(origin) == pytest.approx(16 * 10.0 * MARGIN)
    _, kept = hold(record, StandInExecutor(folds=FOLDS))
    measured = [replace(each, wall_s=32.0 if each.fold else 64.0, epochs_run=16) for each in kept]
    assert Costs(TRIALS, measured).of(first) == pytest.approx(16 * 2.0 * MARGIN)


def test_a_share_of_the_images_is_another_training():
    record = planned()
    one = replace(record, contestants=record.contestants[:1])
    _, whole = hold(record, StandInExecutor(folds=FOLDS))
    _, parts = hold(one, StandInExecutor(folds=FOLDS), finished=whole, study="learning curve", shares=(0.75, 0.5))
    assert [(each.seed, each.train_share, each.fold) for each in parts] == [
        (seed, share, fold) for seed in (1, 2, 3) for share in (0.75, 0.5) for fold in (0, 1)
    ]
    assert {each.contestant for each in parts} == {record.contestants[0].name}
    assert len({each.evidence for each in (*whole, *parts)}) == len(whole) + len(parts)
    _, again = hold(record, StandInExecutor(folds=FOLDS), finished=parts)
    assert len(again) == len(whole)  # the finals want all images
