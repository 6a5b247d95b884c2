"""What every oracle must do when it is asked and told in any order. Nothing trains: a score is a function
of the configuration."""

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras_tuner as kt
import pytest

from bench.records import COMPLETED, FAILED, TrialRecord
from bench.tuners import ORACLES
from bench.tuners.keras_tuner import EXHAUSTED, RANDOM_POINTS, WAIT, NoProposal, Proposal, ask, configurations, tell
from bench.tuners.successive_halving import Asha
from search_spaces.defaults import default_configuration
from search_spaces.portfolio import portfolio
from search_spaces.segmentation import SegmentationHyperModel
from search_spaces.space import Range, Space

SPACE = Space(
    architecture=("plain_unet", "unet"),
    backbone=("resnet18", "mobilenet"),
    loss=("bce", "dice", "focal"),
    augmentation=(0.0, 0.5, 1.0),
    learning_rate=Range(min=1e-4, max=1e-2, sampling="log"),
)
SMALL = Space(architecture=("plain_unet", "unet"), backbone=("resnet18", "mobilenet"), augmentation=(0.0, 0.25, 1.0))
"""Three configurations of the plain U-Net, six of the other."""

every_tuner = pytest.mark.parametrize("tuner", ORACLES)
promoting = pytest.mark.parametrize("tuner", [name for name, kind in ORACLES.items() if kind.promotes])


def make(tuner: str, space: Space = SPACE, *, seed: int = 0, epochs: int = 9, first: Sequence[Any] = ()) -> Any:
    oracle = ORACLES[tuner].make(SegmentationHyperModel(space, 2).declare(kt.HyperParameters()), seed, epochs)
    oracle.first = first
    return oracle


def configurations_of(space: Space) -> list[dict[str, Any]]:
    return list(configurations(SegmentationHyperModel(space, 2).declare(kt.HyperParameters())))


def configuration(proposal: Proposal) -> dict[str, Any]:
    return {name: value for name, value in proposal.values.items() if not name.startswith("tuner/")}


def started(proposals: list[Proposal]) -> list[Proposal]:
    return [proposal for proposal in proposals if "tuner/trial_id" not in proposal.values]


def score_of(proposal: Proposal) -> float:
    return sum(map(ord, str(sorted(configuration(proposal).items())))) % 97 / 97


def end(oracle: Any, proposal: Proposal, score: float | None) -> None:
    """`score` None: the trial failed."""
    record = TrialRecord(
        study_id="study",
        trial_id=proposal.trial_id,
        status=FAILED if score is None else COMPLETED,
        hyperparameters=proposal.values,
        seed=0,
        val_metrics={} if score is None else {"iou": score},
        started_at="2026-01-01T00:00:00+00:00",
    )
    tell(oracle, record)


@dataclass
class Played:
    """What happened: proposals in the order of asking, and for each who had COMPLETED by then."""

    proposals: list[Proposal] = field(default_factory=list)
    completed_before: list[set[str]] = field(default_factory=list)
    last_answer: NoProposal | None = None


def play(
    tuner: str,
    space: Space = SPACE,
    *,
    trials: int = 40,
    in_flight: int = 4,
    fails: Callable[[Proposal], bool] = lambda proposal: False,
    vain_asks: int = 0,
    first: Sequence[Any] = (),
) -> Played:
    """Keeps `in_flight` trials under way and ends them in random order, failing those that `fails` names."""
    oracle, order, played = make(tuner, space, first=first), random.Random(5), Played()
    running: list[Proposal] = []
    completed: set[str] = set()
    while True:
        answer = ask(oracle) if len(running) < in_flight and len(played.proposals) < trials else None
        if isinstance(answer, Proposal):
            played.proposals.append(answer)
            played.completed_before.append(set(completed))
            running.append(answer)
            continue
        if answer is not None:
            played.last_answer = answer
            assert all(ask(oracle) is answer for _ in range(vain_asks))
        if not running:
            return played
        ending = running.pop(order.randrange(len(running)))
        failed = fails(ending)
        end(oracle, ending, None if failed else score_of(ending))
        completed |= set() if failed else {ending.trial_id}


def a_third_fails(proposal: Proposal) -> bool:
    return int(proposal.trial_id) % 3 == 1


@functools.cache
def played_with_failures(tuner: str) -> Played:
    return play(tuner, trials=40, fails=a_third_fails)


@every_tuner
def test_four_trials_under_way_are_four_configurations(tuner):
    oracle = make(tuner)
    proposals = [ask(oracle) for _ in range(4)]
    assert len({str(configuration(proposal)) for proposal in proposals}) == 4


@every_tuner
def test_ids_count_up_in_the_order_of_asking(tuner):
    proposals = played_with_failures(tuner).proposals
    assert [p.trial_id for p in proposals] == [f"{number:04d}" for number in range(40)]


@every_tuner
def test_no_configuration_is_started_twice_whatever_the_order_of_ends(tuner):
    tried = [str(sorted(configuration(p).items())) for p in started(played_with_failures(tuner).proposals)]
    assert len(set(tried)) == len(tried)


def test_the_gaussian_process_minds_what_is_under_way_and_what_failed(monkeypatch):
    """Eight of nine configurations are tried (one failed, three under way) when it chooses: whatever it wants,
    it gets the ninth."""
    oracle = make("bayesian", SMALL)
    proposals = ask_for(oracle, 8)
    for proposal in proposals[:5]:
        end(oracle, proposal, score_of(proposal))
    end(oracle, proposals[5], None)
    monkeypatch.setattr(oracle, "_vector_to_values", lambda vector: configuration(proposals[5]))
    (last,) = ask_for(oracle, 1)
    assert configuration(last) not in [configuration(proposal) for proposal in proposals]
    assert ask(oracle) is EXHAUSTED


@every_tuner
def test_the_default_configuration_is_the_first_trial(tuner):
    first = played_with_failures(tuner).proposals[0]
    assert configuration(first) == default_configuration(SPACE)


@every_tuner
def test_the_portfolio_is_tried_first_and_nothing_of_it_again(tuner):
    recipes = portfolio(SPACE)
    tried = [configuration(p) for p in started(play(tuner, first=recipes, fails=a_third_fails).proposals)]
    assert len(recipes) >= 3
    assert tried[: len(recipes)] == list(recipes)
    assert len({str(sorted(values.items())) for values in tried}) == len(tried) > len(recipes)


@every_tuner
def test_a_small_space_is_tried_to_its_end_after_its_portfolio(tuner):
    """Two of the nine configurations come first, and the other seven after them."""
    recipes = (dict(default_configuration(SMALL)), configurations_of(SMALL)[-1])
    played = play(tuner, SMALL, trials=1000, first=recipes)
    tried = [configuration(p) for p in started(played.proposals)]
    assert played.last_answer is EXHAUSTED
    assert tried[:2] == list(recipes)
    assert len({str(sorted(values.items())) for values in tried}) == len(tried) == 9


@every_tuner
def test_only_active_hyperparameters_are_proposed(tuner):
    for proposal in played_with_failures(tuner).proposals:
        assert ("backbone" in proposal.values) == (proposal.values["architecture"] == "unet")


@promoting
def test_a_promoted_trial_is_one_that_has_completed_again_from_the_start_and_longer(tuner):
    played = played_with_failures(tuner)
    by_id = {proposal.trial_id: proposal for proposal in played.proposals}
    pairs = [
        (by_id[str(proposal.values["tuner/trial_id"])], proposal, completed)
        for proposal, completed in zip(played.proposals, played.completed_before, strict=True)
        if "tuner/trial_id" in proposal.values
    ]
    assert len(pairs) >= 5
    for parent, child, completed in pairs:
        assert parent.trial_id in completed
        assert configuration(parent) == configuration(child)
        assert child.values["tuner/initial_epoch"] == 0
        assert parent.values["tuner/epochs"] < child.values["tuner/epochs"]
        assert child.values["tuner/round"] == parent.values["tuner/round"] + 1
        assert child.values["tuner/bracket"] == parent.values["tuner/bracket"]
    parents = [parent.trial_id for parent, _, _ in pairs]
    assert len(set(parents)) == len(parents)


@every_tuner
@pytest.mark.parametrize("fails", [lambda proposal: False, a_third_fails, lambda proposal: True])
def test_a_small_space_is_tried_to_the_last_configuration_and_then_the_search_ends(tuner, fails):
    played = play(tuner, SMALL, trials=1000, fails=fails)
    assert played.last_answer is EXHAUSTED
    tried = [str(sorted(configuration(p).items())) for p in started(played.proposals)]
    assert len(set(tried)) == len(tried) == 9


@every_tuner
def test_equal_events_lead_to_equal_proposals_and_asking_in_vain_changes_nothing(tuner):
    first, again = play(tuner), play(tuner)
    assert first.proposals == again.proposals
    exhausted, insisting = (play(tuner, SMALL, trials=1000, vain_asks=vain) for vain in (0, 3))
    assert exhausted.proposals == insisting.proposals


@promoting
def test_in_a_small_space_someone_reaches_the_last_epoch(tuner):
    assert max(proposal.values["tuner/epochs"] for proposal in play(tuner, SMALL, trials=1000).proposals) == 9


@promoting
def test_waiting_is_for_trials_under_way_that_may_be_promoted(tuner):
    oracle = make(tuner, SMALL)
    proposals = [ask(oracle) for _ in range(9)]
    assert ask(oracle) is WAIT
    for proposal in proposals:
        end(oracle, proposal, None)
    assert ask(oracle) is EXHAUSTED


def test_random_search_draws_the_last_of_sixty_configurations_too():
    space = Space(architecture=("plain_unet",), augmentation=tuple(n / 100 for n in range(60)))
    assert len(play("random", space, trials=1000).proposals) == 60


def test_seeds_share_no_draws():
    rates = [ask_for(make("random", seed=seed), 4)[3].values["learning_rate"] for seed in range(30)]
    shifted = [ask_for(make("random", seed=seed), 4)[2].values["learning_rate"] for seed in range(30)]
    assert len({*rates, *shifted}) == 60


def ask_for(oracle: Any, trials: int) -> list[Proposal]:
    answers = [ask(oracle) for _ in range(trials)]
    assert all(isinstance(answer, Proposal) for answer in answers)
    return answers  # type: ignore[return-value]


@pytest.mark.parametrize("tuner", ["bayesian", "tpe"])
def test_a_model_begins_with_the_draws_of_random_search(tuner):
    assert ask_for(make(tuner, seed=3), RANDOM_POINTS) == ask_for(make("random", seed=3), RANDOM_POINTS)


def test_every_configuration_of_a_finite_space_is_listed_once_with_active_values_only():
    listed = configurations_of(SMALL)
    assert [(v["architecture"], v.get("backbone"), v["augmentation"]) for v in listed] == [
        *(("plain_unet", None, strength) for strength in (0.0, 0.25, 1.0)),
        *(("unet", backbone, strength) for backbone in ("resnet18", "mobilenet") for strength in (0.0, 0.25, 1.0)),
    ]


def test_grid_goes_through_the_space_in_order_from_the_default_configuration():
    space = Space(architecture=("plain_unet",), loss=("dice", "bce_dice"), augmentation=(0.0, 0.5, 1.0))
    order = [(p.values["loss"], p.values["augmentation"]) for p in play("grid", space).proposals]
    assert order == [(loss, strength) for loss in ("bce_dice", "dice") for strength in (0.5, 0.0, 1.0)]


def ended_rung(tuner: str, scores: list[float | None], *, epochs: int = 9) -> Any:
    """An oracle whose first trials have ended with these scores (None: failed), asked one after the other."""
    oracle = make(tuner, epochs=epochs)
    for proposal, score in zip(ask_for(oracle, len(scores)), scores, strict=True):
        end(oracle, proposal, score)
    return oracle


@pytest.mark.parametrize(("failures", "promotions"), [(0, 3), (2, 3), (6, 3), (7, 2), (8, 1), (9, 0)])
def test_a_failed_trial_takes_no_promotion_from_hyperband(failures, promotions):
    """The first bracket of 9 epochs has 9 trials of 1 epoch, 3 of 3 and 1 of 9; Keras Tuner promotes 3, 1 and 0
    of the first three cases."""
    oracle = ended_rung("hyperband", [None] * failures + [n / 10 for n in range(9 - failures)])
    rounds = []
    for _ in range(promotions + 2):
        (proposal,) = ask_for(oracle, 1)
        rounds.append((proposal.values["tuner/bracket"], proposal.values["tuner/round"]))
        end(oracle, proposal, 0.5)
    final = [(2, 2)] if promotions else []
    assert rounds == ([(2, 1)] * promotions + final + [(1, 0)] * 2)[: promotions + 2]


def test_hyperband_promotes_the_best_that_completed():
    oracle = ended_rung("hyperband", [0.1, 0.2, None, 0.9, 0.3, 0.8, 0.4, 0.7, None])
    assert [p.values["tuner/trial_id"] for p in ask_for(oracle, 3)] == ["0003", "0005", "0007"]


def test_a_round_of_hyperband_waits_for_nobody_who_cannot_take_a_place():
    """7 of 9 have ended: two may still come before the best of them, which leaves it one of three places."""
    oracle = make("hyperband")
    proposals = ask_for(oracle, 9)
    for proposal in proposals[:7]:
        end(oracle, proposal, int(proposal.trial_id) / 10)
    promoted, other = ask_for(oracle, 2)
    assert promoted.values["tuner/trial_id"] == "0006"
    assert (other.values["tuner/bracket"], other.values["tuner/round"]) == (1, 0)


def test_a_promoted_trial_keeps_its_bracket_while_the_next_one_has_begun():
    """Keras Tuner would write the newest bracket, 1."""
    oracle = make("hyperband")
    first = ask_for(oracle, 9)
    ask_for(oracle, 1)
    for proposal in first:
        end(oracle, proposal, int(proposal.trial_id) / 10)
    (promoted,) = ask_for(oracle, 1)
    assert (promoted.values["tuner/bracket"], promoted.values["tuner/round"]) == (2, 1)


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(1, [1]), (2, [2]), (3, [1, 3]), (9, [1, 3, 9]), (10, [1, 3, 10]), (16, [2, 5, 16])]
)
def test_rungs_of_asha_end_at_thirds_of_at_least_one_epoch(epochs, rungs):
    oracle = Asha(hyperparameters=kt.HyperParameters(), seed=0, epochs=epochs)
    assert oracle._epochs == rungs


def test_asha_promotes_the_best_third_of_those_that_ended():
    oracle = ended_rung("asha", [0.2, 0.3, 0.1])
    promoted, new = ask_for(oracle, 2)
    assert (promoted.values["tuner/trial_id"], promoted.values["tuner/epochs"]) == ("0001", 3)
    assert (new.values["tuner/epochs"], "tuner/trial_id" in new.values) == (1, False)


def test_asha_promotes_from_the_highest_rung_first():
    """Nine ended at 1 epoch, three of them at 3 epochs: one goes on to 9 epochs,
    and after it comes a new configuration."""
    oracle = ended_rung("asha", [n / 10 for n in range(9)])
    for proposal in ask_for(oracle, 3):
        end(oracle, proposal, 0.5 + int(proposal.values["tuner/trial_id"]) / 100)
    highest, new = ask_for(oracle, 2)
    assert (highest.values["tuner/initial_epoch"], highest.values["tuner/epochs"]) == (0, 9)
    assert configuration(highest) == configuration(
        Proposal(trial_id="", values=oracle.trials["0008"].hyperparameters.values)
    )
    assert new.values["tuner/round"] == 0


@pytest.mark.parametrize("scores", [[None, 0.2, 0.1], [0.2, None, None]])
def test_a_failed_trial_takes_no_promotion_from_asha(scores):
    (promoted,) = ask_for(ended_rung("asha", scores), 1)
    assert promoted.values["tuner/trial_id"] == f"000{scores.index(0.2)}"


def test_a_failed_trial_is_not_promoted():
    (proposal,) = ask_for(ended_rung("asha", [None, None, None]), 1)
    assert proposal.values["tuner/round"] == 0


def test_asha_never_waits_while_there_is_something_to_try():
    assert len(ask_for(make("asha"), 50)) == 50


@pytest.mark.parametrize("tuner", ["tpe", "tpe_asha"])
def test_tpe_goes_where_the_scores_are(tuner):
    """Dice gives 0.9 and the others 0.1. Of random draws a third would be Dice."""
    oracle, chosen = make(tuner, epochs=1), []
    for _ in range(50):
        (proposal,) = ask_for(oracle, 1)
        chosen.append(proposal.values["loss"])
        end(oracle, proposal, 0.9 if proposal.values["loss"] == "dice" else 0.1)
    assert chosen[30:].count("dice") >= 14


def test_tpe_learns_from_the_highest_rung_that_a_configuration_has_completed():
    oracle = ended_rung("tpe_asha", [0.2, 0.3, 0.1])
    (promoted,) = ask_for(oracle, 1)
    assert sorted(trial.score for trial in oracle._known()) == [0.1, 0.2, 0.3]  # the promoted trial is under way
    end(oracle, promoted, 0.6)
    assert sorted(trial.score for trial in oracle._known()) == [0.1, 0.2, 0.6]
