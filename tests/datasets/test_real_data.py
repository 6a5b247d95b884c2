"""What is known about three real data sets, which stand beside the repository on some machines."""

from pathlib import Path

import pytest

from bench.datasets import DataOptions, Dataset, open_dataset
from bench.datasets.audit import audit
from bench.datasets.splits import make_split
from bench.evaluation.metrics import iou
from bench.records import AuditRecord, DatasetRecord

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def audited(name: str, options: DataOptions) -> tuple[Dataset, AuditRecord, DatasetRecord]:
    root = DATA / name
    if not root.is_dir():
        pytest.skip(f"{name} is not on this machine (its licence does not allow to ship it)")
    dataset = open_dataset(root, options)
    return dataset, *audit(dataset, options)


@pytest.fixture(scope="module")
def car_damage() -> tuple[Dataset, AuditRecord, DatasetRecord]:
    return audited("car-damage", DataOptions())


def files_of(record: AuditRecord, kind: str) -> set[tuple[str, ...]]:
    return {tuple(sorted(finding.files)) for finding in record.findings if finding.kind == kind}


def test_car_damage_is_read_whole(car_damage: tuple[Dataset, AuditRecord, DatasetRecord]) -> None:
    _, record, identity = car_damage
    assert (identity.format, identity.classes, identity.num_images) == ("via", ("damage",), 64)
    assert [sum(facts.split == part for facts in record.images) for part in ("train", "val")] == [49, 15]


def test_car_damage_twins_are_found_and_no_others(car_damage: tuple[Dataset, AuditRecord, DatasetRecord]) -> None:
    _, record, _ = car_damage
    assert files_of(record, "exact_twins") == {
        ("train/image15.jpg", "val/image65.jpg"),
        ("train/image63.jpg", "val/image78.jpg"),
        ("train/image58.jpg", "val/image80.jpg"),
    }
    assert files_of(record, "near_twins") == {("train/image46.jpeg", "train/image50.jpg")}
    assert len(record.twin_groups) == 4


def test_car_damage_was_annotated_twice_in_three_pictures(
    car_damage: tuple[Dataset, AuditRecord, DatasetRecord],
) -> None:
    agreements = [iou(pair.counts[1]) for pair in car_damage[1].second_annotations]
    assert sorted(agreements) == pytest.approx([0.53, 0.74, 0.77], abs=0.01)


def test_car_damage_names_three_files_that_do_not_exist(
    car_damage: tuple[Dataset, AuditRecord, DatasetRecord],
) -> None:
    assert files_of(car_damage[1], "missing_image") == {
        ("a_swan_swimming_in_geneve_lake.jpg",),
        ("sinus_test_pattern.jpg",),
        ("test_pattern_qbist.jpg",),
    }


def test_car_damage_background_scores_94_and_95_per_cent(
    car_damage: tuple[Dataset, AuditRecord, DatasetRecord],
) -> None:
    assert car_damage[1].background_accuracy == pytest.approx({"train": 0.940, "val": 0.951}, abs=0.0005)


def test_car_damage_locks_the_validation_folder_without_its_twins(
    car_damage: tuple[Dataset, AuditRecord, DatasetRecord],
) -> None:
    dataset, record, _ = car_damage
    split = make_split(record, dataset, seed=0)
    assert set(split.excluded) == {"val/image65.jpg", "val/image78.jpg", "val/image80.jpg"}
    assert (len(split.train), len(split.val), len(split.test)) == (39, 10, 12)
    assert {name.split("/")[0] for name in split.test} == {"val"}
    near = {"train/image46.jpeg", "train/image50.jpg"}
    assert near <= set(split.train) or near <= set(split.val)


def test_magnetic_tile_is_one_class_and_its_twins_show_one_tile_each() -> None:
    _, record, identity = audited("magnetic-tile", DataOptions())
    assert (identity.classes, identity.num_images) == (("foreground",), 490)
    assert len(files_of(record, "empty_mask")) == 98 + 4
    # every tile was photographed at up to six exposures, some twice; no group grows beyond that
    assert max(map(len, record.twin_groups)) <= 12


def test_neu_seg_has_three_classes_and_hardly_a_twin() -> None:
    options = DataOptions(split_prefixes={"training_": "train", "test_": "test"})
    dataset, record, identity = audited("neu-seg", options)
    assert (identity.classes, identity.num_images) == (("class_1", "class_2", "class_3"), 1000)
    assert len(files_of(record, "near_twins")) <= 6
    assert record.background_accuracy == pytest.approx({"train": 0.875, "test": 0.877}, abs=0.001)
    assert len(make_split(record, dataset, seed=0).val) == 160
