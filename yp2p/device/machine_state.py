"""What of this machine a person should know, and yp2p copes with: as sentences for `yp2p status`.

Nothing is looked at before somebody asks, so none of this wakes the daemon.
"""

from __future__ import annotations

import os
import resource
import signal
import time

import structlog
import trio

from yp2p.store import tables
from yp2p.store.database import Database

# Clocks are corrected by seconds; more than this was set by somebody, or by a machine without a battery.
_CLOCK_SET_S = 60.0
# So long a passing event is told.
_TOLD_S = 600.0
_KILLED_TOLD_S = 3600.0
_MANY_FILES = 0.9

log = structlog.get_logger()


class MachineState:
    """States of the machine since this start.

    Attributes:
        was_killed: whether the last run of the daemon ended without stopping in order, with the machine still on.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._started_at = trio.current_time()
        self._clock_ahead_s = _clock_ahead_s()
        self._continued_at: float | None = None
        self.was_killed = False

    async def follow_stops(self) -> None:
        """Notice when this process goes on after it was stopped (SIGSTOP, a debugger); runs until cancelled."""
        with trio.open_signal_receiver(signal.SIGCONT) as signals:
            async for _ in signals:
                self._continued_at = time.time()
                log.info("process_continued")

    def problems(self) -> list[str]:
        """What there is to be told now."""
        return [text for text in (self._clock(), self._stopped(), self._killed(), self._files()) if text]

    def _clock(self) -> str:
        set_s = _clock_ahead_s() - self._clock_ahead_s
        if abs(set_s) < _CLOCK_SET_S:
            return ""
        way = "forward" if set_s > 0 else "back"
        return (
            f"the clock of this device was set {way} by {_amount(abs(set_s))} since yp2p started; if it is wrong now, "
            "set it right: versions and times of new files are named by it"
        )

    def _stopped(self) -> str:
        if self._continued_at is None or not 0 <= time.time() - self._continued_at < _TOLD_S:
            return ""
        at = time.strftime("%H:%M:%S", time.localtime(self._continued_at))
        return f"yp2p was stopped by a signal, and goes on since {at}; links are made again by themselves"

    def _killed(self) -> str:
        if not self.was_killed or trio.current_time() - self._started_at > _KILLED_TOLD_S:
            return ""
        return (
            "yp2p was killed the last time that it ran, and lost nothing; the kernel kills what takes more memory than "
            "there is: `journalctl -k` tells"
        )

    def _files(self) -> str:
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            count = len(os.listdir("/proc/self/fd"))
        except OSError as error:
            return f"no more files can be opened ({error.strerror}); raise the limit of open files (LimitNOFILE=)"
        if limit == resource.RLIM_INFINITY or count < _MANY_FILES * limit:
            return ""
        return (
            f"{count} of {limit} files that yp2p may have open are; what cannot be opened waits. Raise the limit "
            "(`ulimit -n`, or LimitNOFILE= of the unit)"
        )

    def note_last_run(self, boot: str) -> None:
        """Look how the last run ended; before this one says that it runs."""
        last = tables.last_run.read_last(self._database.rows)
        self.was_killed = last is not None and last[0] == boot and not last[1]
        if self.was_killed:
            log.warning("daemon_was_killed", advice="the kernel kills what takes too much memory: `journalctl -k`")


def _clock_ahead_s() -> float:
    """How far the clock of the day is ahead of the one that nobody sets, which goes on while the machine sleeps."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _amount(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"
