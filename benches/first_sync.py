"""First sync on loopback: N files of 1 KiB, or --library for this Python's standard library; beside `cp -r`.

In three parts: the files are imported by one device, a second one joins, and the first one starts again and scans. Of
each: how long it took, and the CPU time of each device. With --watch both daemons are watched from inside, which costs
some of their time: the longest stretch of each loop in each part (`loop_watch.py`; bar 20 ms).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

import report
from loop_watch import PREFIX, LoopWatch, cpu_s

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, tree

LIMIT_S = 900.0
# A start reads the store before anything else goes on: its part says what that takes, and has no bar.
_PARTS = ("import", "sending", "receiving")
BARS = {"longest_stretch_ms": 20.0, **{f"{part} stretch_ms": 20.0 for part in _PARTS}}


def _fill(target: Path, files: int, library: bool) -> None:
    if library:
        skip = shutil.ignore_patterns("__pycache__", "site-packages", "*.so", "*.a", "*.pyc")
        shutil.copytree(sysconfig.get_paths()["stdlib"], target, dirs_exist_ok=True, ignore=skip)
        return
    for number in range(files):
        path = target / f"d{number // 100:03d}" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"file {number}\n" + "0123456789abcde\n" * 63)


def _memory_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watched:
    """A device, and what it did in one part of the run; its loop is watched if wanted."""

    def __init__(self, base: Path, name: str, *, watch: bool) -> None:
        self._watch = LoopWatch.make(base / f"{name}.loop") if watch else None
        prefix = (*PREFIX, str(base / f"{name}.loop")) if watch else ()
        self.device = Device(base, name, prefix=prefix, YP2P_LOG__LEVEL="warning")
        self._cpu_s = 0.0

    def begin(self) -> None:
        self._begin(cpu_s(self.device.pid))

    def stopped(self) -> None:
        """What comes next is another process."""
        self._begin(0.0)

    def _begin(self, spent_s: float) -> None:
        self._cpu_s = spent_s
        if self._watch is not None:
            self._watch.reset()

    def part(self) -> dict[str, object]:
        """What it did since `begin`; the longest stretches in ms, and what was at work in them."""
        spent = {"cpu_s": cpu_s(self.device.pid) - self._cpu_s}
        if self._watch is None:
            return {**spent}
        found = self._watch.read()
        return {
            **spent,
            "stretch_of_processor_ms": found.cpu_s * 1e3, "most of that in": found.task,
            "stretch_ms": found.held_s * 1e3, "most of it in": found.held_task, "long stretches": found.held_long,
        }  # fmt: skip


def _sync(one: Watched, two: Watched) -> dict[str, Any]:
    """The three parts, and how long they took."""
    result: dict[str, Any] = {}
    for watched in (one, two):
        watched.begin()
    started = time.perf_counter()
    one.device.call("POST", "/v1/share", {"path": str(one.device.dir), "label": None})
    one.device.wait(LIMIT_S)
    result["import_s"] = time.perf_counter() - started
    result["import"] = one.part()
    for watched in (one, two):
        watched.begin()
    started = time.perf_counter()
    two.device.join(one.device)
    two.device.wait(LIMIT_S)
    result["first_sync_s"] = time.perf_counter() - started
    result["sending"], result["receiving"] = one.part(), two.part()
    result["memory"] = {f"{it.device.name}_mib": _memory_mib(it.device.pid) for it in (one, two)}
    one.device.stop()
    one.stopped()
    started = time.perf_counter()
    one.device.start()
    one.device.wait(LIMIT_S)
    result["scan_s"] = time.perf_counter() - started
    result["scan"] = one.part()
    return result


def measure(base: Path, files: int, *, library: bool, watch: bool) -> dict[str, object]:
    one, two = (Watched(base, name, watch=watch) for name in ("one", "two"))
    one.device.others, two.device.others = [two.device], [one.device]
    try:
        one.device.start()
        two.device.start()
        _fill(one.device.dir, files, library)
        os.sync()
        result = _sync(one, two)
        skipped = {item["path"] for item in one.device.status()["folders"][0]["not_synced"]}
        expected = {name: data for name, data in tree(one.device.dir).items() if name not in skipped}
        equal = tree(two.device.dir) == expected
    finally:
        one.device.kill()
        two.device.kill()
    started = time.perf_counter()
    subprocess.run(["cp", "-r", str(one.device.dir), str(base / "copy")], check=True)
    os.sync()
    copied_s = time.perf_counter() - started
    if watch:
        result["longest_stretch_ms"] = max(result[part]["stretch_ms"] for part in _PARTS)
    return {"files": len(expected), "equal": equal, **result, "cp_and_sync_s": copied_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--library", action="store_true")
    parser.add_argument("--watch", action="store_true")
    options = report.parse(parser)
    with tempfile.TemporaryDirectory() as base:
        result = measure(Path(base), options.files, library=options.library, watch=options.watch)
    report.publish(options, result, BARS if options.watch else None)
    sys.exit(0 if result["equal"] else 1)


if __name__ == "__main__":
    main()
