"""Levels beside the default configuration: numbers recomputed from the records, and sentences that follow from them."""

from dataclasses import replace
from itertools import pairwise

import pytest

from bench.analysis.final_evaluation import finals
from bench.analysis.run_analysis import Analysis
from bench.analysis.series import Missing
from bench.records import FAILED, Candidate, Run
from bench.report.blocks import Interval
from bench.report.page import compose
from bench.report.render.markdown import to_markdown
from bench.report.sections.factors import brief, factors
from tests.report.made_finals import FOLDS, SEEDS, with_finals
from tests.report.reading import cells, data, row, said, table
from tests.report.runs import full_run

DEFAULT = {"architecture": "unet", "backbone": "mobilenet", "loss": "bce_dice", "augmentation": 0.5, "image_size": 96}
LEVELS = {
    "finalist 1": ("loss dice", {"loss": "dice"}),
    "finalist 2": ("augmentation 0.75", {"augmentation": 0.75}),
    "default configuration": ("default configuration", {}),
    "original baseline": ("loss focal", {"loss": "focal"}),
}


def comparison(scores: dict[str, float] | None = None, **changed: float) -> Run:
    """Made-up finals whose candidates are three levels beside the default."""
    run = with_finals(full_run(), scores or {"finalist 1": 0.6, "finalist 2": 0.41, "default configuration": 0.4,
                                             "original baseline": 0.3}, **changed)  # fmt: skip
    values = {old: {**DEFAULT, **other} for old, (_, other) in LEVELS.items()}
    candidates = tuple(
        Candidate(name=name, roles=("level" if other else "default configuration",), hyperparameters=values[old])
        for old, (name, other) in LEVELS.items()
    )
    trainings = tuple(
        replace(each, candidate=LEVELS[each.candidate][0], hyperparameters=values[each.candidate])
        for each in run.trainings
    )
    finals_record = replace(run.finals, candidates=candidates, balanced=True, steps_per_epoch=25)
    return replace(run, trials=(), finals=finals_record, trainings=trainings)


@pytest.fixture(scope="module")
def run() -> Run:
    return comparison()


@pytest.fixture(scope="module")
def found(run) -> Analysis:
    return Analysis(run)


def pooled_iou(run: Run, name: str, seed: int) -> float:
    """By hand: true positives over the union, all images of all folds together, the mean over foreground classes."""
    images = [
        per_class
        for each in run.trainings
        if (each.candidate, each.seed) == (name, seed)
        for per_class in each.out_of_fold.values()
    ]
    ious = []
    for number in range(1, len(images[0])):
        of_class = [per_class[number] for per_class in images]
        union = sum(each.tp + each.fp + each.fn for each in of_class)
        ious.append(sum(each.tp for each in of_class) / union)
    return sum(ious) / len(ious)


def test_each_number_of_the_file_is_that_of_the_records(run, found):
    blocks = list(factors(found))
    held = found.final
    known = {
        (a.candidate.name, b.candidate.name): (difference, p)
        for a, b, difference, p in held.pairs
    }  # fmt: skip
    written = {
        record["label"]: record
        for file in ("by-loss.csv", "by-augmentation.csv")
        for record in data(blocks, file).records
    }
    names = {"dice": "loss dice", "focal": "loss focal", "0.75": "augmentation 0.75"}
    raw = {}
    for label, name in names.items():
        record = written[label]
        by_seed = [pooled_iou(run, name, seed) - pooled_iou(run, "default configuration", seed) for seed in SEEDS]
        assert record["difference"] == pytest.approx(sum(by_seed) / len(SEEDS))
        assert record["iou"] == pytest.approx(sum(pooled_iou(run, name, seed) for seed in SEEDS) / len(SEEDS))
        pair = known.get((name, "default configuration")) or known[("default configuration", name)]
        own = pair[0] if (name, "default configuration") in known else pair[0].reversed()
        assert (record["low"], record["high"], record["p"]) == (own.interval.low, own.interval.high, own.p)
        assert record["trainings"] == len([each for each in run.trainings if each.candidate == name]) == 9
        assert (record["latency_s"], record["train_s"]) == (0.02, 20.0)
        raw[label] = own.p
    smallest, middle, largest = sorted(raw, key=lambda label: raw[label])
    first = min(1.0, 3 * raw[smallest])
    second = max(first, min(1.0, 2 * raw[middle]))
    third = max(second, raw[largest])
    assert [written[label]["p_holm"] for label in (smallest, middle, largest)] == pytest.approx([first, second, third])
    for label in names:
        assert written[label]["is_significant"] is (written[label]["p_holm"] < 0.05)
    assert (written["bce_dice"]["is_default"], written["bce_dice"]["difference"]) == (True, None)


def test_the_default_is_the_line_at_0_and_a_filled_point_differs_significantly(found):
    blocks = list(factors(found))
    loss = table(blocks, "Loss beside the default")
    assert next(column for column in loss.columns if column.key == "drawn").mark == 0.0
    assert "drawn" not in row(loss, "BCE + Dice")
    drawn = row(loss, "Dice")["drawn"]
    assert isinstance(drawn, Interval)
    assert drawn.clear
    assert drawn.low > 0
    assert cells(loss, "Dice")[3] == str(FOLDS * len(SEEDS))
    best_first = [record["label"] for record in loss.records]
    assert [getattr(label, "text", label) for label in best_first] == ["Dice", "BCE + Dice", "focal"]


def test_a_sentence_for_each_factor_says_whether_any_level_differs(found):
    text = said(factors(found))
    assert "Dice +0.2" in text
    assert "differ significantly from BCE + Dice." in text
    assert "0.75 does not differ significantly from 0.5: " in text
    assert "would have been found in four of five such experiments" in text
    assert "300 steps on 3 folds with 3 seeds, 9 trainings each" in text
    assert "Planned: the whole protocol." in text


def test_that_no_level_differs_is_a_finding():
    same = comparison(dict.fromkeys(LEVELS, 0.4), luck=0.03)
    text = said(factors(Analysis(same)))
    assert "No level differs significantly from BCE + Dice; the largest difference is that of " in text


def test_with_one_seed_no_level_is_called_different(run):
    one = replace(run, finals=replace(run.finals, seeds=SEEDS[:1]))
    of_one = Analysis(one)
    assert not any(level.clear for levels in of_one.compared_levels.factors.values() for level in levels)
    text = said(factors(of_one))
    assert "With one seed each, no level can be called different from BCE + Dice" in text
    assert "differ significantly from" not in text


def test_a_level_without_a_second_fold_takes_no_images_from_the_others(run):
    late = tuple(each for each in run.trainings if each.candidate != "loss focal" or each.fold == 0)
    cut = replace(run, trainings=late)
    of_cut = Analysis(cut)
    held = of_cut.final
    assert (held.record.folds, len(held.ranking)) == (FOLDS, 3)
    assert of_cut.compared_levels.left_out == {"loss focal": "no time for 2 folds"}
    assert "Not compared: loss focal (no time for 2 folds)." in said(factors(of_cut))
    plain = replace(cut, finals=replace(cut.finals, balanced=False))
    assert finals(plain).record.folds == 1  # other runs compare all on what all have


def test_without_the_default_nothing_is_compared_and_the_reason_is_said(run):
    failed = tuple(
        replace(each, status=FAILED, error="out of memory", out_of_fold={}, test={})
        if each.candidate == "default configuration"
        else each
        for each in run.trainings
    )
    without = replace(run, trainings=failed)
    of_rest = Analysis(without)
    assert isinstance(of_rest.compared_levels, Missing)
    assert "No level is compared: the default configuration is not among the candidates: out of memory." in said(
        [*factors(of_rest), *brief(of_rest)]
    )


def test_other_runs_keep_their_section(run):
    other = replace(run, finals=replace(run.finals, balanced=False))
    of_other = Analysis(other)
    assert of_other.compared_levels is None
    assert list(brief(of_other)) == []
    assert "IoU of the candidates that share a value" in said(factors(of_other))


def test_the_short_page_has_the_sentences_and_the_next_step_is_a_larger_comparison(found):
    short = to_markdown(compose(found))
    assert "## Comparison by factor" in short
    assert "- **Loss:** Dice +0.2" in short
    assert "Compare more levels, with more seeds" in short


def test_sections_stand_in_the_order_of_a_reader(found):
    titles = [getattr(block, "text", "") for block in compose(found).blocks]
    order = [titles.index(title) for title in ("Ranking", "Comparison by factor", "Details")]
    assert all(a < b for a, b in pairwise(order))
