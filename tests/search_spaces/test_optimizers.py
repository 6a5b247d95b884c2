"""Learning-rate schedules at shares of a training, worked by hand."""

import pytest

from search_spaces.optimizers import SCHEDULES, WARM_UP, constant, cosine


@pytest.mark.parametrize(
    ("progress", "factor"),
    [
        (0.0, 1 / 11),  # (0 + 0.01) / 0.11: the first step moves already
        (0.02, 3 / 11),
        (0.09, 10 / 11),
        (0.1, 1.0),  # the warm-up is over
        (0.325, 0.5 * (1 + 2**-0.5)),  # a quarter of the way down: half of 1 + cos 45 degrees
        (0.55, 0.5),  # half-way
        (0.775, 0.5 * (1 - 2**-0.5)),
        (1.0, 0.0),
    ],
)
def test_cosine_rises_in_the_first_tenth_and_comes_down_to_nothing(progress: float, factor: float) -> None:
    assert WARM_UP == 0.1
    assert cosine(progress) == pytest.approx(factor, abs=1e-12)


def test_cosine_never_rises_after_its_warm_up_nor_falls_in_it() -> None:
    factors = [cosine(step / 1000) for step in range(1001)]
    assert factors[:101] == sorted(factors[:101])
    assert factors[100:] == sorted(factors[100:], reverse=True)
    assert 0 <= min(factors) < max(factors) == 1


def test_a_constant_rate_is_constant() -> None:
    assert {constant(step / 10) for step in range(11)} == {1.0}


def test_no_schedule_raises_the_rate_that_a_trial_was_given() -> None:
    for _, factor in SCHEDULES.values():
        assert max(factor(step / 100) for step in range(101)) == 1.0
