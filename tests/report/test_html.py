"""The page for a browser, in a browser: it shows its verdict, sorts, filters, switches models, follows the theme,
prints, and says nothing on the console."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.records import configuration_name
from bench.records.store import RunStore, load_arrays
from bench.report import write_report
from tests.report.made_finals import with_finals
from tests.report.runs import full_run, write_arrays

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")

WATCH = """<script>
window.said = [];
window.onerror = (message) => { said.push(String(message)); };
for (const name of ["error", "warn"]) console[name] = (...words) => said.push(words.join(" "));
</script>"""

PROBE = """<script>
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
window.addEventListener("load", async () => {
  await wait(300);
  const result = { said };
  const table = document.querySelector('[aria-label="Ranking of the candidates and baselines"] table');
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((each) => each.textContent.startsWith("Cross-validated"));
  const shown = () => [...table.tBodies[0].rows].map((row) =>
  row.querySelector("svg.drawn").parentElement.dataset.size); const drawn = heads.findIndex((each) =>
  each.textContent.startsWith("IoU")); result.before = shown();
  heads[drawn].querySelector("button").click();
  result.rising = shown();
  heads[drawn].querySelector("button").click();
  result.falling = shown();
  result.sorted = heads[drawn].getAttribute("aria-sort");
  const visible = (element) => element.getClientRects().length > 0;
  const verdict = document.querySelector(".verdict .answer").getBoundingClientRect();
  const tiles = document.querySelector(".tiles").getBoundingClientRect();
  Object.assign(result, { verdictEnds: verdict.bottom, tilesEnd: tiles.bottom, height: innerHeight, width: innerWidth
  }); const rows = () => [...table.tBodies[0].rows].filter(visible).length;
  result.rows = rows();
  document.querySelector('[data-toggles="baseline"]').click();
  result.rowsWithout = rows();
  const second = () => [...table.querySelectorAll("g[data-group=test]")].filter(visible).length;
  result.second = second();
  document.querySelector('[data-toggles="test"]').click();
  result.secondWithout = second();
  const captions = () => [...document.querySelectorAll(".sight .caption")].map((each) => each.textContent);
  const painted = () => [...document.querySelectorAll(".sight canvas")].map((canvas) => canvas.width > 1 &&
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0));
  result.captions = captions(); result.painted = painted();
  const choose = (id, value) => { document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event("input", { bubbles: true })); }; choose("right", "2");
  result.switched = captions();
  choose("right", "4");
  result.partly = captions().length;
  choose("right", "2");
  choose("order", "worst");
  result.worst = captions();
  choose("most", "0.2");
  result.low = captions();
  choose("most", "1");
  choose("class", "1");
  result.byClass = captions();
  result.classes = [...document.getElementById("class").options].map((each) => each.textContent);
  const view = document.querySelector(".view");
  view.click();
  result.bare = view.classList.contains("bare") || document.getElementById("large").open;
  view.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
  result.large = document.getElementById("large").open;
  document.getElementById("large").close();
  result.paper = getComputedStyle(document.body).backgroundColor;
  result.ink = getComputedStyle(document.body).color;
  const axis = document.querySelector("svg.plot text");
  result.axis = getComputedStyle(axis).fill;
  document.getElementById("theme").click();
  result.otherPaper = getComputedStyle(document.body).backgroundColor;
  window.dispatchEvent(new Event("beforeprint"));
  result.folded = [...document.querySelectorAll("details")].filter((each) => !each.open).length;
  result.images = [...document.images].map((each) => each.naturalWidth);
  result.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const place = document.createElement("pre");
  place.id = "result";
  place.textContent = JSON.stringify(result);
  document.body.append(place);
});
</script>"""

needs_browser = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")

CLASSES = ("dent", "scratch")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """With masks of the final evaluation: of every candidate on the same images, shifted by another way each."""
    root = tmp_path_factory.mktemp("page")
    run = with_finals(full_run(root / "results" / "made-up", CLASSES))
    write_arrays(run)
    store, shown = RunStore(Path(run.directory)), load_arrays(Path(run.directory), "predictions/images")
    store.write_arrays("predictions/development", shown)
    for number, each in enumerate(run.finals.contestants):
        masks = np.stack(
            [np.roll(mask, (number * 4 + image, number * 3), axis=(0, 1)) for image, mask in enumerate(shown["truth"])]
        )
        kept = slice(3, None) if number == 3 else slice(None)  # in a budget some were not trained on every fold
        arrays = {"ids": shown["ids"][kept], "masks": masks[kept]}
        store.write_arrays(f"predictions/{configuration_name(each.hyperparameters)}", arrays)
    store.write_arrays("predictions/delivered", {"ids": shown["ids"], "masks": shown["truth"]})
    return write_report(run, root / "report").with_name("leaderboard.html")


def browsed(page: Path, html: str, name: str, width: int, *options: str) -> str:
    probed = page.with_name(name)
    probed.write_text(html, encoding="utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=8000",
        f"--window-size={width},900", *options, "--dump-dom", probed.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def looked_at(page: Path, width: int, *options: str) -> dict:
    html = re.sub(
        r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8")
    )  # or no probe would run
    html = html.replace("<head>", f"<head>{WATCH}", 1).replace("</body>", f"{PROBE}</body>")
    done = browsed(page, html, f"probed{width}{len(options)}.html", width, *options)
    return json.loads(re.search(r'<pre id="result">(.*?)</pre>', done, re.DOTALL)[1])


@needs_browser
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_works_in_a_browser(page, width):
    seen = looked_at(page, width)
    assert seen["said"] == []
    assert all(seen["images"])
    assert len(seen["images"]) >= 20
    assert seen["overflow"] <= 0  # wide tables scroll in themselves
    numbers = [float(text) for text in seen["rising"]]
    assert numbers == sorted(numbers)
    assert seen["falling"] == seen["rising"][::-1]
    assert seen["before"] != seen["rising"]
    assert seen["sorted"] == "descending"
    assert seen["folded"] == 0, "what is folded opens for paper"


@needs_browser
def test_the_verdict_is_seen_without_scrolling(page):
    wide, narrow = looked_at(page, 1440), looked_at(page, 390)
    assert wide["tilesEnd"] < wide["height"]
    assert narrow["verdictEnds"] < narrow["height"]


@needs_browser
def test_baselines_and_test_scores_can_be_hidden(page):
    seen = looked_at(page, 1440)
    assert seen["rows"] - seen["rowsWithout"] == 3
    assert seen["second"] == 4
    assert seen["secondWithout"] == 0


@needs_browser
def test_the_viewer_shows_other_models_other_orders_and_single_classes(page):
    seen = looked_at(page, 1440)
    assert len(seen["captions"]) == 9
    assert all(seen["painted"])
    assert all("IoU 1.00 | " in caption for caption in seen["captions"]), (
        "the delivered model is perfect here, and first"
    )
    assert seen["switched"] != seen["captions"]
    assert seen["partly"] == 6, "images that one of both was not trained for are left out"
    right = [float(caption.rsplit("| ", 1)[1]) for caption in seen["worst"]]
    assert right == sorted(right)
    assert 0 < len(seen["low"]) < 9
    assert all(float(caption.rsplit("| ", 1)[1]) <= 0.2 for caption in seen["low"])
    assert seen["classes"] == ["all", *CLASSES]
    assert seen["byClass"] != seen["worst"]
    assert seen["bare"]
    assert seen["large"]


def lightness(colour: str) -> int:
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


@needs_browser
def test_page_and_charts_follow_the_theme_and_the_button_turns_it(page):
    light, dark = looked_at(page, 1440), looked_at(page, 1440, "--blink-settings=preferredColorScheme=0")
    assert lightness(light["paper"]) > lightness(light["ink"]) + 300
    assert lightness(dark["paper"]) < lightness(dark["ink"]) - 300
    assert lightness(dark["axis"]) > lightness(light["axis"])
    assert lightness(light["otherPaper"]) < 200 < lightness(dark["otherPaper"])


@needs_browser
def test_only_the_page_s_own_script_runs(page):
    html = page.read_text(encoding="utf-8")
    forged = html.replace(
        "</main>",
        "<script>document.body.id = 'forged'</script><img src=x onerror=\"document.body.id = 'forged'\"></main>",
    )
    done = browsed(page, forged, "forged.html", 1440)
    assert '<body id="forged">' not in done
    assert '<div class="sight">' in done, "the page's own script ran"


def test_the_page_is_one_file(page):
    html = page.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:|//)', html)
    assert all(source.startswith("data:") for source in re.findall(r'<img src="([^"]{1,40})', html))
    assert "style=" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert len(html) < 1_000_000


def test_what_a_trial_says_is_not_markup(tmp_path):
    run = full_run(tmp_path / "results" / "made-up")
    trials = [replace(trial, error="<script>alert(1)</script>") if trial.error else trial for trial in run.trials]
    html = (
        write_report(replace(run, trials=tuple(trials)), tmp_path / "report").with_name("leaderboard.html").read_text()
    )
    assert "<script>alert" not in html
