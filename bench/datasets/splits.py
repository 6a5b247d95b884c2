"""Which images train, which choose, and which are scored once: the split that every candidate shares."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from bench.datasets.dataset import Dataset
from bench.errors import DataError
from bench.records import AuditRecord, ImageFacts, SplitRecord

PARTS = ("train", "val", "test")

BLOCK = 4
"""Neighbours in the stratified order; each quarter of them takes one."""

_DRAWN = "stratified by foreground share, duplicates kept together"
"""How images are drawn, as the rules on record say it."""


def make_split(
    audit: AuditRecord, dataset: Dataset, *, seed: int, val_share: float = 0.2, test_share: float = 0.2, folds: int = 3
) -> SplitRecord:
    """Splits the audited images into train, val and test, and the images outside the test set into `folds`.

    Predefined parts are respected:

    - train, val and test: as given;
    - train and test: val is held out from train;
    - train and val: val becomes the held-out test set, and validation is held out from train, since images that choose
      must not score;
    - none: `test_share` of the images is held out for the test, then `val_share` of the rest for validation.

    The same data, shares and `seed` give the same split. What is held out is drawn, stratified by foreground share
    (with several classes also by the dominant one); duplicates stay together. A duplicate across given parts leaves the
    evaluation side: test before val before train. Raises DataError if a part would be empty. scikit-learn's
    StratifiedGroupKFold draws the folds, on the same strata and groups.
    """
    given = _given_parts(audit, dataset)
    parts, excluded = _without_duplicates(given, audit.twin_groups)
    rule = _rule_of({facts.split for facts in audit.images}, val_share, test_share)
    facts_of = {facts.id: facts for facts in audit.images}
    randomness = np.random.default_rng(seed)
    if not given["test"]:
        parts["train"], parts["test"] = _hold_out(
            parts["train"], facts_of, audit.twin_groups, test_share, randomness, reserve=2
        )
    if not given["val"]:
        parts["train"], parts["val"] = _hold_out(
            parts["train"], facts_of, audit.twin_groups, val_share, randomness, reserve=1
        )
    for part in PARTS:
        if not parts[part]:
            raise DataError(
                f"{dataset.root} leaves no image for {part}: {len(audit.images)} images, "
                f"{len(audit.twin_groups)} groups of duplicates, {len(excluded)} excluded; "
                "at least 3 different images are needed"
            )
    ordered = {part: tuple(sorted(parts[part])) for part in PARTS}
    open_ids = sorted((*ordered["train"], *ordered["val"]))
    drawn = _folds(open_ids, facts_of, audit.twin_groups, folds, seed)
    folds_rule = f"{len(drawn)} folds of the development images, {_DRAWN}"
    return SplitRecord(
        train=ordered["train"],
        val=ordered["val"],
        test=ordered["test"],
        excluded=dict(sorted(excluded.items())),
        rule=rule,
        folds=drawn,
        folds_rule=folds_rule,
        fingerprint=fingerprint(ordered),
    )


def stratified_order(
    names: Sequence[str], facts_of: Mapping[str, ImageFacts], duplicates: Sequence[Sequence[str]]
) -> list[tuple[str, ...]]:
    """Units (an image, or duplicates together) by dominant class and foreground share: neighbours are alike."""
    return sorted(_units(names, duplicates), key=lambda unit: (*_stratum(unit, facts_of), unit))


def nested_subset(units: Sequence[Sequence[str]], share: float, seed: Sequence[int]) -> tuple[str, ...]:
    """`share` (0-1) of the images of a `stratified_order`, sorted by name; at least one unit.

    With the same `seed` a smaller share is a part of a larger one.

    Of each four neighbours the first quarter takes one by chance, the next quarter another, and so on, so that every
    share resembles the whole.
    """
    randomness = np.random.default_rng(seed)
    quarters = np.concatenate([randomness.permutation(BLOCK) for _ in range(0, len(units), BLOCK)])[: len(units)]
    order = np.lexsort((randomness.random(len(units)), quarters))
    sizes = np.cumsum([len(units[row]) for row in order])
    count = int(np.argmin(np.abs(sizes - share * sizes[-1]))) + 1
    return tuple(sorted(name for row in order[:count] for name in units[row]))


def fingerprint(parts: Mapping[str, Sequence[str]]) -> str:
    """SHA-256 over the names of the parts and their sorted ids."""
    lines = [f"{part}\0{name}\n" for part in PARTS for name in sorted(parts[part])]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _given_parts(audit: AuditRecord, dataset: Dataset) -> dict[str, list[str]]:
    """Ids by the part that they go to before duplicates are considered; without predefined parts all are in train."""
    found = {facts.split for facts in audit.images}
    if found - {None} and None in found:
        name = next(facts.id for facts in audit.images if facts.split is None)
        raise DataError(f"{dataset.root / name} belongs to no part while other images do; put it in train, val or test")
    if found != {None} and "train" not in found:
        raise DataError(f"{dataset.root} has the part {', '.join(sorted(map(str, found)))} and no train part")
    val_is_test = "val" in found and "test" not in found
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for facts in audit.images:
        part = facts.split or "train"
        parts["test" if part == "val" and val_is_test else part].append(facts.id)
    return parts


def _rule_of(found: set[str | None], val_share: float, test_share: float) -> str:
    if found == {"train", "val", "test"}:
        return "train, val and test as given"
    if found == {"train", "val"}:
        return f"the given val is the held-out test set; validation is {val_share:.0%} of the given train, {_DRAWN}"
    if found == {"train", "test"}:
        return f"train and test as given; validation is {val_share:.0%} of the given train, {_DRAWN}"
    return f"test is {test_share:.0%} of the images, validation {val_share:.0%} of the rest, {_DRAWN}"


def _without_duplicates(
    given: Mapping[str, Sequence[str]], duplicates: Sequence[Sequence[str]]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Removes an image from test if a duplicate is in val or train, and from val if one is in train."""
    part_of = {name: part for part in PARTS for name in given[part]}
    excluded: dict[str, str] = {}
    for group in duplicates:
        present = [name for name in group if name in part_of]
        first = min((part_of[name] for name in present), key=PARTS.index)
        kept = next(name for name in present if part_of[name] == first)
        for name in present:
            if part_of[name] != first:
                excluded[name] = f"left {part_of[name]}: a twin of {kept} in {first}"
    return {part: [name for name in given[part] if name not in excluded] for part in PARTS}, excluded


def _hold_out(
    names: Sequence[str],
    facts_of: Mapping[str, ImageFacts],
    duplicates: Sequence[Sequence[str]],
    share: float,
    randomness: np.random.Generator,
    *,
    reserve: int,
) -> tuple[list[str], list[str]]:
    """(kept, held out): `share` of `names` is held out, at least one unit (an image, or duplicates together).

    `reserve` units are kept. Units are sorted by dominant class and foreground share. This order is cut into as many
    blocks as images are wanted, and each block gives one unit by chance. So the held-out part resembles the whole even
    with ten images, or three of a class.
    """
    units = stratified_order(names, facts_of, duplicates)
    if len(units) <= reserve:
        return list(names), []
    wanted = max(1, round(share * len(names)))
    starts = np.cumsum([0, *(len(unit) for unit in units)])
    block_of = (starts[:-1] + starts[1:]) * wanted // (2 * len(names))
    held: list[str] = []
    left = set(range(len(units)))
    for block in [*range(wanted), None]:  # None: what blocks without a fitting unit leave open
        while len(left) > reserve and len(held) < (wanted if block is None else block + 1):
            fitting = [row for row in sorted(left) if len(held) + len(units[row]) <= wanted]
            candidates = [row for row in fitting if block is None or block_of[row] == block]
            if not candidates:
                break
            row = int(randomness.choice(candidates))
            held += units[row]
            left.remove(row)
    if not held:
        held = list(sorted(units, key=len)[0])
    chosen = set(held)
    return [name for name in names if name not in chosen], held


def _folds(
    names: Sequence[str],
    facts_of: Mapping[str, ImageFacts],
    duplicates: Sequence[Sequence[str]],
    count: int,
    seed: int,
) -> tuple[tuple[str, ...], ...]:
    """`count` folds of `names`, or as many as there are images without duplicates."""
    from sklearn.model_selection import StratifiedGroupKFold

    units = _units(names, duplicates)
    count = min(count, len(units))  # at least 2: train and val have an image each, and no duplicate is in both
    group_of = {name: number for number, unit in enumerate(units) for name in unit}
    order = sorted(range(len(units)), key=lambda number: (*_stratum(units[number], facts_of), units[number]))
    stratum_of = {number: position // count for position, number in enumerate(order)}  # neighbours: one for each fold
    groups = [group_of[name] for name in names]
    strata = [stratum_of[group] for group in groups]
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # that the last stratum has fewer members than there are folds
        warnings.simplefilter("ignore", UserWarning)
        found = [fold for _, fold in splitter.split(names, strata, groups)]
    return tuple(tuple(names[index] for index in fold) for fold in found)


def _units(names: Sequence[str], duplicates: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """`names` as groups of duplicates and single images."""
    wanted = set(names)
    grouped = [tuple(name for name in group if name in wanted) for group in duplicates]
    together = {name for group in grouped for name in group}
    return [group for group in grouped if group] + [(name,) for name in names if name not in together]


def _stratum(unit: Sequence[str], facts_of: Mapping[str, ImageFacts]) -> tuple[int, float]:
    """Dominant foreground class (0 where there is no foreground) and mean foreground share of the unit's images."""
    shares = np.mean([facts_of[name].foreground_share for name in unit], axis=0)
    return (int(np.argmax(shares)) + 1 if shares.any() else 0), float(shares.sum())
