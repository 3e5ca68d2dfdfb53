"""A folder: its members, its manifest, its documents, and what is known of its files.

This is the state that sessions (towards peers) and the disk actor (towards files) share. All of it lives on the loop's
thread; every method is synchronous unless it says otherwise, so between two awaits nothing changes underneath.

Invariants
    * Every change goes through `_record` (texts) or `write_manifest` / `_accept_manifest`: applied, submitted to the
      store, and only told to others when durable (invariant 1).
    * `tree` holds a leaf for exactly the live text entries whose document is here.
    * `to_render` holds every entry whose file may differ from what the documents say.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import structlog
import trio

from yp2p.documents.layout import Layout, layout
from yp2p.documents.manifest import Change, Entry, Kind, Manifest
from yp2p.documents.meeting import Merged, receive_from_peer
from yp2p.documents.text import TextReplica
from yp2p.errors import DocumentPoisoned
from yp2p.files.capabilities import Capabilities
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.reconcile import Leaf, ReconcileTree
from yp2p.protocol.ysync import Parsed, parse_update, read_state_vector
from yp2p.store.database import Commit, Database, Statement
from yp2p.sync.clients import ClientIDs
from yp2p.sync.guard import DeletionGuard
from yp2p.sync.live import RECENT_S, LiveDocument
from yp2p.sync.members import Membership
from yp2p.sync.notices import NoticeKind, Notices
from yp2p.sync.quarantine import Quarantine
from yp2p.sync.records import Digest, FileRecord, load_digests, load_files, load_log, log_row, recent_of_others
from yp2p.sync.waiting import Waiting
from yp2p.trust.membership import Member

# No document stays in memory longer than this without use, and no more than so many at once.
IDLE_DOCUMENT_S = 60.0
_DEFAULT_TRASH_BYTES = 2 << 30

log = structlog.get_logger()
MAX_OPEN_DOCUMENTS = 1024


class Session(Protocol):
    """What a folder tells the sessions with its peers."""

    compared: bool

    @property
    def peer(self) -> DeviceID: ...

    def document_changed(self, document: DocumentID, source: object) -> None: ...

    def entry_changed(self, entry: EntryID) -> None: ...

    def on_disk(self, entry: EntryID) -> None: ...


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
        self.notices = Notices(database, folder)
        self.sessions: dict[DeviceID, Session] = {}
        self.files: dict[EntryID, FileRecord] = {}
        self.file_at: dict[str, EntryID] = {}
        self.waiting = Waiting()
        self.quarantine = Quarantine()
        self.to_render: set[EntryID] = set()
        self.problem = ""  # why the folder is paused, if it is
        self.settled = False
        self.changed = trio.Event()  # replaced at each change: for those who wait for any
        self.disk_work = trio.Event()
        self.pulling: set[DocumentID] = set()  # by some session, so that no other does
        self.tree = ReconcileTree()
        self._digests: dict[DocumentID, Digest] = {}
        self._stale: set[DocumentID] = set()  # documents whose digest is not up to date
        self._unsaved: dict[DocumentID, Statement] = {}
        self._tree_stale: set[EntryID] = set()  # entries whose leaf is not
        self._texts: dict[DocumentID, LiveDocument] = {}
        self.unstored: dict[DocumentID, tuple[int, bytes]] = {}  # imports on their way to the store
        # Contents that a peer announced and that were ours: what both have stays what it is, whatever their histories.
        self.equal_contents: dict[tuple[DocumentID, object], bytes] = {}
        self.wanted: set[DocumentID] = set()  # documents that a peer has and that may revive an entry
        self._layout: Layout | None = None
        self._manifest_digest: tuple[tuple[int, ...], bytes] = ((), b"")
        self._dead_at: dict[str, EntryID] = {}
        self.entry_of: dict[DocumentID, EntryID] = {}
        self.manifest = Manifest(clients.own)
        self.manifest_documents = [
            LiveDocument(manifest_document_id(index), replica, self._accept_manifest, database.pending)
            for index, replica in enumerate(self.manifest.replicas)
        ]

    # --- loading ------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Read everything from the store; call once, before use."""
        self.membership.load()
        self.notices.load()
        digests, stale = load_digests(self.database, self.id)
        self._digests = {d: digest for d, digest in digests.items() if d not in _MANIFEST_INDEX}
        self._stale = stale - set(_MANIFEST_INDEX)
        for document, index in _MANIFEST_INDEX.items():
            rows = load_log(self.database, self.id, document)
            if rows:
                self.manifest.load(index, [data for _, data in rows])
                self.manifest_documents[index].last_seq = rows[-1][0]
        for record in load_files(self.database, self.id):
            self.set_file(record)
        for entry in self.manifest.entries.values():
            self._entry_touched(entry.id)
        self.to_render.update(self.manifest.entries)

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

    def has_document(self, document: DocumentID) -> bool:
        return document in self._digests or document in self._stale

    def digest(self, document: DocumentID) -> Digest | None:
        """Version, content and clocks of a document that is here."""
        if document in self._stale:
            live = self.open_text(document)
            replica = live.text
            digest = Digest(replica.version(), replica.content(), replica.state_vector())
            self._stale.discard(document)
            self._digests[document] = digest
            self._unsaved[document] = digest.save(self.id, document, live.last_seq)
        return self._digests.get(document)

    def save_digests(self) -> None:
        """Store the digests computed since the last time; a crash only costs computing them again."""
        if self._unsaved:
            self.database.submit(self._unsaved.values())
            self._unsaved = {}

    def learn_digest(self, document: DocumentID, digest: Digest) -> None:
        """The digest of a document that was just made here."""
        self._digests[document] = digest

    def clocks(self, document: DocumentID) -> dict[int, int]:
        live = self._texts.get(document)
        if live is not None:
            return live.replica.clocks()
        digest = self.digest(document)
        return read_state_vector(digest.clocks) if digest is not None else {}

    def leaf(self, entry: EntryID) -> Leaf | None:
        """The leaf of a live text entry whose document is here, up to date."""
        found = self.manifest.entries.get(entry)
        if found is None or found.kind is not Kind.TEXT or not self.is_alive(found):
            return None
        digest = self.digest(found.document)
        return Leaf(found.document, digest.version, digest.content) if digest is not None else None

    def refresh_tree(self) -> ReconcileTree:
        """The tree with all leaves up to date."""
        changed, self._tree_stale = self._tree_stale, set()
        for entry in changed:
            self._set_leaf(entry)
        return self.tree

    def _set_leaf(self, entry: EntryID) -> None:
        leaf = self.leaf(entry)
        if leaf is None:
            self.tree.remove(entry)
        else:
            self.tree.set(entry, leaf)

    # --- entries ------------------------------------------------------------------------------------------------

    def is_alive(self, entry: Entry) -> bool:
        return self.manifest.is_alive(entry, self.clocks)

    def live_texts(self) -> list[Entry]:
        return [e for e in self.manifest.entries.values() if e.kind is Kind.TEXT and self.is_alive(e)]

    def layout(self) -> Layout:
        """Where every live entry is on disk."""
        if self._layout is None:
            self._layout = layout((e.id, e.path) for e in self.manifest.entries.values() if self.is_alive(e))
            self._dead_at = {e.path: e.id for e in self.manifest.entries.values() if e.id not in self._layout.path_of}
        return self._layout

    def dead_entry_at(self, path: str) -> Entry | None:
        """A deleted text entry that was at `path`, whose document is here."""
        self.layout()
        entry = self.manifest.entries.get(self._dead_at.get(path, EntryID(b"")))
        if entry is None or entry.kind is not Kind.TEXT or not self.has_document(entry.document):
            return None
        return entry

    def missing_documents(self) -> list[DocumentID]:
        """Documents that live text entries name and that are not here yet."""
        named = [e.document for e in self.live_texts()]
        named += [document for document in self.wanted if document in self.entry_of]
        return [document for document in dict.fromkeys(named) if not self.has_document(document)]

    def write_manifest(self, changes: list[Change], extra: Iterable[Statement] = ()) -> Commit:
        """Write registers; `extra` statements become durable with them. Await `told_manifest` afterwards."""
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
        self._entries_touched({change.entry for change in changes})
        for live, _ in rows:
            self._tell_sessions(live.id, None)
        return commit

    async def told_manifest(self, commit: Commit) -> None:
        """Wait for a commit of `write_manifest` and tell the peers."""
        await commit.wait()
        for live in self.manifest_documents:
            await live.told(commit)

    def _accept_manifest(
        self, live: LiveDocument, update: bytes, source: object, known: dict[int, int], parsed: Parsed | None
    ) -> Commit | None:
        index = _MANIFEST_INDEX[live.id]
        with self._reloading(live):
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
        before = self._layout
        self._layout = None
        entries = set(entries)
        for entry in entries:
            self._entry_touched(entry)
        if before is not None:
            after = self.layout()
            entries |= {e for e, path in before.path_of.items() if after.path_of.get(e) != path}
        self.to_render |= entries
        for entry in entries:
            for session in self.sessions.values():
                session.entry_changed(entry)
        self.disk_work.set()
        self.touch()

    def _entry_touched(self, entry: EntryID) -> None:
        found = self.manifest.entries.get(entry)
        if found is not None and found.kind is Kind.TEXT:
            self.entry_of[found.document] = entry
        self._set_leaf(entry)

    # --- documents ----------------------------------------------------------------------------------------------

    def live_document(self, document: DocumentID) -> LiveDocument | None:
        """The document with this ID for a provider, or None when the manifest names none such."""
        index = _MANIFEST_INDEX.get(document)
        if index is not None:
            return self.manifest_documents[index]
        if document not in self.entry_of:
            return None
        return self.open_text(document)

    def open_text(self, document: DocumentID) -> LiveDocument:
        """A text document in memory, loaded from the store if need be; empty when it is not here."""
        live = self._texts.get(document)
        if live is None:
            rows = self.rows(document)
            replica = TextReplica.from_updates(self.clients.own, [data for _, data in rows])
            live = LiveDocument(document, replica, self._accept_text, self.database.pending)
            live.last_seq = rows[-1][0] if rows else 0
            for at, data in recent_of_others(self.database, self.id, document, time.time() - RECENT_S):
                live.recent.add(at, parse_update(data).sections)
            self._texts[document] = live
        live.used_at = trio.current_time()
        return live

    def rows(self, document: DocumentID) -> list[tuple[int, bytes]]:
        """The log of a document, with what is on its way to the store."""
        rows = load_log(self.database, self.id, document)
        on_its_way = self.unstored.get(document)
        return rows if rows or on_its_way is None else [on_its_way]

    @contextmanager
    def _reloading(self, live: LiveDocument) -> Iterator[None]:
        """Should the library panic in here, load the document from the store before anybody else can use it."""
        try:
            yield
        except DocumentPoisoned:
            # no await: what is applied and not committed yet is in `untold`, everything else in the log
            rows = [data for _, data in self.rows(live.id)] + live.untold_updates()
            index = _MANIFEST_INDEX.get(live.id)
            if index is not None:
                touched = self.manifest.reload(index, rows)
                live.replica = self.manifest.replicas[index]
                self._entries_touched(touched)
            else:
                live.replica = TextReplica.from_updates(self.clients.own, rows)
            raise

    def close_idle_texts(self) -> None:
        """Let go of documents that nobody used for a while; everything they hold is in the store."""
        if not self.database.pending().is_done:
            return
        now = trio.current_time()
        crowded = len(self._texts) > MAX_OPEN_DOCUMENTS
        for document, live in list(self._texts.items()):
            idle = now - live.used_at
            if not live.is_listened_to and (idle > IDLE_DOCUMENT_S or (crowded and idle > 1)):
                self.digest(document)
                del self._texts[document]

    def _accept_text(
        self, live: LiveDocument, update: bytes, source: object, known: dict[int, int], parsed: Parsed | None
    ) -> Commit | None:
        announced = self.equal_contents.pop((live.id, source), None)
        is_equal = announced is not None and announced == live.text.content()
        with self._reloading(live):
            merged = receive_from_peer(live.text, update, self.own_clients, known, parsed, is_equal=is_equal)
        if merged.news is None:
            return None
        if live.replica.received is not None:
            live.recent.add(time.time(), live.replica.received.sections)
        commit = self.record_text(live, merged.news, source)
        return self.tell_merge(live, merged) or commit

    def record_text(self, live: LiveDocument, news: bytes, source: object, extra: Iterable[Statement] = ()) -> Commit:
        """Store what was news in a text document; `extra` statements become durable with it."""
        live.last_seq = self.database.next_seq()
        live.used_at = trio.current_time()
        origin = DeviceID(source) if isinstance(source, bytes) else None
        commit = self.database.submit([log_row(self.id, live.id, live.last_seq, origin, news), *extra])
        live.applied(news, source, commit)
        self._stale.add(live.id)
        entry = self.entry_of.get(live.id)
        if entry is not None:
            self._tree_stale.add(entry)
            if self._layout is not None and entry not in self._layout.path_of:
                self._entries_touched({entry})  # an edit beats a delete
            if source is not None:
                self.to_render.add(entry)
                self.disk_work.set()
            for session in self.sessions.values():
                session.entry_changed(entry)
        self._tell_sessions(live.id, source)
        self.touch()
        return commit

    def tell_merge(self, live: LiveDocument, merged: Merged) -> Commit | None:
        """Tell what met in one line, and store what repaired the merge, if anything did."""
        entry = self.entry_of.get(live.id, EntryID(b""))
        for line in merged.lines:
            path = self.layout().path_of.get(entry, "")
            self.notices.add(NoticeKind.MERGED_IN_ONE_LINE, path, line, entry)
        if merged.repair is None:
            return None
        self.to_render.add(entry)
        return self.record_text(live, merged.repair, None)

    def take_pulled(
        self, document: DocumentID, state: bytes, source: DeviceID, parsed: Parsed | None = None
    ) -> Commit | None:
        """Take the full state of a document that was missing here. Raises InvalidUpdate, MissingDependency."""
        if document not in self.entry_of or self.has_document(document):
            return None
        live = self.open_text(document)
        with self._reloading(live):
            news = live.replica.receive(state, self.own_clients, parsed)
        self.wanted.discard(document)
        # The document of an empty file has no operations, but it is here from now on.
        return self.record_text(live, news if news is not None else state, source)

    async def told_texts(self, documents: Iterable[DocumentID]) -> None:
        """Wait until what was taken for these documents is durable, and tell their listeners."""
        commit = self.database.pending()
        await commit.wait()
        for document in documents:
            live = self._texts.get(document)
            if live is not None:
                await live.told(commit)

    def document_state(self, document: DocumentID) -> bytes:
        """The full state of a document for a peer that has nothing of it; empty when it is not here."""
        if document not in self.entry_of or not self.has_document(document):
            return b""
        if document not in self._texts:
            rows = self.rows(document)
            if len(rows) == 1:
                return rows[0][1]
        return self.open_text(document).replica.state()

    def _tell_sessions(self, document: DocumentID, source: object) -> None:
        for session in self.sessions.values():
            session.document_changed(document, source)

    # --- files --------------------------------------------------------------------------------------------------

    def set_file(self, record: FileRecord) -> None:
        """Remember the base of a file. Two entries cannot have one file: whose it was before is rendered anew."""
        other = self.file_at.get(record.path)
        if other is not None and other != record.entry:
            self.database.submit([self.files.pop(other).delete(self.id)])
            self.to_render.add(other)
        old = self.files.get(record.entry)
        if old is not None and self.file_at.get(old.path) == record.entry:
            del self.file_at[old.path]
        self.files[record.entry] = record
        self.file_at[record.path] = record.entry

    def drop_file(self, entry: EntryID) -> None:
        record = self.files.pop(entry, None)
        if record is not None and self.file_at.get(record.path) == entry:
            del self.file_at[record.path]
        self.waiting.entries.pop(entry, None)

    def file_by_path(self, path: str) -> FileRecord | None:
        entry = self.file_at.get(path)
        return self.files.get(entry) if entry is not None else None

    def base_is_head(self, record: FileRecord, live: LiveDocument) -> bool:
        """Whether the file's base is all of the document."""
        return record.base_state is None and record.base_seq >= live.last_seq

    def is_rendered(self, record: FileRecord) -> bool:
        """Whether the base is all of the document, without loading the document when its digest tells."""
        live = self._texts.get(record.document)
        if live is None and record.document not in self._stale and record.base_state is None:
            digest = self._digests.get(record.document)
            return digest is not None and digest.content == record.content
        return self.base_is_head(record, live or self.open_text(record.document))

    def fork_at_base(self, record: FileRecord, client_id: int) -> TextReplica:
        """A replica that holds what the file held, to apply a save to (invariant 2)."""
        if record.base_state is not None:
            return TextReplica.from_updates(client_id, [record.base_state])
        live = self.open_text(record.document)
        if self.base_is_head(record, live):
            return live.text.fork(client_id)
        fork = self.text_at(record.document, record.base_seq)
        return fork if client_id == self.clients.fork else fork.fork(client_id)

    def text_at(self, document: DocumentID, seq: int) -> TextReplica:
        """The document as it was at a row of the log, from the store."""
        rows = self.rows(document)
        return TextReplica.from_updates(self.clients.fork, [data for number, data in rows if number <= seq])

    def is_on_disk(self, entry: EntryID) -> bool:
        """Whether the file holds exactly what the documents say, as far as we know."""
        found = self.manifest.entries.get(entry)
        record = self.files.get(entry)
        if found is None or found.kind is not Kind.TEXT or not self.is_alive(found):
            return record is None
        if record is None or record.path != self.layout().path_of.get(entry):
            return False
        digest = self.digest(found.document)
        return digest is not None and record.content == digest.content and record.executable == found.executable

    def rendered(self, entry: EntryID) -> None:
        """The file of `entry` was brought in step: tell the peers."""
        for session in self.sessions.values():
            session.on_disk(entry)
        self.touch()

    # --- waiting ------------------------------------------------------------------------------------------------

    def is_compared(self) -> bool:
        """Whether some peer is linked, and all that are have been compared with."""
        return bool(self.sessions) and all(session.compared for session in self.sessions.values())

    def touch(self) -> None:
        """Something changed: wake whoever waits for that."""
        event, self.changed = self.changed, trio.Event()
        event.set()
