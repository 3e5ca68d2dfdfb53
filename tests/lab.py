"""Whole devices for tests: the installed `yp2p` in processes of its own (`zygote.py`), on loopback, with real mDNS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zygote

from yp2p.control.call import call
from yp2p.errors import NotRunning

YP2P = str(Path(sys.executable).parent / "yp2p")
READY_LIMIT_S = 60.0  # also of a machine that has ten times as much to do; benches/service.py says how long it takes
MEET_LIMIT_S = 10.0


def eventually(
    condition: Callable[[], bool], limit_s: float = 45.0, what: str | Callable[[], str] = "the condition"
) -> None:
    """Wait until `condition` holds. A function for `what` is asked in the end: it says what there is then."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what if isinstance(what, str) else what()} did not hold within {limit_s} s")
        time.sleep(0.03)


def tree(root: Path) -> dict[str, bytes]:
    """All files beneath `root` but ours, with their contents."""
    found: dict[str, bytes] = {}
    for directory, below, names in os.walk(root):
        below[:] = [name for name in below if name != ".yp2p"]
        for name in names:
            path = Path(directory, name)
            try:
                found[str(path.relative_to(root))] = path.read_bytes()
            except FileNotFoundError:
                continue  # it went while we looked
    return found


class Device:
    """One device: a home, a folder directory `dir`, and a daemon that can be started, stopped and killed."""

    def __init__(self, base: Path, name: str, prefix: tuple[str, ...] = (), **settings: str) -> None:
        self.home = base / name / "home"
        self.dir = base / name / "dir"
        self.dir.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = base / name / "log"
        self.others: list[Device] = []  # in the same room
        self.started_at = 0.0
        self._prefix = prefix
        self._process: subprocess.Popen[bytes] | zygote.Process | None = None
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(base / name),
            "YP2P_HOME": str(self.home),
            "YP2P_DEVICE__NAME": name,
            "YP2P_LISTEN__ADDRESS": "127.0.0.1",
            "YP2P_DISCOVERY__INTERFACES": "127.0.0.1",
            "YP2P_LOG__LEVEL": "debug",
            **{key: os.environ[key] for key in ("PYTHONPATH", "SLOW_DISK_MS") if key in os.environ},
            **settings,
        }

    def start(self) -> Device:
        if self._process is not None:
            self._process.wait(10)  # it was told to stop by other means
        with self.log.open("ab") as log:
            if self._prefix or "PYTEST_CURRENT_TEST" not in os.environ:  # benches measure starts, and memory
                command = [*self._prefix, YP2P, "daemon"]
                self._process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
            else:
                self._process = zygote.start(["daemon"], self.environment, log.fileno(), log.fileno())
        self.started_at = time.monotonic()
        eventually(self._is_ready, READY_LIMIT_S, f"{self.name} being ready\n{self.log.read_text()[-2000:]}")
        return self

    def _is_ready(self) -> bool:
        try:
            self.status()
        except NotRunning:
            assert self.exit_code() is None, f"{self.name} ended: {self.exit_code()}\n{self.log.read_text()[-2000:]}"
            return False
        return True

    def call(self, method: str, path: str, body: object = None, timeout_s: float = 60) -> Any:
        """What the command line asks the daemon, without the start of a process. Raises YpError."""
        return call(self.home / "control.sock", method, path, body, timeout_s)

    def run(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        command = [*self._prefix, YP2P, *arguments]
        if self._prefix or "PYTEST_CURRENT_TEST" not in os.environ:
            return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout_s)
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            process = zygote.start(arguments, self.environment, output.fileno(), errors.fileno())
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(command, code, output.read(), errors.read())

    def cli(self, *arguments: str, timeout_s: float = 60) -> str:
        done = self.run(*arguments, timeout_s=timeout_s)
        assert done.returncode == 0, f"yp2p {' '.join(arguments)}: {done.returncode} {done.stderr}"
        return done.stdout.strip()

    def fails(self, *arguments: str) -> str:
        """Run a command that has to fail; gives what it says."""
        done = self.run(*arguments)
        assert done.returncode not in (0, -9), f"{arguments} succeeded: {done.stdout}"
        assert "Traceback" not in done.stderr
        return done.stderr

    def status(self) -> dict[str, Any]:
        return dict(self.call("GET", "/v1/status"))

    def _has_met(self) -> bool:
        """Whether it is connected with the devices that run, of those it knows."""
        running = {other.name for other in self.others if other._process is not None}
        return all(peer["connected"] for peer in self.status()["devices"] if peer["name"] in running)

    def wait(self, timeout_s: float = 90) -> None:
        """Wait until it is in sync; after a start, with the others that run: a busy machine takes its time to meet."""
        started = max(device.started_at for device in (self, *self.others))
        while time.monotonic() < started + MEET_LIMIT_S and not self._has_met():
            time.sleep(0.03)
        began = time.monotonic()
        answer = self.call("POST", "/v1/wait", {"timeout_s": timeout_s}, timeout_s + 10)
        if not answer["in_sync"]:
            took_s = time.monotonic() - began
            status = json.dumps(self.status()["folders"], indent=1)[:4000]
            raise AssertionError(f"{self.name} is not in sync after {took_s:.1f} s: {answer['missing']}\n{status}")

    def traffic(self) -> int:
        """Bytes that this device received over its links."""
        return sum(peer["received_bytes"] for peer in self.status()["devices"])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        self._process = None
        return code

    def exit_code(self) -> int | None:
        """How a daemon ended that ended by itself; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def join(self, other: Device) -> None:
        """Share the other device's directory with this one."""
        code = other.call("POST", "/v1/share", {"path": str(other.dir), "label": None})["code"]
        # Those of a test have their own mDNS (`zygote.py`), which a process of its own does not hear.
        is_apart = bool(self._prefix) != bool(other._prefix)
        at = f"127.0.0.1:{other.status()['device']['port']}" if is_apart else None
        # What a person waits for at most is less than a busy machine takes to hear of the other one.
        wanted = {"code": code, "path": str(self.dir), "timeout_s": READY_LIMIT_S, "at": at, "force": True}
        self.call("POST", "/v1/join", wanted, READY_LIMIT_S + 30)


@contextmanager
def devices(base: Path, *names: str, **settings: str) -> Iterator[list[Device]]:
    """Devices that are started and in the end killed; their logs hold no warning that nobody expected."""
    found = [Device(base, name, **settings) for name in names]
    for device in found:
        device.others = [other for other in found if other is not device]
    try:
        for device in found:
            device.start()
        yield found
    finally:
        for device in found:
            device.kill()


# What tests do to daemons themselves, and what those do that run beside one: a window of another test on the loopback
# may be for a code that begins with the same two digits.
_OF_TESTS = ("daemon_was_killed", "event='pairing_answered_wrong' address='127.0.0.1:")


def unexpected_lines(device: Device, *expected: str) -> list[str]:
    """Log lines of level warning or above that contain none of the expected words; a traceback as a whole."""
    found: list[str] = []
    is_traceback = False
    for line in device.log.read_text().splitlines():
        is_traceback = "Traceback" in line or (is_traceback and "level=" not in line)
        is_bad = "level='warning'" in line or "level='error'" in line or is_traceback
        if is_bad and not any(word in line for word in (*expected, *_OF_TESTS)):
            found.append(line)
    return found
