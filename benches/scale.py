"""A folder of many files on two devices: memory, idle CPU, what a reconnect costs, and how long a restart takes.

What a reconnect costs are the bytes of the whole new link in both directions, after the Noise handshake; of that, the
messages with which the devices find out what differs are counted by themselves.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices, eventually

LIMIT_S = 900.0
_ROUNDS_S = 20


def fill(target: Path, files: int) -> None:
    for number in range(files):
        path = target / f"d{number // 100:04d}" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text((f"file {number}\n" + "0123456789abcde\n" * 64)[:1024])


def memory_mib(device: Device) -> float:
    pages = int(Path(f"/proc/{device.pid}/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def settled_memory_mib(device: Device) -> float:
    """Once it has not changed by more than a MiB over two rounds of housekeeping: a settled daemon lets things go."""
    readings = [memory_mib(device)]
    while len(readings) <= _ROUNDS_S or max(readings[-_ROUNDS_S:]) - min(readings[-_ROUNDS_S:]) > 1.0:
        time.sleep(1)
        readings.append(memory_mib(device))
        if len(readings) > LIMIT_S:
            raise SystemExit(f"the memory of {device.name} does not settle: {readings[-5:]}")
    return readings[-1]


def cpu_s(device: Device) -> float:
    fields = Path(f"/proc/{device.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def link_bytes(device: Device) -> int:
    """What went over the links of a device, in both directions, since they are up."""
    return sum(peer["sent_bytes"] + peer["received_bytes"] for peer in device.status()["devices"])


_RECONCILING = ("FolderState", "ManifestQuery", "ManifestVersions", "TreeQuery", "TreeBuckets", "LeavesQuery", "Leaves")


def reconciliation_bytes(device: Device) -> int:
    """What was said on a link to find out what differs."""
    return sum(peer["exchanged_bytes"].get(kind, 0) for peer in device.status()["devices"] for kind in _RECONCILING)


def _in_sync(*several: Device) -> None:
    for device in several:
        device.wait(LIMIT_S)


def _reconnect(one: Device, two: Device) -> int:
    """Both are settled, then one comes back: bytes until they are in sync."""
    two.start()
    eventually(lambda: two.status()["folders"][0]["devices"][0]["in_sync"], LIMIT_S)
    return link_bytes(two)


def measure(files: int, idle_s: float) -> dict[str, object]:
    result: dict[str, object] = {"files": files}
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (one, two),
    ):
        result["memory_empty_mib"] = memory_mib(one)
        fill(one.dir, files)
        started = time.perf_counter()
        code = one.cli("share", str(one.dir))
        eventually(lambda: one.status()["folders"][0]["entries"]["here"] == files, LIMIT_S)
        _in_sync(one)
        result["import_s"] = round(time.perf_counter() - started, 2)
        started = time.perf_counter()
        two.cli("join", code, str(two.dir))
        _in_sync(two)
        result["first_sync_s"] = round(time.perf_counter() - started, 2)
        result["first_sync_bytes"] = link_bytes(two)
        eventually(lambda: one.status()["folders"][0]["devices"][0]["in_sync"], LIMIT_S)
        result["memory_after_first_sync_mib"] = {d.name: settled_memory_mib(d) for d in (one, two)}
        if idle_s:
            before = [cpu_s(device) for device in (one, two)]
            time.sleep(idle_s)
            shares = [100 * (cpu_s(d) - at) / idle_s for d, at in zip((one, two), before, strict=True)]
            result["idle_cpu_percent"] = [round(share, 3) for share in shares]
        two.stop()
        result["reconnect_unchanged_bytes"] = _reconnect(one, two)
        result["reconnect_unchanged_reconciliation_bytes"] = reconciliation_bytes(two)
        two.stop()
        rng = random.Random(1)
        for number in rng.sample(range(files), 25):
            with (one.dir / f"d{number // 100:04d}" / f"{number}.txt").open("a") as file:
                file.write("one more line\n")
        one.wait(LIMIT_S)
        result["reconnect_25_changed_bytes"] = _reconnect(one, two)
        result["reconnect_25_changed_reconciliation_bytes"] = reconciliation_bytes(two)
        two.kill()
        started = time.perf_counter()
        two.start()
        started_s = time.perf_counter() - started
        _in_sync(two)
        result["killed_to_in_sync_s"] = round(time.perf_counter() - started, 2)
        result["killed_to_answering_s"] = round(started_s, 2)
        result["memory_after_restart_mib"] = settled_memory_mib(two)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[10_000])
    parser.add_argument("--idle", type=float, default=60.0, metavar="S", help="how long to watch the idle CPU")
    options = report.parse(parser)
    results = [measure(files, options.idle) for files in options.files]
    report.publish(options, {f"{result['files']:,} files": result for result in results})


if __name__ == "__main__":
    main()
