"""What the page costs the daemon: closed, and while a tab shows it.

A folder of 10,000 files on three devices, and a long file on its way to both others at a bounded rate. The loop of the
daemon that has the page is watched from inside (`loop_watch.py`) for some seconds without a page, and for as long with
one, turn by turn: what is told are the medians of the turns. The tab that shows it does what the page does
(`web/src/live.ts`): it follows the events, asks for the status after each that is no transfer (twice a second at most)
and every 15 s, and somebody opens another view every two seconds: files, history, conflicts, the trash. `--eager` asks
for the status after every event, which is twice a second while a transfer is under way.

The longest of some thousand stretches is what happened to meet in it: so it is told as well how many took more than
2 ms. All of that is CPU time of the loop's thread, which what else runs on the machine does not make longer by itself.
A stretch that is shorter than 2 ms, and 5 ms by the clock, is not noted: then it is 0.

Bars: the longest stretch and the memory with a tab are within 10 % of those without; a page that is closed has no port.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path

import report
from loop_watch import PREFIX, LoopWatch, cpu_s, rss_mib

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, eventually
from page_client import Browser
from scale import fill

LIMIT_S = 1800.0
# So fast that it lasts, and that something happens all the time.
_RATE = 4_000_000
_BETWEEN_S = 0.5
_LOOKED_AT_S, _VIEW_S = 15.0, 2.0
# So many files the page asks for at a time (web/src/views/files.tsx).
_SHOWN = 200


class Tab:
    """One that shows the page: the events, the status after some, and a view now and then.

    Args:
        is_eager: whether it asks for the status after every event.
    """

    def __init__(self, browser: Browser, folder: Path, *, is_eager: bool = False) -> None:
        self._silent = b"" if is_eager else b"event: transfer"
        self._browser = browser
        self._folder = folder
        self._ends = threading.Event()
        self._happened = threading.Event()
        self.asked = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        threads = [threading.Thread(target=work) for work in (self._follow, self._look)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ends.set()
            for thread in threads:
                thread.join()

    def _follow(self) -> None:
        with self._browser.stream("/v1/events") as lines:
            for line in lines:
                if line.startswith(b"event: ") and line.strip() != self._silent:
                    self._happened.set()
                if self._ends.is_set():
                    return

    def _look(self) -> None:
        views = cycle(
            (
                ("/v1/folder/files", {"limit": _SHOWN}),
                ("/v1/history/log", {"path": str(self._folder)}),
                ("/v1/conflicts", {}),
                ("/v1/trash", {}),
                ("/v1/folder/files", {"offset": 5000, "limit": _SHOWN}),
            )
        )
        looked_at = opened_at = time.monotonic() - _LOOKED_AT_S
        with self._browser.kept() as connection:
            while not self._ends.wait(_BETWEEN_S):
                now = time.monotonic()
                if self._happened.is_set() or now - looked_at >= _LOOKED_AT_S:
                    self._happened.clear()
                    looked_at = now
                    self._ask(connection, "GET", "/v1/status", None)
                if now - opened_at >= _VIEW_S:
                    opened_at = now
                    self._ask(connection, "POST", *next(views))

    def _ask(self, connection: HTTPConnection, method: str, path: str, body: object) -> None:
        status, answer = self._browser.ask_over(connection, method, path, body)
        assert status == 200, answer
        self.asked += 1


def _turn(watch: LoopWatch, device: Device, seconds: float) -> dict[str, float]:
    watch.reset()
    cpu = cpu_s(device.pid)
    time.sleep(seconds)
    found = watch.read()
    print(f"    {found}", file=sys.stderr)
    return {
        "longest_ms": found.cpu_s * 1000,
        "over_2_ms": found.noted,
        "cpu_share": (cpu_s(device.pid) - cpu) / seconds,
        "mib": rss_mib(device.pid),
    }


def _turns(
    watch: LoopWatch, device: Device, rounds: int, seconds: float, *, is_eager: bool
) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    for _ in range(rounds):
        found["without"].append(_turn(watch, device, seconds))
        tab = Tab(Browser(device.call("POST", "/v1/page/open", {})), device.dir, is_eager=is_eager)
        with tab.shown():
            found["with"].append(_turn(watch, device, seconds))
        assert tab.asked > seconds / 4
        device.call("POST", "/v1/page/close", {})
    return found


def _make_assets(place: Path) -> Path:
    """As many bytes as a page has, or the page itself where it was built."""
    from yp2p.page.assets import PLACE

    if (PLACE / "index.html").exists():
        return PLACE
    place.mkdir()
    (place / "index.html").write_text("<!doctype html>")
    (place / "page.js").write_bytes(os.urandom(300_000).hex().encode())
    return place


def measure(files: int, rounds: int, seconds: float, *, is_eager: bool = False) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as made:
        base = Path(made)
        watch = LoopWatch.make(base / "watch")
        settings = {"YP2P_PAGE__DIRECTORY": str(_make_assets(base / "assets")), "YP2P_LOG__LEVEL": "warning"}
        laptop = Device(base, "laptop", prefix=(*PREFIX, str(base / "watch")), **settings)
        others = [Device(base, name, **settings) for name in ("desktop", "pi")]
        every = [laptop, *others]
        try:
            for device in every:
                device.others = [other for other in every if other is not device]
                device.start()
            fill(laptop.dir, files)
            for other in others:
                other.join(laptop)
                other.wait(LIMIT_S)
            laptop.wait(LIMIT_S)
            return _measured(watch, laptop, rounds, seconds, is_eager=is_eager)
        finally:
            for device in every:
                device.kill()


def _is_under_way(device: Device) -> bool:
    """Whether the long file was read, and both others are being sent it."""
    sent = [one for one in device.status()["transfers"] if one["direction"] == "sending" and one["bytes_done"]]
    return len({one["device"] for one in sent}) == 2


def _measured(watch: LoopWatch, laptop: Device, rounds: int, seconds: float, *, is_eager: bool) -> dict[str, object]:
    size = int(_RATE * (2 * seconds + 10) * (rounds + 2))
    laptop.call("POST", "/v1/limits/set", {"upload": _RATE})
    with (laptop.dir / "film").open("wb") as film:
        for _ in range(size >> 20):
            film.write(os.urandom(1 << 20))
    eventually(lambda: _is_under_way(laptop), 300, "both others having some of it")
    closed = rss_mib(laptop.pid)
    laptop.call("POST", "/v1/page/open", {})
    opened = rss_mib(laptop.pid)
    laptop.call("POST", "/v1/page/close", {})
    turns = _turns(watch, laptop, rounds, seconds, is_eager=is_eager)
    assert laptop.status()["transfers"], "the transfer was under way all the time"
    found: dict[str, object] = {
        name: {key: statistics.median(turn[key] for turn in made) for key in made[0]} for name, made in turns.items()
    }
    return found | {"closed_mib": closed, "opened_mib": opened, "closed_again_mib": rss_mib(laptop.pid)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--eager", action="store_true")
    arguments = report.parse(parser)
    result = measure(arguments.files, arguments.rounds, arguments.seconds, is_eager=arguments.eager)
    for key in ("longest_ms", "mib", "cpu_share"):
        if result["without"][key]:
            result[f"{key.partition('_')[0]}_with_a_tab_times"] = result["with"][key] / result["without"][key]
    report.publish(arguments, result)


if __name__ == "__main__":
    main()
