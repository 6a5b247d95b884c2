"""What candidates and their roles are called on a page."""

from collections.abc import Sequence

from bench.formats import plural, titled
from bench.records import DEFAULT, FINALIST, LEVEL, ORIGINAL, Candidate, FinalsRecord


def training_length(record: FinalsRecord) -> str:
    """How long each was trained, in the unit that the record has: '600 steps', '16 epochs', 'about 275 steps'."""
    per_epoch = record.steps_per_epoch
    about = "about " if record.fitted else ""
    return about + (f"{record.epochs * per_epoch} steps" if per_epoch else plural(record.epochs, "epoch"))


def distinct_labels(candidates: Sequence[Candidate]) -> dict[str, str]:
    """By name; where two would be called the same, their trials tell them apart."""
    short = {each.name: configuration_label(each) for each in candidates}
    return {
        each.name: short[each.name]
        if list(short.values()).count(short[each.name]) == 1
        else f"{short[each.name]} · {each.trial_id or each.name}"
        for each in candidates
    }


def configuration_label(candidate: Candidate) -> str:
    """'U-Net / ResNet-18 · Dice · 96 px', or '96 px patches'."""
    values = candidate.hyperparameters
    model = " / ".join(titled(values[name]) for name in ("architecture", "backbone") if name in values)
    loss = [titled(values["loss"])] if "loss" in values else []
    seen = " patches" if values.get("view") == "patches" else ""
    size = [f"{values['image_size']} px{seen}"] if "image_size" in values else []
    return " · ".join([*([model] if model else []), *loss, *size]) or candidate.name


ROLE_TITLES = {
    DEFAULT: "default configuration",
    ORIGINAL: "original baseline",
    FINALIST: "found by search",
    LEVEL: "one value changed",
}
"""Recorded roles in the words of a reader."""


def role_title(role: str) -> str:
    return ROLE_TITLES.get(role, role)
