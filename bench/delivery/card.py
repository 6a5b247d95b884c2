"""card.md: what a delivered model is made of, how good it is and where it ends, from the run's records alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.analysis.annotators import annotators
from bench.analysis.classes import class_scores
from bench.analysis.leaderboard import JUDGE, references, score_interval
from bench.datasets.cache import CachedPixels
from bench.delivery import CARD, DESCRIPTION, NETWORK, SCRIPT
from bench.delivery.scoring import ScoredImages
from bench.delivery.worst_images import write_worst
from bench.evaluation.metrics import image_mean, iou, pool, summarise
from bench.evaluation.pooling import Estimate
from bench.formats import MISSING, fraction, milliseconds, percent, plural, span
from bench.records import OUT_OF_FOLD, ClassCounts, DeliveryRecord, Evaluation, Member, Run
from search_spaces.backbones import BACKBONES
from search_spaces.views import PATCHES

Counts = Mapping[str, Sequence[ClassCounts]]


def write_card(
    folder: Path, run: Run, record: DeliveryRecord, truth: CachedPixels, scored: ScoredImages | None
) -> None:
    """Writes the card into the model's `folder`, with images of the worst of the `scored` ones.

    `truth` has these images at the evaluation size.
    """
    worst = write_worst(folder, record.test, truth, scored) if scored else []
    (folder / CARD).write_text(card(run, record, worst), encoding="utf-8")


def card(run: Run, record: DeliveryRecord, worst: Sequence[tuple[str, str, float]] = ()) -> str:
    """The card in markdown. `worst` are file, image id and IoU of the worst held-out test images."""
    sections = (
        _head(run, record),
        _quality(run, record),
        _worst(worst),
        _use(record),
        _data(run),
        _making(run, record),
        _limits(run, record),
        licences(record.members),
    )
    return "\n".join(line for section in sections for line in section)


def _head(run: Run, record: DeliveryRecord) -> Iterator[str]:
    classes = ", ".join(f"{number} {name}" for number, name in enumerate(run.dataset.classes, start=1))
    yield f"# Model of the run {run.record.name}\n"
    yield (f"It marks {classes} (0 is background) in photographs. {_made_of(record)} {_sees(record)}\n")


def _sees(record: DeliveryRecord) -> str:
    side = record.image_size
    if record.view == PATCHES:
        return f"It sees a photograph of any size at its own resolution, through windows of {side} px that overlap."
    return f"Its input is a square of {side} px, into which a photograph of any size is fitted."


def _made_of(record: DeliveryRecord) -> str:
    different = len({member.weights for member in record.members})
    flips = " and over mirrored images" if record.flips else ""
    if different == 1:
        return f"One network{', averaged' + flips.removeprefix(' and') if flips else ''}."
    return f"The mean over {different} networks{flips}."


def _quality(run: Run, record: DeliveryRecord) -> Iterator[str]:
    yield "## How good it is\n"
    yield "| images | IoU (95 % interval) | Dice | precision | recall | IoU, mean over images |"
    yield "|---|---|---|---|---|---|"
    by = "trainings of its recipe" if record.refit else "members"
    parts = {
        f"{len(record.out_of_fold)} development images, each by {by} that did not see it": record.out_of_fold,
        f"{len(record.test)} held-out test images, by this model, once": record.test,
    }
    for label, counts in parts.items():
        if counts:
            yield _row(run, label, counts)
    yield ""
    if record.refit:
        yield (
            "This network was trained on all development images, so that none of them can score it: "
            "the first row is of networks of its recipe that were trained on folds, and says what to expect of it.\n"
        )
    if not record.test and not record.out_of_fold:
        yield "No image was scored.\n"
    if len(run.dataset.classes) > 1:
        yield from _by_class(run, record)
    yield from _beside(run)


def _row(run: Run, label: str, counts: Counts) -> str:
    metrics = summarise(pool(counts.values()), run.dataset.classes)
    interval = score_interval(_evaluation(counts))
    around = f" ({span(interval.low, interval.high)})" if interval else ""
    cells = [
        f"**{fraction(metrics['iou'])}**{around}",
        *(fraction(metrics[n]) for n in ("dice", "precision", "recall")),
    ]
    return f"| {label} | {' | '.join(cells)} | {fraction(image_mean(counts.values(), iou))} |"


def _by_class(run: Run, record: DeliveryRecord) -> Iterator[str]:
    """A row a class, with intervals over images; then what the held-out images' pixels were taken for."""
    classes = run.dataset.classes
    parts = [class_scores([_evaluation(counts)], classes) for counts in (record.out_of_fold, record.test)]
    yield "| class | IoU, development images (95 % interval) | IoU, held-out test images (95 % interval) |"
    yield "|---|---|---|"
    for number, name in enumerate(classes):
        yield f"| {name} | {' | '.join(_estimate(scores[number].iou if scores else None) for scores in parts)} |"
    yield ""
    if record.confusion:
        names = ("background", *classes)
        yield f"| of the held-out pixels of | {' | '.join(f'taken for {name}' for name in names)} |"
        yield f"|---|{'---|' * len(names)}"
        for name, row in zip(names, record.confusion, strict=True):
            cells = [percent(count / sum(row)) if sum(row) else MISSING for count in row]
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""


def _estimate(of: Estimate | None) -> str:
    if of is None:
        return MISSING
    return fraction(of.value) + (f" ({span(of.interval.low, of.interval.high)})" if of.interval else "")


def _beside(run: Run) -> Iterator[str]:
    judge = next((each for each in references(run) if each.name == JUDGE), None)
    if judge and "test" in judge.metrics:
        yield (
            "Without looking at an image (the mean training mask), the IoU of the held-out test images is "
            f"{fraction(judge.metrics['test']['iou'])}."
        )
    agreement = annotators(run)
    if agreement:
        yield (
            f"Where pictures were annotated twice, people agree with each other at IoU {fraction(agreement.iou)} "
            f"({plural(agreement.pictures, 'pair')})."
        )
    yield ""


def _worst(worst: Sequence[tuple[str, str, float]]) -> Iterator[str]:
    if worst:
        yield "## Where it is worst\n"
        yield "Held-out test images with the lowest IoU: the outline of the truth in white, of the model in orange.\n"
        for file, name, score in worst:
            yield f"![{name}]({file}) {name}, IoU {fraction(score)}\n"


def _use(record: DeliveryRecord) -> Iterator[str]:
    side = record.image_size
    yield "## How to use it\n"
    yield "```bash"
    predict, export = "python -m bench predict RUN photographs -o masks", "python -m bench export RUN --format onnx"
    yield f"{predict} --overlays   # RUN: the run's name, or the path of this folder"
    yield f"{export}                      # or savedmodel, litert"
    yield "```\n"
    yield "```python"
    yield "from bench import load_model"
    yield 'mask = load_model("PATH OF THIS FOLDER").predict("photograph.jpg")   # uint8 [H, W], class ids'
    yield "```\n"
    yield (
        f"Without this project: `python {SCRIPT} photograph.jpg` (Keras, TensorFlow, NumPy, OpenCV, Pillow), or "
        f'`keras.models.load_model("{NETWORK}")`, which maps RGB 0-255, [batch, {side}, {side}, 3], to '
        f"probabilities. {_rule(record)} `{DESCRIPTION}` says the same for programs.\n"
    )


def _rule(record: DeliveryRecord) -> str:
    counts = next(iter((record.test or record.out_of_fold).values()), ())
    rule = (
        "The most probable class wins."
        if len(counts) > 2
        else f"A pixel is foreground from probability {record.threshold:.4g} on."
    )
    if record.smallest_object:
        rule += f" Regions below {percent(record.smallest_object)} of the image's area are dropped."
    return rule


def _data(run: Run) -> Iterator[str]:
    data, split = run.dataset, run.split
    yield "## Data\n"
    shares = [sum(facts.foreground_share) for facts in run.audit.images]
    median = percent(float(np.median(shares))) if shares else MISSING
    yield (
        f"`{data.name}` ({data.format}), {plural(data.num_images, 'image')}, half of them with less than {median} "
        f"foreground; SHA-256 of the pixels `{data.fingerprint[:16]}…`. Split: {split.rule}; "
        f"{len(split.test)} held out, {len(split.train) + len(split.val)} for development, "
        f"{len(split.excluded)} left out.\n"
    )


def _making(run: Run, record: DeliveryRecord) -> Iterator[str]:
    yield "## How it was made\n"
    if record.rule:
        yield f"{record.rule.rstrip('.')}.\n"
    yield "| member | weight | trained without fold | seed | architecture | encoder | loss | learning rate |"
    yield "|---|---|---|---|---|---|---|---|"
    for weights in dict.fromkeys(member.weights for member in record.members):
        same = [member for member in record.members if member.weights == weights]
        values, member = same[0].hyperparameters, same[0]
        encoder = " / ".join(str(values[key]) for key in ("backbone", "encoder_weights") if key in values) or MISSING
        cells: list[object] = [member.candidate, f"{len(same)}/{len(record.members)}"]
        cells += ["none" if member.fold is None else member.fold + 1, member.seed]
        cells += [values.get("architecture", MISSING), encoder, values.get("loss", MISSING)]
        yield f"| {' | '.join(map(str, cells))} | {_short(values.get('learning_rate'))} |"
    versions = ", ".join(f"{name} {version}" for name, version in run.environment.versions.items())
    yield f"\nOn {run.environment.device}; {versions}. Command: `{run.record.command}`\n"


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(MISSING if value is None else value)


def _limits(run: Run, record: DeliveryRecord) -> Iterator[str]:
    yield "## Limits\n"
    size = f"{record.image_size} px" if run.audit.images else MISSING
    longest = max((max(facts.width, facts.height) for facts in run.audit.images), default=0)
    if record.view == PATCHES:
        yield (
            f"- It sees {size} at a time, and nothing around them; objects larger than that it knows by their parts "
            "alone. A network file alone, as `export` writes it, has no windows in it: "
            f"the caller cuts and blends (`{SCRIPT}` shows how)."
        )
    else:
        yield (
            f"- Photographs are shrunk to {size} on their longest side; what is then thinner than a pixel is not seen."
        )
    if longest:
        yield f"- It has seen photographs of up to {longest} px of this one data set; elsewhere its quality is unknown."
    yield "- Probabilities are not calibrated; the threshold was chosen for IoU."
    scored = len(record.test)
    yield (
        f"- {plural(scored, 'held-out image')} {'is' if scored == 1 else 'are'} few: "
        "heed the interval, not the third digit."
    )
    if record.latency_s is not None and record.num_bytes is not None:
        yield (
            f"- {milliseconds(record.latency_s)} an image on {run.environment.device}; the file has "
            f"{record.num_bytes / 1e6:.1f} MB."
        )
    yield ""


def licences(members: Sequence[Member]) -> Iterator[str]:
    """Lines of markdown: under which licences the weights stand with which the members' encoders began."""
    yield "## Licences\n"
    used = dict.fromkeys(
        (str(member.hyperparameters.get("backbone", "")), str(member.hyperparameters.get("encoder_weights", "none")))
        for member in members
    )
    for backbone, weights in used:
        if weights == "none" or not backbone:
            yield f"- {backbone or 'A network without encoder'}: trained from random weights; no licence of others."
        elif weights == "imagenet":
            yield f"- {backbone}, ImageNet weights: {BACKBONES[backbone].licence}."
        else:
            yield (
                f"- {backbone}, weights of your own `{Path(weights).name}`: ask where they come from; those that are "
                f"published: {BACKBONES[backbone].licence}."
            )
    yield (
        "- ImageNet's pictures, with which encoders are pretrained, are for research; "
        "ask a lawyer what that means for weights."
    )
    yield "- The photographs of the data set keep their own licence."
    yield ""


def _evaluation(counts: Counts) -> Evaluation:
    kept = {name: tuple(per_class) for name, per_class in counts.items()}
    return Evaluation(reference="delivered", split=OUT_OF_FOLD, seed=0, counts=kept)
