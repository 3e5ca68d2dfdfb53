"""What a service manager waits for: from the start to READY, for a reload, and for a stop while a file is on its way.

A folder of 10,000 files, and the messages that systemd would get (sd_notify). Each figure is the median of some rounds;
the goal stands beside it.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import YP2P, Device, devices, eventually
from scale import fill

LIMIT_S = 900.0
GOALS = {"start_to_ready_s": 0.8, "reload_s": 0.2, "stop_while_sending_s": 1.0, "stop_while_receiving_s": 1.0}


class Manager:
    """A socket for the messages."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(60)

    def wait_for(self, words: bytes) -> None:
        while words not in self._socket.recv(4096):
            pass

    def read_on(self) -> None:
        """Read what there is, as a manager does all the time: the kernel keeps ten messages."""
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(4096)
        self._socket.settimeout(60)


@contextmanager
def running(device: Device, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon of a device, as a service manager starts it."""
    with device.log.open("ab") as log:
        process = subprocess.Popen([YP2P, "daemon"], env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def cpu_s(process: int) -> float:
    """What it has taken of a core: on a busy machine it waits for much longer."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def starts_and_reloads(one: Device, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"start_to_ready_s": [], "start_to_ready_cpu_s": [], "reload_s": []}
    path = one.home.parent / "notify"
    manager, environment = Manager(path), {**one.environment, "NOTIFY_SOCKET": str(path)}
    settings = one.home / "config.toml"
    for number in range(rounds):
        began = time.perf_counter()
        with running(one, environment) as process:
            manager.wait_for(b"READY=1")
            found["start_to_ready_s"].append(time.perf_counter() - began)
            found["start_to_ready_cpu_s"].append(cpu_s(process.pid))

            def is_idle() -> bool:
                manager.read_on()
                return bool(one.status()["folders"][0]["state"] == "idle")

            eventually(is_idle, LIMIT_S)
            settings.write_text(f"[limits]\nupload = {100_000_000 + number}\n[files]\nignore = ['*.{number}']\n")
            began = time.perf_counter()
            os.kill(process.pid, signal.SIGHUP)
            manager.wait_for(b"READY=1")
            found["reload_s"].append(time.perf_counter() - began)
            os.kill(process.pid, signal.SIGTERM)
            process.wait()
    settings.unlink()
    return found


def stops(one: Device, two: Device, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"stop_while_sending_s": [], "stop_while_receiving_s": []}
    for number in range(rounds):
        for device, name in ((one, "stop_while_sending_s"), (two, "stop_while_receiving_s")):
            one.start()
            two.start()
            (one.dir / f"film{number}").write_bytes(b"\0" + os.urandom(50_000_000))
            eventually(lambda: bool(two.status()["transfers"]), 60)
            began = time.perf_counter()
            device.stop()
            found[name].append(time.perf_counter() - began)
            (one.dir / f"film{number}").unlink()
            for other in (one, two):
                other.kill()
    return found


def measure(files: int, rounds: int) -> dict[str, object]:
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", "two", YP2P_LOG__LEVEL="warning") as (one, two),
    ):
        fill(one.dir, files)
        two.join(one)
        one.wait(LIMIT_S)
        two.wait(LIMIT_S)
        two.stop()
        one.stop()
        found = starts_and_reloads(one, rounds)
        found |= stops(one, two, max(2, rounds // 3))
    return {"files": files, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = report.parse(parser)
    result = measure(arguments.files, arguments.rounds)
    report.publish(arguments, result, GOALS)


if __name__ == "__main__":
    main()
