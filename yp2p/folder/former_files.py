"""Which file had a path until a moment ago, before others' changes took it from there.

An editor that had that file open saves under the old path still. What it saves belongs to the file that moved, and not
to the one that stands there now. The store knows, so a restart does not forget.
"""

from __future__ import annotations

import time

import trio

from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord, load_former, save_former
from yp2p.store import tables

# Paths that others took files from.
_MAX_PATHS = 256
# An editor that was open when its file moved away saves there within minutes; a program that writes there later means
# the file that stands there by then.
FORMER_S = 600.0


class FormerFiles:
    """The files of one folder that left a path a moment ago."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._was_at: dict[str, tuple[FileRecord, float]] = {}  # the file, and until when that matters (trio's clock)

    def moved_away(self, record: FileRecord) -> None:
        """Others' changes took this file from its path."""
        self._folder.database.submit([save_former(self._folder.id, record, time.time())])
        self._note(record, trio.current_time() + FORMER_S)

    def load(self) -> None:
        """After a start: what the store knows."""
        folder, now = self._folder, time.time()
        for record, moved_at in load_former(folder.database, folder.id, now - FORMER_S):
            self._note(record, trio.current_time() + min(FORMER_S, moved_at + FORMER_S - now))

    def _note(self, record: FileRecord, until: float) -> None:
        self._was_at.pop(record.path, None)
        self._was_at[record.path] = (record, until)
        while len(self._was_at) > _MAX_PATHS:
            del self._was_at[next(iter(self._was_at))]

    def at(self, path: str) -> FileRecord | None:
        """What stood at a path until a moment ago."""
        record, until = self._was_at.get(path, (None, 0.0))
        return record if trio.current_time() < until else None

    def all(self) -> list[FileRecord]:
        now = trio.current_time()
        return [record for record, until in self._was_at.values() if now < until]

    def forget_old(self) -> None:
        """Forget what does not matter any more."""
        now = trio.current_time()
        over = [path for path, (_, until) in self._was_at.items() if until <= now]
        for path in over:
            del self._was_at[path]
        if over:
            self._folder.database.submit([tables.former.forget_before(self._folder.id, time.time() - FORMER_S)])
