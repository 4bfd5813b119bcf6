"""The page is self-contained and works in a real browser; results.md has the same rows and verdicts."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from stages.report import claims, collect, figures, page, text
from tests.report.conftest import VARIANTS


@pytest.fixture(scope="module")
def html(results: collect.Results) -> str:
    return page.render(results, claims.decide(results.studies))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        message = "no Chromium on this machine; Debian's package `chromium` brings it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, html: str, tmp_path: Path) -> Iterator[Page]:
    """The page at the width of a phone; it may ask for nothing and complain of nothing."""
    (tmp_path / "index.html").write_text(html)
    file = (tmp_path / "index.html").as_uri()
    opened = browser.new_page(viewport={"width": 360, "height": 800})
    requests: list[str] = []
    complaints: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(file, wait_until="load")
    yield opened
    opened.close()
    assert [url for url in requests if not url.startswith(("data:", file))] == []
    assert complaints == []


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_whole_at_phone_and_desktop_width(opened: Page, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 800})
    opened.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    drawn = opened.eval_on_selector_all("img", "images => images.map(image => image.complete && image.naturalWidth)")
    assert len(drawn) == 2 + 2 + len(VARIANTS)
    assert all(0 < pixels <= 240 for pixels in drawn)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.locator("figure > svg").count() == 4
    assert "`" not in opened.locator("body").inner_text()
    assert "exactly right" in opened.locator("p.answer").inner_text()
    assert "Runs: scenes of naive (10), scenes of simple (10)." in opened.locator("dd").first.inner_text()


def test_it_opens_with_the_photograph_and_a_slider_between_two_methods(opened: Page, html: str) -> None:
    assert len(html.encode()) < 300_000
    first = opened.locator("body > *").nth(1)
    assert first.get_attribute("id") == "compare"
    sides, row = opened.locator("#compare img"), opened.locator("#row button")
    assert row.locator("span").all_inner_texts()[2] == "38.5 dB, SSIM 0.3850"
    assert opened.locator("#ends strong").all_inner_texts() == ["colour", "adaptive"]
    opened.locator("#compare input").fill("20")
    assert "20%" in sides.nth(1).evaluate("image => getComputedStyle(image).clipPath")
    row.filter(has_text="simple").click()
    assert opened.locator("#ends strong").all_inner_texts() == ["colour", "simple"]
    row.filter(has_text="target").click()
    assert opened.locator("#ends strong").all_inner_texts() == ["target", "simple"]
    chosen = row.filter(has_text="target").locator("img").get_attribute("src")
    assert sides.nth(0).get_attribute("src") == chosen


def test_a_click_on_a_title_sorts_by_number_and_back(opened: Page) -> None:
    table = opened.locator("table").first
    title = table.locator("th").filter(has_text=re.compile("^MSE$"))
    column = table.locator("th").all_inner_texts().index("MSE")
    for direction, down in (("descending", True), ("ascending", False)):
        title.locator("button").click()
        shown = [float(row.locator("td").nth(column).inner_text()) for row in table.locator("tbody tr").all()]
        assert shown == sorted(shown, reverse=down)
        assert title.get_attribute("aria-sort") == direction


def test_results_md_has_a_row_per_method_a_verdict_per_claim_and_the_tables_of_the_page(
    results: collect.Results, html: str
) -> None:
    verdicts = claims.decide(results.studies)
    written = "\n".join(text.results(results, verdicts))
    rows = re.findall(r"^\| `(\w+)` \|", written, flags=re.MULTILINE)
    assert "| `naive` | 784 | 10 | 20.00 |" in written  # left-out scenes
    assert "Beside the best fixed code of as many numbers, adaptive is above it at 32, 261 and below it at 8" in written
    assert "| `8` | 20 | 21 | 21 | 21 |" in written
    assert "| `adaptive` | 27.30 | 28.30 | 29.50 | 38.50 | 25.10 | 25.20 | 25.40 | 26.00 |" in written  # photographs
    assert rows[: len(results.methods)] == list(results.methods.index)
    assert "| `adaptive` | autoencoder | 261 | 38.500 | 37.5 … 39.5 | 16.000 | 0.38500 |" in written
    assert all(f"- **{claim.claim}** *{claim.label}.* {claim.sentence}" in written for claim in verdicts)
    titles = re.findall("^## (.*)", written, flags=re.MULTILINE)
    assert titles == ["Verdicts", *re.findall("<details><summary>(.*)</summary>", html)[1:]]  # the first: columns
    assert len(titles) == 11
    assert not re.search("scenes_simple|noise_gaussian_5_ssim", written)  # too many: they are in files


def test_a_single_point_is_drawn() -> None:
    epoch = pd.DataFrame({"variant": ["simple"], "epoch": [1], "psnr": [29.0], "val_psnr": [30.0]})
    level = pd.DataFrame({"method": ["luma"], "kind": [""], "noise_gaussian_25_psnr": [20.0]})
    for svg in (figures.curves(epoch, []), figures.noise(level)):
        assert re.search(r'<g clip-path="[^"]*">\s*<use ', svg)


def test_only_gaussian_noise_is_drawn_by_its_level() -> None:
    probes = {"method": ["luma"], "kind": [""], "noise_gaussian_5_psnr": [30.0], "noise_gaussian_25_psnr": [20.0]}
    others = {"noise_psnr": [40.0], "noise_jpeg_10_psnr": [40.0]}
    both = [figures.noise(pd.DataFrame(columns)) for columns in (probes, {**probes, **others})]
    assert both[0] == both[1]
