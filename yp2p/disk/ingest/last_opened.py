"""For each file: when a program last opened the version that is on the disk, by reading or by saving it.

After a start, and after an overflow of the kernel's queue of reads, every file counts as opened at that moment, which
loses nothing. Times are trio's: its clock (CLOCK_MONOTONIC) stands still while the device sleeps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager

import trio

from yp2p.documents.save_evidence import OPEN_S
from yp2p.files.reads import Reads, ReadWatcher
from yp2p.folder.folder import Folder
from yp2p.identity import EntryID

_NEVER = -math.inf


class LastOpened:
    """What was opened of the files of one folder.

    Args:
        watcher: tells which files are read; None when that cannot be told.
    """

    def __init__(self, folder: Folder, watcher: ReadWatcher | None) -> None:
        self._folder = folder
        self._watcher = watcher
        self._at: dict[EntryID, float] = {}  # `_NEVER` of a version that was rendered and not opened since
        self._blind_at = trio.current_time()  # when all others may have been
        self._ours: Set[str] = frozenset()  # what we read ourselves just now

    def at(self, entry: EntryID) -> float:
        """When the version on the disk was opened last, by trio's clock."""
        if self._watcher is None or self._watcher.is_blind:
            return trio.current_time()
        return self._at.get(entry, self._blind_at)

    @property
    def blind_at(self) -> float:
        """When any version may have been opened last for which nobody knows better."""
        return self._blind_at

    def take(self, reads: Reads) -> set[EntryID]:
        """Take what was read, of the versions that are on the disk now; gives the entries."""
        now = trio.current_time()
        if reads.overflow:
            self._at.clear()
            self._blind_at = now
        paths = reads.paths - self._ours
        entries = {entry for path in paths if (entry := self._folder.files.at.get(path)) is not None}
        self._at.update(dict.fromkeys(entries, now))
        return entries

    def take_now(self, *, but: Set[str] = frozenset()) -> set[EntryID]:
        """Take everything that was read up to now, but for these paths; gives the entries."""
        if self._watcher is None:
            return set()
        reads = self._watcher.take_all()
        reads.paths -= but
        return self.take(reads)

    async def follow(self) -> None:
        """Take what is read as it is told."""
        while self._watcher is not None:
            await self._watcher.wait()
            await self.take_pending()

    async def take_pending(self) -> None:
        """The same, in slices: it may be much."""
        reads = Reads()
        while self._watcher is not None and self._watcher.take(reads):
            self.take(reads)  # before anything else can happen
            reads = Reads()
            await trio.lowlevel.checkpoint()

    @contextmanager
    def reading_ourselves(self, paths: Set[str]) -> Iterator[None]:
        """Reads of these files inside this block are our own; it has to be too short for anybody else to read them."""
        self.take_now()
        yield
        self.take_now(but=paths)

    @contextmanager
    def reading_beside(self, paths: Set[str]) -> Iterator[None]:
        """Reads of these files are our own until this ends, in another thread. One of somebody else's at that moment
        is not seen: it has to be short, and seldom."""
        self.take_now()
        self._ours |= paths
        try:
            yield
        finally:
            self.take_now()
            self._ours -= paths

    def may_be(self, paths: Iterable[str]) -> None:
        """Nobody watched these files being read, until now."""
        self.take(Reads(set(paths)))

    def was_saved(self, entry: EntryID) -> None:
        """Whoever saved the version that is on the disk has it open."""
        self._at[entry] = trio.current_time()

    def were_rendered(self, entries: Iterable[EntryID]) -> None:
        """New versions are on the disk, which nobody has opened."""
        self._at.update(dict.fromkeys(entries, _NEVER))

    def forget(self, entry: EntryID) -> None:
        """The file is gone."""
        self._at.pop(entry, None)

    def forget_old(self) -> None:
        """Forget what does not matter any more."""
        now = trio.current_time()
        if now - self._blind_at > OPEN_S:
            self._at = {entry: at for entry, at in self._at.items() if now - at <= OPEN_S}
