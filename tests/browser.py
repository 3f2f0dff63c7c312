"""Looks at an HTML file in headless Chromium: phone and desktop, light and dark."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
LOOKS = {f"{width}-{scheme}": (width, scheme) for width in (360, 1280) for scheme in ("light", "dark")}
MEASURE = """() => {
  const faults = [], shown = [...document.querySelectorAll('svg, img')];
  for (const element of shown) {
    const box = element.getBoundingClientRect();
    const name = element.getAttribute('aria-label') || element.alt || element.tagName;
    const say = (fault) => faults.push(`${name}: ${fault}`);
    if (!(box.width > 8 && box.height > 8)) say(`${box.width} x ${box.height} px`);
    if (element.tagName === 'IMG' && !(element.complete && element.naturalWidth > 0)) say('no picture');
    if (element.tagName === 'svg' && !element.querySelector('polyline, rect, circle')) say('empty');
  }
  const wide = document.scrollingElement.scrollWidth;
  if (wide > innerWidth) faults.push(`the page is ${wide} px wide, the screen ${innerWidth}`);
  const count = (tag) => document.querySelectorAll(tag).length;
  return {faults, svg: count('svg'), img: count('img')};
}"""


def open_browser(playwright: Playwright) -> Browser:
    """Chromium; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None) or playwright.chromium.executable_path
    if not Path(found).is_file():
        pytest.skip(
            "no Chromium: apt-get install chromium, or python -m playwright install chromium-headless-shell"
        )
    return playwright.chromium.launch(executable_path=found, args=FLAGS)


def look(file: Path, screenshots: Path) -> dict[str, int]:
    """Open `file` in all LOOKS, save what is seen, and fail on faults.

    Faults are messages on the console, requests that are not for the file itself, figures without a size,
    pictures that do not decode, and a page wider than its screen.

    Returns:
        How many `svg` and `img` there are.
    """
    faults: list[str] = []
    counts = {"svg": 0, "img": 0}
    with sync_playwright() as playwright:
        browser = open_browser(playwright)
        for name, (width, scheme) in LOOKS.items():
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            _listen(page, name, faults)
            page.goto(file.as_uri(), wait_until="load")
            measured = page.evaluate(MEASURE)
            faults += [f"{name}: {fault}" for fault in measured["faults"]]
            counts = {kind: measured[kind] for kind in counts}
            page.screenshot(path=screenshots / f"{name}.png", full_page=True)
            page.close()
        browser.close()
    assert not faults, "\n".join(faults)
    return counts


def _listen(page: Page, name: str, faults: list[str]) -> None:
    def on_request(request) -> None:
        if not request.url.startswith(("file:", "data:")):
            faults.append(f"{name}: asks for {request.url}")

    page.on("console", lambda message: faults.append(f"{name}: console {message.type}: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"{name}: {error}"))
    page.on("requestfailed", lambda request: faults.append(f"{name}: failed {request.url[:80]}"))
    page.on("request", on_request)
