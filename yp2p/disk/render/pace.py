"""How soon a file may be put in place again.

A file is replaced at most `MAX_RENDERS_PER_S` times a second. While programs have its text open, less often: what is
typed goes from one to the other without the file, and making the text of a document takes time with all that was ever
typed into it. So that work gets a share of the time, and the file is older by `_LONGEST_PAUSE_S` at most.

Times are trio's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from yp2p.documents.registers import Entry
from yp2p.folder.folder import Folder
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind

MAX_RENDERS_PER_S = 10
# Of a core, for making texts that programs have open. Of the time in which a file is put in place most is waiting for
# the disk.
_TYPED_SHARE, _PUTTING_SHARE = 0.01, 0.04
_LONGEST_PAUSE_S = 1.0


class Pace:
    """When the files of one folder were put in place, and what that took."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._placed_at: dict[EntryID, float] = {}
        self._making_s: dict[EntryID, float] = {}  # what it took to make each text and its digest
        self._putting_s = 0.0  # and to put the last ones in place, each

    def due_at(self, found: Entry) -> float:
        """When the file of an entry may be put in place again."""
        pause_s = 1 / MAX_RENDERS_PER_S
        live = self._folder.texts.in_memory(found.document) if found.kind is Kind.TEXT else None
        if live is not None and live.is_in_programs:
            typed_s = self._making_s.get(found.id, 0.0) / _TYPED_SHARE + self._putting_s / _PUTTING_SHARE
            pause_s = max(pause_s, min(_LONGEST_PAUSE_S, typed_s))
        return self._placed_at.get(found.id, -1.0) + pause_s

    def placed(self, entry: EntryID) -> None:
        """The file of an entry was put in place just now."""
        self._placed_at[entry] = trio.current_time()

    @contextmanager
    def making(self, entry: EntryID) -> Iterator[None]:
        """Around what makes the text of an entry."""
        began = time.perf_counter()
        yield
        self._making_s[entry] = time.perf_counter() - began

    @contextmanager
    def putting(self, files: int) -> Iterator[None]:
        """Around what puts so many files in place."""
        began = time.perf_counter()
        yield
        self._putting_s = (time.perf_counter() - began) / files

    def forget(self) -> None:
        """Forget of files what changes no answer any more."""
        before = trio.current_time() - _LONGEST_PAUSE_S
        self._placed_at = {entry: at for entry, at in self._placed_at.items() if at > before}
        self._making_s = {entry: took_s for entry, took_s in self._making_s.items() if entry in self._placed_at}
