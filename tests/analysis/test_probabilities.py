"""Probability-based metrics: honest thresholds, numbers by hand, and that a report is held to what trainings
kept."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.final_evaluation import finals
from bench.analysis.probabilities import counts_at, probability_metrics
from bench.analysis.run_analysis import Analysis
from bench.errors import StoreError
from bench.evaluation.pixel_metrics import BINS
from bench.evaluation.pixel_statistics import PixelStatistics
from bench.evaluation.pooling import estimate
from bench.records import COMPLETED, ClassCounts, Run, SecondAnnotation, TrainingRecord
from bench.records.store import RunStore
from bench.report import write_report
from bench.report.blocks import Block
from bench.report.check import contradictions_in, differences
from bench.report.sections.metrics import metrics
from bench.report.sections.ranking import ranking
from bench.report.sections.setup import setup
from bench.report.sections.verdict import verdict
from tests.report.made_finals import with_finals
from tests.report.reading import cells, data, row, said, table
from tests.report.runs import START, full_run

SHARE = {"tp": 50, "fp": 40, "fn": 20, "tn": 4}
"""The bin of probability in which the pixels of each kind are."""


def evidence(counts: Mapping[str, tuple[ClassCounts, ...]], bins: Mapping[str, int] = SHARE) -> PixelStatistics:
    """Of images with these counts; their contours are 100 pixels, as much of them near as of the foreground was
    found."""
    foreground = [per_class[1:] for per_class in counts.values()]
    histogram = np.zeros((len(counts), len(foreground[0]), 2, BINS), np.uint32)
    contours = np.full((*histogram.shape[:2], 4), 100, np.uint32)
    for place, classes in enumerate(foreground):
        for column, own in enumerate(classes):
            for truth, kind in ((1, "tp"), (1, "fn"), (0, "fp"), (0, "tn")):
                histogram[place, column, truth, bins[kind]] += getattr(own, kind)
            contours[place, column, 1::2] = round(100 * own.tp / max(1, own.tp + own.fn))
    sums = histogram.sum(-2) * (np.arange(BINS) + 0.5) / BINS
    return PixelStatistics(
        ids=tuple(counts), histogram=histogram, sums=sums.astype(np.float32), contours=contours, tolerance_px=2.036
    )


def with_evidence(run: Run) -> Run:
    Path(run.directory).mkdir(parents=True, exist_ok=True)
    store, trainings = RunStore(Path(run.directory)), []
    for number, each in enumerate(run.trainings):
        name = f"finals/{number}"
        store.write_arrays(name, evidence({**each.out_of_fold, **each.test}).arrays())
        trainings.append(replace(each, evidence=name))
    return replace(run, trainings=tuple(trainings))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return with_evidence(with_finals(full_run(tmp_path_factory.mktemp("runs") / "made-up")))


def pixels(**of: int) -> tuple[ClassCounts, ClassCounts]:
    own = ClassCounts(**{"tp": 0, "fp": 0, "fn": 0, "tn": 0} | of)
    return ClassCounts(tp=own.tn, fp=own.fn, fn=own.fp, tn=own.tp), own


def training(
    directory: Path, fold: int, counts: dict, bins: Mapping[str, int], locked: dict | None = None
) -> TrainingRecord:
    name, test = f"finals/fold{fold}", locked or {}
    RunStore(directory).write_arrays(name, evidence({**counts, **test}, bins).arrays())
    return TrainingRecord(
        candidate="a", hyperparameters={"loss": "dice"}, fold=fold, seed=0, status=COMPLETED, out_of_fold=counts,
        test=test, evidence=name, started_at=START.isoformat(),
    )  # fmt: skip


def test_an_image_is_cut_at_the_threshold_that_is_best_on_the_other_folds(tmp_path):
    counts = pixels(tp=10, fp=10, fn=10, tn=70)
    # Best on the first fold alone: from bin 20 on, 20 found of 30; on the second,
    # where its false alarms are unsure: from bin 50 on.
    first = training(tmp_path, 0, {"a": counts}, {"tp": 50, "fp": 40, "fn": 20, "tn": 4})
    second = training(tmp_path, 1, {"b": counts}, {"tp": 50, "fp": 10, "fn": 48, "tn": 4})
    found = probability_metrics(full_run(tmp_path), [first, second], [0])
    # The second's choice (the nearest to 0.5 of those from bin 11 to 48: 32) is right for 10 of the first's 20, with
    # its 10 false ones; the first's choice (the nearest to 0.5 of those from 5 to 20: 20) finds all
    # of the second's without a false one.
    assert found.thresholds == (20 / 64, 26 / 64, 32 / 64)
    assert found.tuned.value == pytest.approx((10 + 20) / (30 + 20))
    assert found.gain.value == pytest.approx(30 / 50 - 20 / 60)
    assert found.gain.interval.low < found.gain.value < found.gain.interval.high
    assert found.tuned_test is None  # nothing is locked


def test_locked_images_are_cut_at_the_threshold_that_is_best_on_all_images_out_of_fold(tmp_path):
    counts = pixels(tp=10, fp=10, fn=10, tn=70)
    first = training(tmp_path, 0, {"a": counts}, {"tp": 50, "fp": 40, "fn": 20, "tn": 4}, locked={"t": counts})
    second = training(tmp_path, 1, {"b": counts}, {"tp": 50, "fp": 10, "fn": 48, "tn": 4}, locked={"t": counts})
    # Of both: all 40 and 10 false ones from bin 20 on, 30 and none from 48 on. On the locked image the first has 20 and
    # 10 false ones, the second 20 and none.
    assert probability_metrics(full_run(tmp_path), [first, second], [0]).tuned_test == pytest.approx((20 / 30 + 1) / 2)


def test_average_precision_contours_and_calibration_by_hand(tmp_path):
    counts = pixels(tp=10, fp=10, fn=10, tn=70)
    own = [training(tmp_path, fold, {name: counts}, SHARE) for fold, name in enumerate("ab")]
    found = probability_metrics(full_run(tmp_path), own, [0])
    # In order of probability: 10 right (precision 1), 10 wrong, 10 right (precision 20 / 30)
    assert found.average_precision.value == pytest.approx((10 * 1 + 10 * 2 / 3) / 20)
    assert found.boundary_f1.value == pytest.approx(0.5)  # half of either contour is near
    # Confidence by mirrored bins, pixels, right: 50.5/64 of 10 (10), 40.5/64 of 10 (0), 43.5/64 of 10 (0),
    # 59.5/64 of 70 (70)
    gaps = [10 * (1 - 50.5 / 64), 10 * 40.5 / 64, 10 * 43.5 / 64, 70 * (1 - 59.5 / 64)]
    assert found.calibration_error.value == pytest.approx(sum(gaps) / 100)


def test_at_one_half_counts_are_those_of_the_record():
    counts = {"a": pixels(tp=3, fp=5, fn=7, tn=11)}
    assert counts_at(evidence(counts).histogram, np.array([[32]])).tolist() == [[[3, 5, 7]]]


def test_several_classes_have_a_threshold_each_and_count_alike(tmp_path):
    hard, easy = pixels(tp=10, fp=10, fn=10, tn=70)[1], pixels(tp=20, tn=80)[1]
    counts = (hard, hard, easy)  # nothing looks at the background's own
    own = [training(tmp_path, fold, {name: counts}, SHARE) for fold, name in enumerate("ab")]
    found = probability_metrics(full_run(tmp_path, classes=("dent", "scratch")), own, [0])
    assert found.thresholds == (20 / 64, 26 / 64, 32 / 64)
    assert found.tuned.value == pytest.approx((20 / 30 + 1) / 2)
    assert found.average_precision.value == pytest.approx((5 / 6 + 1) / 2)


def test_an_estimate_is_the_mean_over_trainings_and_wider_where_they_differ():
    random = np.random.default_rng(0)
    tables = random.integers(1, 100, (3, 40, 1, 2))
    metric = lambda table: float(table[0] / table.sum())  # noqa: E731
    found = estimate(tables, metric, np.random.default_rng(0))
    own = [table[:, 0, 0].sum() / table.sum() for table in tables]
    assert found.value == pytest.approx(np.mean(own))
    apart = tables * np.array([[1, 1], [3, 1], [9, 1]])[:, None, None]
    wide = estimate(apart, metric, np.random.default_rng(0)).interval
    assert wide.high - wide.low > 2 * (found.interval.high - found.interval.low)


def test_an_estimate_that_a_training_lacks_is_none_and_of_one_image_it_has_no_interval():
    assert estimate(np.ones((2, 5, 1, 2)), lambda table: None, np.random.default_rng(0)) is None
    assert estimate(np.ones((2, 1, 1, 2)), lambda table: 0.5, np.random.default_rng(0)).interval is None


def blocks_of(run: Run) -> list[Block]:
    return [*metrics(Analysis(run)), *ranking(Analysis(run))]


def test_the_page_has_the_table_and_words_from_its_numbers(run):
    blocks, held = blocks_of(run), finals(run)
    own = probability_metrics(run, [each for each in run.trainings if each.candidate == "finalist 1"], held.seeds)
    shown = cells(table(blocks, "Probability-based metrics"), held.ranking[0].label)
    assert shown[1] == f"{held.ranking[0].score:.2f}"
    assert float(shown[2].split(" (")[0]) == pytest.approx(own.tuned.value, abs=0.005)
    assert float(shown[3].split(" (")[0].replace("−", "-")) == pytest.approx(own.gain.value, abs=0.005)
    assert float(shown[5].split(" (")[0]) == pytest.approx(own.boundary_f1.value, abs=0.005)
    assert [column.title for column in table(blocks, "Probability-based metrics").columns][5] == "Boundary F1 (2.0 px)"
    text = said(blocks)
    assert f"the threshold that is best out of fold gives {own.tuned_test:.2f}, against" in text
    assert f"expected calibration error is {100 * own.calibration_error.value:.1f} percentage points" in text
    first = data(blocks, "finals.csv").records[0]
    for name in (
        "tuned_iou_low",
        "tuned_gain_high",
        "tuned_test_iou",
        "threshold",
        "boundary_f1_high",
        "calibration_error",
        "tolerance_px",
    ):
        assert name in first
    assert first["average_precision"] == own.average_precision.value


def test_a_run_without_evidence_says_so(tmp_path):
    text = said(blocks_of(with_finals(full_run(tmp_path))))
    assert "This run kept no probabilities" in text
    assert "Average precision" not in text


def test_a_candidate_of_which_one_file_is_gone_has_dashes(run):
    gone = [replace(each, evidence="finals/gone") if each.fold == 0 and each.candidate == "finalist 1" else each
            for each in run.trainings]  # fmt: skip
    shown = table(blocks_of(replace(run, trainings=tuple(gone))), "Probability-based metrics")
    first, second = (cells(shown, each.label) for each in finals(run).ranking[:2])
    assert first[2:] == ["–"] * 6
    assert second[2] != "–"


def test_accuracy_stands_beside_the_share_of_background(run):
    held = finals(run)
    shown = row(table(blocks_of(run), "Quality of the candidates"), held.ranking[0].label)
    counts = [each.out_of_fold for each in run.trainings if each.candidate == held.ranking[0].candidate.name]
    own = [of[1].tp / (of[1].tp + of[1].fp + of[1].fn) for images in counts for of in images.values()]
    assert shown["image_iou"] == pytest.approx(np.mean(own))
    assert shown["image_dice"] == pytest.approx(np.mean([2 * iou / (1 + iou) for iou in own]))
    assert shown["background"] == 0.9  # 1000 of 10,000 pixels are foreground


# What `report --check` finds


def test_a_report_with_evidence_is_what_its_records_say_and_an_edited_digit_is_found(run, tmp_path):
    path = write_report(run, tmp_path / "report").with_name("leaderboard.html")
    page = path.read_text()
    place = page.index("0.", page.index("</th>", page.index("Calibration error"))) + 2
    path.write_text(page[:place] + str((int(page[place]) + 1) % 10) + page[place + 1 :])
    (line,) = [
        line for line in differences([run], tmp_path / "report") if not line.startswith(f"{run.record.name}: trial ")
    ]
    assert line.startswith(f"{path}:")


def contradictions(run: Run) -> list[str]:
    """Without that of a made-up trial, whose metrics are made up too."""
    return [line for line in contradictions_in(run) if not line.startswith(f"{run.record.name}: trial ")]


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [("tp", "fn", "at 0.5 it is not what was counted"), ("tp", "fp", "its truth is not what was counted")],
)
def test_evidence_of_other_pixels_is_found(run, source, target, said):
    chosen = run.trainings[5]
    counts = {**chosen.out_of_fold, **chosen.test}
    name, own = next(iter((name, per_class[1]) for name, per_class in counts.items()))
    moved = {source: getattr(own, source) - 1, target: getattr(own, target) + 1}
    counts[name] = (counts[name][0], replace(own, **moved))
    RunStore(Path(run.directory)).write_arrays("finals/moved", evidence(counts).arrays())
    trainings = (replace(chosen, evidence="finals/moved"), *run.trainings[:5])
    assert contradictions(replace(run, trainings=trainings)) == [
        f"{run.directory}/finals/moved.npz, of {chosen.candidate}: {said}"
    ]


def test_evidence_of_other_images_gone_or_torn_is_found(run):
    assert contradictions(run) == []
    chosen, other = run.trainings[5], next(each for each in run.trainings if each.fold != run.trainings[5].fold)
    foreign = replace(run, trainings=(replace(chosen, evidence=other.evidence),))
    assert contradictions(foreign)[0].endswith("is not of the images that were counted")
    gone = replace(run, trainings=(replace(chosen, evidence="finals/gone"),))
    assert contradictions(gone)[0].endswith("is missing")
    content = (Path(run.directory) / f"{chosen.evidence}.npz").read_bytes()
    (Path(run.directory) / "finals" / "torn.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match=r"finals/torn\.npz is damaged"):
        contradictions(replace(run, trainings=(replace(chosen, evidence="finals/torn"),)))


# Two annotators


def test_two_annotators_have_a_row_and_a_fact(run):
    pairs = (
        SecondAnnotation(first="a", second="b", counts=pixels(tp=60, fp=20, fn=20, tn=900)),
        SecondAnnotation(first="c", second="d", counts=pixels(tp=20, fp=5, fn=15, tn=960)),
    )
    twice = replace(run, audit=replace(run.audit, second_annotations=pairs))
    blocks = [*blocks_of(twice), *setup(Analysis(twice)), verdict(Analysis(twice))]
    ranked = table(blocks, "Ranking of the candidates and baselines")
    assert row(ranked, "two annotators (2 pairs)")["iou_text"] == "0.57"  # 80 of 140
    assert {"candidate": "two annotators (2 pairs)", "roles": "annotators"}.items() <= data(
        blocks, "finals.csv"
    ).records[-1].items()
    assert "agree at IoU 0.57 (2 images annotated twice)" in said(blocks)
    assert "two annotators agree at 0.57" in said(blocks)
    assert "annotators" not in said([*blocks_of(run), *setup(Analysis(run)), verdict(Analysis(run))]).lower()
