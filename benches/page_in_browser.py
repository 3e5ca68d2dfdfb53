"""The page in a real browser: how large it is, when it is seen, how 10,000 files scroll. Needs what `make page` needs.

First paint is told from the moment that the browser asks for the page; a long task is what keeps a browser from
answering for 50 ms and more.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser.tabs import SCREEN, Tab, address_of, chromium
from lab import Device, devices

import yp2p.page

_ASSETS = Path(yp2p.page.__file__).parent / "assets"
_FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
_COUNT_TASKS = """() => {
  window.longTasks = []
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.longTasks.push(Math.round(one.duration))
  }).observe({ type: 'longtask' })
}"""
# Down through the whole list in three seconds, as somebody does who drags the bar; tells the time between two frames.
_SCROLL = """async () => {
  const list = document.querySelector('.long-list')
  const times = []
  const began = performance.now()
  for (let last = began; last - began < 3000; ) {
    const now = await new Promise(requestAnimationFrame)
    times.push(now - last)
    last = now
    list.scrollTop = (list.scrollHeight - list.clientHeight) * (last - began) / 3000
  }
  return times.slice(1)
}"""


def _sizes() -> dict[str, int]:
    names = [path for path in sorted(_ASSETS.iterdir()) if path.name != "LICENSES.txt"]
    return {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in names}


def _first_paints(browser: Any, device: Device, rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        tab = Tab(browser.new_context(viewport=SCREEN))
        tab.page.goto(address_of(device))
        tab.page.get_by_role("heading", level=1).first.wait_for()
        tab.eventually(lambda tab=tab: tab.page.evaluate(_FIRST_PAINT) is not None, "a first paint")
        found.append(float(tab.page.evaluate(_FIRST_PAINT)))
        tab.page.context.close()
    return found


def _scrolling(browser: Any, device: Device) -> dict[str, Any]:
    tab = Tab(browser.new_context(viewport=SCREEN))
    tab.open(device).go("folder", device.status()["folders"][0]["id"])
    tab.reads("0 files")
    tab.page.evaluate(_COUNT_TASKS)
    frames = tab.page.evaluate(_SCROLL)
    rows = tab.page.locator(".long-list-row").count()
    tasks = tab.page.evaluate("window.longTasks")
    frames.sort()
    return {
        "frames_per_s": round(1000 / statistics.fmean(frames), 1),
        "frame_ms_median": round(statistics.median(frames), 1),
        "frame_ms_99th": round(frames[len(frames) * 99 // 100 - 1], 1),
        "long_tasks_ms": tasks,
        "rows_in_the_document": rows,
        "faults": tab.faults,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = report.parse(parser)
    from playwright.sync_api import sync_playwright  # only where it is installed

    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", YP2P_LOG__LEVEL="warning") as (one,),
        sync_playwright() as playwright,
        chromium(playwright) as browser,
    ):
        for number in range(options.files):
            path = one.dir / f"d{number // 100:03d}" / f"{number}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"file {number}\n")
        one.call("POST", "/v1/share", {"path": str(one.dir), "label": "notes"})
        one.wait(300)
        sizes = _sizes()
        paints = _first_paints(browser, one, options.rounds)
        scrolled = _scrolling(browser, one)
    found = {f"{name}_bytes": size for name, size in sizes.items()}
    found |= {"all_bytes": sum(sizes.values()), "first_paint_ms": paints, **scrolled}
    report.publish(options, found | {"long_tasks": len(scrolled["long_tasks_ms"])})


if __name__ == "__main__":
    main()
