"""The routes of the log, and of metrics."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
import trio
from msgspec import Meta

from yp2p.control.answers import Answer
from yp2p.control.requests import Request
from yp2p.control.routes import Route, Routes, get_route, post_route
from yp2p.recent_lines import RECENT

_LONGEST_WAIT_S = 60.0


class Metrics(Protocol):
    """What knows the numbers."""

    def text(self) -> bytes: ...


class LogsRequest(msgspec.Struct, forbid_unknown_fields=True):
    after: Annotated[int, Meta(ge=0)] = 0
    lines: Annotated[int, Meta(ge=0)] = 100
    wait_s: Annotated[float, Meta(ge=0, le=_LONGEST_WAIT_S)] = 0.0


class _Answers:
    def __init__(self, metrics: Callable[[], Metrics]) -> None:
        self._metrics = metrics

    async def logs(self, wanted: LogsRequest) -> Any:
        """The last lines of the log.

        Answer: `{last, lines: [{at, level, event...}], elsewhere}`: of the last 1,000 lines those behind line `after`,
        at most `lines` of them; `last` is the number of the last line. With `wait_s` the answer comes with the next
        line. `elsewhere` says where older ones are: a command, a file, or nothing.
        """
        with trio.move_on_after(wanted.wait_s):
            if wanted.wait_s:
                await RECENT.wait(wanted.after)
        last, lines = RECENT.after(wanted.after, wanted.lines)
        return {"last": last, "lines": lines, "elsewhere": elsewhere()}

    async def metrics(self, request: Request) -> Answer:
        """What the daemon does, in numbers.

        Answer: Prometheus' text format, and not JSON.
        """
        return Answer(self._metrics().text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def elsewhere() -> str:
    """Where this process writes its log as well, for a person: a command, a file, or nothing that can be read again."""
    try:
        there = os.fstat(2)
        target = Path("/proc/self/fd/2").readlink()
        groups = Path("/proc/self/cgroup").read_text()
    except OSError:
        return ""
    unit = groups.strip().rpartition("/")[2]
    if os.environ.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}" and unit.endswith(".service"):
        return f"journalctl {'--user ' if '/user@' in groups else ''}-u {unit}"
    return str(target) if target.is_absolute() and os.path.isfile(target) else ""


def log_routes(metrics: Callable[[], Metrics]) -> list[Route]:
    """The routes of the log and of metrics."""
    answers = _Answers(metrics)
    return [
        post_route("/v1/logs", LogsRequest, answers.logs, ends_with_client=True),
        get_route("/v1/metrics", answers.metrics),
    ]


def make_metrics(metrics: Metrics) -> Routes:
    """What is answered on TCP, where the settings say so: the metrics, and nothing else."""
    return Routes([get_route("/metrics", _Answers(lambda: metrics).metrics)])
