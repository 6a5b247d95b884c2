"""What numbers look like in print."""

import pytest

from bench import formats


@pytest.mark.parametrize(
    ("value_s", "text"),
    [(None, "–"), (0.42, "0.4 s"), (41.3, "41 s"), (192, "3.2 min"), (7560, "2.1 h")],
)
def test_durations_have_the_unit_that_reads_best(value_s, text):
    assert formats.duration(value_s) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "–"), (512, "512"), (842_000, "842 k"), (14_340_000, "14.3 M"), (999_900, "1.0 M")],
)
def test_parameters_are_counted_in_thousands_or_millions(number, text):
    assert formats.millions(number) == text


def test_fractions_have_three_decimals_and_a_missing_one_is_a_dash():
    assert formats.fraction(0.123456789012) == "0.123"
    assert formats.fraction(0.0) == "0.000"
    assert formats.fraction(None) == "–"
    assert formats.signed(-0.0123) == "−0.012"


def test_rates_are_short_powers_of_ten():
    assert [formats.power(value) for value in (3.2e-4, 1e-3, 0.0)] == ["3.2e-4", "1e-3", "0"]
    assert [formats.plain(value) for value in (0.45, 3.2e-4, 0.0, True, "adam", None)] == [
        "0.45", "3.2e-4", "0", "True", "adam", "–",
    ]  # fmt: skip


def test_listing_and_shortening():
    assert formats.listing([]) == ""
    assert formats.listing(["a"]) == "a"
    assert formats.listing(["a", "b", "c"]) == "a, b and c"
    assert formats.shortened("a_very_long_file_name.jpeg", 11) == "a_ver….jpeg"
