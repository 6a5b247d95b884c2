"""How long a training is that has a time to fill, and that its schedule comes to its end all the same."""

from bench.engine.training.length import Length


def test_a_given_length_is_one_straight_line():
    length = Length(4, 25)
    assert [length.progress(step) for step in (0, 10, 99)] == [0.0, 0.1, 0.99]
    assert length.progress(100) == 1.0


def test_a_slow_machine_ends_in_time_with_a_schedule_of_its_own_length():
    length = Length(10, 25)
    length.fit([13.0], 10.0, 63.0)  # 3 s to begin, 10 s an epoch: five more fit
    assert length.epochs == 6
    assert length.progress(25) == 1 / 6
    assert length.progress(150) == 1.0


def test_a_fast_machine_trains_for_longer_up_to_twice_the_plan():
    length = Length(9, 25)
    length.fit([10.0], 10.0, 115.0)
    assert length.epochs == 11
    length.fit([10.0, 20.0], 10.0, 1e6)
    assert length.epochs == length.longest == 18


def test_a_plan_of_one_epoch_that_a_busy_moment_made_goes_on():
    length = Length(1, 25)
    length.fit([10.0], 8.0, 90.0)
    assert (length.epochs, length.longest) == (11, 12)
    assert length.progress(25) == 1 / 11, "its learning rate rises again"


def test_the_pace_is_that_of_the_last_epochs():
    length = Length(20, 25)
    length.fit([10.0, 20.0, 30.0, 50.0, 70.0, 90.0], 10.0, 90.0 + 35.0)  # 15 s an epoch over the last four
    assert length.epochs == 6 + 2


def test_without_time_a_training_ends_with_the_epoch_that_is_over():
    length = Length(8, 25)
    length.fit([10.0, 200.0], 10.0, 100.0)
    assert length.epochs == 2
