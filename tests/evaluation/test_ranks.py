"""Ranks over data sets, by hand."""

import numpy as np
import pytest

from bench.evaluation.ranks import compare_ranks, friedman_p


def test_ranks_and_wins_are_shared_where_scores_are_level() -> None:
    ranks = compare_ranks(np.array([[0.9, 0.5, 0.1], [0.7, 0.7, 0.2], [0.3, 0.6, 0.4]]))
    assert ranks.by_dataset == ((1.0, 2.0, 3.0), (1.5, 1.5, 3.0), (3.0, 1.0, 2.0))
    assert ranks.average == pytest.approx((5.5 / 3, 4.5 / 3, 8 / 3))
    assert ranks.wins == (1.5, 1.5, 0.0)
    assert ranks.order == (1, 0, 2)


@pytest.mark.parametrize(("num_datasets", "p", "can_tell"), [(4, 0.125, False), (5, 0.0625, False), (6, 0.03125, True)])
def test_so_few_data_sets_tell_nobody_apart_even_if_one_is_always_ahead(num_datasets, p, can_tell) -> None:
    ranks = compare_ranks(np.array([[0.5 + 0.01 * number, 0.2] for number in range(num_datasets)]))
    assert ranks.pairs[0].p == pytest.approx(p)
    assert ranks.smallest_p == p
    assert ranks.can_tell == can_tell
    assert ranks.groups == (((0,), (1,)) if can_tell else ((0, 1),))
    assert ranks.friedman_p is None


def test_more_pairs_need_more_data_sets() -> None:
    scores = np.array([[0.5, 0.4, 0.3]] * 6) + 0.01 * np.arange(6)[:, None] * np.array([3, 2, 1])
    assert not compare_ranks(scores).can_tell  # 3 pairs x 2 / 2**6 = 0.094
    assert compare_ranks(np.vstack([scores, scores[:1]])).can_tell  # 3 x 2 / 2**7 = 0.047


def test_groups_overlap_where_neighbours_cannot_be_told_apart_and_the_ends_can() -> None:
    # 8 data sets: first is always ahead of last; the middle one is ahead and behind in turns of both
    first, last = np.linspace(0.60, 0.67, 8), np.linspace(0.40, 0.47, 8)
    middle = np.where(np.arange(8) % 2, first + 0.03, last - 0.03)
    assert compare_ranks(np.stack([first, middle, last], axis=1)).groups == ((0, 1), (1, 2))


def test_friedmans_f_is_that_of_iman_and_davenport() -> None:
    # Ranks (1, 2, 3) four times and (2, 1, 3) once.
    # Average ranks 1.2, 1.8, 3: chi square 12 * 5 / 12 * (1.44 + 3.24 + 9 - 3 * 16 / 4) = 8.4;
    # F = 4 * 8.4 / (10 - 8.4) = 21 with 2 and 8
    scores = np.array([[3.0, 2.0, 1.0]] * 4 + [[2.0, 3.0, 1.0]])
    assert friedman_p(scores) == pytest.approx(
        (1 + 21 * 2 / 8) ** -4
    )  # the tail of F with 2 and m degrees: (1 + 2 x / m) ** (-m / 2)
    assert friedman_p(np.array([[0.3, 0.3, 0.3]] * 5)) == 1.0
    assert friedman_p(np.array([[0.3, 0.2, 0.1]] * 5)) == 0.0


def test_one_candidate_is_no_ranking() -> None:
    with pytest.raises(ValueError, match="nothing to rank"):
        compare_ranks(np.array([[0.3], [0.2]]))
