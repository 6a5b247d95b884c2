"""Data or model: which trainings count, what the curve says, and the page."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from bench.analysis.data_curve import data_curve
from bench.analysis.final_evaluation import finals
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import Missing
from bench.records import FAILED, Run
from bench.report import write_report
from bench.report.check import differences
from bench.report.sections.certainty import about_data_curve, certainty
from tests.report.made_finals import FOLDS, SEEDS
from tests.report.reading import said
from tests.report.runs import counts

RISING = {0.25: -0.3, 0.5: -0.2, 0.75: -0.1}
FLAT = dict.fromkeys(RISING, 0.0)


def with_curve(run: Run, steps: Mapping[float, float], *, luck: float = 0.01) -> Run:
    """The first of the finals on shares of the images: what it scores with all of them, a step and some luck."""
    random = np.random.default_rng(1)
    whole = [each for each in run.trainings if each.candidate == "finalist 1"]
    size = sum(map(len, run.split.folds)) * (FOLDS - 1) // FOLDS

    def scored(training, step):
        change = step + float(random.normal(0, luck))
        found = {}
        for name, (_, own, *_) in training.out_of_fold.items():
            iou = own.tp / (own.tp + own.fp + own.fn)
            found[name] = counts(float(np.clip(iou + change, 0.01, 0.98)))
        return found

    shared = [
        replace(
            each, train_share=share, train_images=round(share * size), out_of_fold=scored(each, step), evidence=None
        )
        for share, step in steps.items()
        for each in whole
    ]
    return replace(run, curve_trainings=tuple(shared))


def test_the_curve_rises_to_the_finals_own_trainings(run, held):
    rising = with_curve(run, RISING)
    found = data_curve(rising, held)
    assert [point.train_share for point in found.points] == [0.25, 0.5, 0.75, 1.0]
    assert [point.train_images for point in found.points] == [7, 14, 21, 28]
    assert found.points[-1].iou == held.ranking[0].score
    for point, step in zip(found.points, RISING.values(), strict=False):
        assert point.iou == pytest.approx(held.ranking[0].score + step, abs=0.03)
        assert point.interval.low < point.iou < point.interval.high
        assert np.mean(point.by_seed) == pytest.approx(point.iou)
    assert found.points[0].gain is None
    gain = found.points[-1].gain
    assert gain.value == pytest.approx(found.points[3].iou - found.points[2].iou)
    assert 0 < gain.interval.low < 0.1 < gain.interval.high < 0.2
    assert about_data_curve(found).startswith("From 75 % of the images (21) to all (28) IoU changes by +0.")
    assert about_data_curve(found).endswith("more images are likely to help.")


@pytest.mark.parametrize(
    ("steps", "luck", "said"),
    [
        (FLAT, 0.05, "no significant gain; a gain below 0."),
        ({0.75: 0.1}, 0.005, "fewer images scored higher"),
    ],
)
def test_words_follow_from_the_interval(run, held, steps, luck, said):
    curve = with_curve(run, steps, luck=luck)
    assert said in about_data_curve(data_curve(curve, held))


def test_one_seed_tells_nothing_of_luck(run, held):
    curve = with_curve(run, RISING)
    one = replace(curve, curve_trainings=tuple(each for each in curve.curve_trainings if each.seed == SEEDS[0]))
    found = data_curve(one, held)
    assert (found.seeds, found.planned) == (SEEDS[:1], 3)
    assert about_data_curve(found).endswith(
        "with one seed the effect of images cannot be separated from seed variance."
    )


def test_only_seeds_with_every_training_count_and_only_shares_that_a_seed_has_whole(run, held):
    curve = with_curve(run, RISING)
    first = curve.curve_trainings[0]
    failed = replace(first, status=FAILED, error="out of memory", out_of_fold={}, test={})
    less = replace(curve, curve_trainings=(failed, *curve.curve_trainings[1:]))
    assert data_curve(less, held).seeds == tuple(seed for seed in SEEDS if seed != first.seed)
    begun = [each for each in curve.curve_trainings if each.seed == 0 and (each.train_share > 0.5 or each.fold == 0)]
    short = replace(curve, curve_trainings=tuple(begun))
    assert [point.train_share for point in data_curve(short, held).points] == [0.75, 1.0]
    none = replace(curve, curve_trainings=(first,))
    assert data_curve(none, held) == Missing("no share of the images is complete for a seed (1 training on record)")


def test_trainings_of_who_is_no_longer_first_do_not_count(run, held):
    curve = with_curve(run, RISING)
    other = [replace(each, hyperparameters={"loss": "bce"}) for each in curve.curve_trainings]
    assert data_curve(replace(curve, curve_trainings=tuple(other)), held) is None


def test_the_finals_are_the_same_with_and_without_a_curve(run, held):
    assert finals(with_curve(run, RISING)) == held


def test_the_page_has_the_section_and_is_held_to_the_records(run, tmp_path):
    few = replace(run, trials=run.trials[:6])  # too few for forests, which take long
    curve, folder = with_curve(few, RISING), tmp_path / "made-up"
    page = write_report(curve, folder).with_name("leaderboard.html").read_text()
    assert "more images are likely to help." in page
    csv = folder / "tables/data-curve.csv"
    csv.write_text(csv.read_text().replace("\n0.75,", "\n0.7,"))
    (line,) = [line for line in differences([curve], folder) if "data-curve" in line]
    assert "data-curve.csv:4 says '0.7,21" in line


def test_without_such_trainings_there_is_no_section(run):
    assert "more-images" not in {getattr(block, "anchor", "") for block in certainty(Analysis(run))}
    begun = replace(run, curve_trainings=with_curve(run, RISING).curve_trainings[:1])
    assert "no share of the images is complete" in said(certainty(Analysis(begun)))
