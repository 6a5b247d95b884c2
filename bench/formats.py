"""Numbers to text, for people: rounding happens here and nowhere earlier. A missing value is an en dash."""

from collections.abc import Sequence

MISSING = "–"

_DIGITS = 12
"""Significant digits that machines agree on: the last of the 16 differ between instruction sets."""


def settled(value: float) -> float:
    """`value` without its last digits, so that two machines round it to the same text: 0.1235 whether it was computed
    as 0.12350000000000001 or as 0.12349999999999999."""
    return float(f"{value:.{_DIGITS}g}")


def fraction(value: float | None) -> str:
    return MISSING if value is None else f"{settled(value):.3f}"


def signed(value: float, places: int = 3) -> str:
    """A difference of fractions with its sign: '+0.049', '−0.012'; what rounds to nothing is '0.00', without one."""
    digits = f"{settled(abs(value)):.{places}f}"
    if float(digits) == 0:
        return digits
    return f"{'−' if settled(value) < 0 else '+'}{digits}"


def span(low: float, high: float) -> str:
    """The interval of a ratio, cut at 0 and 1 where few images make it reach beyond."""
    return f"{fraction(max(0.0, low))} to {fraction(min(1.0, high))}"


def signed_span(low: float, high: float) -> str:
    """The interval of a difference."""
    return f"{signed(low)} to {signed(high)}"


def decimals(low: float, high: float) -> int:
    """How many decimals a number between these limits deserves: two where they are 0.02 or more apart (or nothing
    is), else three."""
    width = settled(high - low)
    return 3 if 0 < width < 0.02 else 2


def within(value: float, low: float, high: float) -> str:
    """A ratio with its interval, both with the digits that the interval deserves: '0.18 (0.13 to 0.24)'."""
    return f"{rounded(value, decimals(low, high))} ({limits(low, high)})"


def limits(low: float, high: float) -> str:
    """The interval of a ratio, cut at 0 and 1, with the digits that it deserves: '0.13 to 0.24'."""
    places = decimals(low, high)
    return f"{rounded(max(0.0, low), places)} to {rounded(min(1.0, high), places)}"


def signed_within(value: float, low: float, high: float) -> str:
    """A difference with its interval: '−0.01 (−0.07 to +0.06)'."""
    places = decimals(low, high)
    return f"{signed(value, places)} ({signed(low, places)} to {signed(high, places)})"


def rounded(value: float | None, places: int = 2) -> str:
    return MISSING if value is None else f"{settled(value):.{places}f}"


def percent(value: float | None) -> str:
    return MISSING if value is None else f"{settled(100 * value):.1f} %"


def duration(value_s: float | None) -> str:
    if value_s is None:
        return MISSING
    if value_s < 10:
        return f"{value_s:.1f} s"
    if value_s < 100:
        return f"{value_s:.0f} s"
    return f"{value_s / 60:.1f} min" if value_s < 6000 else f"{value_s / 3600:.1f} h"


def milliseconds(value_s: float | None) -> str:
    if value_s is None:
        return MISSING
    value_ms = settled(1000 * value_s)
    return f"{value_ms:.1f} ms" if value_ms < 10 else f"{value_ms:.0f} ms"


def millions(number: int | None) -> str:
    """A number of parameters: '14.3 M', '842 k'."""
    if number is None:
        return MISSING
    if number >= 999_500:
        return f"{number / 1e6:.1f} M"
    return f"{number / 1e3:.0f} k" if number >= 1000 else str(number)


def gibibytes(number: int | None) -> str:
    return MISSING if number is None else f"{number / 2**30:.1f} GiB"


def bytes_of(number: int | None) -> str:
    """The size of a file: '31 MB'."""
    if number is None:
        return MISSING
    return f"{number / 1e6:.0f} MB" if number >= 1e7 else f"{number / 1e6:.1f} MB"


def power(value: float) -> str:
    """A learning rate or weight decay: '3.2e-4', '1e-3', '0'."""
    if value == 0:
        return "0"
    mantissa, exponent = f"{settled(value):.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def plain(value: object) -> str:
    """Any hyperparameter: floats with three significant digits, everything else as it is."""
    if value is None:
        return MISSING
    if isinstance(value, float):
        return power(value) if value != 0 and abs(value) < 0.01 else f"{settled(value):.3g}"
    return str(value)


def plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listing(words: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def first_few(words: Sequence[str], most: int = 3) -> str:
    """'a, b, c and 5 more'."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


def shortened(text: str, limit: int) -> str:
    """Cut in the middle, so that both ends of a file name stay readable."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[-tail:]}"


_TITLES = {
    "unet": "U-Net", "unet_slim": "slim U-Net", "plain_unet": "plain U-Net", "fpn": "FPN", "linknet": "LinkNet",
    "pspnet": "PSPNet",
    "unet_plus_plus": "U-Net++", "unet_plus_plus_slim": "slim U-Net++", "deeplabv3_plus": "DeepLabV3+",
    "deeplabv3_plus_slim": "slim DeepLabV3+", "ma_net": "MA-Net", "ma_net_slim": "slim MA-Net",
    "attention_unet": "Attention U-Net", "attention_unet_slim": "slim Attention U-Net",
    "segformer": "SegFormer",
    "mobilenet": "MobileNet", "mobilenetv2": "MobileNetV2", "resnet18": "ResNet-18", "resnet34": "ResNet-34",
    "resnet50": "ResNet-50", "resnet101": "ResNet-101", "vgg16": "VGG-16", "vgg19": "VGG-19",
    "mobilenetv3small": "MobileNetV3-Small", "mobilenetv3large": "MobileNetV3-Large",
    "efficientnetv2b0": "EfficientNetV2-B0", "efficientnetv2s": "EfficientNetV2-S", "resnet50v2": "ResNet-50 V2",
    "densenet121": "DenseNet-121", "convnext_tiny": "ConvNeXt-Tiny",
    "mit_b0": "MiT-B0", "mit_b1": "MiT-B1",
    **{f"efficientnetb{size}": f"EfficientNet-B{size}" for size in range(8)},
    **{f"efficientnet_lite{size}": f"EfficientNet-Lite{size}" for size in range(5)},
    "bce": "BCE", "dice": "Dice", "focal": "focal", "tversky": "Tversky", "bce_dice": "BCE + Dice",
    "focal_tversky": "focal Tversky", "log_cosh_dice": "log-cosh Dice", "lovasz": "Lovász",
}  # fmt: skip


def titled(name: object) -> str:
    """The name of a hyperparameter's value as people write it: 'U-Net' for 'unet'; a name that is not known here
    stays as it is."""
    return _TITLES.get(str(name), str(name))


_CONTROL = dict.fromkeys(
    (
        *range(9),
        11,
        12,
        *range(14, 32),
        *range(127, 160),
        0x200E,
        0x200F,
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
    ),
    "�",
)
"""Also what turns the direction of writing, so that a name reads as something else."""


def printable(text: str) -> str:
    """Text without control characters, which would reach a terminal or break a page; tabs and line breaks stay."""
    return text.translate(_CONTROL).encode("utf-8", "replace").decode("utf-8")


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def csv_cell(value: object) -> object:
    """For a table that people open: numbers as they are, but text that begins like a formula gets an apostrophe in
    front, which spreadsheets hide."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = printable(str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
