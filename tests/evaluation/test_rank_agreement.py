"""Kendall's tau and its interval, by hand and by simulation."""

import numpy as np
import pytest

from bench.evaluation.rank_agreement import agreement


def test_one_pair_of_ten_the_other_way_is_a_tau_of_0_8():
    found = agreement([1, 2, 3, 4, 5], [2, 1, 3, 4, 5])
    assert found.tau == pytest.approx(0.8)  # (9 - 1) / 10
    assert found.low == pytest.approx(-0.1945, abs=5e-4)  # tanh(atanh(0.8) - 1.96 * sqrt(0.437 / 1))
    assert found.high == pytest.approx(0.9835, abs=5e-4)
    assert found.is_low


def test_the_same_ranking_of_five_is_not_certain_and_that_of_ten_is_more_so():
    five, ten = agreement(range(5), range(5)), agreement(range(10), range(10))
    assert (five.tau, ten.tau) == pytest.approx((1.0, 1.0))
    assert 0 < five.low < ten.low < 1
    assert not ten.is_low


def test_an_opposite_ranking_is_low():
    found = agreement(range(10), range(10, 0, -1))
    assert found.tau == pytest.approx(-1)
    assert found.is_low


@pytest.mark.parametrize(("first", "second"), [([1, 2, 3, 4], [1, 2, 3, 4]), ([1] * 6, range(6)), (range(6), range(5))])
def test_too_few_or_level_scores_have_no_agreement(first, second):
    assert agreement(first, second) is None


def test_the_interval_holds_the_true_tau_about_95_times_of_100():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        one = random.normal(size=10)
        other = 0.5 * one + np.sqrt(1 - 0.5**2) * random.normal(size=10)
        found = agreement(one, other)
        held += found.low <= 2 / np.pi * np.arcsin(0.5) <= found.high  # the tau of a normal pair: 1/3
    assert 0.91 < held / 400 < 0.99
