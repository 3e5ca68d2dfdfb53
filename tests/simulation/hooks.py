"""What is put in the place of clocks, threads, randomness and file calls while a simulation runs.

Everything below the daemon's own code that would make a run differ from the next, or that a crash can come between,
goes through here: time is virtual (and each device's clock is off by some hours), threads run inline after a random
moment, randomness has a seed, what this machine has of memory and room is never asked, and each call that changes the
disk is a point where the task's device may end (`file_calls`).
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import trio
import trio.testing
from simulation.file_calls import OF_MODULES, OF_OS, current_host

from yp2p.device import folders as device_folders
from yp2p.disk import housekeeping
from yp2p.files import inspect
from yp2p.files.mounts import MountWatch
from yp2p.store.database import Database
from yp2p.store.sql import Statement
from yp2p.store.writer import Commit, Writer
from yp2p.transport import dialer, incoming, link

if TYPE_CHECKING:
    from simulation.host import Host

# 2020-01-01, long before any run: what the kernel itself writes as a time is later than all of ours.
EPOCH_S = 1_577_836_800.0


class Crash(BaseException):
    """The device of this task is no more. No code of the daemon can catch it."""


@contextmanager
def as_host(host: Host) -> Iterator[None]:
    """What is called in here sees the clock and the disk of that device."""
    token = current_host.set(host)
    try:
        yield
    finally:
        current_host.reset(token)


def point(kind: str) -> None:
    """A moment at which the device of the running task may end."""
    host = current_host.get()
    if host is not None:
        host.point(kind)


def _stamp_of(cls: type[inspect.Stamp], status: os.stat_result) -> inspect.Stamp:
    """As the real one, but nothing of it depends on when the test ran.

    The inode was changed last when the file was first seen like this: the time of its content may come from elsewhere.
    A new mode is a change as well.
    """
    host = current_host.get()
    at = status.st_mtime_ns
    if host is not None:
        at = host.first_seen_ns.setdefault((status.st_ino, at), int(now_s() * 1e9))
    return cls(status.st_ino, status.st_size, status.st_mtime_ns, at - at % 100_000 + 100_000 + status.st_mode)


# What each step that a member is charged for takes (`folder/budget.py`).
_STEP_S = 0.0001
# So often the kernel would get much memory back, of the times that this is asked.
_MUCH_FREE_EVERY = 10
_MUCH_ROOM = os.statvfs_result((4096, 4096, 1 << 28, 1 << 27, 1 << 27, 1 << 24, 1 << 23, 1 << 23, 0, 255))
clock_s = trio.current_time  # of the simulation, also for what stands in for a worker thread


class Processor:
    """The one that all loops share: nothing takes it any time but what is said to `work`."""

    def __init__(self) -> None:
        self.worked_s = 0.0
        self._slept_s = 0.0
        self._steps = 0

    def thread_time(self) -> float:
        self._steps += 1
        return self._steps * _STEP_S + self.worked_s

    def clock(self) -> float:
        """In the place of the clocks that only go on. A limit of time that looks at a real one ends otherwise on a
        machine that has much to do, and then a seed does not tell the same again."""
        return virtual_s() + self._slept_s

    def sleep(self, seconds: float) -> None:
        """What stands for a worker thread waits; meanwhile nothing else happens, as it runs inline."""
        self._slept_s += seconds

    def work(self, seconds: float) -> None:
        """The running step takes so long, and everybody else waits for it."""
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(seconds)
        self.worked_s += seconds


class Machine:
    """What the daemon asks of the machine.

    A real one answers otherwise each time, by what else runs there and where the C library finds room; then a seed does
    not tell the same again.
    """

    def __init__(self) -> None:
        self._asked = 0

    def is_much_free(self) -> bool:
        """In the place of `memory.is_much_free`: now and then."""
        self._asked += 1
        return self._asked % _MUCH_FREE_EVERY == 0

    @staticmethod
    def room(path: Any) -> os.statvfs_result:
        """In the place of `os.statvfs`. That a disk is full is told by its calls (`troubles`)."""
        return _MUCH_ROOM


def virtual_s() -> float:
    """The time of the loop, also in what stands for a worker thread, and before the loop runs."""
    try:
        return clock_s()
    except RuntimeError:
        return 0.0


def now_s() -> float:
    host = current_host.get()
    return EPOCH_S + virtual_s() + (host.skew_s if host is not None else 0.0)


def _calendar() -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """What says the time of now where it is not given another one."""
    local, utc, text = time.localtime, time.gmtime, time.strftime
    yield time, "localtime", lambda at=None: local(now_s() if at is None else at)
    yield time, "gmtime", lambda at=None: utc(now_s() if at is None else at)
    yield time, "strftime", lambda form, at=None: text(form, local(now_s()) if at is None else at)


@contextmanager
def installed(rng: random.Random, connect: Callable[[str, int], Awaitable[Any]]) -> Iterator[Processor]:
    """The world is simulated until this ends; gives its processor."""

    is_in_worker = False

    def time_of_the_loop() -> float:
        if is_in_worker:  # as trio says in a thread: what lives on the loop is nothing for a worker
            raise RuntimeError("must be called from async context")
        return clock_s()

    async def run_sync(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        nonlocal is_in_worker
        await trio.lowlevel.checkpoint()
        with trio.CancelScope(shield=True):
            await trio.sleep(rng.choice((0.0, 0.0001, 0.001)))
            host = current_host.get()
            is_in_worker = True
            if host is not None:
                host.is_in_worker = True
            try:
                result = call(*args)
            finally:
                is_in_worker = False
                if host is not None:
                    host.is_in_worker = False
                    if host.is_dead:
                        host.end()
            await trio.sleep(rng.choice((0.0, 0.0001, 0.001)))
        return result

    def boot_id() -> str:
        host = current_host.get()
        return host.boot_id if host is not None else ""

    processor, machine = Processor(), Machine()
    with ExitStack() as stack:
        for target, name, new in (
            (trio.to_thread, "run_sync", run_sync),
            (trio.from_thread, "check_cancelled", lambda: None),  # what a worker does takes no time in which to be
            (trio, "current_time", time_of_the_loop),
            (time, "time", now_s),
            (time, "time_ns", lambda: int(now_s() * 1e9)),
            (time, "thread_time", processor.thread_time),
            (time, "monotonic", processor.clock),
            (time, "perf_counter", processor.clock),
            (time, "sleep", processor.sleep),
            (time, "clock_gettime", lambda clock: processor.clock()),
            *_calendar(),
            (secrets, "token_bytes", lambda size=32: rng.randbytes(size)),
            (secrets, "token_hex", lambda size=32: rng.randbytes(size).hex()),
            (secrets, "randbelow", rng.randrange),
            (secrets, "randbits", rng.getrandbits),
            (os, "urandom", rng.randbytes),
            *((random, name, getattr(rng, name)) for name in ("random", "uniform", "choice")),
            (random, "SystemRandom", lambda: rng),
            (dialer, "connect", connect),
            (link, "write_nowait", lambda stream, data: stream.take_nowait(data)),
            (incoming, "read_nowait", lambda stream, limit: stream.give_nowait(limit)),
            (device_folders, "boot_id", boot_id),
            (housekeeping, "is_much_free", machine.is_much_free),
            (os, "statvfs", machine.room),
            (inspect.Stamp, "of", classmethod(_stamp_of)),
            (MountWatch, "has_changed", lambda watch: True),  # others on this machine mount when they like
            *((os, name, call) for name, call in OF_OS.items()),
            *OF_MODULES,
        ):  # fmt: skip
            stack.enter_context(patch.object(target, name, new))
        yield processor


class SimulatedWriter(Writer):
    """The store's writer as a task and not a thread, so that a crash can come at any moment of a group commit."""

    host: Host
    delays_s: tuple[float, ...] = (0.0002, 0.001, 0.005)  # from what is submitted to its commit

    def start(self) -> None:
        self._waiting: list[Commit] = []
        self._more = trio.Event()

    def put(self, commit: Commit) -> None:
        self._waiting.append(commit)
        self._more.set()

    async def run(self) -> None:
        """Commit what gathers, until cancelled."""
        while True:
            await self._more.wait()
            self._more = trio.Event()
            await trio.sleep(self.host.rng.choice((*self.delays_s, 0.1 if self.host.slow_store else self.delays_s[0])))
            self._flush()

    def _flush(self) -> None:
        """One group commit."""
        batch, self._waiting = self._waiting, []
        if batch:
            self.host.point("before a commit")
            self._groups = 0
            self._store(batch)
            self._finish(batch)

    def _execute(self, statements: list[Statement]) -> None:
        super()._execute(statements)
        self.host.point("after a commit")

    def _execute_all(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._groups += 1
        if self._groups == 2:
            self.host.point("in a commit")
        super()._execute_all(sql, rows)

    def close(self) -> None:
        if not self.host.is_dead:
            self._flush()


def simulated_database(path: Path, host: Host) -> tuple[Database, SimulatedWriter]:
    """A store whose writer has to be run."""
    database = Database(path, make_room=False, writer=SimulatedWriter)
    assert isinstance(database.writer, SimulatedWriter)
    database.writer.host = host
    return database, database.writer
