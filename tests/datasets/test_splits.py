from pathlib import Path

import numpy as np
import pytest

from bench.datasets.dataset import Dataset
from bench.datasets.splits import fingerprint, make_split, nested_subset, stratified_order
from bench.errors import DataError
from bench.records import AuditRecord, ImageFacts, SplitRecord

DATASET = Dataset(name="d", root=Path("d"), format="folders", classes=("foreground",), samples=())


def audited(
    shares: list[tuple[float, ...]], duplicates: tuple[tuple[int, ...], ...] = (), parts: list[str | None] | None = None
) -> AuditRecord:
    """Images "00", "01", ... with these foreground shares."""
    return AuditRecord(
        images=tuple(
            ImageFacts(id=f"{n:02}", split=parts[n] if parts else None, width=8, height=8, foreground_share=share)
            for n, share in enumerate(shares)
        ),
        findings=(),
        twin_groups=tuple(tuple(f"{n:02}" for n in group) for group in duplicates),
        background_accuracy={},
    )


def parts_of(split: SplitRecord) -> list[set[str]]:
    return [set(split.train), set(split.val), set(split.test)]


def spread(count: int) -> list[tuple[float, ...]]:
    return [(n / count,) for n in range(count)]


def test_without_given_parts_a_fifth_is_locked_and_a_fifth_of_the_rest_validates() -> None:
    split = make_split(audited(spread(50)), DATASET, seed=0)
    assert [len(part) for part in parts_of(split)] == [32, 8, 10]
    assert set.union(*parts_of(split)) == {f"{n:02}" for n in range(50)}
    assert split.rule.startswith("test is 20% of the images, validation 20% of the rest")


def test_same_seed_same_split_and_another_seed_another() -> None:
    record = audited(spread(40))
    assert make_split(record, DATASET, seed=3) == make_split(record, DATASET, seed=3)
    assert make_split(record, DATASET, seed=3).fingerprint != make_split(record, DATASET, seed=4).fingerprint


@pytest.mark.parametrize("seed", range(20))
def test_duplicates_never_sit_on_both_sides(seed: int) -> None:
    duplicates = ((0, 39), (1, 20, 38), (5, 6, 7, 8, 9, 10))
    split = make_split(audited(spread(40), duplicates), DATASET, seed=seed)
    for group in duplicates:
        assert sum(bool(part & {f"{n:02}" for n in group}) for part in parts_of(split)) == 1
    assert [len(part) for part in parts_of(split)] == pytest.approx([26, 6, 8], abs=2)


@pytest.mark.parametrize("seed", range(20))
def test_held_out_parts_have_the_foreground_share_of_the_whole(seed: int) -> None:
    shares = [(float(share),) for share in np.random.default_rng(0).lognormal(-3, 1, 100)]
    split = make_split(audited(shares), DATASET, seed=seed)
    means = [np.mean([shares[int(name)] for name in part]) for part in parts_of(split)]
    assert means == pytest.approx([np.mean(shares)] * 3, rel=0.25)


@pytest.mark.parametrize("seed", range(20))
def test_many_groups_of_duplicates_leave_the_shares_balanced(seed: int) -> None:
    shares = [(n // 6 / 60,) for n in range(360)]
    duplicates = tuple(tuple(range(start, start + 6)) for start in range(0, 360, 6))
    record = AuditRecord(
        images=tuple(
            ImageFacts(id=f"{n:03}", split=None, width=8, height=8, foreground_share=share)
            for n, share in enumerate(shares)
        ),
        findings=(),
        twin_groups=tuple(tuple(f"{n:03}" for n in group) for group in duplicates),
        background_accuracy={},
    )
    split = make_split(record, DATASET, seed=seed)
    means = [np.mean([shares[int(name)] for name in part]) for part in parts_of(split)]
    assert means == pytest.approx([np.mean(shares)] * 3, rel=0.15)


@pytest.mark.parametrize("seed", range(10))
def test_every_dominant_class_is_in_every_part(seed: int) -> None:
    shares = [tuple(0.1 if c == n % 3 else 0.01 for c in range(3)) for n in range(60)]
    split = make_split(audited(shares), DATASET, seed=seed)
    for part in parts_of(split):
        assert {int(name) % 3 for name in part} == {0, 1, 2}


def test_three_given_parts_stay_as_given() -> None:
    parts: list[str | None] = ["train", "train", "val", "test", "test"]
    split = make_split(audited(spread(5), parts=parts), DATASET, seed=0)
    assert (split.train, split.val, split.test) == (("00", "01"), ("02",), ("03", "04"))
    assert split.rule == "train, val and test as given"


def test_given_test_keeps_its_images_and_validation_comes_from_train() -> None:
    parts: list[str | None] = ["train"] * 10 + ["test"] * 4
    split = make_split(audited(spread(14), parts=parts), DATASET, seed=0)
    assert split.test == ("10", "11", "12", "13")
    assert (len(split.train), len(split.val)) == (8, 2)


def test_given_val_without_test_is_locked_and_the_rule_says_so() -> None:
    parts: list[str | None] = ["train"] * 10 + ["val"] * 4
    split = make_split(audited(spread(14), parts=parts), DATASET, seed=0)
    assert split.test == ("10", "11", "12", "13")
    assert len(split.val) == 2
    assert split.rule.startswith("the given val is the held-out test set; validation is 20% of the given train")


def test_twin_across_given_parts_leaves_the_evaluation_side() -> None:
    parts: list[str | None] = ["train"] * 4 + ["val"] * 3 + ["test"] * 3
    split = make_split(audited(spread(10), ((0, 4, 7), (5, 8), (1, 2)), parts), DATASET, seed=0)
    assert split.train == ("00", "01", "02", "03")
    assert split.val == ("05", "06")
    assert split.test == ("09",)
    assert split.excluded == {
        "04": "left val: a twin of 00 in train",
        "07": "left test: a twin of 00 in train",
        "08": "left test: a twin of 05 in val",
    }


@pytest.mark.parametrize("count", [3, 4, 5, 7])
@pytest.mark.parametrize("seed", range(5))
def test_very_few_images_still_fill_every_part(count: int, seed: int) -> None:
    parts = parts_of(make_split(audited(spread(count)), DATASET, seed=seed))
    assert all(parts)
    assert sum(map(len, parts)) == count


def test_a_group_larger_than_the_share_never_empties_train() -> None:
    duplicates = (tuple(range(8)),)
    split = make_split(audited(spread(10), duplicates), DATASET, seed=0)
    assert len(split.train) == 8
    assert (len(split.val), len(split.test)) == (1, 1)


@pytest.mark.parametrize(("count", "duplicates"), [(2, ()), (5, ((0, 1, 2, 3),)), (4, ((0, 1, 2, 3),))])
def test_too_few_different_images_are_refused(count: int, duplicates: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(DataError, match=r"leaves no image for .*; at least 3 different images are needed"):
        make_split(audited(spread(count), duplicates), DATASET, seed=0)


def test_parts_without_train_are_refused() -> None:
    with pytest.raises(DataError, match="has the part test and no train part"):
        make_split(audited(spread(3), parts=["test"] * 3), DATASET, seed=0)


def test_fingerprint_follows_parts_and_ids_not_their_order() -> None:
    first = fingerprint({"train": ["a", "b"], "val": ["c"], "test": ["d"]})
    assert fingerprint({"train": ["b", "a"], "val": ["c"], "test": ["d"]}) == first
    assert fingerprint({"train": ["a", "c"], "val": ["b"], "test": ["d"]}) != first


@pytest.mark.parametrize("seed", range(5))
def test_folds_divide_what_is_not_locked_evenly_and_keep_duplicates_together(seed: int) -> None:
    shares = [(number / 100,) for number in range(40)]
    duplicates = ((0, 1), (10, 11, 12))
    split = make_split(audited(shares, duplicates), DATASET, seed=seed, folds=4)
    assert sorted(name for fold in split.folds for name in fold) == sorted((*split.train, *split.val))
    assert len(split.folds) == 4
    names = sorted(facts.id for facts in audited(shares).images)
    of = {name: number for number, fold in enumerate(split.folds) for name in fold}
    for group in duplicates:
        assert len({of.get(names[index]) for index in group}) == 1
    share_of = {facts.id: facts.foreground_share[0] for facts in audited(shares).images}
    means = [np.mean([share_of[name] for name in fold]) for fold in split.folds]
    assert max(means) - min(means) < 0.06  # of a range of 0.4; a plain draw of 8 differs by 0.1 and more
    assert {len(fold) for fold in split.folds} <= {7, 8, 9}


def test_fewer_images_than_folds_give_fewer_folds() -> None:
    split = make_split(audited(spread(4)), DATASET, seed=0, folds=5)
    assert [len(fold) for fold in split.folds] == [1] * (len(split.train) + len(split.val))


def lined(shares: list[tuple[float, ...]], duplicates: tuple[tuple[int, ...], ...] = ()) -> list[tuple[str, ...]]:
    record = audited(shares, duplicates)
    facts_of = {facts.id: facts for facts in record.images}
    return stratified_order(list(facts_of), facts_of, record.twin_groups)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 39, 40])
@pytest.mark.parametrize("seed", range(5))
def test_smaller_subsets_are_parts_of_larger_ones_and_have_their_share_of_the_images(count: int, seed: int) -> None:
    line = lined(spread(count))
    quarter, half, three = (nested_subset(line, share, (seed, 0)) for share in (0.25, 0.5, 0.75))
    assert set(quarter) <= set(half) <= set(three)
    for subset, share in ((quarter, 0.25), (half, 0.5), (three, 0.75)):
        assert len(set(subset)) == len(subset) >= 1
        assert abs(len(subset) - share * count) <= max(0.5, 1 - share * count)


@pytest.mark.parametrize("seed", range(5))
def test_a_subset_takes_one_of_each_four_neighbours_for_each_quarter(seed: int) -> None:
    line = lined(spread(40))
    for share, taken in ((0.25, 1), (0.5, 2), (0.75, 3)):
        chosen = set(nested_subset(line, share, (seed, 0)))
        blocks = [line[start : start + 4] for start in range(0, 40, 4)]
        assert [sum(unit[0] in chosen for unit in block) for block in blocks] == [taken] * 10


def test_another_seed_draws_another_subset_and_the_same_seed_the_same() -> None:
    line = lined(spread(40))
    assert nested_subset(line, 0.5, (3, 0)) == nested_subset(line, 0.5, (3, 0))
    assert len({nested_subset(line, 0.5, seed) for seed in ((3, 0), (4, 0), (3, 1))}) == 3


@pytest.mark.parametrize("seed", range(5))
def test_a_subset_has_all_duplicates_of_a_group_or_none(seed: int) -> None:
    groups = ((0, 39), (1, 20, 38), (5, 6, 7))
    line = lined(spread(40), groups)
    for share in (0.25, 0.5, 0.75):
        chosen = {int(name) for name in nested_subset(line, share, (seed, 0))}
        assert {len(chosen.intersection(group)) in (0, len(group)) for group in groups} == {True}
        assert len(chosen) == pytest.approx(40 * share, abs=2)
