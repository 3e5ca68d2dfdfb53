"""What a daemon writes to its disk, which wears an SD card: idle, while a program types, and for saves of a file.

The bytes are those that the kernel counts for the process (`write_bytes` of /proc/PID/io: pages that it made dirty), of
a device that sends and of one that receives. What the file system adds, such as its journal, is not in them. A day is
24 hours of being idle, with the keystrokes and saves of a day's work (20,000 and 500) on top.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import report
import trio

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices, eventually

from yp2p.client import connect

# A card of 32 GB that stands 1,000 rewrites lasts 80 years, or 8 where it writes ten times as much inside.
BAR_MB_A_DAY = 1000.0
_KEYS, _SAVES = 1000, 100
_KEYS_A_DAY, _SAVES_A_DAY = 20_000, 500
_KEY_S, _SAVE_S = 0.05, 0.5
_QUIET_S = 2.0
_FILES = 1000
_TEXT = "some words in a line of a text\n" * 330
_DAY_S = 86_400


def _written(device: Device) -> int:
    lines = Path(f"/proc/{device.pid}/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


class _Count:
    """What each device wrote since the last look."""

    def __init__(self, found: list[Device]) -> None:
        self._devices = found
        self._before = [_written(device) for device in found]

    def take(self) -> dict[str, int]:
        now = [_written(device) for device in self._devices]
        deltas = {d.name: a - b for d, a, b in zip(self._devices, now, self._before, strict=True)}
        self._before = now
        return deltas


async def _type(device: Device, path: Path) -> None:
    async with connect(device.home / "control.sock") as connection, connection.open(path) as file:
        for number in range(_KEYS):
            file.insert(number, "abcdefgh \n"[number % 10])
            await trio.sleep(_KEY_S)
        await file.flush()


def _save(path: Path) -> None:
    for number in range(_SAVES):
        path.write_text(_TEXT + f"save {number}\n")
        time.sleep(_SAVE_S)


def _settle(found: list[Device]) -> None:
    for device in found:
        device.wait(60)


def _is_quiet(count: _Count) -> bool:
    """Whether no device has written anything for a while: what follows a first sync is no idle time."""
    count.take()
    time.sleep(_QUIET_S)  # the time that is looked at
    return not any(count.take().values())


def measure(base: Path, idle_s: float) -> dict[str, dict[str, int]]:
    """Bytes of each device: in the idle time, for the keystrokes, for the saves."""
    with devices(base, "one", "two") as found:
        one, two = found
        for number in range(_FILES):
            (one.dir / f"{number}.txt").write_text(f"{number}\n")
        (one.dir / "text.txt").write_text(_TEXT)
        (one.dir / "saved.txt").write_text(_TEXT)
        two.join(one)
        _settle(found)
        count, result = _Count(found), {}
        eventually(lambda: _is_quiet(count), 60, "the first sync is over")
        time.sleep(idle_s)
        result["idle"] = count.take()
        trio.run(_type, one, one.dir / "text.txt")
        _settle(found)
        result["keys"] = count.take()
        _save(one.dir / "saved.txt")
        _settle(found)
        result["saves"] = count.take()
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long the idle time is")
    options = report.parse(parser)
    with tempfile.TemporaryDirectory() as base:
        found = measure(Path(base), options.minutes * 60)
    table = {}
    for name in ("one", "two"):
        idle = found["idle"][name] / (options.minutes * 60) * _DAY_S
        keys = found["keys"][name] / _KEYS
        saves = found["saves"][name] / _SAVES
        table[name] = {
            "idle_a_day_mb": idle / 1e6,
            "a_key_kb": keys / 1e3,
            "a_save_kb": saves / 1e3,
            "a_day_mb": (idle + keys * _KEYS_A_DAY + saves * _SAVES_A_DAY) / 1e6,
        }
    sys.exit(bool(report.publish(options, table, {f"{name} a day": BAR_MB_A_DAY for name in table})))


if __name__ == "__main__":
    main()
