"""Whatever a record says is text: no script, link, picture or formula of it is alive on any page."""

import base64
import csv
import dataclasses
import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from bench.records import DeliveryRecord, Finding, Member, Run, SecondAnnotation, configuration_name
from bench.records.store import RunStore, load_arrays
from bench.report import write_across, write_report
from bench.report.render.html import target
from tests.report.made_finals import with_finals
from tests.report.runs import counts, full_run, write_arrays

HOSTILE = (
    "=1+1\"'><script>alert(1)</script><img src=x onerror=alert(2)>![p](/etc/passwd)[l](http://evil.example)"
    "<http://evil.example>|`\n\n# h\n| a | b |\x1b[2J\u202e</style>"
)

MEANT = re.compile(
    r"^(COMPLETED|FAILED|STOPPED|COLLAPSED|PRUNED|val|test|train|out_of_fold|predict_nothing|mean_mask|otsu|tuner/.*|\d{4}-\d\d-\d\dT.*)$"
)
"""Strings that are no text but words of the schema: statuses, parts, baselines, times."""


def hostile(value: object) -> object:
    """A record in which every text has something hostile behind it, in the same way wherever it is the same text."""
    if isinstance(value, str):
        return value if MEANT.match(value) else f"{value}{HOSTILE}"
    if isinstance(value, Mapping):
        return {hostile(key): hostile(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(map(hostile, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(
            value,
            **{
                field.name: hostile(getattr(value, field.name))
                for field in dataclasses.fields(value)
                if field.name not in ("hyperparameters", "val_metrics", "experiment", "directory")
            },
        )
    return value


def hostile_run(directory) -> Run:
    made = with_finals(full_run(directory / "results" / "made-up"))
    twice = SecondAnnotation(first="a", second="b", counts=counts(0.5))
    audit = dataclasses.replace(
        made.audit,
        second_annotations=(twice,),
        findings=(*made.audit.findings, Finding(kind="k", message="m", files=("f",))),
    )
    made = dataclasses.replace(made, audit=audit)
    changed = hostile(made)
    names = ("architecture", "backbone", "loss")

    def with_names(each):
        values = each.hyperparameters
        return dataclasses.replace(
            each, hyperparameters={key: f"{value}{HOSTILE}" if key in names else value for key, value in values.items()}
        )

    changed = dataclasses.replace(
        changed,
        directory=made.directory,
        experiment={"note": HOSTILE, "protocol": {**made.experiment["protocol"], HOSTILE: HOSTILE}},
        trials=tuple(map(with_names, changed.trials)),
        trainings=tuple(map(with_names, changed.trainings)),
        finals=dataclasses.replace(changed.finals, candidates=tuple(map(with_names, changed.finals.candidates))),
    )
    write_arrays(made)
    store, shown = RunStore(directory / "results" / "made-up"), load_arrays(Path(made.directory), "predictions/images")
    names = np.array([f"{name}{HOSTILE}" for name in shown["ids"]])
    store.write_arrays("predictions/development", shown | {"ids": names})
    for each in changed.finals.candidates:
        masks = {"ids": names, "masks": shown["truth"]}
        store.write_arrays(f"predictions/{configuration_name(each.hyperparameters)}", masks)
    first = changed.finals.candidates[0]
    member = Member(
        candidate=first.name, hyperparameters=first.hyperparameters, fold=0, seed=0, weights=f"model/{HOSTILE}"
    )
    delivery = DeliveryRecord(
        members=(member,), image_size=96, flips=False, threshold=0.5, smallest_object=0.0, rule=HOSTILE,
        out_of_fold={name: counts(0.7) for fold in changed.split.folds for name in fold},
    )  # fmt: skip
    return dataclasses.replace(changed, delivery=delivery)


class Seen(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, dict[str, str | None]]]:
    seen = Seen()
    seen.feed(html)
    return seen.elements


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    base = tmp_path_factory.mktemp("hostile")
    return write_report(hostile_run(base), base / "report")


def is_harmless(html: str) -> bool:
    found = elements(html)
    scripts = [attributes for tag, attributes in found if tag == "script"]
    if [each.get("type") for each in scripts] not in (
        [None],
        ["application/json", None],
    ):  # the viewer's data, the page's
        return False
    for tag, attributes in found:
        if any(name.startswith("on") or name == "style" for name in attributes):
            return False
        source = attributes.get("src") or attributes.get("xlink:href") or attributes.get("href") or ""
        if source and not re.match(r"^(#|data:image/(webp|png|svg)|data:text/csv|data:,$|tables/|figures/)", source):
            return False
        if (
            tag in ("iframe", "object", "embed", "form", "base", "link")
            and attributes.get("method") != "dialog"
            and tag != "link"
        ):
            return False
    return True


def test_no_text_of_a_record_is_alive_in_the_browser_page(report):
    html = report.with_name("leaderboard.html").read_text(encoding="utf-8")
    assert html.count("alert(1)") > 50, "the texts are on the page"
    assert "alert(1)" in html[html.index('id="predictions-data"') :], "and among the viewer's data"
    assert is_harmless(html)
    assert "\x1b" not in html


def test_no_text_of_a_record_is_alive_in_the_markdown_page(report):
    text = report.read_text(encoding="utf-8")
    assert "alert" in text
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    found = elements(rendered)
    assert "script" not in {tag for tag, _ in found}
    sources = [value for _, attributes in found for name, value in attributes.items() if name in ("src", "href")]
    assert set(sources) <= {"figures/ranking.png", "figures/predictions.jpg", "leaderboard.html", "tables/"}
    assert {tag for tag, _ in found if tag.startswith("h")} <= {"h1", "h2"}
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block


def test_no_text_of_a_record_is_a_formula_in_a_table(report):
    files = {path.name: path.read_text(encoding="utf-8") for path in (report.parent / "tables").iterdir()}
    html = report.with_name("leaderboard.html").read_text(encoding="utf-8")
    inside = re.findall(r'href="data:text/csv;charset=utf-8;base64,([^"]*)"', html)
    assert inside
    for content in (*files.values(), *(base64.b64decode(each).decode() for each in inside)):
        for line in csv.reader(io.StringIO(content)):
            for cell in line:
                assert not cell.startswith(("=", "+", "@")), cell
                assert not re.match(r"-(?!\d)", cell), cell


def test_a_page_of_several_runs_is_as_harmless(tmp_path):
    first = hostile_run(tmp_path)
    second = dataclasses.replace(
        first,
        record=dataclasses.replace(first.record, name=f"other {HOSTILE}"),
        dataset=dataclasses.replace(first.dataset, fingerprint="other", name="=other"),
    )
    page = write_across([first, second], tmp_path / "both")
    assert is_harmless(page.with_name("leaderboard.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "outside", ["/etc/passwd", "../x", "http://evil.example", "javascript:alert(1)", "a\\..\\b", "tables/../../x"]
)
def test_a_link_that_leaves_the_folder_leads_nowhere(outside):
    assert target(outside) == "#"


def test_links_within_the_report_stay(report):
    assert target("tables/finals.csv") == "tables/finals.csv"
    assert target("#ranking") == "#ranking"


def test_settings_of_matplotlib_that_lie_in_the_working_folder_change_no_figure(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red\naxes.titlesize: 40\n")
    code = (
        "import matplotlib\n"
        "from bench.report.figures.style import RC, drawn, look\n"
        "assert matplotlib.rcParams['text.usetex'], 'Matplotlib has read the file'\n"
        "names = ('text.usetex', 'axes.facecolor', 'axes.titlesize')\n"
        "print(drawn(lambda: [matplotlib.rcParams[name] for name in names]), matplotlib.rcParams['text.usetex'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout == "[False, 'white', 10.0] True\n"
