"""Which file had a path before others' changes took it from there.

An editor that had that file open saves under the old path still. What it saves belongs to the file that moved, and not
to the one that stands there now. That holds for as long as it does for an older version of one file that a program has
open (`OPEN_S` after it was opened last), and shortly after the move whether anybody was seen to open it or not.

This is in the store, so a restart does not forget it. When the file was opened is not: after a restart it counts as
opened when it was moved away.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import trio

from yp2p.documents.save_evidence import OPEN_S
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, load_former, save_former
from yp2p.store import tables

# Paths that others took files from.
_MAX_PATHS = 256
# Not every way to read a file is seen (mmap). For so long after it went, a file that nobody is known to have opened may
# be open.
_UNSEEN_S = 600.0


@dataclass(frozen=True, slots=True)
class Former:
    """The file that left a path: as it was there, until when that matters (trio's clock), and when it went (1970)."""

    record: FileRecord
    until: float
    moved_at: float


class FormerFiles:
    """The files of one folder that left a path a moment ago."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._was_at: dict[str, Former] = {}  # by the path

    def moved_away(self, record: FileRecord, opened_at: float) -> None:
        """Others' changes took this file from its path.

        Args:
            opened_at: when it was opened there last, by trio's clock: the version that it had, or an older one that a
                save may have been made of.
        """
        now = time.time()
        self._folder.database.submit([save_former(self._folder.id, record, now)])
        self._note(Former(record, max(trio.current_time() + _UNSEEN_S, opened_at + OPEN_S), now))

    def load(self) -> None:
        """After a start: what the store knows."""
        folder, now = self._folder, time.time()
        for record, moved_at in load_former(folder.database, folder.id, now - OPEN_S):
            left_s = min(OPEN_S, moved_at + OPEN_S - now)
            self._note(Former(record, trio.current_time() + left_s, moved_at))

    def _note(self, former: Former) -> None:
        path = former.record.path
        self._was_at.pop(path, None)
        self._was_at[path] = former
        while len(self._was_at) > _MAX_PATHS:
            del self._was_at[next(iter(self._was_at))]

    def at(self, path: str) -> Former | None:
        """What stood at a path, if that matters still."""
        former = self._was_at.get(path)
        return former if former is not None and trio.current_time() < former.until else None

    def all(self) -> list[FileRecord]:
        now = trio.current_time()
        return [former.record for former in self._was_at.values() if now < former.until]

    def forget(self, is_meant: Callable[[FileRecord], bool]) -> None:
        """Forget the files of which `is_meant` says so, here and not in the store."""
        self._was_at = {path: former for path, former in self._was_at.items() if not is_meant(former.record)}

    def forget_old(self) -> None:
        """Forget what does not matter any more."""
        now = trio.current_time()
        over = [path for path, former in self._was_at.items() if former.until <= now]
        for path in over:
            del self._was_at[path]
        if over:
            self._folder.database.submit([tables.former.forget_before(self._folder.id, time.time() - OPEN_S)])
