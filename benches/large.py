"""One large random file on loopback: first sent, a byte changed, moved, a MiB in front of it; and typing beside it.

Typing is `latency.py`'s: a 10 KB text saved as a whole on one device, until the other has it.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices, eventually

LIMIT_S = 600.0
_TEXT = "a line of the text that is typed\n" * 300


def _put(path: Path, mebibytes: int, scratch: Path) -> None:
    with scratch.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1 << 20))
    os.sync()
    scratch.rename(path)


def type_once(one: Device, two: Device, number: int) -> float:
    """Milliseconds until a save on one device is on the other's disk."""
    time.sleep(0.11)  # below the limit of ten renders a second
    text = f"{_TEXT}{number}\n".encode()
    path, arrived = one.dir / "typed.txt", two.dir / "typed.txt"
    started = time.perf_counter()
    path.write_bytes(text)
    while not arrived.exists() or arrived.read_bytes() != text:
        if time.perf_counter() - started > LIMIT_S:
            raise SystemExit("what was typed did not arrive")
        time.sleep(0.0005)
    return (time.perf_counter() - started) * 1000


def _p95(times: list[float]) -> float:
    return round(statistics.quantiles(times, n=20)[-1], 2) if len(times) > 1 else times[0]


def _type_until(one: Device, two: Device, is_over: threading.Event) -> list[float]:
    times: list[float] = []
    while not is_over.is_set():
        times.append(type_once(one, two, len(times)))
    return times


def _inserted(one: Device, two: Device, scratch: Path) -> dict[str, float]:
    """A MiB in front of all the rest: how long it takes, and what the other device receives for it."""
    here, there = (device.dir / "below" / "large" for device in (one, two))
    with scratch.open("wb") as target, here.open("rb") as source:
        target.write(os.urandom(1 << 20))
        shutil.copyfileobj(source, target, 1 << 20)
    wanted, before = scratch.stat().st_size, two.traffic()
    started = time.perf_counter()
    scratch.rename(here)
    eventually(lambda: there.stat().st_size == wanted, LIMIT_S)
    took_s = time.perf_counter() - started
    for device in (one, two):
        device.wait(LIMIT_S)
    if not filecmp.cmp(here, there, shallow=False):
        raise SystemExit("what was inserted did not arrive as it is")
    return {"inserted_s": took_s, "inserted_received_mib": (two.traffic() - before) / (1 << 20)}


def measure(mebibytes: int) -> dict[str, Any]:
    result: dict[str, Any] = {"mebibytes": mebibytes}
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (one, two),
    ):
        two.join(one)
        for device in (one, two):
            device.wait()
        idle = [type_once(one, two, number) for number in range(100)]
        result["typing_idle"] = {"p50_ms": round(statistics.median(idle), 2), "p95_ms": _p95(idle)}
        ended = threading.Event()
        times: list[float] = []
        typist = threading.Thread(target=lambda: times.extend(_type_until(one, two, ended)))
        source = Path(base, "scratch")
        _put(source, mebibytes, Path(base, "scratch-being-made"))
        typist.start()
        source.rename(one.dir / "large")
        eventually(lambda: (two.dir / "large").exists(), LIMIT_S)
        ended.set()
        typist.join()
        result["typing_beside"] = {
            "p50_ms": round(statistics.median(times), 2),
            "p95_ms": _p95(times),
            "saves": len(times),
        }
        result["typing_p95_times"] = round(_p95(times) / _p95(idle), 1)
        for device in (one, two):
            device.wait(LIMIT_S)
        before = two.traffic()
        started = time.perf_counter()
        with (one.dir / "large").open("r+b") as file:
            file.seek(mebibytes << 19)
            byte = file.read(1)
            file.seek(mebibytes << 19)
            file.write(bytes([byte[0] ^ 1]))
        two_wanted = (one.dir / "large").stat().st_mtime_ns

        def has_come() -> bool:
            return (two.dir / "large").stat().st_mtime_ns == two_wanted

        eventually(has_come, LIMIT_S)
        result["one_byte_s"] = round(time.perf_counter() - started, 2)
        result["one_byte_received_bytes"] = two.traffic() - before
        for device in (one, two):
            device.wait(LIMIT_S)
        before = two.traffic()
        started = time.perf_counter()
        (one.dir / "below").mkdir()
        (one.dir / "large").rename(one.dir / "below" / "large")
        eventually(lambda: (two.dir / "below" / "large").exists(), LIMIT_S)
        result["moved_s"] = round(time.perf_counter() - started, 2)
        for device in (one, two):
            device.wait(LIMIT_S)
        result["moved_received_bytes"] = two.traffic() - before
        result |= _inserted(one, two, Path(base, "scratch"))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=1)
    options = report.parse(parser)
    results = [measure(options.mebibytes) for _ in range(options.runs)]
    found: dict[str, Any] = {}
    for key, value in results[0].items():
        of_all = [result[key] for result in results]
        found[key] = {name: [one[name] for one in of_all] for name in value} if isinstance(value, dict) else of_all
    report.publish(options, found)


if __name__ == "__main__":
    main()
