"""A folder: its members, its manifest, its documents, and what is known of its files.

This is the state that sessions (towards peers) and the disk actor (towards files) share. All of it lives on the loop's
thread; every method is synchronous unless it says otherwise, so between two awaits nothing changes underneath.

Invariants
    * Every change goes through `_record` (texts) or `write_manifest` / `_accept_manifest`: applied, submitted to the
      store, and only told to others when durable (invariant 1).
    * `leaves` has a leaf for exactly the live entries whose document, or whose content on the disk, is here.
    * `blobs.wanted` holds exactly the live blobs whose content is not on the disk where it belongs.
    * `render_queue` holds every entry whose file may differ from what the documents say.
    * `ignored` holds exactly the live entries at paths that this device leaves out.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import structlog
import trio

from yp2p.documents.layout import Layout, LayoutIndex
from yp2p.documents.manifest import Bookmark, Change, Claim, Deletion, Entry, Manifest
from yp2p.documents.text import TextReplica, read_first_import
from yp2p.errors import DocumentPoisoned
from yp2p.files.capabilities import Capabilities
from yp2p.files.ignore import IgnoreRules
from yp2p.folder.blob_index import BlobIndex
from yp2p.folder.client_ids import ClientIDs, fresh_client_id
from yp2p.folder.digests import Leaves
from yp2p.folder.guard import DeletionGuard
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.meetings import Meetings, Settled
from yp2p.folder.members import Membership
from yp2p.folder.merger import InlineMerger, Merger
from yp2p.folder.notices import Notices
from yp2p.folder.progress import Progress
from yp2p.folder.quarantine import Quarantine
from yp2p.folder.records import (
    Digest,
    FileRecord,
    Steps,
    Values,
    load_files,
    load_log,
    log_row,
)
from yp2p.folder.render_queue import RenderQueue
from yp2p.folder.texts import Texts
from yp2p.folder.waiting import Waiting
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID, format_device_id
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import MANIFEST_DOCUMENTS, BothChanged
from yp2p.protocol.reconcile import HASH_BYTES, Leaf
from yp2p.protocol.ysync import Insertion, Parsed, check_dependencies, parse_update, read_state_vector
from yp2p.store.database import Commit, Database, Statement
from yp2p.trust.membership import Member

# The manifest's documents are let go of after so much without use, at most twice as long.
IDLE_MANIFEST_S = 5.0
_DEFAULT_TRASH_BYTES = 2 << 30

# So many files have to come before it is worth while to look at all of them.
_UNSHARED_FILES = 1000
_SLICE = 256
# A program writes with one client ID; a file that it makes of others' has many, which are not its own.
_MAX_CLIENTS_OF_PROGRAM = 1

log = structlog.get_logger()


class Session(Protocol):
    """What a folder tells the sessions with its peers."""

    compared: bool

    @property
    def peer(self) -> DeviceID: ...

    @property
    def merges_alike(self) -> bool: ...

    def document_changed(self, document: DocumentID, source: object) -> None: ...

    def entry_changed(self, entry: EntryID) -> None: ...

    def on_disk(self, entry: EntryID) -> None: ...

    def fetch(self) -> None: ...

    def both_changed(self, message: BothChanged) -> None: ...


def manifest_document_id(index: int) -> DocumentID:
    """The ID under which a manifest document has its channel and its log."""
    return DocumentID(b"yp2p-manifest\x00\x00" + bytes([index]))


_MANIFEST_INDEX = {manifest_document_id(index): index for index in range(MANIFEST_DOCUMENTS)}


class Folder:
    """One folder of this device."""

    def __init__(
        self,
        folder: FolderID,
        label: str,
        path: Path,
        founder: DeviceID,
        *,
        database: Database,
        clients: ClientIDs,
        adopted: bool,
        held: str = "",
        merger: Merger | None = None,
    ) -> None:
        self.id = folder
        self.held = held  # why it waits for a person's word, if it does
        self.label = label
        self.path = path
        self.founder = founder
        self.adopted = adopted
        self.database = database
        self.clients = clients
        self.own_clients = frozenset((clients.own, clients.fork))
        self.guard = DeletionGuard(_DEFAULT_TRASH_BYTES)
        self.file_system = Capabilities()  # what the disk of this folder can do
        self.membership = Membership(folder, founder, database)
        self.notices = Notices(database, folder, clients.device, self.name_of)
        self.sessions: dict[DeviceID, Session] = {}
        self.files: dict[EntryID, FileRecord] = {}
        self.file_at: dict[str, EntryID] = {}
        self.waiting = Waiting()
        self.progress = Progress()
        self.quarantine = Quarantine()
        self.render_queue = RenderQueue()
        self.problem = ""  # why the folder is paused, if it is
        self.settled = False
        self.is_looked_at = False  # whether the files were looked at since the root is open
        self._changed = trio.Event()
        self.pulling: set[DocumentID] = set()  # by some session, so that no other does
        self.meetings = Meetings(self, merger or InlineMerger())
        self.texts = Texts(folder, database, clients, self.accept_text, self.meetings.receive)
        self.digests = self.texts.digests
        self.leaves = Leaves(self.leaf)
        self._lacking: dict[EntryID, DocumentID] = {}  # live texts whose document may not be here
        self.wanted: set[DocumentID] = set()  # documents that a peer has and that may revive an entry
        self._layout = LayoutIndex()
        self._manifest_digest: tuple[tuple[int, ...], bytes] = ((), b"")
        self._dead_at: dict[str, EntryID] = {}  # deleted entries by their path
        self._dead_path: dict[EntryID, str] = {}
        self.entry_of: dict[DocumentID, EntryID] = {}
        self.blobs = BlobIndex()
        self._unshared = 0
        self.rules = IgnoreRules()
        self.ignored: set[EntryID] = set()
        self.ignore_problem = ""  # why the file that says what is left out is not used
        self._steps = Steps()
        self.undoing = trio.Lock()
        self.to_publish: set[int] = set()  # client IDs that something was written with, and that nobody knows of
        self.manifest = Manifest(clients.own, self._stored_manifest)
        self._manifest_rests_at = 0.0
        self.manifest_documents = [
            LiveDocument(manifest_document_id(index), replica, self._accept_manifest, database.pending)
            for index, replica in enumerate(self.manifest.replicas)
        ]

    # --- loading ------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Read everything from the store; call once, before use."""
        self.membership.load()
        self.notices.load()
        for document, index in _MANIFEST_INDEX.items():
            rows = load_log(self.database, self.id, document)
            if rows:
                self.manifest.load(index, [data for _, data in rows])
                self.manifest_documents[index].last_seq = rows[-1][0]
        values = Values()
        for entry in self.manifest.entries.values():
            for value in (entry.id, entry.path, entry.document):
                values.the(value)
        self.digests.load(values, _MANIFEST_INDEX)
        for record in load_files(self.database, self.id, values):
            self.set_file(record)
        self._unshared = 0
        for entry in self.manifest.entries.values():
            self._entry_touched(entry.id)
        self.render_queue.want_all(self.manifest.entries)

    def _stored_manifest(self, index: int) -> list[bytes]:
        return [data for _, data in load_log(self.database, self.id, manifest_document_id(index))]

    @property
    def members(self) -> dict[DeviceID, Member]:
        return self.membership.members

    @property
    def trouble(self) -> str:
        """Why nothing is read from or written to the disk now; empty when all is well."""
        return self.problem or self.held

    def hold(self, reason: str) -> None:
        """Stop touching the disk until a person says how to go on; with an empty reason, go on."""
        self.held = reason
        if reason:
            log.warning("folder_held", folder=self.label, reason=reason, advice="yp2p folder resume")
        self.database.submit([("UPDATE folder SET held = ? WHERE id = ?", (reason, self.id))])
        self.touch()

    # --- digests ------------------------------------------------------------------------------------------------

    def manifest_digest(self) -> bytes:
        key = tuple(live.last_seq for live in self.manifest_documents)
        if self._manifest_digest[0] != key:
            self._manifest_digest = (key, hashlib.sha256(b"".join(self.manifest.versions())).digest())
        return self._manifest_digest[1]

    def clocks(self, document: DocumentID) -> dict[int, int]:
        live = self.texts.in_memory(document)
        if live is not None:
            return live.replica.clocks()
        digest = self.digests.get(document)
        return read_state_vector(digest.clocks) if digest is not None else {}

    def leaf(self, entry: EntryID) -> Leaf | None:
        """The leaf of a live entry whose document is here, or whose content is on the disk, up to date."""
        found = self.manifest.entries.get(entry)
        if found is None or not self.is_alive(found):
            return None
        if found.kind is not Kind.TEXT:
            if not self.holds(found) and entry not in self.ignored:
                return None
            version = hashlib.sha256(found.content.encode()).digest()
            return Leaf(found.document, version, found.content.hash)
        digest = self.digests.get(found.document)
        return Leaf(found.document, digest.version, digest.content) if digest is not None else None

    def is_being_typed(self, entry: EntryID) -> bool:
        """Whether programs have a text open that is to be rendered anyway, whatever its digest is now."""
        found = self.manifest.entries.get(entry)
        if found is None or found.kind is not Kind.TEXT or entry not in self.render_queue:
            return False
        live = self.texts.in_memory(found.document)
        return live is not None and live.is_in_programs

    # --- entries ------------------------------------------------------------------------------------------------

    def is_alive(self, entry: Entry) -> bool:
        return self.manifest.is_alive(entry, self.clocks)

    def layout(self) -> Layout:
        """Where every live entry is on disk."""
        return self._layout.get()

    def dead_entry_at(self, path: str) -> Entry | None:
        """A deleted text entry that was at `path`, whose document is here."""
        entry = self.manifest.entries.get(self._dead_at.get(path, EntryID(b"")))
        if entry is None or entry.kind is not Kind.TEXT or entry.document not in self.digests:
            return None
        return entry

    def missing_documents(self) -> list[DocumentID]:
        """Documents that live text entries name and that are not here yet."""
        self._lacking = {entry: doc for entry, doc in self._lacking.items() if doc not in self.digests}
        named = [*self._lacking.values(), *(document for document in self.wanted if document in self.entry_of)]
        return [document for document in dict.fromkeys(named) if document not in self.digests]

    async def publish_clients(self) -> None:
        """Tell everybody with which client IDs this device wrote here: so that every operation has an author."""
        clients, self.to_publish = self.to_publish - self.manifest.claims.keys(), set()
        if clients:
            now_ms = int(time.time() * 1000)
            claims = [Claim(client, self.clients.device, now_ms) for client in sorted(clients)]
            await self.write_manifest(claims).wait()

    def fresh_client(self) -> int:
        """A client ID of our own that nothing was ever written with."""
        client = fresh_client_id()
        self.to_publish.add(client)
        return client

    def write_manifest(self, changes: Sequence[Change | Claim | Bookmark], extra: Iterable[Statement] = ()) -> Commit:
        """Write registers; `extra` statements become durable with them."""
        updates = self.manifest.write(changes)
        statements = list(extra)
        rows: list[tuple[LiveDocument, bytes]] = []
        for index, update in updates.items():
            live = self.manifest_documents[index]
            live.last_seq = self.database.next_seq()
            statements.append(log_row(self.id, live.id, live.last_seq, None, update))
            rows.append((live, update))
        commit = self.database.submit(statements)
        for live, update in rows:
            live.applied(update, None, commit)
        self._entries_touched({change.entry for change in changes if isinstance(change, Change)})
        for live, _ in rows:
            self._tell_sessions(live.id, None)
        return commit

    def _accept_manifest(
        self, live: LiveDocument, update: bytes, source: object, parsed: Parsed | None
    ) -> Commit | None:
        index = _MANIFEST_INDEX[live.id]
        with self.reloading(live):
            news, touched = self.manifest.receive(index, update, self.own_clients, parsed)
        if news is None:
            return None
        live.last_seq = self.database.next_seq()
        origin = DeviceID(source) if isinstance(source, bytes) else None
        commit = self.database.submit([log_row(self.id, live.id, live.last_seq, origin, news)])
        live.applied(news, source, commit)
        self._entries_touched(touched)
        self._tell_sessions(live.id, source)
        return commit

    def _entries_touched(self, entries: Iterable[EntryID]) -> None:
        entries = set(entries)
        for entry in entries:
            self._entry_touched(entry)
        self.layout()
        entries |= self._layout.take_moved()
        for entry in entries:
            self.note_ignored(entry, self._is_left_out(entry))
        for entry in entries:
            for session in self.sessions.values():
                session.entry_changed(entry)
        self.render_queue.want_all(entries)
        self.touch()

    def _is_left_out(self, entry: EntryID) -> bool:
        path = self.layout().path_of.get(entry)
        is_directory = path is not None and self.manifest.entries[entry].kind is Kind.DIRECTORY
        return path is not None and self.rules.ignores(path, directory=is_directory)

    def note_ignored(self, entry: EntryID, is_ignored: bool) -> None:
        """Whether an entry is at a path that this device leaves out (`disk/ingest/ignored.py`)."""
        if is_ignored != (entry in self.ignored):
            (self.ignored.add if is_ignored else self.ignored.discard)(entry)
            self._note_blob(entry)
            self.leaves.set(entry)

    def _entry_touched(self, entry: EntryID) -> None:
        found = self.manifest.entries.get(entry)
        self._lacking.pop(entry, None)
        if found is not None and found.kind is Kind.TEXT:
            self.entry_of[found.document] = entry
            if found.document not in self.digests and self.is_alive(found):
                self._lacking[entry] = found.document
        self._note_place(entry, found)
        self._note_blob(entry)
        self.leaves.set(entry)

    def _note_place(self, entry: EntryID, found: Entry | None) -> None:
        old = self._dead_path.pop(entry, None)
        if old is not None and self._dead_at.get(old) == entry:
            del self._dead_at[old]
        if found is None or self.is_alive(found):
            self._layout.want(entry, (found.path, found.kind is Kind.DIRECTORY) if found is not None else None)
        else:
            self._layout.want(entry, None)
            self._dead_at[found.path] = entry
            self._dead_path[entry] = found.path

    def _note_blob(self, entry: EntryID) -> None:
        found = self.manifest.entries.get(entry)
        lacks = (
            found is not None
            and found.kind is Kind.BLOB
            and entry not in self.ignored
            and self.is_alive(found)
            and not self.holds(found)
        )
        self.blobs.want(entry, found.content if found is not None and lacks else None)

    def holds(self, found: Entry) -> bool:
        """Whether the file of an entry that is no text has the content that the manifest says."""
        record = self.files.get(found.id)
        return record is not None and record.kind is found.kind and record.content == found.content.hash

    def chunk_hashes(self, blob: bytes) -> list[bytes]:
        """The hashes of the chunks of a blob of more than one, as far as they are known here."""
        rows = self.database.rows("SELECT hashes FROM chunks WHERE hash = ?", (blob,))
        return [rows[0][0][at : at + HASH_BYTES] for at in range(0, len(rows[0][0]), HASH_BYTES)] if rows else []

    # --- documents ----------------------------------------------------------------------------------------------

    def live_document(self, document: DocumentID) -> LiveDocument | None:
        """The document with this ID for a provider, or None when the manifest names none such."""
        index = _MANIFEST_INDEX.get(document)
        if index is not None:
            return self.manifest_documents[index]
        if document not in self.entry_of:
            return None
        return self.texts.open(document)

    @contextmanager
    def reloading(self, live: LiveDocument) -> Iterator[None]:
        """Should the library panic in here, load the document from the store before anybody else can use it."""
        try:
            yield
        except DocumentPoisoned:
            # no await: what is applied and not committed yet is in `untold`, everything else in the log
            rows = self.texts.updates(live)
            index = _MANIFEST_INDEX.get(live.id)
            if index is not None:
                touched = self.manifest.reload(index, rows)
                live.replica = self.manifest.replicas[index]
                self._entries_touched(touched)
            else:
                live.replica = TextReplica.from_updates(self.clients.own, rows)
            raise

    def close_idle_documents(self) -> bool:
        """Let go of documents that nobody used for a while, and tell whether there were any: they are in the store."""
        if not self.database.pending().is_done:
            return False
        closed = self.texts.close_idle()
        now = trio.current_time()
        if now >= self._manifest_rests_at:
            self._manifest_rests_at = now + IDLE_MANIFEST_S
            closed = self.manifest.rest() or closed
        return closed

    def accept_text(self, live: LiveDocument, update: bytes, source: object, parsed: Parsed | None) -> Commit | None:
        """Apply and store what a peer sent for a text. Raises InvalidUpdate, MissingDependency, DocumentPoisoned."""
        with self.reloading(live):
            news = live.replica.receive(update, self.own_clients, parsed)
        if news is None:
            return None
        if live.replica.received is not None:
            live.recent.add(time.time(), live.replica.received.sections)
        return self.record_text(live, news, source)

    def accept_from_program(
        self,
        live: LiveDocument,
        update: bytes,
        source: object,
        undo_gap_s: float,
        parsed: Parsed | None,
        client: int | None = None,
    ) -> Commit | None:
        """Take what a program of this device wrote into a text.

        Args:
            client: what it says it writes with. Operations of others it may have heard of before they were stored here.

        Raises:
            InvalidUpdate, MissingDependency, HistoriesDiffer: the wall refused it, and nothing was changed.
            DocumentPoisoned: the library panicked; the document was loaded anew.
        """
        before = live.replica.clocks()
        parsed = parsed if parsed is not None else parse_update(update)
        check_dependencies(parsed, before, self.own_clients, live.replica.halves)  # a refusal is no reason to load anew
        with self.reloading(live):
            news = live.replica.receive(update, self.own_clients, parsed)
        if news is None:
            return None
        clocks = live.replica.clocks()
        wrote = {writer for writer, clock in clocks.items() if clock != before.get(writer, 0)}
        if client is not None:
            brought = wrote - {client}
        else:
            fresh = wrote - before.keys() - self.manifest.claims.keys()
            brought = fresh if len(fresh) > _MAX_CLIENTS_OF_PROGRAM else set()
        self.to_publish |= (wrote - brought) - before.keys() - self.manifest.claims.keys()
        return self.record_text(live, news, source, undo_gap_s=None if brought else undo_gap_s)

    def record_text(
        self,
        live: LiveDocument,
        news: bytes,
        source: object,
        extra: Iterable[Statement] = (),
        *,
        undo_gap_s: float | None = None,
    ) -> Commit:
        """Store what was news in a text document.

        Args:
            extra: statements that become durable with it.
            undo_gap_s: for a change that this device's people or programs made, which can be undone: together with the
                change before, when that was no longer ago. A save is a step of its own, with a gap of 0.
        """
        live.last_seq = self.database.next_seq()
        live.used_at = trio.current_time()
        origin = DeviceID(source) if isinstance(source, bytes) else None
        gap_s, now = undo_gap_s, time.time()
        step = self._steps.save(self.id, live.id, live.last_seq, now, gap_s) if gap_s is not None else []
        commit = self.database.submit([log_row(self.id, live.id, live.last_seq, origin, news), *step, *extra])
        live.applied(news, source, commit)
        self.digests.document_changed(live.id)
        entry = self.entry_of.get(live.id)
        if origin is None and self.clients.own not in self.manifest.claims:
            self.to_publish |= self.own_clients
        if entry is not None:
            self.leaves.entry_changed(entry)
            if entry not in self.layout().path_of:
                self._entries_touched({entry})  # an edit beats a delete
            for session in self.sessions.values():
                session.entry_changed(entry)
        self._tell_sessions(live.id, source)
        is_on_disk_already = source is None
        if live.is_in_programs:  # everything else can wait until the other programs have it
            if entry is not None and not is_on_disk_already:
                self.render_queue.want_typed(entry, commit)
            commit.then(self.touch)
        else:
            if entry is not None and not is_on_disk_already:
                self.render_queue.want(entry)
            self.touch()
        return commit

    def bring_back(self, entry: Entry, path: str, stack: int = 0, extra: Iterable[Statement] = ()) -> Commit:
        """Make a deleted text live again, as a step that can be undone (or on another stack, see `history/undo.py`)."""
        forget_redo = self._steps.cannot_be_redone(self.id, entry.document)
        return self._come_or_go(Change(entry.id, path=path, revive=True), entry, stack, [forget_redo, *extra])

    def take_away(self, entry: Entry, stack: int, extra: Iterable[Statement] = ()) -> Commit:
        """Delete a text, as a step on a stack. What others write meanwhile revives it."""
        deletion = Deletion(entry.document, self.texts.open(entry.document).state_vector())
        return self._come_or_go(Change(entry.id, deletion=deletion), entry, stack, extra)

    def _come_or_go(self, change: Change, entry: Entry, stack: int, extra: Iterable[Statement]) -> Commit:
        seq = (
            self.database.next_seq()
        )  # less than the rows of the manifest, which are committed with it: never used again
        step = self._steps.file_moved(self.id, entry.document, seq, time.time(), stack)
        return self.write_manifest([change], [*extra, step])

    def steps_end(self, document: DocumentID) -> None:
        """What is written next is undone by itself."""
        self._steps.end(document)

    def settle_meeting(self, live: LiveDocument, settled: Settled) -> Commit | None:
        """Apply what repairs a meeting of two histories, and tell where a person would have been asked."""
        entry = self.entry_of.get(live.id, EntryID(b""))
        path = self.layout().path_of.get(entry, "")
        if settled.decision is not None:
            for message in self.notices.tell_meeting(path, entry, settled.decision, settled.makers):
                self.tell_makers(message)
        news = live.replica.apply(settled.repair) if settled.repair is not None else None
        if news is None:
            return None
        self.render_queue.want(entry)
        return self.record_text(live, news, None)

    def tell_makers(self, message: BothChanged) -> None:
        """Tell those who made one of the versions of a place that was changed apart."""
        for session in self.sessions.values():
            session.both_changed(message)

    def name_of(self, device: bytes) -> str:
        """What a device is called here."""
        member = self.members.get(DeviceID(device))
        return member.name if member is not None else format_device_id(DeviceID(device))[:8]

    def take_pulled(
        self, document: DocumentID, state: bytes, source: DeviceID, parsed: Parsed | None = None
    ) -> Commit | None:
        """Take the full state of a document that was missing here. Raises InvalidUpdate, MissingDependency."""
        if document not in self.entry_of or document in self.digests:
            return None
        first = read_first_import(state) if self.texts.in_memory(document) is None else None
        if first is not None:
            return self._take_first_import(document, *first, source)
        live = self.texts.open(document)
        with self.reloading(live):
            news = live.replica.receive(state, self.own_clients, parsed)
        self.wanted.discard(document)
        # The document of an empty file has no operations, but it is here from now on.
        return self.record_text(live, news if news is not None else state, source)

    def _take_first_import(self, document: DocumentID, text: str, made: Insertion, source: DeviceID) -> Commit:
        """A document that is one insertion, as almost all are at a first meeting, needs not be opened for that."""
        digest = Digest(made.version, hashlib.sha256(text.encode()).digest(), made.state_vector)
        seq = self.database.next_seq()
        commit = self.database.submit(
            [log_row(self.id, document, seq, source, made.update), digest.save(self.id, document, seq)]
        )
        self.digests.learn(document, digest)
        self.texts.submitted(document, seq, made.update)
        self.wanted.discard(document)
        entry = self.entry_of[document]
        self.leaves.entry_changed(entry)
        if entry not in self.layout().path_of:
            self._entries_touched({entry})  # an edit beats a delete
        self.render_queue.want(entry)
        for session in self.sessions.values():
            session.entry_changed(entry)
        self.touch()
        return commit

    def document_state(self, document: DocumentID) -> bytes:
        """The full state of a document for a peer that has nothing of it; empty when it is not here."""
        if document not in self.entry_of or document not in self.digests:
            return b""
        return self.texts.state(document)

    def _tell_sessions(self, document: DocumentID, source: object) -> None:
        for session in self.sessions.values():
            session.document_changed(document, source)

    # --- files --------------------------------------------------------------------------------------------------

    def set_file(self, record: FileRecord) -> None:
        """Remember the base of a file. Two entries cannot have one file: whose it was before is rendered anew."""
        other = self.file_at.get(record.path)
        if other is not None and other != record.entry:
            self.database.submit([self.files[other].delete(self.id)])
            self.drop_file(other)
            self.render_queue.want(other)
        self._unshared += 1
        old = self.files.get(record.entry)
        if old is not None and self.file_at.get(old.path) == record.entry:
            del self.file_at[old.path]
        self._unlist(old)
        self.files[record.entry] = record
        self.file_at[record.path] = record.entry
        if record.kind is Kind.BLOB:
            self.blobs.add_file(record.content, record.entry)
        self._file_changed(record.entry, old, record)

    async def share_values(self) -> None:
        """After many files came: let equal IDs, paths and hashes be one object each, as they are after a start."""
        if self._unshared < _UNSHARED_FILES:
            return
        self._unshared = 0
        for number, entry in enumerate(list(self.files)):
            record, found = self.files.get(entry), self.manifest.entries.get(entry)
            if record is not None and found is not None and record.path == found.path:
                digest = self.digests.at_hand(found.document)
                is_digest = digest is not None and digest.content == record.content
                self.files[entry] = replace(
                    record,
                    entry=found.id,
                    path=found.path,
                    document=found.document if record.document == found.document else record.document,
                    content=digest.content if digest is not None and is_digest else record.content,
                )
            if number % _SLICE == 0:
                await trio.lowlevel.checkpoint()

    def drop_file(self, entry: EntryID) -> None:
        record = self.files.pop(entry, None)
        if record is not None and self.file_at.get(record.path) == entry:
            del self.file_at[record.path]
        self._unlist(record)
        self.waiting.entries.pop(entry, None)
        self._file_changed(entry, record, None)

    def _unlist(self, record: FileRecord | None) -> None:
        if record is not None and record.kind is Kind.BLOB:
            self.blobs.remove_file(record.content, record.entry)

    def _file_changed(self, entry: EntryID, old: FileRecord | None, new: FileRecord | None) -> None:
        """What is no text is here as long as its file is."""
        if any(record is not None and record.kind is not Kind.TEXT for record in (old, new)):
            self._note_blob(entry)
            self.leaves.entry_changed(entry)

    def file_by_path(self, path: str) -> FileRecord | None:
        entry = self.file_at.get(path)
        return self.files.get(entry) if entry is not None else None

    def is_on_disk(self, entry: EntryID) -> bool:
        """Whether the file holds exactly what the documents say, as far as we know, or is left out."""
        found = self.manifest.entries.get(entry)
        record = self.files.get(entry)
        if entry in self.ignored:
            return True
        if found is None or not self.is_alive(found):
            return record is None
        if record is None or record.path != self.layout().path_of.get(entry) or record.mode != found.mode:
            return False
        if found.kind is not Kind.TEXT:
            return self.holds(found)
        digest = self.digests.get(found.document)
        return record.kind is Kind.TEXT and digest is not None and record.content == digest.content

    def rendered(self, entry: EntryID) -> None:
        """The file of `entry` was brought in step: tell the peers."""
        for session in self.sessions.values():
            session.on_disk(entry)
        self.touch()

    def all_rendered(self, entries: Iterable[EntryID]) -> None:
        for entry in entries:
            self.rendered(entry)

    def files_to_go(self) -> int:
        """How many entries have no file yet, or an older one."""
        alive, wanted = self.layout().path_of.keys(), self.blobs.wanted.keys()
        return len(alive - self.files.keys() - self.ignored) + len(wanted & self.files.keys())

    # --- waiting ------------------------------------------------------------------------------------------------

    def is_compared(self) -> bool:
        """Whether some peer is linked, and all that are have been compared with."""
        return bool(self.sessions) and all(session.compared for session in self.sessions.values())

    @property
    def changed(self) -> trio.Event:
        """Set at the next change of any kind."""
        if self._changed.is_set():
            self._changed = trio.Event()
        return self._changed

    def touch(self) -> None:
        """Something changed: wake whoever waits for that."""
        self._changed.set()
