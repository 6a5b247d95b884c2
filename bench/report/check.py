"""Whether a report says what its records say: everything is computed again and compared.

Text and printed numbers must be equal, character by character. A number in a CSV file or in summary.json has all its
digits, and the last of them differ between processors: it may differ by `TOLERANCE`.
"""

import base64
import math
import re
import tempfile
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from bench.analysis import fold_search as race
from bench.analysis.probabilities import counts_at, evidence_of_training
from bench.errors import StoreError
from bench.evaluation.metrics import metrics_agree, pool, summarise
from bench.evaluation.pixel_metrics import BINS
from bench.records import Run, TrainingRecord
from bench.report import BROWSER_PAGE, PAGE, write_across, write_report

TEXTS = (PAGE, BROWSER_PAGE, "summary.json", "tables/*.csv")
"""What holds numbers. Charts and photographs are made from the same series, and depend on a machine's fonts and
libraries."""

TOLERANCE = 1e-9
"""Relative, of numbers with all their digits. Sums in another order differ by some 1e-16 for each term."""

_EXACT = {".md", ".html"}
"""Pages: their numbers are rounded, from values without the digits that differ (`bench.formats.settled`)."""

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")

_PICTURE = re.compile(r'"data:image/[^"]*"|<svg[^>]* class="plot".*?</svg>')
_FILE = re.compile(r'href="data:text/csv;charset=utf-8;base64,([^"]*)"')


def differences(runs: Sequence[Run], directory: Path) -> Iterator[str]:
    """Each difference in one line: file, line, what stands there and what the records say. Of several runs
    `directory` is their common leaderboard. Raises StoreError where there is no report."""
    if not (directory / PAGE).is_file():
        asked = " ".join(run.record.name for run in runs)
        raise StoreError(f"no report in {directory}; write one with: python -m bench report {asked}")
    for run in runs:
        yield from contradictions_in(run)
    with tempfile.TemporaryDirectory() as scratch:
        again = Path(scratch) / directory.name
        if len(runs) == 1:
            write_report(runs[0], again)
        else:
            write_across(runs, again)
        names = {path.relative_to(root) for root in (directory, again) for each in TEXTS for path in root.glob(each)}
        for name in sorted(names):
            yield from _compared(directory / name, again / name)


def contradictions_in(run: Run) -> Iterator[str]:
    """Trials whose recorded metrics are not those of the pixels that were counted for them, trainings whose evidence
    is of other pixels."""
    counted = {(each.study_id, each.trial_id): each.counts for each in run.evaluations if each.split == "val"}
    for trial in run.trials:
        counts = counted.get(trial.key)
        if counts and not metrics_agree(trial.val_metrics, summarise(pool(counts.values()), run.dataset.classes)):
            yield (
                f"{run.record.name}: trial {trial.study_id}/{trial.trial_id}: its recorded metrics are not those of "
                f"its counts"
            )
    yield from race.contradictions(run)
    for training in (*run.trainings, *run.curve_trainings):
        if training.evidence and (problem := _evidence_problem(run, training)):
            yield f"{run.directory}/{training.evidence}.npz, of {training.candidate}: {problem}"


def _evidence_problem(run: Run, training: TrainingRecord) -> str:
    """Truth and padding must be those that were counted, of each image and class, and with one class so must what is
    foreground at 0.5."""
    evidence = evidence_of_training(run, training)
    if evidence is None:
        return "is missing"
    counts = {**training.out_of_fold, **training.test}
    if set(evidence.ids) != set(counts):
        return "is not of the images that were counted"
    expected = np.array([[(c.tp + c.fn, c.fp + c.tn) for c in counts[name][1:]] for name in evidence.ids])
    if not np.array_equal(evidence.histogram[..., ::-1, :].sum(-1), expected):
        return "its truth is not what was counted"
    if len(run.dataset.classes) > 1 or run.protocol.get("threshold") != 0.5:
        return ""
    middle = np.full(evidence.histogram.shape[:2], BINS // 2)
    expected = np.array([[(c.tp, c.fp, c.fn) for c in counts[name][1:]] for name in evidence.ids])
    return (
        "" if np.array_equal(counts_at(evidence.histogram, middle), expected) else "at 0.5 it is not what was counted"
    )


def _compared(there: Path, expected: Path) -> Iterator[str]:
    if not there.is_file() or not expected.is_file():
        yield f"{there}: {'is missing' if expected.is_file() else 'does not belong to the report'}"
        return
    said, meant = (path.read_text(encoding="utf-8") for path in (there, expected))
    if there.suffix == ".html":
        for number, (own, other) in enumerate(zip_longest(*map(_files_inside, (said, meant)), fillvalue=""), start=1):
            yield from _lines_compared(f"{there} (download {number})", own, other, exact=False)
        said, meant = (_FILE.sub("", _PICTURE.sub("", text)) for text in (said, meant))
    yield from _lines_compared(str(there), said, meant, exact=there.suffix in _EXACT)


def _files_inside(page: str) -> list[str]:
    """The CSV files that a page for browsers holds, as text; one that cannot be read as such is empty."""
    return [_decoded(found[1]) for found in _FILE.finditer(page)]


def _decoded(content: str) -> str:
    try:
        return base64.b64decode(content, validate=True).decode("utf-8")
    except ValueError:
        return ""


def _lines_compared(name: str, said: str, meant: str, *, exact: bool) -> Iterator[str]:
    for number, (own, other) in enumerate(zip_longest(said.splitlines(), meant.splitlines()), start=1):
        if own != other and (exact or not _agree(own, other)):
            yield f"{name}:{number} says {_cut(own)}, the records say {_cut(other)}"


def _agree(said: str | None, meant: str | None) -> bool:
    """Whether two lines are equal but for the last digits of their numbers."""
    if said is None or meant is None or _NUMBER.sub("#", said) != _NUMBER.sub("#", meant):
        return False
    pairs = zip(_NUMBER.findall(said), _NUMBER.findall(meant), strict=True)
    return all(math.isclose(float(one), float(other), rel_tol=TOLERANCE) for one, other in pairs)


def _cut(line: str | None) -> str:
    if line is None:
        return "nothing"
    return repr(line if len(line) <= 160 else f"{line[:159]}…")
