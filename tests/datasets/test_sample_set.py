from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.datasets import DataOptions, open_dataset
from bench.datasets.audit import audit
from bench.datasets.images import decode
from bench.datasets.letterbox import letterbox_mask
from bench.datasets.sample import write_sample_set
from bench.datasets.splits import make_split

Pictures = list[tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample")
    write_sample_set(root)
    return root


@pytest.fixture(scope="module")
def pictures(directory: Path) -> Pictures:
    return [decode(sample) for sample in open_dataset(directory, DataOptions()).samples]


def pooled_iou(predicted: list[np.ndarray], truth: list[np.ndarray]) -> float:
    common = sum(int((p & t).sum()) for p, t in zip(predicted, truth, strict=True))
    return common / sum(int((p | t).sum()) for p, t in zip(predicted, truth, strict=True))


def test_it_is_a_clean_data_set_of_140_different_images(directory: Path) -> None:
    dataset = open_dataset(directory, DataOptions())
    record, identity = audit(dataset, DataOptions())
    assert (identity.num_images, identity.classes) == (140, ("foreground",))
    assert record.findings == ()
    assert len(make_split(record, dataset, seed=0).test) == 28


def test_foreground_is_as_rare_and_as_spread_as_in_real_damage_photographs(pictures: Pictures) -> None:
    shares = [float(mask.mean()) for _, mask in pictures]
    assert 0.05 < np.mean(shares) < 0.09
    assert 0.02 < min(shares) < 0.04
    assert 0.15 < max(shares) < 0.36


def test_otsu_threshold_of_either_polarity_fails(pictures: Pictures) -> None:
    truth = [mask > 0 for _, mask in pictures]
    bright = []
    for image, _ in pictures:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        bright.append(cv2.threshold(grey, 0, 1, cv2.THRESH_OTSU)[1] > 0)
    assert pooled_iou(bright, truth) < 0.15
    assert pooled_iou([~mask for mask in bright], truth) < 0.15


def test_mean_mask_of_any_threshold_is_a_poor_guess(pictures: Pictures) -> None:
    truth = np.array([letterbox_mask(mask, 64) > 0 for _, mask in pictures])
    mean = truth.mean(axis=0)
    guesses = (np.broadcast_to(mean > level, truth.shape) for level in np.unique(mean)[:-1])
    assert max(pooled_iou(list(guess), list(truth)) for guess in guesses) < 0.2


def test_proportions_vary_around_the_stated_area(pictures: Pictures) -> None:
    for image, _ in pictures:
        assert image.shape[0] * image.shape[1] == pytest.approx(192 * 144, rel=0.03)
    ratios = [image.shape[1] / image.shape[0] for image, _ in pictures]
    assert min(ratios) < 0.8
    assert max(ratios) > 1.6


def test_same_seed_same_files_whatever_their_number_and_another_seed_others(directory: Path, tmp_path: Path) -> None:
    write_sample_set(tmp_path / "same", num_images=3)
    write_sample_set(tmp_path / "other", num_images=3, seed=1)
    for name in ("images/panel_002.jpg", "masks/panel_002.png"):
        content = (directory / name).read_bytes()
        assert (tmp_path / "same" / name).read_bytes() == content
        assert (tmp_path / "other" / name).read_bytes() != content
