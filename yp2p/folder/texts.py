"""The text documents of a folder: what the store has of them, what is on its way there, and which are in memory.

Invariants
    * Between two awaits nothing changes underneath: all of it lives on the loop's thread.
    * A document in memory holds everything that the store has of it and what was submitted since.
    * No document stays in memory for longer than `IDLE_DOCUMENT_S` without use, and none for longer than a second where
      so many are there that `MAX_OPEN_DOCUMENTS`, `MAX_IDLE_BYTES` or `MAX_IDLE_MEMORY` are exceeded: those that were
      used last stay. So what texts take of the memory does not grow with their history. But one that a program showed
      stays until its file has what was shown, for ten minutes at most (`LiveDocument.is_shown`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog
import trio

from yp2p.documents.text import TextReplica
from yp2p.errors import CrdtPanic, HistoriesDiffer
from yp2p.folder.burden import Held
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.digests import Digests
from yp2p.folder.live_document import Accept, Keeper, LiveDocument, Meet
from yp2p.folder.packs import rows_as_made, rows_until
from yp2p.folder.records import FileRecord
from yp2p.folder.waking_time import WakingTime
from yp2p.identity import DocumentID, FolderID
from yp2p.protocol.insertions import inserted_text
from yp2p.protocol.state_vectors import StateVector, read_state_vector
from yp2p.store import tables
from yp2p.store.database import Database

IDLE_DOCUMENT_S, _IN_USE_S = 60.0, 1.0
MAX_OPEN_DOCUMENTS = 1024
# Of the updates of those that are not in use now.
MAX_IDLE_BYTES = 256 << 10
# And of the memory that they take, which grows sooner: a text of 200 lines is 1.7 KB as it came, and 3.3 KB in memory;
# with 60 edits 3.0 and 25 to 39 KB, with 300 of them 8.5 and 88 to 120 KB. To load one again takes a third of a
# millisecond after 60 edits; some stay in any case, so that one that is saved again and again is not loaded each time.
MAX_IDLE_MEMORY, _MEMORY_A_BYTE = 768 << 10, 24
ALWAYS_IDLE = 8

log = structlog.get_logger()


class Texts:
    """The text documents of one folder.

    Args:
        accept, meet, takes_from: take what comes from others for a document in memory (`Keeper`).
        lags: whether a document's file lags behind a row of its log (`Keeper`).

    Attributes:
        held: what others brought into those that are in memory (`burden.py`).
        waking_time: tells which changes are recent.
    """

    def __init__(
        self,
        folder: FolderID,
        database: Database,
        clients: ClientIDs,
        accept: Accept,
        meet: Meet,
        takes_from: Callable[[object], bool],
        lags: Callable[[DocumentID, int], bool],
    ) -> None:
        self._folder = folder
        self._database = database
        self._clients = clients
        self._keeper = Keeper(accept, database.pending, meet, self.updates_as_made, takes_from, lags)
        self.digests = Digests(folder, database, self.open)
        self._open: dict[DocumentID, LiveDocument] = {}
        self.held = Held()
        self.waking_time = WakingTime()
        # Documents of one row that may be on its way to the store, until everything is there.
        self._unstored: dict[DocumentID, tuple[int, bytes]] = {}
        self._going: set[DocumentID] = set()  # documents whose rows are about to be deleted
        self.rewriting = trio.Lock()  # held by whoever puts other rows in the place of those of the log

    def in_memory(self, document: DocumentID) -> LiveDocument | None:
        """A document, if it is in memory."""
        return self._open.get(document)

    def submitted(self, document: DocumentID, seq: int, update: bytes) -> None:
        """A new document, of one row, is on its way to the store."""
        self._unstored[document] = (seq, update)

    def open(self, document: DocumentID) -> LiveDocument:
        """A text document in memory, loaded from the store if need be; empty when it is not here."""
        live = self._open.get(document)
        if live is None:
            rows = self.rows(document)
            replica = TextReplica.from_updates(self._clients.own_of(document), [data for _, data in rows])
            live = LiveDocument(document, replica, self._keeper)
            live.last_seq = rows[-1][0] if rows else 0
            live.bytes = sum(len(data) for _, data in rows)
            self._open[document] = live
            self.held.opened(document)
        live.used_at = trio.current_time()
        return live

    @contextmanager
    def reloading(
        self, live: LiveDocument, reload: Callable[[LiveDocument, Iterable[bytes]], None] | None = None
    ) -> Iterator[None]:
        """Should the library panic in here, load the document from the store before anybody else can use it.

        Args:
            reload: loads what is no text.
        """
        try:
            yield
        except HistoriesDiffer:
            raise  # the wall refused it: nothing was changed
        except CrdtPanic:
            # no await: what is applied and not committed is in `LiveDocument.untold_updates`, all the rest in the log
            rows = self.updates(live)
            if reload is not None:
                reload(live, rows)
            else:
                live.replica = TextReplica.from_updates(self._clients.own_of(live.id), rows)
            raise

    def disown(self, live: LiveDocument) -> None:
        """Write with other client IDs from now on: an update had operations of ours that we never made."""
        own, fork = self._clients.renew(live.id)
        live.replica = live.text.fork(own)
        self._note_renewed(live.id, own, fork)

    def _note_renewed(self, document: DocumentID, own: int, fork: int) -> None:
        self._database.submit([tables.start.insert(own, fork, time.time())])
        log.info("client_id_renewed", document=document.hex()[:8])

    def set_back(self, live: LiveDocument, replica: TextReplica, last_seq: int) -> None:
        """Have a document be less than it was, as its log is by what was submitted last: where `last_seq` is 0 it is
        not here any more."""
        live.replica, live.last_seq, live.changes = replica, last_seq, live.changes + 1
        self.disown(live)
        self._unstored.pop(live.id, None)
        self.digests.forget(live.id)
        if last_seq:
            self.digests.document_changed(live.id)
            return
        self._leaves(live.id)
        self.held.forget(live.id)
        self._going.add(live.id)
        self._database.pending().then(lambda: self._going.discard(live.id))

    def past_is_gone(self, document: DocumentID) -> None:
        """The log of a document has fewer rows, by what was submitted last, and says the same."""
        self._unstored.pop(document, None)

    def clocks(self, document: DocumentID) -> StateVector:
        """The state vector of a document, as far as it is here."""
        live = self._open.get(document)
        if live is not None:
            return live.replica.clocks()
        digest = self.digests.get(document)
        return read_state_vector(digest.clocks) if digest is not None else {}

    def updates(self, live: LiveDocument) -> list[bytes]:
        """All updates of a document, in their order: what the store has, and what is on its way there."""
        return [*(data for _, data in self.rows(live.id)), *live.untold_updates()]

    def updates_as_made(self, live: LiveDocument, known: StateVector) -> list[bytes]:
        """All updates in their order; of a pack those that were made, where a holder of `known` lacks some of them.

        Of a sum of updates it cannot be told what removed what, and which of them are repairs.
        """
        rows = rows_as_made(self._database.rows, self._folder, live.id, known) if live.id not in self._going else []
        # One that is on its way may long be there, and packed with what came after it: it counts where nothing is.
        if not rows and live.id in self._unstored:
            rows = [self._unstored[live.id][1]]
        return [*rows, *live.untold_updates()]

    def rows(self, document: DocumentID, seq: int | None = None, *, singly: int = 0) -> list[tuple[int, bytes]]:
        """The log of a document, with what is on its way to the store.

        Args:
            seq, singly: as in `packs.rows_until`.
        """
        going = document in self._going
        rows = rows_until(self._database.rows, self._folder, document, seq, singly=singly) if not going else []
        on_its_way = self._unstored.get(document)
        return rows if rows or on_its_way is None else [on_its_way]

    def head(self, document: DocumentID) -> tuple[int, str]:
        """The last row and the text of a document that is here, without opening it where it is but an import."""
        if document not in self._open:
            seq, update = self._unstored.get(document, (0, b""))
            text = inserted_text(update) if update else None
            if text is not None:
                return seq, text
            rows = self.rows(document)
            text = inserted_text(rows[0][1]) if len(rows) == 1 else None
            if text is not None:
                return rows[0][0], text
        live = self.open(document)
        return live.last_seq, live.text.text()

    def base_is_head(self, record: FileRecord, live: LiveDocument) -> bool:
        """Whether the file's base is all of the document."""
        return record.base_state is None and record.base_seq >= live.last_seq

    def is_rendered(self, record: FileRecord) -> bool:
        """Whether the file is all of the document, without loading the document when its digest tells.

        Where the base is all of it and the content is not, the file was damaged (`disk/damaged_files.py`).
        """
        live, digest = self._open.get(record.document), self.digests.at_hand(record.document)
        if live is None and record.base_state is None and (digest is not None or record.document not in self.digests):
            return digest is not None and digest.content == record.content
        is_head = self.base_is_head(record, live or self.open(record.document))
        return is_head and (digest is None or digest.content == record.content)

    def fork_at_base(self, record: FileRecord, client_id: int | None = None) -> TextReplica:
        """A replica that holds what the file held, to apply a save to (invariant 2).

        Args:
            client_id: what it writes as; by default what forks of that document do.
        """
        if client_id is None:
            client_id = self._clients.fork_of(record.document)
        if record.base_state is not None:
            return TextReplica.from_updates(client_id, [record.base_state])
        live = self.open(record.document)
        if self.base_is_head(record, live):
            return live.text.fork(client_id)
        fork = self.at(record.document, record.base_seq)
        return fork if client_id == fork.client_id else fork.fork(client_id)

    def at(self, document: DocumentID, seq: int) -> TextReplica:
        """The document as it was at a row of the log, from the store."""
        rows = self.rows(document, seq)
        return TextReplica.from_updates(
            self._clients.fork_of(document), [data for number, data in rows if number <= seq]
        )

    def spare(self) -> set[DocumentID]:
        """The documents that are to leave the memory, with the channels that listen: those that nobody used for long,
        and of all that are not in use now the oldest, as long as they are too many or too large together.

        What programs have open stays as long as they have it, and until what they saved of it is read.
        """
        now = trio.current_time()
        idle = sorted(
            (live for live in self._open.values() if now - live.used_at > _IN_USE_S and not live.is_shown),
            key=lambda live: live.used_at,
        )
        spare: set[DocumentID] = set()
        size, memory = sum(live.bytes for live in idle), sum(_memory(live) for live in idle)
        many = len(self._open) - MAX_OPEN_DOCUMENTS
        for left, live in zip(range(len(idle), 0, -1), idle, strict=True):
            is_much = size > MAX_IDLE_BYTES or (memory > MAX_IDLE_MEMORY and left > ALWAYS_IDLE)
            if now - live.used_at <= IDLE_DOCUMENT_S and not is_much and len(spare) >= many:
                break
            spare.add(live.id)
            size -= live.bytes
            memory -= _memory(live)
        return spare

    def close_idle(self) -> bool:
        """Let go of documents that nobody used for a while, and tell whether there were any.

        Call when all that was submitted is in the store.
        """
        self._forget_stored()
        idle = {document for document in self.spare() if not self._open[document].is_needed}
        for document in idle:
            self.digests.get(document)
            self._leaves(document)
        return bool(idle)

    def _leaves(self, document: DocumentID) -> None:
        if self._open.pop(document, None) is not None:
            self.held.closed(document)

    def _forget_stored(self) -> None:
        """The rows that are in the store by now; others may be of an import that is not submitted yet."""
        if self._unstored:
            first = min(seq for seq, _ in self._unstored.values())
            stored = tables.log.numbers_from(self._database.rows, first)
            self._unstored = {document: row for document, row in self._unstored.items() if row[0] not in stored}

    def state(self, document: DocumentID) -> bytes:
        """The full state of a document that is here, for a peer that has nothing of it."""
        if document not in self._open:
            on_its_way = self._unstored.get(document)
            rows = [on_its_way] if on_its_way is not None else self.rows(document)
            if len(rows) == 1:
                return rows[0][1]
        return self.open(document).replica.state()

    def _may_be_ours(self, document: DocumentID) -> bool:
        """Whether something was written into a document with the client IDs of now: others have that, and from nothing
        the same clocks would be used twice. Opens nothing: its log may be damaged."""
        live, digest = self._open.get(document), self.digests.at_hand(document)
        if live is None and digest is None:
            return True
        clocks = live.replica.clocks() if live is not None else read_state_vector(digest.clocks) if digest else {}
        return bool(clocks.keys() & {self._clients.own_of(document), self._clients.fork_of(document)})

    def forget(self, document: DocumentID) -> bool:
        """Let go of the text of a file that was deleted, with its history; tells whether nobody needs it."""
        live = self._open.get(document)
        if live is not None and live.is_needed:
            return False
        if self._may_be_ours(document):
            self._note_renewed(document, *self._clients.renew(document))
        self._leaves(document)
        self.held.forget(document)
        self._unstored.pop(document, None)
        self.digests.forget(document)
        parts = (
            tables.log, tables.pack, tables.digest, tables.step, tables.base, tables.served, tables.shown,
            tables.undone_by,
        )  # fmt: skip
        commit = self._database.submit([table.forget(self._folder, document) for table in parts])
        # Until then its rows can still be read: who takes it from a peer meanwhile is not to build on them.
        self._going.add(document)
        commit.then(lambda: self._going.discard(document))
        return True


def _memory(live: LiveDocument) -> int:
    """About how many bytes of memory a document takes: what of its updates is no text are pieces, each a structure."""
    size = live.text.size()
    return size + _MEMORY_A_BYTE * max(0, live.bytes - size)
