"""Packs the keystrokes of a folder's texts (`folder/packs.py`) while they are written.

A document is due when it has as many rows as go into a pack, or when it has some and a minute has passed. The work is
done in a thread, a document at a time. At a start everything is looked at: the store may be one of before.
"""

from __future__ import annotations

import time
from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import structlog
import trio

from yp2p.errors import YpError
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.folder.packs import MAX_ROWS, MIN_ROWS, SPAN_S, Pack, Single, packs_of
from yp2p.identity import DocumentID
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.writer import GIVE_BACK_ROOM

# How many rows have not been packed by then costs whoever looks back a few milliseconds.
_LOOK_S, _RETRY_S = 1.0, 60.0
# Rows that are read at a time: of a store of before a text can have any number.
_AT_ONCE = 10 * MAX_ROWS
# More rows than that are counted in a thread: each takes a microsecond.
_FEW_ROWS = 1000
# Free pages of 4 KiB; fewer are filled again by what is typed next.
_ROOM_PAGES, _ROOM_PAUSE_S = 1024, 0.05
_MANIFEST = frozenset(manifest_document_id(index) for index in range(MANIFEST_DOCUMENTS))

log = structlog.get_logger()


@dataclass(slots=True)
class _Tail:
    """Rows of a document that are not packed: how many, and when the first of them was seen, by trio's clock."""

    count: int
    since: float


class Packing:
    """Packs the rows of one folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._seen = -1  # the last row of the log that was counted
        self._tails: dict[DocumentID, _Tail] = {}
        self._decided_until: dict[DocumentID, int] = {}  # the last row of which it was decided whether to pack it

    async def run(self) -> None:
        """Work until cancelled; where nothing can become due, until something changes."""
        pause_s = _LOOK_S
        while True:
            await trio.sleep(pause_s)
            changed = self._folder.state.changed
            try:
                await self.pack()
                pause_s = _LOOK_S
                if not self._tails:
                    await changed.wait()
            except YpError as error:
                log.warning("rows_not_packed", folder=self._folder.label, error=str(error))
                pause_s = _RETRY_S

    async def pack(self) -> int:
        """Pack what is due; gives the number of packs. Raises YpError: the store cannot be read."""
        await self._count()
        now = trio.current_time()
        # What is typed more slowly is not packed.
        self._tails = {d: t for d, t in self._tails.items() if t.count >= MIN_ROWS or now - t.since <= SPAN_S}
        due = [document for document, tail in self._tails.items() if self._is_due(tail, now)]
        done = 0
        for document in due:
            done += await self._pack(document)
        if due:
            await give_back_room(self._folder.database, _ROOM_PAGES)
        return done

    @staticmethod
    def _is_due(tail: _Tail, now: float) -> bool:
        return tail.count >= MAX_ROWS or (tail.count >= MIN_ROWS and now - tail.since > SPAN_S)

    async def _count(self) -> None:
        """Count the rows that came since the last time."""
        database, last, now = self._folder.database, self._folder.database.last_seq, trio.current_time()
        if last == self._seen:
            return
        await database.pending().wait()
        if self._seen < 0:
            counts = await trio.to_thread.run_sync(self._many, abandon_on_cancel=True)
        elif last - self._seen > _FEW_ROWS:
            counts = await trio.to_thread.run_sync(self._after, self._seen, abandon_on_cancel=True)
        else:
            counts = tables.log.counts_after(database.rows, self._folder.id, self._seen)
        self._seen = last
        for document, count in counts:
            # Not ten thousand files that have just come: what is typed is in memory.
            is_typed = count >= MIN_ROWS or self._folder.texts.in_memory(document) is not None
            if document not in _MANIFEST and is_typed:
                self._tails.setdefault(DocumentID(document), _Tail(0, now)).count += count

    def _after(self, seen: int) -> list[tuple[Any, ...]]:
        """How many rows the documents have that came after this one. Blocks."""
        with self._folder.database.reader() as read:
            return tables.log.counts_after(read, self._folder.id, seen)

    def _many(self) -> list[tuple[Any, ...]]:
        """The documents with many rows; of others what was not packed when a daemon ended does not matter. Blocks."""
        with self._folder.database.reader() as read:
            return tables.log.counts_of_at_least(read, self._folder.id, MAX_ROWS)

    async def _pack(self, document: DocumentID) -> int:
        """Pack what there is of a document, some thousand rows at a time; gives the number of packs."""
        folder, database = self._folder, self._folder.database
        done, left = 0, _AT_ONCE
        while left >= _AT_ONCE:
            async with folder.texts.rewriting:
                await database.pending().wait()
                claimed = folder.catalogue.authorship.claims.keys() | folder.clients.ids
                rows, decided = await trio.to_thread.run_sync(
                    self._decided, document, time.time(), claimed, abandon_on_cancel=True
                )
                for _, pack in decided:
                    if pack is not None:
                        database.submit(pack.statements(folder.id, document))
                        done += 1
                await database.pending().wait()
            left = len(rows)
            if not decided:
                break
            self._decided_until[document] = until = decided[-1][0]
            if len(rows) < _AT_ONCE:
                left = sum(row.seq > until for row in rows)
        self._tails[document] = _Tail(left, trio.current_time())
        return done

    def _decided(
        self, document: DocumentID, now: float, claimed: Set[int]
    ) -> tuple[list[Single], list[tuple[int, Pack | None]]]:
        """The rows that are not packed, the first thousands of them, and what to make of them. Blocks."""
        with self._folder.database.reader() as read:
            after = self._decided_until.get(document, 0)
            rows = tables.log.unpacked_rows(read, self._folder.id, document, after, _AT_ONCE)
        singles = [Single(*row) for row in rows]
        return singles, list(packs_of(singles, now, claimed))


async def give_back_room(database: Database, least_pages: int = 0) -> None:
    """Let the store's file be smaller by what was deleted, piece by piece, so that nobody's commit waits for it."""
    await database.pending().wait()
    free, before = database.free_pages(), float("inf")
    while least_pages < free < before:
        await database.submit([GIVE_BACK_ROOM]).wait()
        await trio.sleep(_ROOM_PAUSE_S)
        free, before = database.free_pages(), free
