"""Ask, train, tell: what every tuner must do. The worker is a stand-in whose scores are a function
of the configuration."""

from collections.abc import Mapping
from typing import Any

import pytest

from bench.engine.spec import TrialOutcome, TrialSpec
from bench.errors import StoreError
from bench.experiments import load_experiment
from bench.progress import PlainProgress
from bench.records import COLLAPSED, COMPLETED, FAILED, PRUNED, ProposalRecord, TrialRecord
from bench.run.costs import CostModel, Deadline
from bench.run.search import StudyPlan, run_study
from bench.tuners import ORACLES
from search_spaces.portfolio import portfolio
from search_spaces.segmentation import SegmentationHyperModel
from search_spaces.space import Range, Space
from tests.engine.stand_in import StandInExecutor, configuration

SPACE = Space(
    architecture=("unet", "plain_unet"),
    backbone=("resnet18", "mobilenet"),
    loss=("bce", "dice"),
    augmentation=(0.0, 0.5, 1.0),
    learning_rate=Range(min=1e-4, max=1e-2, sampling="log"),
)
FOREVER = Deadline.after(None)
SMALL = Space(architecture=("plain_unet",), loss=("bce", "dice", "focal"))


class Kept:
    """What a study would leave on disk."""

    def __init__(self) -> None:
        self.proposals: list[ProposalRecord] = []
        self.records: list[TrialRecord] = []

    def proposed(self, proposal: ProposalRecord) -> None:
        self.proposals.append(proposal)

    def ended(self, spec: TrialSpec, outcome: TrialOutcome) -> None:
        self.records.append(outcome.record)

    def first(self, trials: int) -> "Kept":
        """As it was when so many trials were on record, with others under way."""
        earlier = Kept()
        earlier.records = self.records[:trials]
        earlier.proposals = [proposal for proposal in self.proposals if proposal.after < trials]
        return earlier


def run(
    tuner: str,
    *,
    trials: int | None = 12,
    space: Space = SPACE,
    seed: int = 0,
    executor: StandInExecutor | None = None,
    earlier: Kept | None = None,
    deadline: Deadline = FOREVER,
    costs: CostModel | None = None,
    search_folds: int = 1,
    epochs: int = 9,
    rung_epochs: int = 1,
    said: list[str] | None = None,
) -> tuple[str, Kept]:
    """Why a study ended, and what it kept beyond `earlier`."""
    kept, before = Kept(), earlier or Kept()
    ended = run_study(
        StudyPlan(
            tuner=tuner, seed=seed, trials=trials, epochs=epochs, search_folds=search_folds, rung_epochs=rung_epochs
        ),
        hypermodel=SegmentationHyperModel(space, 2),
        executor=executor or StandInExecutor(),
        proposals=before.proposals,
        finished=before.records,
        costs=costs or CostModel(),
        deadline=deadline,
        recorder=kept,
        progress=PlainProgress(write=([] if said is None else said).append),
    )
    return ended, kept


def search(tuner: str, **settings: Any) -> tuple[str, list[TrialRecord]]:
    ended, kept = run(tuner, **settings)
    return ended, kept.records


def parent_of(record: TrialRecord) -> object:
    """The trial that it was promoted from, if any."""
    return record.hyperparameters.get("tuner/trial_id")


every_tuner = pytest.mark.parametrize("tuner", ORACLES)
promoting = pytest.mark.parametrize("tuner", [name for name, kind in ORACLES.items() if kind.promotes])


@every_tuner
def test_a_study_ends_with_its_trials(tuner):
    ended, records = search(tuner, trials=5)
    assert (ended, len(records)) == ("trials", 5)


def test_the_default_experiment_tries_every_architecture_of_its_space():
    chosen = load_experiment("default")
    _, records = search("random", trials=chosen.trials, space=chosen.space, seed=chosen.seeds[0])
    assert {record.hyperparameters["architecture"] for record in records} == set(chosen.space.architecture)


@every_tuner
def test_equal_seeds_search_alike_and_zero_is_a_seed(tuner):
    first, again = (search(tuner, trials=12)[1] for _ in range(2))
    assert [record.hyperparameters for record in first] == [record.hyperparameters for record in again]


@pytest.mark.parametrize("tuner", [name for name in ORACLES if name != "grid"])
def test_another_seed_searches_elsewhere(tuner):
    one, other = (search(tuner, trials=len(portfolio(SPACE)) + 3, seed=seed)[1] for seed in (0, 1))
    assert [record.hyperparameters for record in one] != [record.hyperparameters for record in other]


@every_tuner
def test_only_active_hyperparameters_are_recorded(tuner):
    for record in search(tuner, trials=20)[1]:
        assert ("backbone" in record.hyperparameters) == (record.hyperparameters["architecture"] == "unet")


@pytest.mark.parametrize("tuner", [name for name, kind in ORACLES.items() if not kind.promotes])
def test_no_configuration_is_tried_twice_and_a_small_space_is_exhausted(tuner):
    ended, records = search(tuner, space=SMALL, trials=10)
    assert ended == "space exhausted"
    assert sorted(str(record.hyperparameters["loss"]) for record in records) == ["bce", "dice", "focal"]


@every_tuner
def test_ten_failures_in_a_row_do_not_end_a_search(tuner):
    ended, records = search(tuner, trials=12, executor=StandInExecutor(fails=lambda spec: int(spec.trial_id) < 10))
    assert (ended, len(records)) == ("trials", 12)
    assert sum(record.status == FAILED for record in records) == 10


def two_thirds_collapse(spec: TrialSpec) -> bool:
    return int(spec.trial_id) % 3 > 0


@every_tuner
@pytest.mark.parametrize("slots", [1, 3])
def test_what_has_collapsed_is_not_promoted_holds_nothing_up_and_is_never_run_again(tuner, slots):
    executor = StandInExecutor(slots, shuffle=1, collapses=two_thirds_collapse)
    ended, whole = run(tuner, trials=30, executor=executor)
    assert (ended, len(whole.records)) == ("trials", 30)
    collapsed = {record.trial_id for record in whole.records if record.status == COLLAPSED}
    assert len(collapsed) > 12
    parents = {str(parent_of(record)) for record in whole.records if parent_of(record)}
    assert not collapsed & parents
    assert bool(parents) == ORACLES[tuner].promotes
    rest = StandInExecutor(slots, collapses=two_thirds_collapse)
    earlier = whole.first(15)
    run(tuner, trials=30, earlier=earlier, executor=rest)
    assert {spec.trial_id for spec in rest.specs}.isdisjoint(record.trial_id for record in earlier.records)


@promoting
def test_where_everything_collapses_nobody_is_promoted_and_a_small_space_ends(tuner):
    executor = StandInExecutor(collapses=lambda spec: True)
    ended, records = search(tuner, space=SMALL, trials=50, executor=executor)
    assert ended == "space exhausted"
    assert len(records) == 3


def test_a_tuner_learns_from_the_score_of_what_has_collapsed():
    """The Gaussian process has as many points as without the collapse: its proposals are the same."""
    _, without = search("bayesian", trials=12)
    _, records = search("bayesian", trials=12, executor=StandInExecutor(collapses=lambda spec: spec.trial_id == "0002"))
    assert [record.status for record in records].count(COLLAPSED) == 1
    assert [record.hyperparameters for record in records] == [record.hyperparameters for record in without]


def test_bayesian_does_not_propose_a_failed_configuration_again():
    space = Space(architecture=("plain_unet",), loss=("bce", "dice", "focal", "tversky"), augmentation=(0.0, 1.0))
    executor = StandInExecutor(fails=lambda spec: spec.hyperparameters["loss"] == "bce")
    _, records = search("bayesian", trials=8, space=space, executor=executor)
    tried = {str(record.hyperparameters) for record in records}
    assert len(tried) == len(records) == 8


@every_tuner
@pytest.mark.parametrize("slots", [1, 3])
def test_a_resumed_study_runs_the_rest_and_repeats_nothing(tuner, slots):
    trials = 12
    done = trials // 2
    _, whole = run(tuner, trials=trials, executor=StandInExecutor(slots, shuffle=1))
    earlier = whole.first(done)
    under_way = len(earlier.proposals) - done
    executor = StandInExecutor(slots)
    ended, rest = run(tuner, trials=trials, earlier=earlier, executor=executor)
    assert under_way >= slots - 1
    begun = {spec.trial_id for spec in executor.specs}
    assert begun == {record.trial_id for record in rest.records}
    assert not begun & {record.trial_id for record in earlier.records}
    assert len(begun) == trials - done
    assert ended == "trials"
    if slots == 1:
        assert [record.hyperparameters for record in rest.records] == [r.hyperparameters for r in whole.records[done:]]


@every_tuner
def test_a_study_may_be_resumed_with_more_trials_or_none(tuner):
    _, first = run(tuner, trials=6)
    ended, rest = search(tuner, trials=7, earlier=first)
    assert (ended, len(rest)) == ("trials", 1)
    ended, rest = search(tuner, trials=None, earlier=first, deadline=Deadline.after(0))
    assert (ended, rest) == ("budget", [])


@every_tuner
def test_records_of_another_space_are_refused(tuner):
    _, kept = run(tuner, trials=2)
    with pytest.raises(StoreError, match=f"{tuner}-seed0 cannot be resumed: its trial 0000"):
        search(tuner, space=SMALL, earlier=kept)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (0, "trial 0001 is on record before it was proposed; records are missing"),
        (2, "its trial 0003 is not what the tuner proposes .*, after 2 of 3 trials"),
    ],
)
def test_a_missing_record_is_noticed(lost, said):
    _, kept = run("random", trials=4)
    del kept.records[lost:]
    kept.records += [] if lost else run("random", trials=4)[1].records[1:]
    with pytest.raises(StoreError, match=f"random-seed0 cannot be resumed: {said}"):
        search("random", trials=5, earlier=kept)


@every_tuner
def test_with_several_trials_under_way_a_study_ends_and_repeats_no_configuration(tuner):
    trials = 30
    executor = StandInExecutor(4, shuffle=7)
    ended, records = search(tuner, trials=trials, executor=executor)
    assert (ended, len(records)) == ("trials", trials)
    fresh = [str(configuration(r.hyperparameters)) for r in records if not parent_of(r)]
    assert len(set(fresh)) == len(fresh)
    ended = {record.trial_id: place for place, record in enumerate(records)}
    for record in records:
        parent = parent_of(record)
        assert parent is None or ended[str(parent)] < ended[record.trial_id]


def test_a_trial_whose_process_died_is_tried_again_and_not_more_often_than_the_plan_says():
    once = StandInExecutor(crashes=lambda spec: spec.trial_id == "0001" and spec.attempt == 1)
    _, records = search("random", trials=3, executor=once)
    assert [(r.trial_id, r.status, r.attempts) for r in records] == [
        ("0000", COMPLETED, 1),
        ("0001", COMPLETED, 2),
        ("0002", COMPLETED, 1),
    ]
    always = StandInExecutor(crashes=lambda spec: spec.trial_id == "0001")
    _, records = search("random", trials=3, executor=always)
    assert [(r.trial_id, r.status, r.attempts) for r in records][1] == ("0001", FAILED, 2)


def test_a_trial_on_a_warm_graph_goes_first_where_proposals_do_not_depend_on_results():
    executor = StandInExecutor(2)
    _, records = search("random", trials=12, executor=executor)
    assert sorted(record.trial_id for record in records) == [f"{number:04d}" for number in range(12)]
    assert [spec.trial_id for spec in executor.specs] != sorted(spec.trial_id for spec in executor.specs)
    _, alone = search("random", trials=12)
    by_id = {record.trial_id: record.hyperparameters for record in records}
    assert by_id == {record.trial_id: record.hyperparameters for record in alone}


def test_a_spent_budget_starts_no_trial():
    ended, records = search("random", trials=None, deadline=Deadline.after(0))
    assert (ended, records) == ("budget", [])


class DearRates(CostModel):
    """A clock by which high learning rates take an hour, and everything else no time."""

    def estimate_s(self, values: Mapping[str, Any], epochs: int, *, warm: bool) -> float:
        return 3600.0 if values["learning_rate"] > 1e-3 else 0.0


@every_tuner
@pytest.mark.parametrize("slots", [1, 3])
def test_what_cannot_end_in_time_is_set_aside_and_run_first_when_there_is_more(tuner, slots):
    trials, deadline = 24, Deadline.after(600)
    ended, kept = run(tuner, trials=trials, executor=StandInExecutor(slots), costs=DearRates(), deadline=deadline)
    aside = [p.trial_id for p in kept.proposals if p.hyperparameters["learning_rate"] > 1e-3]
    assert (ended, len(aside) > 0) == ("budget", True)
    assert {record.trial_id for record in kept.records} == {p.trial_id for p in kept.proposals} - set(aside)
    executor = StandInExecutor()
    ended, _ = run(tuner, trials=len(kept.proposals), executor=executor, earlier=kept)
    assert (ended, sorted(spec.trial_id for spec in executor.specs)) == ("trials", aside)


@promoting
def test_a_promoted_trial_trains_its_parents_configuration_again_and_longer(tuner):
    executor = StandInExecutor()
    _, records = search(tuner, trials=30, executor=executor)
    by_id = {record.trial_id: record for record in records}
    promoted = [record for record in records if parent_of(record)]
    assert promoted
    for record in promoted:
        parent = by_id[str(parent_of(record))]
        assert configuration(parent.hyperparameters) == configuration(record.hyperparameters)
        assert record.epochs_run == record.epochs_planned > parent.epochs_planned


@promoting
def test_rungs_count_in_the_shortest_training(tuner):
    """36 epochs, and 4 for the shortest: rungs of 4, 12 and 36 epochs."""
    executor = StandInExecutor()
    _, records = search(tuner, trials=60, executor=executor, epochs=36, rung_epochs=4)
    lengths = {record.hyperparameters["tuner/epochs"]: record.epochs_run for record in records}
    assert lengths == {1: 4, 3: 12, 9: 36}
    assert {spec.epochs for spec in executor.specs} == {4, 12, 36}


@promoting
@pytest.mark.parametrize(("epochs", "can"), [(8, False), (12, True)])
def test_a_tuner_that_cannot_promote_says_so(tuner, epochs, can):
    said: list[str] = []
    run(tuner, trials=2, epochs=epochs, rung_epochs=4, said=said)
    assert any(f"{tuner} promotes no trial here" in line for line in said) is not can


def test_a_tuner_without_rungs_trains_every_trial_whole():
    executor = StandInExecutor()
    search("random", trials=4, executor=executor, epochs=36, rung_epochs=4)
    assert [spec.epochs for spec in executor.specs] == [36] * 4


@every_tuner
def test_a_search_begins_with_the_portfolio_and_repeats_nothing_of_it(tuner):
    _, records = search(tuner, trials=30)
    fresh = [configuration(record.hyperparameters) for record in records if not parent_of(record)]
    recipes = list(portfolio(SPACE))
    assert len(recipes) >= 2
    assert fresh[: len(recipes)] == recipes
    assert len({str(sorted(values.items())) for values in fresh}) == len(fresh) > len(recipes)


@every_tuner
def test_a_resumed_search_goes_on_in_the_middle_of_the_portfolio(tuner):
    _, whole = run(tuner, trials=8)
    _, rest = run(tuner, trials=8, earlier=whole.first(1))
    assert [record.hyperparameters for record in rest.records] == [r.hyperparameters for r in whole.records[1:]]


def test_a_trial_whose_process_died_and_that_cannot_be_tried_again_in_time_is_on_record():
    class Dear(CostModel):
        def estimate_s(self, values: Mapping[str, Any], epochs: int, *, warm: bool) -> float | None:
            return None if not executor.specs else 3600.0

    executor = StandInExecutor(crashes=lambda spec: True)
    ended, records = search("random", executor=executor, costs=Dear(), deadline=Deadline.after(60))
    assert (ended, [record.status for record in records]) == ("budget", [FAILED])
    assert records[0].attempts == 1


class Vanishing(StandInExecutor):
    """Has no place until it was listened to so often, and none again after some trials."""

    def __init__(self, late: int, trials: int) -> None:
        super().__init__(slots=0)
        self.late, self.left, self.waited = late, trials, 0

    def events(self):
        if self._running:
            yield from super().events()
            self.left -= 1
            self.slots = int(self.left > 0)
            return
        self.waited += 1
        self.slots = int(self.waited >= self.late and self.left > 0)


def test_a_study_waits_for_a_place_and_ends_as_ever():
    executor = Vanishing(late=3, trials=5)
    ended, kept = run("random", trials=5, executor=executor)
    assert (ended, len(kept.records)) == ("trials", 5)
    assert executor.waited == 3


def test_a_study_without_a_place_ends_with_its_budget():
    executor = Vanishing(late=1, trials=2)
    ended, kept = run("random", trials=5, executor=executor, deadline=Deadline.after(0.5))
    assert (ended, len(kept.records)) == ("budget", 2)


FOLDS = tuple(tuple(f"image{5 * fold + number}" for number in range(5)) for fold in range(3))
racing = pytest.mark.parametrize("tuner", [name for name, kind in ORACLES.items() if not kind.promotes])


def on_folds(slots: int = 1, **settings: Any) -> StandInExecutor:
    """A worse configuration is worse on every image: after two of three folds of five images that is clear."""
    return StandInExecutor(slots, folds=FOLDS, size=64, **settings)


@racing
def test_who_is_behind_the_best_complete_trial_before_it_gets_no_more_folds(tuner):
    ended, records = search(tuner, trials=12, search_folds=3, executor=on_folds())
    assert (ended, len(records)) == ("trials", 12)
    best = records[0]
    assert (best.status, best.race) == (COMPLETED, None)
    for record in records[1:]:
        behind = record.val_metrics["iou"] < best.val_metrics["iou"]
        if record.val_metrics["iou"] == best.val_metrics["iou"]:  # level on every image: nothing to test
            assert (record.status, record.race) == (COMPLETED, None)
            continue
        assert (record.status, record.folds_run) == ((PRUNED, 2) if behind else (COMPLETED, 3))
        assert (record.race.rival, record.race.images) == (best.trial_id, 5 * record.folds_run)
        assert (record.race.p < 0.05) == behind
        assert set(record.out_of_fold) == {name for fold in FOLDS[: record.folds_run] for name in fold}
        assert (record.epochs_run, record.epochs_planned) == (9 * record.folds_run, 27)
        best = best if behind else record
    assert {record.status for record in records} == {COMPLETED, PRUNED}


@racing
def test_a_tuner_learns_from_the_score_of_what_was_pruned(tuner):
    """All folds are equal here, and so are proposals with and without the race."""
    _, without = search(tuner, trials=12)
    _, raced = search(tuner, trials=12, search_folds=3, executor=on_folds())
    assert [record.hyperparameters for record in raced] == [record.hyperparameters for record in without]
    assert PRUNED in {record.status for record in raced}


@racing
@pytest.mark.parametrize("done", [1, 8])
def test_a_resumed_race_is_run_against_the_same_rivals(tuner, done):
    _, whole = run(tuner, trials=12, search_folds=3, executor=on_folds())
    _, rest = run(tuner, trials=12, search_folds=3, executor=on_folds(), earlier=whole.first(done))
    assert rest.records == whole.records[done:]


def test_a_race_whose_process_died_is_run_again_whole_against_who_leads_by_then():
    executor = on_folds(2, shuffle=3, crashes=lambda spec: spec.trial_id == "0001" and spec.attempt == 1)
    _, records = search("random", trials=4, search_folds=3, executor=executor)
    again = next(spec for spec in executor.specs if spec.attempt == 2)
    record = next(record for record in records if record.trial_id == again.trial_id)
    assert (record.attempts, record.folds_run) == (2, 3 if record.status == COMPLETED else 2)
    assert again.incumbent is not None
    assert next(spec for spec in executor.specs if spec.trial_id == "0001").incumbent is None


def test_what_collapses_on_a_fold_is_no_rival_and_goes_no_further():
    executor = on_folds(collapses=lambda spec: spec.trial_id == "0000")
    _, records = search("random", trials=2, search_folds=3, executor=executor)
    assert [(record.status, record.folds_run) for record in records] == [(COLLAPSED, 1), (COMPLETED, 3)]
    assert [spec.incumbent for spec in executor.specs] == [None, None]


def test_a_trial_on_folds_starts_only_where_all_of_them_fit_into_the_time():
    class Asked(CostModel):
        def estimate_s(self, values: Mapping[str, Any], epochs: int, *, warm: bool) -> float | None:
            assert epochs == 3 * 9
            return 20.0

    settings = {"trials": 2, "search_folds": 3, "costs": Asked()}
    assert search("random", executor=on_folds(), deadline=Deadline.after(10), **settings) == ("budget", [])
    assert search("random", executor=on_folds(), deadline=Deadline.after(1000), **settings)[0] == "trials"
