"""A daemon whose loop is watched from inside: how long it worked without looking at what came in meanwhile.

    python benches/loop_watch.py FILE yp2p daemon

runs `yp2p daemon` and keeps the longest stretch of its loop in FILE, which whoever measures maps as well (`LoopWatch`).
A stretch is what the loop does between two looks at sockets and timers: one step of every task that can go on. It is
told in time by the clock and in the CPU time of the loop's thread, since on a busy machine the first one is also what
others did meanwhile; and with the task that took most of it. The third time is the one by the clock without what the
thread waited for a processor: what it worked and what it was blocked (by a disk, or by the interpreter's lock), as on a
machine that does nothing else. Asking the daemon how it is would be work for it.
"""

from __future__ import annotations

import mmap
import os
import runpy
import struct
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

_NAME_BYTES = 64
# In ns: the longest by CPU time, and by the clock; how many were long; the task of the first; the longest by the clock
# without waiting for a processor, how many of those were long, and the task of that; and how many were noted by CPU
# time.
_RECORD = struct.Struct(f"=QQQ{_NAME_BYTES}sQQ{_NAME_BYTES}sQ")
# Prefix of the command of a device: see `tests/lab.py`.
PREFIX = (sys.executable, __file__)
LONG_NS = 20_000_000
NOTED_NS = LONG_NS // 10


@dataclass(frozen=True, slots=True)
class Stretch:
    """The longest stretches since the last reset, in seconds: by CPU time of the thread, by the clock.

    Attributes:
        long_ones: how many took more than 20 ms of CPU time.
        task: what took most of the longest one.
        held_s: the longest by the clock, without what the thread waited for a processor.
        held_long: how many took more than 20 ms of that.
        held_task: what took most of that one, by the clock.
        noted: how many took more than 2 ms of CPU time.
    """

    cpu_s: float
    clock_s: float
    long_ones: int
    task: str
    held_s: float
    held_long: int
    held_task: str
    noted: int


class LoopWatch:
    """The record of one daemon, shared with it."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _RECORD.size)

    @classmethod
    def make(cls, path: Path) -> LoopWatch:
        path.write_bytes(bytes(_RECORD.size))
        return cls(path)

    def reset(self) -> None:
        self._map[:] = bytes(_RECORD.size)

    def read(self) -> Stretch:
        cpu, clock, long_ones, task, held, held_long, held_task, noted = _RECORD.unpack(self._map)
        return Stretch(cpu / 1e9, clock / 1e9, long_ones, _name(task), held / 1e9, held_long, _name(held_task), noted)

    def note(self, cpu: int, clock: int, task: str, held: int, held_task: str) -> None:
        """A stretch that was long in any way; in ns."""
        longest, by_clock, long_ones, name, longest_held, held_long, held_name, noted = _RECORD.unpack(self._map)
        if cpu > longest:
            longest, name = cpu, task.encode()[:_NAME_BYTES]
        if held > longest_held:
            longest_held, held_name = held, held_task.encode()[:_NAME_BYTES]
        self._map[:] = _RECORD.pack(
            longest, max(by_clock, clock), long_ones + (cpu > LONG_NS), name,
            longest_held, held_long + (held > LONG_NS), held_name, noted + (cpu > NOTED_NS),
        )  # fmt: skip


def _name(task: bytes) -> str:
    return task.rstrip(b"\0").decode(errors="replace")


class _Watching(trio.abc.Instrument):
    """Measures each stretch, and which task took most of it."""

    def __init__(self, record: LoopWatch) -> None:
        self._record = record
        self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self._began = (time.thread_time_ns(), time.perf_counter_ns(), self._waited())
        self._step_began = (0, 0)
        self._longest_step, self._task = 0, ""
        self._longest_clock, self._clock_task = 0, ""

    def _waited(self) -> int:
        """How long this thread has waited for a processor."""
        return int(os.pread(self._schedule, 64, 0).split()[1])

    def after_io_wait(self, timeout: float) -> None:
        self._began = (time.thread_time_ns(), time.perf_counter_ns(), self._waited())
        self._longest_step, self._task = 0, ""
        self._longest_clock, self._clock_task = 0, ""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._step_began = (time.thread_time_ns(), time.perf_counter_ns())

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took, by_clock = time.thread_time_ns() - self._step_began[0], time.perf_counter_ns() - self._step_began[1]
        if took > self._longest_step:
            self._longest_step, self._task = took, task.name.removeprefix("yp2p.")
        if by_clock > self._longest_clock:
            self._longest_clock, self._clock_task = by_clock, task.name.removeprefix("yp2p.")

    def before_io_wait(self, timeout: float) -> None:
        cpu, clock = time.thread_time_ns() - self._began[0], time.perf_counter_ns() - self._began[1]
        if cpu > NOTED_NS or clock > LONG_NS // 4:
            held = max(cpu, clock - (self._waited() - self._began[2]))
            self._record.note(cpu, clock, self._task, held, self._clock_task)


def loop_busy_s(pid: int) -> float:
    """How long the loop's thread has worked, or waited for a processor to work on, in seconds (proc(5), schedstat)."""
    worked, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return (int(worked) + int(waited)) / 1e9


def cpu_s(pid: int) -> float:
    """What all threads of a process have worked, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """The memory that a process has, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main() -> None:
    record, command, *arguments = sys.argv[1:]
    run = trio.run
    trio.run = partial(run, instruments=[_Watching(LoopWatch(Path(record)))])
    sys.argv = [command, *arguments]
    runpy.run_path(command, run_name="__main__")


if __name__ == "__main__":
    main()
