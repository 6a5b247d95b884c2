"""Which images train, and which validate."""

from tests.engine.tiny import IDS, make_setup


def test_a_share_is_drawn_from_the_images_that_train_and_the_same_fold_validates(tmp_path):
    setup = make_setup(tmp_path)
    whole, held = setup.parts(1)
    assert (whole, held) == (IDS[:4], IDS[4:8])
    for seed in range(5):
        three, half, one = (setup.parts(1, share, seed) for share in (0.75, 0.5, 0.25))
        assert [len(train) for train, _ in (three, half, one)] == [3, 2, 1]
        assert set(one[0]) < set(half[0]) < set(three[0]) < set(whole)
        assert {part for _, part in (three, half, one)} == {held}
    assert len({setup.parts(1, 0.5, seed) for seed in range(5)}) > 1
