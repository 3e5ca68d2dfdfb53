"""What two connected devices cost that do nothing: memory, processor, wake-ups, system calls; and a restart.

    at rest     memory once it does not change any more; then for a minute and more: CPU time, and how often each
                thread let go of a processor and came back (voluntary context switches, proc(5)), which is a wake-up
    woken by    by which task of the loop, and which work in threads (`wake_watch.py`), on the device "watched"
    calls       system calls a minute, of all threads (strace), where that is installed
    start       from the start of the process until READY is said to a service manager
    killed      from the start after kill -9 until in sync with the other device, which runs

CPU time, wake-ups and calls are those of the daemon on a loaded machine too; the times of `start` and `killed` are not.

Where it may (root, Linux), all of it runs in a network namespace of its own: what other programs of this machine say by
mDNS wakes every daemon that listens.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import report
import wake_watch
from loop_watch import cpu_s

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices, eventually
from scale import LIMIT_S, fill, settled_memory_mib
from service import Manager, running

# Bars of `docs/performance.md`, by the number of files.
BARS = {
    10_000: {"memory_mib": 70.0, "killed_to_in_sync_s": 1.0, "cpu_percent": 0.03},
    100_000: {"memory_mib": 160.0, "killed_to_in_sync_s": 4.0, "start_to_ready_s": 0.8},
}
_IN_NAMESPACE = "YP2P_BENCH_IN_NAMESPACE"
_LAN = 'ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec "$@"'
_CALL = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def alone_on_its_network() -> None:
    """Begin anew in a network namespace where there is nobody else, if that can be made."""
    if os.environ.get(_IN_NAMESPACE) or os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("ip")):
        return
    tried = subprocess.run(["unshare", "-n", "sh", "-c", _LAN, "sh", "true"], capture_output=True, check=False)
    if tried.returncode == 0:
        os.environ[_IN_NAMESPACE] = "1"
        os.execvp("unshare", ["unshare", "-n", "sh", "-c", _LAN, "sh", sys.executable, *sys.argv])


def threads(pid: int) -> dict[int, tuple[int, float]]:
    """Of each thread: how often it has let go of a processor, and its CPU time in ms."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            status = (task / "status").read_text()
            switches = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.MULTILINE)
            assert switches is not None
            cpu_ns = int((task / "schedstat").read_text().split()[0])
            found[int(task.name)] = (int(switches[1]), cpu_ns / 1e6)
    return found


def idle(device: Device, span_s: float) -> dict[str, float]:
    """What a device does in some time in which nobody asks for anything, of each minute."""
    before, cpu_before = threads(device.pid), cpu_s(device.pid)
    time.sleep(span_s)  # the measured time
    after, minutes = threads(device.pid), span_s / 60
    gone = {task: (was[0], was[1]) for task, was in before.items()}
    switches = {task: now[0] - gone.get(task, (0, 0.0))[0] for task, now in after.items()}
    worked = sum(now[1] - gone.get(task, (0, 0.0))[1] for task, now in after.items())
    assert cpu_s(device.pid) >= cpu_before
    return {
        "cpu_percent": worked / span_s / 10,
        "cpu_a_minute_ms": worked / minutes,
        "loop_wakeups_a_minute": switches.pop(device.pid, 0) / minutes,
        "thread_wakeups_a_minute": sum(switches.values()) / minutes,
        "threads": len(after),
    }


def woken_by(path: Path, span_s: float) -> dict[str, dict[str, float]]:
    """Who woke the loop of a watched device, of each minute, and what was done in threads."""
    before = wake_watch.read(path)
    time.sleep(span_s)  # the measured time
    after = wake_watch.read(path)
    return {
        kind: {f"{name}_a_minute": count * 60 / span_s for name, count in (after[kind] - before[kind]).most_common()}
        for kind in after
    }


def system_calls(device: Device, span_s: float) -> Counter[str]:
    """All that a device calls in some time, by name."""
    with tempfile.TemporaryDirectory() as base:
        output = Path(base, "calls")
        command = ["strace", "-f", "-c", "-o", str(output), "-p", str(device.pid)]
        tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(span_s)  # the measured time
        finally:
            tracer.terminate()
            tracer.wait(30)
        rows = (_CALL.match(line) for line in output.read_text().splitlines())
        return Counter({row[2]: int(row[1]) for row in rows if row is not None and row[2] != "total"})


def restarts(one: Device, two: Device, count: int) -> list[float]:
    """Seconds from the start of a device that was killed until it is in sync with the other."""
    found = []
    for _ in range(count):
        two.kill()
        eventually(lambda: not one.status()["devices"][0]["connected"], LIMIT_S)
        began = time.perf_counter()
        two.start()
        two.call("POST", "/v1/wait", {"timeout_s": LIMIT_S}, LIMIT_S + 10)
        found.append(time.perf_counter() - began)
    return found


def starts(device: Device, count: int) -> list[float]:
    """Seconds from the start of the process until READY."""
    path = device.home.parent / "notify"
    manager, found = Manager(path), []
    for _ in range(count):
        began = time.perf_counter()
        with running(device, {**device.environment, "NOTIFY_SOCKET": str(path)}):
            manager.wait_for(b"READY=1")
            found.append(time.perf_counter() - began)
            eventually(lambda: device.status()["folders"][0]["state"] == "idle", LIMIT_S)
    return found


def measure(options: argparse.Namespace) -> dict[str, object]:
    found: dict[str, object] = {}
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (one, two),
    ):
        fill(one.dir, options.files)
        two.join(one)
        for device in (one, two):
            device.wait(LIMIT_S)
        found["memory_after_first_sync_mib"] = [settled_memory_mib(device) for device in (one, two)]
        time.sleep(options.settle)  # what follows a first sync is no idle time
        found |= idle(one, options.seconds)
        if options.strace:
            calls = system_calls(one, options.seconds)
            found["calls_a_minute"] = calls.total() * 60 / options.seconds
            found["calls"] = {f"{name}_a_minute": n * 60 / options.seconds for name, n in calls.most_common(12)}
        if options.rounds:
            found["killed_to_in_sync_s"] = restarts(one, two, options.rounds)
            found["memory_mib"] = [settled_memory_mib(two)]
            one.stop()
            found["start_to_ready_s"] = starts(one, options.rounds)
    if options.watched:
        found["woken by"] = watched(options)
    return found


def watched(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The same in small, with a device that counts what wakes it."""
    with tempfile.TemporaryDirectory() as base:
        counts = {name: Path(base, f"{name}.counts") for name in ("one", "two")}
        pair = [
            Device(Path(base), name, (*wake_watch.PREFIX, str(path)), YP2P_LOG__LEVEL="warning")
            for name, path in counts.items()
        ]
        one, two = pair
        one.others, two.others = [two], [one]
        try:
            one.start()
            two.start()
            fill(one.dir, min(options.files, 200))
            two.join(one)
            for device in pair:
                device.wait(LIMIT_S)
            time.sleep(options.settle)
            return woken_by(counts["one"], options.seconds)
        finally:
            for device in pair:
                device.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long each idle time is that is measured")
    parser.add_argument("--settle", type=float, default=90.0, metavar="S", help="how long to leave them alone before")
    parser.add_argument("--rounds", type=int, default=5, help="how many starts, and how many kills; 0: none")
    parser.add_argument("--no-strace", dest="strace", action="store_false")
    parser.add_argument("--no-watched", dest="watched", action="store_false", help="not what wakes the loop")
    alone_on_its_network()
    options = report.parse(parser)
    if shutil.which("strace") is None:
        options.strace = False
    found = measure(options)
    bars = BARS.get(options.files, {})
    report.publish(options, found, {name: bar for name, bar in bars.items() if name in found})


if __name__ == "__main__":
    main()
