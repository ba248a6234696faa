"""What a labeler waits for, in a real Chromium: the next task, a card that is dragged, the page.

A whole installation runs as `manage.py up` runs it, with 100,000 prompts waiting. One labeler ranks
task after task with the keyboard; from Ctrl+Enter until the next task is painted is what counts,
once after a second in the review, as somebody who looks at it, and once without any. Then a card
is dragged over a board of nine completions of 1,000 words: `drag_frame_ms` is the work of the
page's main thread for one movement of the mouse, script, style, layout and paint together. Needs
Chromium; a quiet machine makes the figures mean something.

    make bench NAME=page
    .venv/bin/python benchmarks/page.py --tasks 100
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from installation import installation
from many_prompts import annotators, fill, long_task
from playwright.sync_api import BrowserContext, Page, Response, sync_playwright
from web import percentiles

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
LABELER = 1  # the first has the board with long texts
REVIEW_MS = 1_000
DRAG_STEPS = 200
# From Ctrl+Enter in one document until another task stands in this or the next one and the frame
# that shows it is out. Both kept beyond the document, since a page may be left on the way.
WATCH = """
(() => {
  const now = () => performance.timeOrigin + performance.now();
  addEventListener("keydown", (event) => {
    if (!event.ctrlKey || event.key !== "Enter") return;
    sessionStorage.setItem("sent", JSON.stringify({ at: now(), from: location.pathname }));
  }, true);
  const isThere = (from) => location.pathname !== from
    && document.querySelector("#rate .chip[aria-current=true]");
  const painted = ({ at }) => {
    const took = JSON.parse(sessionStorage.getItem("took") ?? "[]");
    sessionStorage.setItem("took", JSON.stringify([...took, now() - at]));
    sessionStorage.removeItem("sent");
  };
  const look = () => {
    const sent = JSON.parse(sessionStorage.getItem("sent") ?? "null");
    if (!sent || !isThere(sent.from)) return requestAnimationFrame(look);
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { painted(sent); requestAnimationFrame(look); };
    channel.port2.postMessage(null);
  };
  requestAnimationFrame(look);
})();
"""
PAINTED = "n => JSON.parse(sessionStorage.getItem('took') ?? '[]').length >= n"
NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


def main() -> None:
    options = _options()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("Chromium is missing: apt-get install chromium")
    with installation(f"bench-web-{options.prompts}") as url:
        fill(options.prompts)
        dragging, labeling = annotators(2)
        long_task(labeler="annotator-0")
        with _browser(chromium) as browser:
            found = {
                "after_review_ms": _cycles(browser, url, labeling, options.tasks, REVIEW_MS),
                "at_once_ms": _cycles(browser, url, labeling, options.tasks, 0),
                "drag_frame_ms": _drag(browser, url, dragging),
                "script_and_style_kb": _weight(browser, url, labeling),
            }
    figures = {"benchmark": "page", "cores": os.cpu_count(), "prompts": options.prompts}
    print(json.dumps({**figures, "tasks": options.tasks, **found}))


def _options() -> Namespace:
    parser = ArgumentParser(description="Submit until the next task is painted.")
    parser.add_argument("--prompts", type=int, default=100_000, help="that wait to be ranked")
    parser.add_argument("--tasks", type=int, default=60, help="submitted in each of two series")
    return parser.parse_args()


@contextmanager
def _browser(chromium: str) -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


def _context(browser: Any, url: str, key: str) -> BrowserContext:
    context: BrowserContext = browser.new_context(
        base_url=url, viewport={"width": 1440, "height": 900}
    )
    context.add_cookies([{"name": "sessionid", "value": key, "url": url}])
    return context


def _cycles(browser: Any, url: str, key: str, tasks: int, review_ms: int) -> dict[str, float]:
    """p50, p95 and p99 of submit until painted, the first task left out."""
    context = _context(browser, url, key)
    context.add_init_script(WATCH)
    page = context.new_page()
    _open(page)
    for done in range(1, tasks + 2):
        _rank(page)
        page.wait_for_timeout(review_ms)
        page.keyboard.press("Control+Enter")
        page.wait_for_function(PAINTED, arg=done)
    took = page.evaluate("JSON.parse(sessionStorage.getItem('took'))")
    context.close()
    print(f"{review_ms} ms in review: {[round(one) for one in took]}", file=sys.stderr)
    return percentiles(sorted(one / 1000 for one in took[1:]))


def _open(page: Page) -> None:
    page.goto("/work/ranking/")
    page.wait_for_url("**/work/assignments/*/")
    page.locator("#rate .chip[aria-current=true]").wait_for()


def _rank(page: Page) -> None:
    for key in ("4", "3", "2", "1"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.locator("#review").wait_for()


def _drag(browser: Any, url: str, key: str) -> dict[str, float]:
    """p50, p95 and p99 of the main thread's work for one movement of a dragged card."""
    context = _context(browser, url, key)
    page = context.new_page()
    _open(page)
    for rating in "765432123":
        page.keyboard.press(rating)
    page.locator("#rank").wait_for()
    took = _frames(page)
    context.close()
    return percentiles(sorted(took))


def _frames(page: Page) -> list[float]:
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")

    def busy() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))

    card = page.locator("#rank .card:visible").first.bounding_box()
    assert card is not None, "the board is there"
    x, top, bottom = card["x"] + 20, card["y"] + 12, 880
    page.mouse.move(x, top)
    page.mouse.down()
    took = []
    for step in range(DRAG_STEPS):
        before = busy()
        page.mouse.move(x + step % 7, top + (bottom - top) * (step % 50) / 50)
        page.evaluate(NEXT_FRAME)
        took.append(busy() - before)
    page.mouse.up()
    return took[5:]  # the first movements pick the card up


def _weight(browser: Any, url: str, key: str) -> float:
    """Kilobytes of script and style on the wire, for a browser that has none of them yet."""
    context = _context(browser, url, key)
    page = context.new_page()
    loaded: list[Response] = []
    page.on("response", lambda response: loaded.append(response))
    _open(page)
    page.wait_for_load_state("networkidle")
    wanted = [one for one in loaded if one.request.resource_type in ("script", "stylesheet")]
    sizes = [one.request.sizes()["responseBodySize"] for one in wanted]
    context.close()
    return round(sum(sizes) / 1000, 1)


if __name__ == "__main__":
    main()
