"""Findings that change the decision, above the verdict."""

from dataclasses import replace

from bench.analysis.run_analysis import Analysis
from bench.records import FAILED, Finding
from bench.report.sections.banners import banners
from tests.report.reading import said
from tests.report.runs import counts, evaluation


def test_findings_that_change_a_decision_are_one_line_each(run):
    assert said(banners(Analysis(run))).count("\n") == 1  # a made-up duplicate in two parts, and few images
    leak = replace(run, audit=replace(run.audit, twin_groups=((run.split.train[0], run.split.test[0]),)))
    assert "1 group of duplicate images is in more than one part of the split" in said(banners(Analysis(leak)))
    none = replace(
        run,
        audit=replace(
            run.audit,
            twin_groups=((run.split.train[0], run.split.folds[0][0]),),
            findings=(Finding(kind="x", message="y"),),
        ),
    )
    assert "only" in said(banners(Analysis(none))).lower()
    failed = [replace(each, status=FAILED) for each in run.trials[:12]]
    assert "of 36 trials failed" in said(banners(Analysis(replace(run, trials=(*failed, *run.trials[12:])))))
    begun = replace(run, record=replace(run.record, status="interrupted"))
    assert "The run is not finished (status: interrupted)" in said(banners(Analysis(begun)))


def test_foreground_that_vanishes_at_the_evaluated_size_is_a_banner(run):
    name = run.split.test[0]
    gone = evaluation("test", {name: 0.0}, reference="otsu")
    empty = replace(gone, counts={name: counts(0.0, foreground=0)})
    assert Analysis(replace(run, evaluations=(*run.evaluations, empty))).vanished == (name,)
    assert "1 image all foreground vanishes" in said(
        banners(Analysis(replace(run, evaluations=(*run.evaluations, empty))))
    )
