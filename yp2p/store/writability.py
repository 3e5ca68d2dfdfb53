"""Whether the store can be written now: patience with a disk that takes nothing, and with one that is nearly full.

While the disk does not take what is written (full, read-only, a limit), the writer tries the same commit again and
again: nobody hears that it is durable, nothing overtakes it, and `problem` says why. Peers are not read meanwhile
(`wait`), so what waits does not grow. They are not read either while the disk has less room than its floor
(`machine.py`): what is saved here needs some.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from yp2p.machine import low_room

log = structlog.get_logger()

# Whether there is room again is seen at a glance.
_LOOK_AGAIN_S = 2.0
# What the machine does not allow now; nothing is wrong with the store.
_PASSING = (
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL,
)  # fmt: skip
_REMEDY = "make room on its disk or make it writable, and it goes on by itself"
_ROOM = "make room on its disk, and it goes on by itself"


def may_pass(error: BaseException) -> bool:
    """Whether the machine is what is wrong, and not the store."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_READONLY_DBMOVED:  # somebody removed the file: nothing that is written is found again
        return False
    return isinstance(error, sqlite3.Error) and code & 0xFF in _PASSING  # the last byte is the kind


class Writability:
    """Why nothing more may come in from others now. Used by the loop, but for `shortage_now`.

    Args:
        path: of the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problem = ""  # why nothing more may come in from others now, and what helps; empty when all is well
        self._refusal = ""  # why the disk does not take the commit that is tried
        self.shortage = ""  # that the disk has less room than its floor
        self.changed = trio.Event()  # set, and another one, when there is a problem, or none any more
        self._calls: list[Callable[[], None]] = []

    def when_changed(self, call: Callable[[], None]) -> None:
        """Have something called whenever there is a problem, or none any more."""
        self._calls.append(call)

    async def wait(self) -> None:
        """Return when there is no problem: who takes from others what is to be stored waits here."""
        while self.problem:
            await self.changed.wait()

    async def watch_room(self) -> None:
        """Once there is too little room, look whether there is enough again; runs until cancelled."""
        while True:
            while not self.shortage:
                await self.changed.wait()
            await trio.sleep(_LOOK_AGAIN_S)
            self._note(self._refusal, self.shortage_now())

    def shortage_now(self) -> str:
        """That the disk has less room than its floor; empty when it has enough. Any thread may ask."""
        shortage = low_room(self._path.parent)
        return f"nothing comes in that needs the store {self._path}: {shortage}; {_ROOM}" if shortage else ""

    def refused(self, error: Exception) -> None:
        """The disk does not take a commit."""
        self._note(f"the store {self._path} cannot be written now: {error}; {_REMEDY}", self.shortage)

    def accepted(self, shortage: str) -> None:
        """The disk took a commit, and has that shortage then."""
        self._note("", shortage)

    def _note(self, refusal: str, shortage: str) -> None:
        had_problem = bool(self.problem)
        self._refusal, self.shortage, self.problem = refusal, shortage, refusal or shortage
        if had_problem == bool(self.problem):
            return
        if self.problem:
            log.warning("store_waits", reason=self.problem)
        else:
            log.info("store_goes_on")
        changed, self.changed = self.changed, trio.Event()
        changed.set()
        for call in self._calls:
            call()
