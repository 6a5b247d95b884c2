"""The page for a browser, in a browser: tables sort, figures load, nothing is said on the console, narrow, wide, light and dark."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

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
window.addEventListener("load", () => {
  const table = [...document.querySelectorAll("table")].find((each) => each.tHead.textContent.includes("val IoU"));
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((each) => each.textContent === "val IoU");
  const shown = () => [...table.tBodies[0].rows].map((row) => row.cells[column].textContent);
  const before = shown();
  heads[column].querySelector("button").click();
  const rising = shown();
  heads[column].querySelector("button").click();
  const result = {
    said, before, rising, falling: shown(), sorted: heads[column].getAttribute("aria-sort"),
    images: [...document.images].map((each) => each.naturalWidth),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    width: innerWidth,
    ink: getComputedStyle(document.body).color, paper: getComputedStyle(document.body).backgroundColor,
  };
  const place = document.createElement("pre");
  place.id = "result";
  place.textContent = JSON.stringify(result);
  document.body.append(place);
});
</script>"""

needs_browser = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("page")
    run = with_finals(full_run(root / "results" / "made-up"))
    write_arrays(run)
    return write_report(run, root / "report").with_name("leaderboard.html")


def looked_at(page: Path, width: int, *options: str) -> dict:
    probed = page.with_name(f"probed{width}.html")
    html = page.read_text(encoding="utf-8").replace("<head>", f"<head>{WATCH}", 1)
    probed.write_text(html.replace("</body>", f"{PROBE}</body>"), encoding="utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000",
        f"--window-size={width},900", *options, "--dump-dom", probed.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return json.loads(re.search(r'<pre id="result">(.*?)</pre>', done.stdout, re.DOTALL)[1])


@needs_browser
@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_works_in_a_browser(page, width):
    seen = looked_at(page, width)
    assert seen["said"] == []
    assert len(seen["images"]) >= 5
    assert all(seen["images"])
    assert seen["overflow"] <= 0  # wide tables scroll in themselves
    numbers = [float(text) for text in seen["rising"] if text != "–"]
    assert numbers == sorted(numbers)
    assert [text for text in seen["falling"] if text != "–"] == [text for text in seen["rising"] if text != "–"][::-1]
    assert seen["sorted"] == "descending"
    assert seen["before"] != seen["rising"]


@needs_browser
def test_the_page_is_dark_where_that_is_wished(page):
    def lightness(colour: str) -> int:
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    light = looked_at(page, 800)
    dark = looked_at(page, 801, "--blink-settings=preferredColorScheme=0")
    assert lightness(light["paper"]) > lightness(light["ink"]) + 300
    assert lightness(dark["paper"]) < lightness(dark["ink"]) - 300


def test_the_page_is_one_file(page):
    html = page.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:|//)', html)
    assert all(source.startswith("data:") for source in re.findall(r'<img src="([^"]{1,40})', html))


def test_what_a_trial_says_is_not_markup(page, tmp_path):
    from dataclasses import replace

    run = full_run(tmp_path / "results" / "made-up")
    trials = [replace(trial, error="<script>alert(1)</script>") if trial.error else trial for trial in run.trials]
    html = (
        write_report(replace(run, trials=tuple(trials)), tmp_path / "report").with_name("leaderboard.html").read_text()
    )
    assert "<script>alert" not in html
