"""Edit to visible on the other device's disk: two daemons on loopback, a 10 KB file.

Prints the distribution of (a) 200 single edits, each after the one before has arrived, and (b) five edits a second for
20 seconds. `--files N` puts N other files into the folder first. `--followers N` has N programs follow the events of
each daemon meanwhile.
"""

from __future__ import annotations

import argparse
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import report
from inotify_simple import INotify, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices

BARS = {"single p50": 5.0, "single p95": 15.0, "five a second p95": 20.0}


def wait_for(path: Path, inotify: INotify, wanted: str, limit_s: float = 10) -> float:
    """When `wanted` could be read at `path`."""
    deadline = time.perf_counter() + limit_s
    while wanted not in path.read_text():
        left = deadline - time.perf_counter()
        assert left > 0, f"{wanted} did not arrive within {limit_s} s"
        select.select([inotify.fileno()], [], [], min(left, 0.005))
        inotify.read(timeout=0)
    return time.perf_counter()


def edit(path: Path, number: int) -> tuple[str, float]:
    """Change one line in the middle, as an editor that saves in place does; gives when the save began."""
    rows = path.read_text().splitlines(keepends=True)
    token = f"edit-{number:06d}"
    rows[len(rows) // 2] = f"this line holds {token} now\n"
    text = "".join(rows)
    started = time.perf_counter()
    with path.open("r+") as file:
        file.write(text)
        file.truncate()
    return token, started


def percentiles(values_s: list[float]) -> dict[str, float]:
    ordered = sorted(value * 1000 for value in values_s)
    pick = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99}
    result = {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * at))], 2) for name, at in pick.items()}
    return {**result, "max_ms": round(ordered[-1], 2)}


@contextmanager
def followed(daemons: list[Device], followers: int) -> Iterator[None]:
    """Programs follow the events of these daemons meanwhile."""
    command = f"exec curl -sN --unix-socket control.sock http://localhost/v1/events >{os.devnull}"
    readers = [subprocess.Popen(["sh", "-c", command], cwd=daemon.home) for daemon in daemons for _ in range(followers)]
    try:
        yield
    finally:
        for reader in readers:
            reader.terminate()
            reader.wait()


def measure(files: int, followers: int = 0) -> dict[str, dict[str, float]]:
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (
            one,
            two,
        ),
        followed([one, two], followers),
    ):
        for number in range(files):
            (one.dir / f"f{number // 100}").mkdir(exist_ok=True)
            (one.dir / f"f{number // 100}" / f"{number}.txt").write_text(f"file {number}\n" + "x" * 1000)
        path, other = one.dir / "a.txt", two.dir / "a.txt"
        path.write_text("".join(f"line {number} of a file of ten kilobytes\n" for number in range(260)))
        two.join(one)
        one.wait(120)
        two.wait(120)
        inotify = INotify()
        inotify.add_watch(str(two.dir), flags.MOVED_TO | flags.CLOSE_WRITE | flags.MOVED_FROM)
        single: list[float] = []
        for number in range(220):
            time.sleep(0.11)  # below the limit of ten renders a second
            token, started = edit(path, number)
            single.append(wait_for(other, inotify, token) - started)
        steady: list[float] = []
        begun = time.perf_counter()
        for number in range(100):
            time.sleep(max(0.0, begun + number / 5 - time.perf_counter()))
            token, started = edit(path, 1000 + number)
            steady.append(wait_for(other, inotify, token) - started)
        return {"single": percentiles(single[20:]), "five a second": percentiles(steady)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--followers", type=int, default=0)
    options = report.parse(parser)
    result = measure(options.files, options.followers)
    report.publish(options, result, BARS)


if __name__ == "__main__":
    main()
