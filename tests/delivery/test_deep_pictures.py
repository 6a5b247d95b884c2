"""Pictures of more than 8 bit a channel are scaled for a prediction as they were for training."""

import cv2
import numpy as np
import pytest

from bench.delivery import model, predicting
from bench.records import ValueRange

RANGE = ValueRange(low=1000.0, high=3000.0)


@pytest.fixture
def picture(tmp_path):
    values = np.full((8, 8), 2000, np.uint16)
    values[0, 0], values[0, 1] = 1000, 3000
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), values)
    return path


def test_both_ways_to_predict_apply_the_range_of_the_data_set(picture):
    one = model._pixels(picture, RANGE)
    path, other = predicting._pixels(picture, RANGE)
    assert path == picture
    np.testing.assert_array_equal(one, other)
    assert [int(one[y, x, 0]) for y, x in ((0, 0), (0, 1), (4, 4))] == [0, 255, 128]
