"""An hour of work on three devices: edits, files, links that go and come, a subscriber to the events.

Bars: the memory of each daemon at the end within 5 % of what it was after five minutes, as many open files, nothing
lost (each line that was put into a text is in it on all devices, and all have the same files), nothing in the logs that
nobody expected. Printed as a line a minute, and what came of it at the end.

    python benches/soak.py --minutes 60
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import YP2P, Device, devices, eventually, tree, unexpected_lines
from loop_watch import rss_mib

_TEXTS, _FILES = 200, 20
_EDITS_A_S = 4.0
# What a first sync and a cache need until they are as large as they get.
_SETTLED_S = 300.0
_MEMORY = 1.05
# Two devices that rewrite one file that is no text, while one of them stands still: both versions are kept.
_EXPECTED = ("link_", "daemon_was_killed", "conflict_copy_created")
_MOST_LINES = 400


@dataclass
class Measured:
    """Of one device, by the minute."""

    memory_mib: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def take(self, device: Device) -> None:
        self.memory_mib.append(rss_mib(device.pid))
        self.files.append(len(os.listdir(f"/proc/{device.pid}/fd")))


def _fill(device: Device) -> None:
    for number in range(_TEXTS):
        (device.dir / f"text {number}.txt").write_text("".join(f"line {line}\n" for line in range(200)))
    for number in range(_FILES):
        (device.dir / f"file {number}.bin").write_bytes(random.Random(number).randbytes(200_000))


def _merge_once(room: list[Device]) -> None:
    """Each has to merge with what the others changed while apart.

    What that needs of the program is loaded when it is first needed, and stays: 4 MiB that are no growth, whenever they
    come.
    """
    for device in room:
        device.stop()
        path = device.dir / "text 0.txt"
        lines = path.read_text().splitlines(keepends=True)
        lines[3] = f"what {device.name} makes of it\n"
        path.write_text("".join(lines))
    for device in room:
        device.start()
    for device in room:
        device.wait(120)


def _work(room: list[Device], rng: random.Random, number: int, there: set[str]) -> None:
    """One edit on one device: mostly a line of a text, sometimes a file, a new name, a deletion.

    Args:
        there: gets the lines that are to be there from now on.
    """
    directory = rng.choice(room).dir
    kind = rng.random()
    try:
        if kind < 0.9:
            path = directory / f"text {rng.randrange(_TEXTS)}.txt"
            lines = path.read_text().splitlines(keepends=True)
            there.difference_update(lines[:-_MOST_LINES])
            lines = lines[-_MOST_LINES:]
            lines.insert(rng.randrange(len(lines) + 1), f"edit {number}\n")
            path.write_text("".join(lines))
            there.add(f"edit {number}\n")
        elif kind < 0.97:
            (directory / f"file {rng.randrange(_FILES)}.bin").write_bytes(rng.randbytes(rng.randrange(1, 400_000)))
        elif kind < 0.99:
            (directory / f"short-lived {number}.txt").write_text(f"{number}\n")
        else:
            for path in sorted(directory.glob("short-lived *"))[:1]:
                path.unlink()
    except FileNotFoundError:
        pass  # another device removed it just now


def _stand_still(device: Device) -> None:
    """The process of a device gets no time. Its links stay: the kernel answers for it."""
    os.kill(device.pid, signal.SIGSTOP)
    time.sleep(8)  # what is tested is what comes of that
    os.kill(device.pid, signal.SIGCONT)


def _flap(device: Device) -> None:
    """The links of a device end and come back, while it and the others go on."""
    for other in device.others:
        device.call("POST", "/v1/device/pause", {"device": other.name})
    time.sleep(3)  # what was changed by then meets afterwards
    for other in device.others:
        device.call("POST", "/v1/device/unpause", {"device": other.name})


def _soak(room: list[Device], seconds: float, rng: random.Random, there: set[str]) -> tuple[list[Measured], int]:
    measured, edits = [Measured() for _ in room], 0
    began = last = time.monotonic()
    while (now := time.monotonic()) < began + seconds:
        _work(room, rng, edits, there)
        edits += 1
        time.sleep(1 / _EDITS_A_S)  # the pace of the edits
        if now - last >= 60:
            last = now
            for one, device in zip(measured, room, strict=True):
                one.take(device)
            print(
                f"{(now - began) / 60:4.0f} min ",
                *(f"{one.memory_mib[-1]:7.1f} MiB {one.files[-1]:4} files" for one in measured),
            )
            rng.choice((_stand_still, _flap, _flap))(rng.choice(room))
    return measured, edits


def _subscriber(device: Device, path: Path) -> subprocess.Popen[bytes]:
    with path.open("wb") as output:
        return subprocess.Popen([YP2P, "events", "--json"], env=device.environment, stdout=output, stderr=output)


def _lost(device: Device, there: set[str]) -> list[str]:
    """The lines that are in none of its texts, or in more than one place."""
    found = Counter(
        line for path in device.dir.glob("text *.txt") for line in path.read_text().splitlines(keepends=True)
    )
    return sorted(line.strip() for line in there if found[line] != 1)


def _problems(measured: list[Measured], room: list[Device], settled: int) -> list[str]:
    found: list[str] = []
    for one, device in zip(measured, room, strict=True):
        start = statistics.median(one.memory_mib[max(0, settled - 1) : settled + 2])
        end = statistics.median(one.memory_mib[-3:])
        if end > _MEMORY * start:
            found.append(f"{device.name}: memory grew from {start:.1f} to {end:.1f} MiB")
        if statistics.median(one.files[-3:]) > statistics.median(one.files[max(0, settled - 1) : settled + 2]):
            found.append(f"{device.name}: it has more open files: {one.files[settled]}, then {one.files[-1]}")
        found += [f"{device.name}: {line}" for line in unexpected_lines(device, *_EXPECTED)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    chosen = report.parse(parser)
    rng = random.Random(chosen.seed)
    settings = {"YP2P_LOG__LEVEL": "info"}
    with tempfile.TemporaryDirectory() as base, devices(Path(base), "one", "two", "three", **settings) as room:
        _fill(room[0])
        for other in room[1:]:
            other.join(room[0])
        for device in room:
            device.wait(120)
        _merge_once(room)
        events = Path(base) / "events"
        subscriber = _subscriber(room[0], events)
        try:
            there: set[str] = set()
            measured, edits = _soak(room, chosen.minutes * 60, rng, there)
            for device in room:
                device.wait(120)
            eventually(lambda: tree(room[0].dir) == tree(room[1].dir) == tree(room[2].dir), what="all are equal")
            is_subscribed = subscriber.poll() is None
        finally:
            subscriber.terminate()
            subscriber.wait()
        lines = events.read_text().splitlines()
        problems = _problems(measured, room, int(min(_SETTLED_S / 60, chosen.minutes / 2)))
        if lost := _lost(room[0], there):
            problems.append(f"lines that are not there, or twice: {lost}")
        if not is_subscribed:
            problems.append("the subscriber to the events was cut off")
        found: dict[str, Any] = {
            "minutes": chosen.minutes,
            "edits": edits,
            "lines": len(there),
            "links that ended": sum(device.log.read_text().count("event='link_down'") for device in room),
            "events": sum(1 for line in lines if line.startswith("{") and json.loads(line)),
            **{f"{device.name} memory_mib": one.memory_mib for one, device in zip(measured, room, strict=True)},
            "problems": problems,
        }
        report.publish(chosen, found)
        if problems:
            sys.exit("NOT MET")


if __name__ == "__main__":
    main()
