"""How a column shows its values; what is missing, or no number, is a dash."""

from bench import formats


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def rounded(value: object) -> str:
    return formats.rounded(_number(value))


def fraction(value: object) -> str:
    return formats.fraction(_number(value))


def percent(value: object) -> str:
    return formats.percent(_number(value))


def whole_percent(value: object) -> str:
    return f"{100 * formats.settled(value):.0f} %" if isinstance(value, float) else formats.MISSING


def duration(value: object) -> str:
    return formats.duration(_number(value))


def latency(value: object) -> str:
    return formats.milliseconds(_number(value))


def millions(value: object) -> str:
    return formats.millions(value if isinstance(value, int) else None)
