"""First sync on loopback: N files of 1 KiB, or --library for this Python's standard library; beside `cp -r`.

With --watch both daemons are watched from inside (`loop_watch.py`), which costs some of their time: the longest stretch
of each loop while it imports and while it syncs, by the CPU time of its thread, and how many took more than 20 ms.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import report
from loop_watch import PREFIX, LoopWatch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices, tree


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


@contextmanager
def watched(base: Path, *names: str, **settings: str) -> Iterator[list[Device]]:
    """`devices`, each watched in a file beside its home."""
    found = []
    for name in names:
        LoopWatch.make(base / f"{name}.loop")
        found.append(Device(base, name, (*PREFIX, str(base / f"{name}.loop")), **settings))
    for device in found:
        device.others = [other for other in found if other is not device]
    try:
        for device in found:
            device.start()
            LoopWatch(base / f"{device.name}.loop").reset()  # a start is not what is looked for
        yield found
    finally:
        for device in found:
            device.kill()


def _stretches(base: Path) -> dict[str, object]:
    """The longest stretches of both, and what each was in."""
    read = {path.stem: LoopWatch(path).read() for path in sorted(base.glob("*.loop"))}
    return {
        "longest_stretch_ms": max(one.cpu_s for one in read.values()) * 1e3,
        "stretches_above_20_ms_seen": sum(one.long_ones for one in read.values()),
        **{f"{name} longest in": one.task for name, one in read.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--library", action="store_true")
    parser.add_argument("--watch", action="store_true")
    options = report.parse(parser)
    with (
        tempfile.TemporaryDirectory() as base,
        (watched if options.watch else devices)(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (one, two),
    ):
        _fill(one.dir, options.files, options.library)
        started = time.perf_counter()
        one.cli("share", str(one.dir))
        one.wait(300)
        imported_s = time.perf_counter() - started
        started = time.perf_counter()
        two.join(one)
        two.wait(300)
        synced_s = time.perf_counter() - started
        skipped = {item["path"] for item in one.status()["folders"][0]["not_synced"]}
        expected = {name: data for name, data in tree(one.dir).items() if name not in skipped}
        equal = tree(two.dir) == expected
        stretches = _stretches(Path(base)) if options.watch else {}
        memory = {device.name: round(_memory_mib(device.pid), 1) for device in (one, two)}
        started = time.perf_counter()
        subprocess.run(["cp", "-r", str(one.dir), str(Path(base) / "copy")], check=True)
        os.sync()
        copied_s = time.perf_counter() - started
    result = {
        "files": len(expected), "equal": equal,
        "import_s": imported_s, "first_sync_s": synced_s, "cp_and_sync_s": copied_s,
        "memory": {f"{name}_mib": mib for name, mib in memory.items()}, **stretches,
    }  # fmt: skip
    report.publish(options, result)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
