"""What `python -m bench doctor` looks at: one finding a subject, with what is wrong and the line that mends it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found about a `subject`, for people. With a `problem` something is wrong that keeps an experiment from
    running well, and `mend` is the line, a command where there is one, that puts it right."""

    subject: str
    found: str
    problem: str | None = None
    mend: str | None = None
