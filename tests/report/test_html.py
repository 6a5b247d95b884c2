"""The page for a browser, in a browser: it shows its verdict, sorts, filters, switches models, follows the theme,
prints, can be read by everyone (axe-core), and says nothing on the console."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import axe_playwright_python
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from bench.records import configuration_name
from bench.records.store import RunStore, load_arrays
from bench.report import write_across, write_report
from tests.report.made_finals import with_finals
from tests.report.runs import full_run, write_arrays

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")

needs_browser = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")

CLASSES = ("dent", "scratch")
WIDE, NARROW = 1440, 390
HEIGHT = 900


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """With masks of the final evaluation: of every candidate on the same images, shifted by another way each."""
    root = tmp_path_factory.mktemp("page")
    run = with_finals(full_run(root / "results" / "made-up", CLASSES))
    write_arrays(run)
    store, shown = RunStore(Path(run.directory)), load_arrays(Path(run.directory), "predictions/images")
    store.write_arrays("predictions/development", shown)
    for number, each in enumerate(run.finals.candidates):
        masks = np.stack(
            [np.roll(mask, (number * 4 + image, number * 3), axis=(0, 1)) for image, mask in enumerate(shown["truth"])]
        )
        kept = slice(3, None) if number == 3 else slice(None)  # in a budget some were not trained on every fold
        arrays = {"ids": shown["ids"][kept], "masks": masks[kept]}
        store.write_arrays(f"predictions/{configuration_name(each.hyperparameters)}", arrays)
    store.write_arrays("predictions/delivered", {"ids": shown["ids"], "masks": shown["truth"]})
    return write_report(run, root / "report").with_name("leaderboard.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield started
        started.close()


def console_of(page: Page) -> list[str]:
    """What the page will have said on its console."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return said


@pytest.fixture(scope="module")
def tab(browser: Browser, written: Path) -> Iterator[Page]:
    """One tab for all tests, that must end without a word on its console."""
    opened = browser.new_page(viewport={"width": WIDE, "height": HEIGHT})
    said = console_of(opened)
    opened.goto(written.as_uri())
    yield opened
    assert said == []


@pytest.fixture
def page(tab: Page, request: pytest.FixtureRequest) -> Page:
    """As it is when it has just been opened, at the width and in the theme that a test's parameters ask for."""
    asked = getattr(request.node, "callspec", None)
    asked = asked.params if asked else {}
    tab.emulate_media(media="screen", color_scheme=asked.get("theme", "light"))
    tab.set_viewport_size({"width": asked.get("width", WIDE), "height": HEIGHT})
    tab.reload()
    return tab


both_widths = pytest.mark.parametrize("width", [NARROW, WIDE])
both_themes = pytest.mark.parametrize("theme", ["light", "dark"])


def ends_at(place: Locator) -> float:
    box = place.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


def violations(page: Page) -> list[tuple[str, str]]:
    """What axe-core finds, of whatever weight: the rule and the first element that breaks it. Its script comes in past
    the page's policy, which stays as it is for the page."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]]


@needs_browser
@both_widths
@both_themes
def test_axe_finds_nothing_folded_or_unfolded(page: Page, width: int, theme: str) -> None:
    assert violations(page) == []
    unfold(page)
    assert violations(page) == []


CUT = """
[...document.querySelectorAll("body *")]
  .filter((each) => !each.closest(".table, .command code, svg svg, svg *, .skip"))
  .filter((each) => each.getBoundingClientRect().right > document.documentElement.clientWidth + 1
    || (each.clientWidth && each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX !== "visible"))
  .map((each) => each.outerHTML.slice(0, 200))
"""
"""Elements that end beyond the window or hide a part of what they hold; wide tables and commands scroll."""


@needs_browser
@both_widths
def test_nothing_is_cut(page: Page, width: int) -> None:
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.evaluate(CUT) == []
    tables = page.locator(".table" if width == WIDE else ".columns .table")
    assert tables.evaluate_all("all => all.filter((each) => each.scrollWidth > each.clientWidth).length") == 0
    pictures = page.evaluate(
        "Promise.all([...document.images].map((each) => each.decode().then(() => each.naturalWidth)))"
    )
    assert len(pictures) >= 20
    assert all(pictures)


@needs_browser
@both_widths
def test_the_verdict_is_seen_without_scrolling(page: Page, width: int) -> None:
    last = [".tiles", ".steps .command >> nth=0"] if width == WIDE else [".verdict .answer"]
    assert max(ends_at(page.locator(place)) for place in (*last, ".verdict .badge")) < HEIGHT


def ranking(page: Page) -> Locator:
    return page.get_by_role("region", name="Ranking of the candidates and baselines")


@needs_browser
def test_a_click_on_a_head_sorts_and_another_turns_the_order(page: Page) -> None:
    table = ranking(page)
    head = table.locator("th", has_text="IoU").first

    def shown() -> list[float]:
        return table.locator("td:has(svg.drawn)").evaluate_all(
            "cells => cells.map((each) => Number(each.dataset.size))"
        )

    before = shown()
    head.get_by_role("button").click()
    rising = shown()
    assert rising == sorted(rising) != before
    head.get_by_role("button").press("Enter")
    assert shown() == rising[::-1]
    assert head.get_attribute("aria-sort") == "descending"


@needs_browser
def test_baselines_and_test_scores_can_be_hidden(page: Page) -> None:
    rows, seconds = ranking(page).locator("tbody tr:visible"), ranking(page).locator("g[data-group=test]:visible")
    assert (rows.count(), seconds.count()) == (7, 7)
    page.get_by_label("baselines", exact=True).uncheck()
    assert (rows.count(), seconds.count()) == (4, 4)
    page.get_by_label("held-out test set", exact=True).uncheck()
    assert seconds.count() == 0


def captions(page: Page) -> list[str]:
    return page.locator(".sight .caption").all_inner_texts()


def scores_at_the_right(page: Page) -> list[float]:
    return [float(caption.rsplit("| ", 1)[1]) for caption in captions(page)]


@needs_browser
def test_the_viewer_shows_other_models_other_orders_and_single_classes(page: Page) -> None:
    page.wait_for_function("[...document.querySelectorAll('.sight canvas')].every((each) => each.width > 1)")
    first = captions(page)
    assert len(first) == 9
    assert all("IoU 1.00 | " in caption for caption in first), "the delivered model is perfect here, and first"
    page.get_by_label("Right").select_option(index=4)
    assert len(captions(page)) == 6, "images that one of both was not trained for are left out"
    page.get_by_label("Right").select_option(index=2)
    assert captions(page) != first
    page.get_by_label("Order").select_option("worst")
    worst = captions(page)
    assert scores_at_the_right(page) == sorted(scores_at_the_right(page))
    page.get_by_label("IoU at most").fill("0.2")
    assert 0 < len(captions(page)) < 9
    assert max(scores_at_the_right(page)) <= 0.2
    page.get_by_label("IoU at most").fill("1")
    assert page.locator("#class option").all_inner_texts() == ["all", *CLASSES]
    page.locator("#class").select_option("dent")
    assert captions(page) != worst


@needs_browser
def test_the_viewer_sorts_by_disagreement_and_by_the_smallest_object(page: Page) -> None:
    page.get_by_label("Right").select_option(index=2)
    data = json.loads(page.locator("#predictions-data").text_content() or "")
    left, right = (data["models"][number]["iou"] for number in (0, 2))
    gaps = {each["name"]: abs(left[at] - right[at]) for at, each in enumerate(data["images"])}
    smallest = {each["name"]: each["smallest"] for each in data["images"]}

    def shown(of: dict[str, float]) -> list[float]:
        names = page.locator(".sight .caption span:first-child").all_inner_texts()
        return [of[name.partition(" · ")[0]] for name in names]

    assert len(set(shown(gaps))) > 1
    assert shown(gaps) == sorted(shown(gaps), reverse=True)
    page.get_by_label("Order").select_option("small")
    assert len(set(shown(smallest))) > 1
    assert shown(smallest) == sorted(shown(smallest))


@needs_browser
def test_a_tap_hides_the_colours_another_shows_them_and_two_enlarge(browser: Browser, written: Path) -> None:
    viewport = {"width": NARROW, "height": HEIGHT}
    with browser.new_context(viewport=viewport, has_touch=True, is_mobile=True) as phone:
        page = phone.new_page()
        page.goto(written.as_uri())
        view, large = page.locator(".view").first, page.locator("#large")
        colours = view.locator("canvas")
        view.tap()
        page.wait_for_function("each => getComputedStyle(each).opacity === '0'", arg=colours.element_handle())
        page.wait_for_timeout(1000)  # two taps within half a second are a double tap
        view.tap()
        page.wait_for_function("each => getComputedStyle(each).opacity > 0.5", arg=colours.element_handle())
        assert large.is_hidden()
        view.dispatch_event("dblclick")
        assert large.is_visible()


@needs_browser
def test_a_pointer_hides_the_colours_and_a_click_or_a_key_enlarges(page: Page) -> None:
    view, large = page.locator(".view").first, page.locator("#large")
    colours = view.locator("canvas")
    assert float(colours.evaluate("each => getComputedStyle(each).opacity")) > 0.5
    view.hover()
    page.wait_for_function("each => getComputedStyle(each).opacity === '0'", arg=colours.element_handle())
    view.click()
    assert large.is_visible()
    page.keyboard.press("Escape")
    assert large.is_hidden()
    view.press("Enter")
    assert large.is_visible()


def lightness(page: Page, place: str, what: str) -> int:
    colour = page.locator(place).first.evaluate(f"each => getComputedStyle(each).{what}")
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


@needs_browser
@both_themes
def test_page_and_charts_follow_the_theme_and_the_button_turns_it(page: Page, theme: str) -> None:
    darker, lighter = (("body", "backgroundColor"), ("body", "color"))[:: 1 if theme == "dark" else -1]
    assert lightness(page, *darker) < lightness(page, *lighter) - 300
    assert (lightness(page, "svg.plot text", "fill") > 380) == (theme == "dark")
    page.locator("#theme").click()
    assert lightness(page, *darker) > lightness(page, *lighter) + 300


@needs_browser
def test_on_paper_everything_is_unfolded_dark_on_white_and_without_controls(page: Page) -> None:
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert lightness(page, "body", "backgroundColor") == 3 * 255
    assert page.locator(".controls:visible, nav:visible, #theme:visible").count() == 0
    assert page.pdf().startswith(b"%PDF")


@needs_browser
def test_every_entry_of_the_contents_leads_to_its_section_and_unfolds_it(page: Page) -> None:
    targets = page.locator("nav a").evaluate_all("all => all.map((each) => each.hash.slice(1))")
    assert {"ranking", "predictions", "factors", "certainty", "data", "setup"} <= set(targets)
    assert page.locator("#setup").get_attribute("open") is None
    page.locator("nav a[href='#setup']").press("Enter")
    page.wait_for_selector("#setup[open]")
    assert all(page.locator(f"[id='{each}']").count() == 1 for each in targets)


@needs_browser
def test_only_the_page_s_own_script_runs(browser: Browser, written: Path) -> None:
    forged = written.with_name("forged.html")
    forgery = "<script>document.body.id = 'forged'</script><img src=x onerror=\"document.body.id = 'forged'\">"
    forged.write_text(written.read_text(encoding="utf-8").replace("</main>", f"{forgery}</main>"), encoding="utf-8")
    page = browser.new_page()
    page.goto(forged.as_uri())
    assert page.locator("body").get_attribute("id") is None
    assert page.locator(".sight").count() == 9, "the page's own script ran"
    page.close()


@needs_browser
def test_the_page_of_several_runs_is_as_sound(browser: Browser, tmp_path: Path) -> None:
    runs = [with_finals(full_run(tmp_path / name)) for name in ("first", "second")]
    runs = [
        replace(
            run, record=replace(run.record, name=name), dataset=replace(run.dataset, name=name, fingerprint=letter * 64)
        )
        for run, name, letter in zip(runs, ("first", "second"), "ab", strict=True)
    ]
    path = write_across(runs, tmp_path / "both").with_name("leaderboard.html")
    page = browser.new_page(viewport={"width": WIDE, "height": HEIGHT})
    said = console_of(page)
    page.goto(path.as_uri())
    assert ends_at(page.locator(".tiles")) < HEIGHT
    unfold(page)
    assert violations(page) == []
    page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    assert ends_at(page.locator(".verdict .answer")) < HEIGHT
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.evaluate(CUT) == []
    page.close()
    assert said == []


def test_the_page_is_one_file(written: Path) -> None:
    html = written.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:https?:|//)', html)
    assert all(source.startswith("data:") for source in re.findall(r'<img src="([^"]{1,40})', html))
    assert "style=" not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
    assert written.stat().st_size < 1_000_000


def test_each_dot_of_quality_against_cost_has_its_name_for_a_pointer(written: Path) -> None:
    html = written.read_text(encoding="utf-8")
    names = re.findall(r'class="named"[^>]*><title>\d\. ([^<]+): IoU [\d.]+, latency', html)
    models = re.findall(r'<td class="text model">([^<]+?) <', html.replace("\N{NO-BREAK SPACE}", " "))
    assert names == models[:4]


def test_what_a_trial_says_is_not_markup(tmp_path: Path) -> None:
    run = full_run(tmp_path / "results" / "made-up")
    trials = [replace(trial, error="<script>alert(1)</script>") if trial.error else trial for trial in run.trials]
    html = (
        write_report(replace(run, trials=tuple(trials)), tmp_path / "report").with_name("leaderboard.html").read_text()
    )
    assert "<script>alert" not in html
