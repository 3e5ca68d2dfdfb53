"""A folder: what this device knows of it, shared by its sessions, its disk actor, its programs and the local API.

The parts know little of one another; what has to be the same in several of them is kept here. All of it lives on the
loop's thread; every method is synchronous unless it says otherwise, so between two awaits nothing changes underneath.

Invariants
    * Every change goes through `edits` (texts) or `catalogue` (entries): applied, submitted to the store, and only told
      to others when durable (invariant 1).
    * `leaves` has a leaf for exactly the live entries whose document, or whose content on the disk, is here.
    * `files.blobs.wanted` holds exactly the live blobs whose content is not on the disk where it belongs.
    * `render_queue` holds every entry whose file may differ from what the documents say.
    * `files.waiting.entries` has live entries and those whose file is there: what waits has a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from yp2p.documents.registers import Entry
from yp2p.files.root import is_ours
from yp2p.folder.authorship import Authorship
from yp2p.folder.catalogue import MANIFEST_INDEX, Catalogue
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.digests import Leaves
from yp2p.folder.edits import Edits
from yp2p.folder.file_index import FileIndex
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.members import Membership
from yp2p.folder.merger import InlineMerger, Merger
from yp2p.folder.newcomers import Newcomers
from yp2p.folder.notices import Notices
from yp2p.folder.observers import Observers
from yp2p.folder.purges import Purges
from yp2p.folder.records import FileRecord, Sight, Values
from yp2p.folder.render_queue import RenderQueue
from yp2p.folder.set_aside import tell_set_aside
from yp2p.folder.state import FolderState
from yp2p.folder.tally import Standing
from yp2p.folder.texts import Texts
from yp2p.folder.uncounted import Uncounted
from yp2p.folder.unsent import Unsent
from yp2p.folder.while_out import WhileOut
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID, Identity, format_device_id
from yp2p.memory import keep_loaded_from_the_collector, without_collector
from yp2p.protocol.entries import Kind
from yp2p.protocol.reconcile import Leaf
from yp2p.store.database import Database
from yp2p.trust.membership import Member
from yp2p.trust.statements import Role, Statement


def blob_leaf(found: Entry) -> Leaf:
    """The leaf of what is no text, where its file is as the manifest says."""
    return Leaf(found.document, hashlib.sha256(found.content.encode()).digest(), found.content.hash)


class Folder:
    """One folder of this device.

    Attributes:
        state: how it is doing; whoever waits for a change waits there.
        catalogue: its entries, and where they are.
        texts, edits: its text documents, and what is done to them.
        files: what its files are known to hold.
        leaves: the tree that devices compare.
        observers: the sessions with other devices.
        render_queue: whose files have to be looked at.
    """

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
        confirmation_reason: str = "",
        merger: Merger | None = None,
        identity: Identity | None = None,
    ) -> None:
        self.id = folder
        self.label = label
        self.path = path
        self.database = database
        self.clients = clients
        self.state = FolderState(folder, label, database, adopted=adopted, confirmation_reason=confirmation_reason)
        self.membership = Membership(folder, founder, database, identity)
        self.notices = Notices(database, folder, clients.device, self.name_of)
        self.membership.on_removed = self.notices.tell_removal
        self.membership.on_silenced = lambda removal: self.observers.uncounted.removed(removal)
        self.membership.on_removal_said = self._removal_said
        self.membership.on_heard = self._may_write
        self.membership.on_admitted = self._admitted
        self.membership.on_raised = self._raised
        self.membership.on_restored = self._restored
        self.observers = Observers(Uncounted(self), Unsent(self), Purges(self), Newcomers(self), WhileOut(self))
        self.notices.called = lambda device: self.observers.called(device)
        self.render_queue = RenderQueue()
        self.edits = Edits(self, merger or InlineMerger(), self._entries_changed)
        self.texts = Texts(
            folder, database, clients, self.edits.accept, self.edits.meetings.receive, self.membership.takes_from,
            self._lags,
        )  # fmt: skip
        self.files = FileIndex(folder, database, self.render_queue, self._file_changed, self._entry)
        self.files.waiting.changed = self.files.local.told = self.state.touch
        authorship = Authorship(folder, self.membership, identity)
        self.catalogue = Catalogue(
            folder, database, clients, self.texts, self.observers, self._entries_changed, authorship
        )
        self.leaves = Leaves(self.leaf)

    async def load(self) -> None:
        """Read everything from the store; call once, before use."""
        await self.membership.load()
        with without_collector():
            self._load()
        keep_loaded_from_the_collector(len(self.catalogue.entries))

    def _load(self) -> None:
        self.notices.load()
        self.edits.named.load()
        self.catalogue.load()
        self.observers.uncounted.load()
        self.observers.unsent.load()
        self.observers.purges.load()
        self.observers.while_out.load()
        values = Values()
        for entry in self.catalogue.entries.values():
            for value in (entry.id, entry.path, entry.document):
                values.intern(value)
        self.texts.digests.load(values, MANIFEST_INDEX)
        self.files.load(values)
        self.files.choice.load()
        tell_set_aside(self.id, self.database, self.notices, self.files, self.catalogue.entries)
        for entry in self.catalogue.entries.values():
            self._entry_changed(entry.id)
        self.note_chosen(self.catalogue.entries)
        for known in self.catalogue.entries.keys() | self.files.keys():
            self.count(known)
        self.render_queue.want_all(self.catalogue.entries)

    # --- members ------------------------------------------------------------------------------------------------

    def _removal_said(self, removal: Statement) -> None:
        self.observers.uncounted.removal_said(removal)
        self.observers.while_out.heard()

    def _admitted(self, member: Member) -> None:
        self.notices.tell_admission(member)
        self.observers.newcomers.came(member.identity.device_id)

    def _raised(self, before: Role, member: Member) -> None:
        self.notices.tell_raised(member)
        if before < Role.MEMBER:
            self.observers.newcomers.came(member.identity.device_id)

    def _restored(self, before: Role, member: Member) -> None:
        self.notices.tell_restored(before, member)
        if before < Role.MEMBER:
            self.observers.newcomers.came(member.identity.device_id)

    def _may_write(self, device: DeviceID) -> None:
        self.observers.uncounted.let_in_again(device)
        if device == self.clients.device:
            self.observers.while_out.let_in_again()

    # --- entries ------------------------------------------------------------------------------------------------

    def _entry(self, entry: EntryID) -> Entry | None:
        return self.catalogue.entries.get(entry)

    def _entries_changed(self, entries: Iterable[EntryID]) -> None:
        entries = set(entries)
        for entry in entries:
            self._entry_changed(entry)
        self.catalogue.layout()
        entries |= self.catalogue.take_moved()
        for entry in entries:
            self.note_ignored(entry, self._is_ignored(entry))
        self.note_chosen(entries)
        for entry in entries:
            self.count(entry)
            self.observers.entry_changed(entry)
        self.render_queue.want_all(entries)
        self.state.touch()

    def _entry_changed(self, entry: EntryID) -> None:
        self.catalogue.touched(entry)
        self._note_wanted(entry)
        if not self._may_wait(entry):
            self.files.waiting.done(entry)
        self.leaves.set(entry)

    def _may_wait(self, entry: EntryID) -> bool:
        """Whether there is something to wait for: a file that is to come, or one that is to go."""
        if self.files.is_left_alone(entry):
            return False
        found = self.catalogue.entries.get(entry)
        return entry in self.files or (found is not None and self.catalogue.is_alive(found))

    def note_waiting(self, entry: EntryID, reason: str) -> None:
        """The file of an entry cannot be brought in step now; nothing where there is no such entry any more."""
        if self._may_wait(entry):
            self.files.waiting.note(entry, reason)

    def _file_changed(self, entry: EntryID, is_opaque: bool) -> None:
        """What is no text is here as long as its file is."""
        if is_opaque:
            self._note_wanted(entry)
            self.leaves.entry_changed(entry)
        self.count(entry)

    def count(self, entry: EntryID) -> None:
        """Where an entry belongs, its file, or what is to come of it is another one, or may be (`tally.py`)."""
        files, found = self.files, self.catalogue.entries.get(entry)
        standing = Standing(
            entry in files, entry in files.ignored, entry in files.choice.unchosen, entry in files.blobs.wanted,
            found is not None and found.kind is Kind.DIRECTORY,
        )  # fmt: skip
        files.tally.note(entry, self.catalogue.layout().path_of.get(entry), standing)

    def _note_wanted(self, entry: EntryID) -> None:
        """Whether the blob of an entry has to be fetched."""
        found = self.catalogue.entries.get(entry)
        lacks = (
            found is not None
            and found.kind is Kind.BLOB
            and not self.files.is_left_alone(entry)
            and self.catalogue.is_alive(found)
            and not self.files.holds(found)
        )
        self.files.blobs.want(entry, found.content if found is not None and lacks else None)

    def _is_ignored(self, entry: EntryID) -> bool:
        path = self.catalogue.layout().path_of.get(entry)
        return path is not None and self.files.ignored.covers(path, self.catalogue.entries[entry].kind)

    def note_ignored(self, entry: EntryID, is_ignored: bool) -> None:
        """Whether an entry is at a path that this device leaves out (`disk/ingest/ignored.py`)."""
        ignored = self.files.ignored.entries
        if is_ignored != (entry in ignored):
            (ignored.add if is_ignored else ignored.discard)(entry)
            if is_ignored:
                self.files.waiting.done(entry)
                self.files.lose_sight([entry], Sight.LOST)  # nobody looks whether it goes
            self._note_wanted(entry)
            self.count(entry)
            self.leaves.set(entry)

    def note_chosen(self, entries: Iterable[EntryID]) -> None:
        """Whether these entries are chosen (`choice.py`): their paths, or what is chosen, are others by now."""
        choice, path_of = self.files.choice, self.catalogue.layout().path_of
        for entry in entries:
            path = path_of.get(entry)
            is_unchosen = path is not None and not choice.has(entry, path)
            if is_unchosen != (entry in choice.unchosen):
                (choice.unchosen.add if is_unchosen else choice.unchosen.discard)(entry)
                if self.files.is_left_alone(entry):
                    self.files.waiting.done(entry)
                self._note_wanted(entry)
                self.count(entry)
                self.leaves.set(entry)

    def shown_path(self, record: FileRecord) -> str:
        """The path of a file as people know it: one that is parked while another has its place has the entry's."""
        if not is_ours(record.path):
            return record.path
        found = self.catalogue.entries.get(record.entry)
        wanted = self.catalogue.layout().path_of.get(record.entry) or (found.path if found is not None else "")
        return wanted or record.path.rpartition("/")[2]

    # --- what follows from entries and files together -----------------------------------------------------------

    def leaf(self, entry: EntryID) -> Leaf | None:
        """The leaf of a live entry whose document is here, or whose content is on the disk, up to date."""
        found = self.catalogue.entries.get(entry)
        if found is None or not self.catalogue.is_alive(found):
            return None
        if found.kind is not Kind.TEXT:
            if not self.files.holds(found) and not self.files.is_left_alone(entry):
                return None
            return blob_leaf(found)
        digest = self.texts.digests.get(found.document)
        return Leaf(found.document, digest.version, digest.content) if digest is not None else None

    def is_on_disk(self, entry: EntryID) -> bool:
        """Whether the file holds exactly what the documents say, as far as we know, or is left alone."""
        found, record = self.catalogue.entries.get(entry), self.files.get(entry)
        if self.files.is_left_alone(entry):
            return True
        if found is None or not self.catalogue.is_alive(found):
            return record is None
        if record is None or record.mode != found.mode or record.path != self.catalogue.layout().path_of.get(entry):
            return False
        if found.kind is not Kind.TEXT:
            return self.files.holds(found)
        digest = self.texts.digests.get(found.document)
        return record.kind is Kind.TEXT and digest is not None and record.content == digest.content

    def is_being_typed(self, entry: EntryID) -> bool:
        """Whether programs have a text open that is to be rendered anyway, whatever its digest is now."""
        found = self.catalogue.entries.get(entry) if entry in self.render_queue else None
        if found is None or found.kind is not Kind.TEXT:
            return False
        live = self.texts.in_memory(found.document)
        return live is not None and live.is_in_programs

    def is_complete(self) -> bool:
        """Whether everything that other devices have, as far as they told, is here."""
        return not self.files.blobs.wanted and self.catalogue.named.is_complete()

    def rendered(self, entries: Iterable[EntryID]) -> None:
        """The files of these entries were brought in step: tell the peers."""
        for entry in entries:
            self.observers.on_disk(entry)
        self.state.touch()

    # --- documents ----------------------------------------------------------------------------------------------

    def live_document(self, document: DocumentID) -> LiveDocument | None:
        """The document with this ID for a provider, or None when the manifest names none such."""
        index = MANIFEST_INDEX.get(document)
        if index is not None:
            return self.catalogue.documents[index]
        return self.texts.open(document) if document in self.catalogue.entry_of else None

    def document_state(self, document: DocumentID) -> bytes:
        """The full state of a document for a peer that has nothing of it; empty when it is not here, or is doubted."""
        if self.observers.uncounted.doubted:
            return b""
        if document not in self.catalogue.entry_of or document not in self.texts.digests:
            return b""
        return self.texts.state(document)

    def _lags(self, document: DocumentID, seq: int) -> bool:
        """Whether the file of a text held what was before a row of its log, and was not read or written since."""
        record = self.files.get(self.catalogue.entry_of.get(document))
        return record is not None and record.document == document and record.base_seq < seq

    def close_idle_documents(self) -> bool:
        """Let go of documents that nobody used for a while, and tell whether there were any: they are in the store."""
        if not self.database.pending().is_done:
            return False
        closed = self.texts.close_idle()
        return self.catalogue.rest() or closed

    def name_of(self, device: bytes) -> str:
        """What a device is called here, also one that was removed; the beginning of its ID where nothing names it."""
        name = self.membership.name_of(DeviceID(device))
        if not name:
            return format_device_id(DeviceID(device))[:8]
        return self.observers.called(DeviceID(device)) or name
