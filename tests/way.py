"""Notes which functions of the package a daemon calls while an edit is on its way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

from lab import READY_LIMIT_S, Device, eventually

import yp2p

_PACKAGE = str(Path(yp2p.__file__).parent) + os.sep
_LINES = 300

# A function by its module and its qualified name.
Call = tuple[str, str]
# What the two halves of a way begin and end with.
FROM_DISK, TO_SOCKET = ("files.watch", "Watcher._take"), ("transport.link", "Link._flush_nowait")
FROM_SOCKET, TO_DISK = ("transport.link", "Link.receive"), ("files.replace", "exchange")


class Tracer:
    """Notes the calls of this process between SIGUSR1 and SIGUSR2, which has them written to `target` as JSON."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._is_on = False
        self._calls: list[Call] = []
        self._modules: dict[str, str | None] = {}

    def install(self) -> None:
        signal.signal(signal.SIGUSR1, self._start)
        signal.signal(signal.SIGUSR2, self._stop)
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _start(self, number: int, frame: FrameType | None) -> None:
        self._calls = []
        self._is_on = True

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._is_on = False
        new = self._target.with_suffix(".new")
        new.write_text(json.dumps(self._calls))
        new.rename(self._target)

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "call" or not self._is_on:
            return
        code = frame.f_code
        if code.co_filename not in self._modules:
            name = code.co_filename.removeprefix(_PACKAGE).removesuffix(".py").replace(os.sep, ".")
            self._modules[code.co_filename] = name if code.co_filename.startswith(_PACKAGE) else None
        module = self._modules[code.co_filename]
        if module is not None and not code.co_name.startswith("<"):
            owner = frame.f_locals.get("self")
            self._calls.append(
                (module, f"{type(owner).__name__}.{code.co_name}" if owner is not None else code.co_name)
            )


def run_daemon(target: Path) -> None:
    """`yp2p daemon`, traced."""
    Tracer(target).install()
    from yp2p.cli.main import main

    sys.argv = ["yp2p", "daemon"]
    main()


class TracedDevice(Device):
    """A device whose daemon is traced."""

    def start(self) -> TracedDevice:
        code = f"import way, pathlib; way.run_daemon(pathlib.Path({str(self._trace)!r}))"
        environment = {**self.environment, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=log, stderr=log)
        self.started_at = time.monotonic()
        eventually(self._is_ready, READY_LIMIT_S, f"{self.name} being ready")
        return self

    @property
    def _trace(self) -> Path:
        return self.home.parent / "trace.json"

    def calls(self) -> list[Call]:
        """What was called since SIGUSR1."""
        self._trace.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR2)
        eventually(self._trace.exists)
        return [(module, name) for module, name in json.loads(self._trace.read_text())]


@contextmanager
def traced_devices() -> Iterator[tuple[TracedDevice, TracedDevice]]:
    """Two devices that share a folder with `a.txt`, and are at rest."""
    with tempfile.TemporaryDirectory() as base:
        one, two = TracedDevice(Path(base), "one"), TracedDevice(Path(base), "two")
        one.others, two.others = [two], [one]
        try:
            for device in (one, two):
                device.start()
            (one.dir / "a.txt").write_text("".join(f"line {number}\n" for number in range(_LINES)))
            two.join(one)
            one.wait()
            two.wait()
            yield one, two
        finally:
            one.kill()
            two.kill()


def traced_edit(one: TracedDevice, two: TracedDevice, number: int) -> tuple[list[Call], list[Call]]:
    """Change a line of `a.txt` on `one`, and wait for it on `two`; gives what was called on each meanwhile."""
    for device in (one, two):
        device.wait()
    for device in (one, two):
        os.kill(device.pid, signal.SIGUSR1)
    path, wanted = one.dir / "a.txt", f"edit {number}\n"
    lines = path.read_text().splitlines(keepends=True)
    lines[_LINES // 2] = wanted
    with path.open("r+") as file:
        file.write("".join(lines))
        file.truncate()
    eventually(lambda: wanted in (two.dir / "a.txt").read_text())
    one.wait()
    return one.calls(), two.calls()


def part(calls: Sequence[Call], first: Call, last: Call) -> list[Call]:
    """The calls from the first that is `first` to the next that is `last`. Raises ValueError where there is none."""
    start = calls.index(first)
    return list(calls[start : calls.index(last, start) + 1])


def figures(calls: Sequence[Call]) -> dict[str, int]:
    """How many calls, in how many modules and rooms, and how often the next call is in another one."""
    modules = [module for module, _ in groupby(calls, key=lambda call: call[0])]
    rooms = [room for room, _ in groupby(calls, key=lambda call: call[0].rpartition(".")[0])]
    return {
        "calls": len(calls),
        "modules": len(set(modules)),
        "changes_of_module": len(modules) - 1,
        "rooms": len(set(rooms)),
        "changes_of_room": len(rooms) - 1,
    }
