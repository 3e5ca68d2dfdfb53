"""What the wall costs: a keystroke (bar 10 us), a byte of a full state (bar 0.5 us), one stretch (bar 20 ms)."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

import report

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.protocol.dependencies import check_dependencies, check_update
from yp2p.protocol.ysync import Shape, UpdateParser

BARS = {"keystroke_us": 10.0, "state_a_byte_us": 0.5, "stretch_ms": 20.0}


def _seconds(work: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def _edited(edits: int, text: str) -> TextReplica:
    """A text of many small items, as typing leaves it."""
    rng = random.Random(1)
    replica = TextReplica(5)
    replica.edit([Hunk(0, 0, text)])
    size = len(text)
    for _ in range(edits):
        at = rng.randrange(size)
        replica.edit([Hunk(at, at, rng.choice("abc de"))])
        size += 1
    return replica


def measure() -> dict[str, float]:
    document = _edited(2000, "some words in a line\n" * 500)
    known = document.clocks()
    keystroke = document.edit([Hunk(100, 100, "x")])
    assert keystroke is not None
    state = _edited(20_000, "some words in a line\n" * 6000).state()
    longest = 0.0
    parser = UpdateParser(state, Shape.TEXT)
    steps = parser.steps()
    started = time.perf_counter()
    before = started
    for _ in steps:
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    longest = max(longest, time.perf_counter() - before)
    check_started = time.perf_counter()
    check_dependencies(parser.parsed, {}, frozenset())
    longest = max(longest, time.perf_counter() - check_started)
    total = time.perf_counter() - started
    return {
        "keystroke_us": _seconds(lambda: check_update(keystroke, Shape.TEXT, known), 5000) * 1e6,
        "state_a_byte_us": total / len(state) * 1e6,
        "stretch_ms": longest * 1e3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = report.parse(parser)
    runs = [measure() for _ in range(options.runs)]
    result = {name: [run[name] for run in runs] for name in BARS}
    report.publish(options, result, BARS)


if __name__ == "__main__":
    main()
