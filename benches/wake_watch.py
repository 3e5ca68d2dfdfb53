"""A daemon that counts what wakes it: which tasks of its loop, and which work in threads.

    python benches/wake_watch.py FILE yp2p daemon

runs `yp2p daemon`, and every few seconds in which it does anything at all writes to FILE, as JSON, how often its loop
has woken up, by the first task that went on then, and how often work was given to a thread, by the function.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

PREFIX = (sys.executable, __file__)
_WRITTEN_EVERY_S = 2.0


class _Counting(trio.abc.Instrument):
    """Counts wake-ups by the task that was woken first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written_at = time.monotonic()
        self._has_slept = False
        self.found: dict[str, Counter[str]] = {"tasks": Counter(), "threads": Counter()}

    def before_io_wait(self, timeout: float) -> None:
        self._has_slept = timeout > 0
        if (now := time.monotonic()) >= self._written_at + _WRITTEN_EVERY_S:
            self._written_at = now
            target = self._path.with_suffix(".new")
            target.write_text(json.dumps(self.found))
            target.replace(self._path)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._has_slept:
            self._has_slept = False
            self.found["tasks"][task.name.removeprefix("yp2p.")] += 1


def _named(function: Callable[..., object]) -> str:
    while isinstance(function, partial):
        function = function.func
    return f"{function.__module__}.{getattr(function, '__qualname__', function)}".removeprefix("yp2p.")


def read(path: Path) -> dict[str, Counter[str]]:
    """What was counted until a moment ago."""
    return {kind: Counter(found) for kind, found in json.loads(path.read_text()).items()}


def main() -> None:
    path, command, *arguments = sys.argv[1:]
    counting = _Counting(Path(path))
    run, run_sync = trio.run, trio.to_thread.run_sync

    async def counted(function: Callable[..., Any], *args: Any, **settings: Any) -> Any:
        counting.found["threads"][_named(function)] += 1
        return await run_sync(function, *args, **settings)

    trio.to_thread.run_sync = counted  # type: ignore[assignment]
    trio.run = partial(run, instruments=[counting])
    sys.argv = [command, *arguments]
    assert os.access(command, os.R_OK), command
    runpy.run_path(command, run_name="__main__")


if __name__ == "__main__":
    main()
