"""The report page is whole in itself: opened in a real browser, it asks the network for nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from grayscale.conversions import CONVERSIONS
from tests.conftest import Workspace


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        message = "no Chromium on this machine; Debian's package `chromium` brings it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_whole_at_phone_and_desktop_width(rebuilt: Workspace, page: Page, width: int) -> None:
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_viewport_size({"width": width, "height": 800})
    address = (rebuilt.folder / "data/report/index.html").as_uri()
    page.goto(address, wait_until="load")

    assert [url for url in requests if not url.startswith(("data:", address))] == []
    assert complaints == []
    widths = page.eval_on_selector_all("img", "images => images.map(image => image.complete && image.naturalWidth)")
    assert len(widths) == 2 + 2 * 2
    assert all(widths)
    assert page.locator("svg").count() > 4
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "dB PSNR" in page.locator("p.answer").inner_text()
    assert page.locator("table").first.locator("tbody tr").count() == 2 + 5
    assert page.locator("tr[id^='contrast-']").count() == 1 + 2 + 5
    assert page.locator("tr[id^='conversions-']").count() == len(CONVERSIONS)
    assert page.locator("dl dt").count() > 2
    broken = "links => links.map(link => link.getAttribute('href').slice(1)).filter(id => !document.getElementById(id))"
    assert page.locator("dl a").count() > 2
    assert page.eval_on_selector_all("dl a", broken) == []
    text = page.locator("body").inner_text()
    assert "min_contrast: 5" in text
    model = rebuilt.folder / "data/models/subpixel/model.keras"
    assert hashlib.sha256(model.read_bytes()).hexdigest() in page.content()
