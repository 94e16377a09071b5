"""How long a first visitor of a running market waits: ``python -m scripts.bench.page --url http://127.0.0.1:8600``.

Prints milliseconds to the first contentful paint and to the load event of each public page, in a fresh browser profile
each time, the median of ``--visits``; and what the scripts and styles weigh.
"""

import argparse
import gzip
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

PAGES = ("/", "/trade", "/assets", "/ledger", "/status", "/devnet")
STATIC = Path(__file__).parents[2] / "api" / "web" / "static"
PAINT = """
() => new Promise((resolve) => {
  const told = () => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    const load = performance.getEntriesByType("navigation")[0].loadEventEnd;
    paint && load ? resolve([paint.startTime, load]) : setTimeout(told, 20);
  };
  told();
})
"""


def visit(browser: Any, url: str) -> tuple[float, float]:
    """First paint and load of one visit with an empty cache."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    paint, load = page.evaluate(PAINT)
    context.close()
    return paint, load


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8600")
    parser.add_argument("--visits", type=int, default=5)
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no chromium on the PATH")
        return 1
    from playwright.sync_api import sync_playwright

    for name in ("main.js", "main.css"):
        print(f"{name}: {len(gzip.compress((STATIC / name).read_bytes())) / 1024:.1f} KiB gzip")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"{'page':12} {'paint ms':>9} {'load ms':>9}")
        for path in PAGES:
            visits = [visit(browser, asked.url.rstrip("/") + path) for _ in range(asked.visits)]
            paint, load = (statistics.median(column) for column in zip(*visits, strict=True))
            print(f"{path:12} {paint:9.0f} {load:9.0f}")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
