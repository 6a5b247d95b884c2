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


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.18382, 0.1271, 0.24055, "0.18 (0.13 to 0.24)"),
        (0.90412, 0.9004, 0.9081, "0.904 (0.900 to 0.908)"),
        (0.5, -0.1, 1.2, "0.50 (0.00 to 1.00)"),
        (0.0, 0.0, 0.0, "0.00 (0.00 to 0.00)"),
    ],
    ids=["wide", "narrow", "beyond what a ratio can be", "nothing"],
)
def test_a_number_has_the_digits_that_its_interval_deserves(value, low, high, text):
    assert formats.within(value, low, high) == text


def test_differences_have_signs_and_nothing_has_none():
    assert formats.signed_within(-0.0081, -0.0721, 0.0562) == "−0.01 (−0.07 to +0.06)"
    assert formats.signed(-0.0001, 2) == "0.00"


def test_names_are_written_as_people_write_them_and_unknown_ones_stay():
    assert [formats.titled(name) for name in ("unet", "efficientnet_lite0", "bce_dice", "my_net")] == [
        "U-Net", "EfficientNet-Lite0", "BCE + Dice", "my_net",
    ]  # fmt: skip


def test_control_characters_are_not_printed():
    assert formats.printable("a\x1b[2Jb\x00\n\tc\x9b\ud800") == "a�[2Jb�\n\tc�?"


def test_files_are_counted_in_megabytes():
    assert [formats.bytes_of(number) for number in (None, 1_940_000, 31_400_000)] == ["–", "1.9 MB", "31 MB"]
