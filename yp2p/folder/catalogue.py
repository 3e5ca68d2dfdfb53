"""The catalogue of a folder: its entries, as the manifest documents say, and where they are.

All of it lives on the loop's thread, and every method is synchronous unless it says otherwise: between two awaits
nothing changes underneath.

Invariants
    * Every change is applied, submitted to the store, and only told to others when durable (invariant 1).
    * `layout` has a place for exactly the live entries.
    * A delete that counted is undone by an edit or by a person, and not by a concurrent delete whose author had seen
      less and whose register won: the entry would come back, and the content of a blob may be nowhere. Both are written
      as one delete, in the commit of the one that won.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import trio

from yp2p.documents.layout import Layout, LayoutIndex
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Bookmark, Change, Claim, Deletion, Entry, index_of
from yp2p.folder.authorship import Authorship
from yp2p.folder.budget import account, bring
from yp2p.folder.burden import RENEWED_BYTES, Awaited, of_registers
from yp2p.folder.client_ids import ClientIDs, fresh_client_id
from yp2p.folder.live_document import Keeper, LiveDocument
from yp2p.folder.named_documents import NamedDocuments
from yp2p.folder.observers import Observers
from yp2p.folder.records import load_log, log_row
from yp2p.folder.texts import Texts
from yp2p.identity import DeviceID, DocumentID, EntryID, FolderID
from yp2p.protocol.clients import Writer
from yp2p.protocol.dependencies import written_beyond
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import MANIFEST_DOCUMENTS
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.ysync import Checked, Parsed
from yp2p.store import tables
from yp2p.store.database import Database
from yp2p.store.sql import Statement
from yp2p.store.writer import Commit

# Of so many entries is known who changed them last.
_MOST_CHANGED = 10_000
# Of an update with more client IDs it is not looked at whose they are: each takes a tenth of a millisecond.
_CLIENTS_OF_ONE = 16
# The manifest's documents are let go of after so much without use, at most twice as long.
IDLE_MANIFEST_S = 5.0


def manifest_document_id(index: int) -> DocumentID:
    """The ID under which a manifest document has its channel and its log."""
    return DocumentID(b"yp2p-manifest\x00\x00" + bytes([index]))


MANIFEST_INDEX = {manifest_document_id(index): index for index in range(MANIFEST_DOCUMENTS)}


class Catalogue:
    """The entries of one folder.

    Args:
        changed: is told of entries whose registers changed.
        authorship: who may write, and who wrote with which client ID.

    Attributes:
        entries: all that can be read, deleted ones as well.
        named: the documents of text entries.
        awaited: what was brought of entries whose content is still to come.
        changed_by: which other device changed an entry last, since this process started and since this one did.
    """

    def __init__(
        self,
        folder: FolderID,
        database: Database,
        clients: ClientIDs,
        texts: Texts,
        observers: Observers,
        changed: Callable[[set[EntryID]], None],
        authorship: Authorship,
    ) -> None:
        self._folder = folder
        self._database = database
        self._clients = clients
        self._texts = texts
        self._observers = observers
        self._changed = changed
        self.authorship = authorship
        self.manifest = Manifest(clients.own, self._stored)
        authorship.claims = self.manifest.claims
        self.entries = self.manifest.entries
        keeper = Keeper(self._receive, database.pending, takes_from=authorship.membership.takes_from)
        self.documents = [
            LiveDocument(manifest_document_id(index), replica, keeper)
            for index, replica in enumerate(self.manifest.replicas)
        ]
        self.named = NamedDocuments(texts)
        self.awaited = Awaited()
        self.changed_by: dict[EntryID, DeviceID] = {}
        self._places = _Places()
        self._rests_at = 0.0

    def load(self) -> None:
        """Read the manifest documents from the store."""
        for document, index in MANIFEST_INDEX.items():
            rows = load_log(self._database, self._folder, document)
            if rows:
                self.manifest.load(index, [data for _, data in rows])
                self.documents[index].last_seq = rows[-1][0]

    def _stored(self, index: int) -> list[bytes]:
        return [data for _, data in load_log(self._database, self._folder, manifest_document_id(index))]

    @property
    def entry_of(self) -> dict[DocumentID, EntryID]:
        """The entry of each text document that the manifest names."""
        return self.named.entry_of

    def digest(self) -> bytes:
        """The hash of everything that the manifest documents say."""
        return self.manifest.digest(tuple(live.last_seq for live in self.documents))

    # --- entries ------------------------------------------------------------------------------------------------

    def is_alive(self, entry: Entry) -> bool:
        """Whether an entry is not deleted, or was edited beyond what its deletion saw."""
        document = entry.content.document
        return entry.deletion is None or not entry.deletion.counts(document, self._texts.clocks(document))

    def layout(self) -> Layout:
        """Where every live entry is on disk."""
        return self._places.index.get()

    def take_moved(self) -> set[EntryID]:
        """The entries that are elsewhere since the last call, because of others."""
        return self._places.index.take_moved()

    def dead_entry_at(self, path: str) -> Entry | None:
        """A deleted text entry that was at `path`, whose document is here."""
        entry = self.entries.get(self._places.dead_at.get(path, EntryID(b"")))
        if entry is None or entry.kind is not Kind.TEXT or entry.document not in self._texts.digests:
            return None
        return entry

    def came_back(self, entry: Entry) -> bool:
        """Whether a text that was deleted lives again, and nobody has written into it since."""
        deletion = self._places.undone.get(entry.id)
        return deletion is not None and deletion.counts(entry.document, self._texts.clocks(entry.document))

    def touched(self, entry: EntryID) -> None:
        """An entry may be another, or elsewhere, or dead or alive, by now."""
        found = self.entries.get(entry)
        is_alive = found is not None and self.is_alive(found)
        self.named.put(entry, found, is_alive=is_alive)
        self._places.put(entry, found, is_alive=is_alive)

    # --- writing ------------------------------------------------------------------------------------------------

    def take_back(self, changes: Sequence[Change]) -> Commit:
        """`write` what takes back what others did, because it does not count: everybody can tell it from an edit."""
        client = fresh_client_id(Writer.TAKEN_BACK)
        with self._database.as_one():
            self.write(self.authorship.own([client]))
            return self.write(changes, client_id=client)

    def write(
        self,
        changes: Sequence[Change | Claim | Bookmark],
        extra: Iterable[Statement] = (),
        *,
        client_id: int | None = None,
    ) -> Commit:
        """Write registers; `extra` statements become durable with them. Raises FolderError: this device only reads."""
        self.authorship.membership.check_may_write()
        updates = self.manifest.write(changes, client_id)
        self._signed_again()
        statements = list(extra)
        rows: list[tuple[LiveDocument, bytes]] = []
        for index, update in updates.items():
            live = self.documents[index]
            live.last_seq = self._database.next_seq()
            statements.append(log_row(self._folder, live.id, live.last_seq, None, update))
            rows.append((live, update))
        commit = self._database.submit(statements)
        for live, update in rows:
            live.applied(update, None, commit)
        written = {change.entry for change in changes if isinstance(change, Change)}
        for entry in written:
            self.changed_by.pop(entry, None)
        self._changed(written)
        for live, _ in rows:
            self._observers.document_changed(live.id, None)
        return commit

    def _receive(self, live: LiveDocument, update: Checked, source: object) -> Commit | None:
        index = MANIFEST_INDEX[live.id]
        with self._texts.reloading(live, self.reload):
            before = live.replica.clocks()
            news, touched = self.manifest.take(index, update)
            self._disown(live, update.parsed, before)
        if news is None:
            return None
        self._weigh(update, touched)
        live.last_seq = self._database.next_seq()
        origin = DeviceID(source) if isinstance(source, bytes) else None
        statements = [log_row(self._folder, live.id, live.last_seq, origin, news)]
        again = self._write_again(index, touched)
        if again is not None:
            live.last_seq = self._database.next_seq()
            statements.append(log_row(self._folder, live.id, live.last_seq, None, again))
        commit = self._database.submit(statements)
        live.applied(news, source, commit)
        if again is not None:
            live.applied(again, None, commit)
        if origin is not None:
            self._were_changed(touched, update.parsed, origin)
        self._changed(touched)
        self._observers.document_changed(live.id, source)
        self._observers.while_out.came(live.id, update.parsed.sections)
        if again is not None:
            self._observers.document_changed(live.id, None)
        return commit

    def _weigh(self, update: Checked, touched: set[EntryID]) -> None:
        """Put registers that others brought on their account, until the content of their entries is here."""
        burden, weight = account(), of_registers(update)
        if burden is None:
            return
        burden.add(weight)
        found = {entry: self.entries.get(entry) for entry in touched}
        lacking = [one for one, entry in found.items() if entry is None or entry.document not in self._texts.digests]
        if lacking:
            self.awaited.brought(lacking, burden, weight // len(touched))

    def _write_again(self, index: int, touched: Iterable[EntryID]) -> bytes | None:
        """Write again what others took the place of without a right to.

        These are deletes that counted, where the author of the other one had seen less, and signed claims.
        """
        claims = [claim for claim in self._signed_again() if claim.index == index]
        if self.authorship.membership.is_reader:
            return None
        changes: list[Change | Claim] = [*claims, *self._deleted_again(touched)]
        return self.manifest.write(changes).get(index) if changes else None

    def _deleted_again(self, touched: Iterable[EntryID]) -> list[Change]:
        """The deletes that counted, in whose place stands one that saw less: both as one."""
        changes: list[Change] = []
        for entry in touched:
            was, found = self._places.dead.get(entry), self.entries.get(entry)
            if was is None or found is None or was.deletion is None or found.deletion is None:
                continue
            if found.document == was.document and self.is_alive(found):
                changes.append(Change(entry, deletion=was.deletion.joined(found.deletion)))
        return changes

    def learn_claims(self, claims: Iterable[Claim]) -> None:
        """Take claims that somebody showed; the documents that they are in come later."""
        for claim in claims:
            known = self.manifest.claims.get(claim.client, {}).get(claim.owner)
            is_known = known is not None and self.authorship.is_signed(replace(claim, signature=known))
            if not is_known and self.authorship.is_signed(claim):
                self.manifest.take_claim(claim, claim)

    def _signed_again(self) -> list[Claim]:
        """The signed claims in whose place stands what is none: to be written again."""
        again: list[Claim] = []
        for claim, found in self.manifest.take_replaced_claims():
            new = Claim(claim.client, claim.owner, found) if found is not None else None
            if self.authorship.is_signed(claim) and (new is None or not self.authorship.is_signed(new)):
                again.append(claim)
            else:
                self.manifest.take_claim(claim, new)
        return again

    def _were_changed(self, touched: Iterable[EntryID], update: Parsed, origin: DeviceID) -> None:
        """Remember who changed entries: whoever wrote all of the update, where that is known, else who brought it."""
        clients = update.sections.keys() if len(update.sections) <= _CLIENTS_OF_ONE else ()
        authors = {self.authorship.author_of(client) for client in clients} - {None}
        device = authors.pop() if len(authors) == 1 else None
        for entry in touched:
            self.changed_by.pop(entry, None)  # the order is that of the changes
            self.changed_by[entry] = device or origin
        while len(self.changed_by) > _MOST_CHANGED:
            del self.changed_by[next(iter(self.changed_by))]

    def _disown(self, live: LiveDocument, update: Parsed, before: StateVector) -> None:
        """As `Texts.disown`, for a manifest document."""
        if written_beyond(update, before, self._clients.ids):
            bring(RENEWED_BYTES)
            own, fork = self._clients.renew(live.id)
            index = MANIFEST_INDEX[live.id]
            self.manifest.write_as(index, own)
            live.replica = self.manifest.replicas[index]
            self._database.submit([tables.start.insert(own, fork, time.time())])

    def reload(self, live: LiveDocument, rows: Iterable[bytes]) -> None:
        """Make a manifest document anew of its updates."""
        index = MANIFEST_INDEX[live.id]
        touched = self.manifest.reload(index, rows)
        live.replica = self.manifest.replicas[index]
        self._changed(touched)

    def set_back(self, index: int, updates: Sequence[bytes], statements: Iterable[Statement]) -> Commit:
        """Make a manifest document of fewer updates, and write with other client IDs: those that are left out may be
        somewhere. The statements replace its log."""
        live = self.documents[index]
        own, fork = self._clients.renew(live.id)
        commit = self._database.submit([*statements, tables.start.insert(own, fork, time.time())])
        live.last_seq = self._database.next_seq()  # of no row: it is another document now
        texts = {entry.document: entry.id for entry in self.entries.values() if index_of(entry.id) == index}
        touched = self.manifest.reload(index, updates, own)
        live.replica, live.changes = self.manifest.replicas[index], live.changes + 1
        for document, entry in texts.items():
            found = self.entries.get(entry)
            if self.entry_of.get(document) == entry and (found is None or found.document != document):
                del self.entry_of[document]
        self._changed(touched)
        return commit

    def rest(self) -> bool:
        """Let go of manifest documents that nobody used for a while; tells whether there were any."""
        now = trio.current_time()
        if now < self._rests_at:
            return False
        self._rests_at = now + IDLE_MANIFEST_S
        return self.manifest.rest()


class _Places:
    """Where live entries are, and where deleted ones were; which deletions were undone."""

    def __init__(self) -> None:
        self.index = LayoutIndex()
        self.dead_at: dict[str, EntryID] = {}  # deleted entries by their path
        self.dead: dict[EntryID, Entry] = {}
        self.undone: dict[EntryID, Deletion] = {}

    def put(self, entry: EntryID, found: Entry | None, *, is_alive: bool) -> None:
        old = self.dead.pop(entry, None)
        if old is not None and self.dead_at.get(old.path) == entry:
            del self.dead_at[old.path]
        is_placed = found is not None and is_alive
        wanted = (found.path, found.kind is Kind.DIRECTORY) if found is not None and is_placed else None
        self.index.want(entry, wanted, found.origin or "" if found is not None else "")
        if is_placed and old is not None and old.deletion is not None:
            self.undone[entry] = old.deletion
        if found is not None and not is_alive:
            self.undone.pop(entry, None)
            self.dead_at[found.path] = entry
            self.dead[entry] = found
