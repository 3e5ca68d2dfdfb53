"""A keystroke from one program to another through two daemons (bars p50 2 ms, p99 15 ms), in a document of 100 kB.

Then many edits, made as fast as they are taken: they have to arrive exactly.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices

from yp2p.client import File, connect

BARS = {"p50_ms": 2.0, "p99_ms": 15.0}
_TEXT = "some words in a line of a text\n" * 3300
_AT_ONCE = 100


async def _until_same(here: File, there: File) -> None:
    while str(there) != str(here):
        await there.changed()


async def measure(one: Device, two: Device, keystrokes: int, edits: int) -> dict[str, float]:
    async with (
        connect(one.home / "control.sock") as first, connect(two.home / "control.sock") as second,
        first.open("a.md") as here, second.open("a.md") as there,
    ):  # fmt: skip
        rng = random.Random(1)
        times: list[float] = []
        size = len(_TEXT)
        for number in range(keystrokes):
            await trio.sleep(0.01)
            seen = len(there.text)
            started = time.perf_counter()
            here.insert(rng.randrange(size + number), "x")
            while len(there.text) == seen:
                await there.changed()
            times.append((time.perf_counter() - started) * 1000)
        started = time.perf_counter()
        for number in range(edits):
            at = rng.randrange(size)
            if number % 3:
                here.insert(at, rng.choice("ab é😀\n"))
            else:
                here.delete(at, at + 1)
            if number % _AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        made_s = time.perf_counter() - started
        await here.flush()
        await _until_same(here, there)
        took_s = time.perf_counter() - started
        assert str(here) == str(there)
        return {
            "p50_ms": round(statistics.median(times), 2),
            "p99_ms": round(statistics.quantiles(times, n=100)[98], 2),
            "edits": edits,
            "edits_per_s": round(edits / took_s),
            "edits_made_per_s": round(edits / made_s),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keystrokes", type=int, default=500)
    parser.add_argument("--edits", type=int, default=18_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (one, two),
    ):
        (one.dir / "a.md").write_text(_TEXT)
        two.join(one)
        for device in (one, two):
            device.wait()
        result = trio.run(measure, one, two, options.keystrokes, options.edits)
    if options.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        bar = f"  (bar {BARS[name]}: {'met' if value <= BARS[name] else 'NOT MET'})" if name in BARS else ""
        print(f"{name:18} {value:10}{bar}")


if __name__ == "__main__":
    main()
