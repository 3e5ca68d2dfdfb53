"""What this device did while it was out of a folder, or might not write, and that others took back.

Theory of operation
    Others take back what a device did after it was removed (`taking_back.py`), and let go of what it cannot give any
    more (`never_given.py`). A device that is let in again hears of that as of any other edit: its files go to its
    trash, its lines out of its texts. Nobody meant these files, and its people should not have to find out.

    What takes something back is written with client IDs of a kind of its own (`protocol/clients.py`), in texts at least
    as a mark, as nothing else says who deleted something. So it is told from what others delete because they want to,
    by whatever way and however late it comes, also by devices that never meet this one. Where it comes in one update
    with what others deleted from the same text, that is taken for the same.

    It concerns this device where it takes away what this device did until it heard that it was out, or, from when it
    may write again, until then. It need not have known that it was out: who was away hears of its removal and of its
    return at once.

    Whether it is so is read in the log, in slices, behind what comes. That row of the log is kept, and the one up to
    which it was looked at, in the table of agreements (`uncounted.py`), under hashes of a statement by which this
    device was put out.

Invariants
    * Each file is told of once, also where the daemon stops in between: with what is told it is stored that it was
      looked at.
    * What is done here after the return is none of that.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Entry, entry_of, index_of
from yp2p.documents.undo import operations
from yp2p.errors import MessageFault
from yp2p.folder.notices import NoticeKind
from yp2p.folder.packs import Single, singles_in_pages
from yp2p.folder.turns import Slice
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.clients import Writer
from yp2p.protocol.delete_sets import shared, without
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.entries import Kind, decode_content
from yp2p.protocol.update_parts import single_registers
from yp2p.protocol.ysync import Shape, UpdateParser
from yp2p.store import tables
from yp2p.store.tables.log import MANIFEST_PREFIX
from yp2p.trust.statements import Role, StatementHash

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder

# Nobody asks any more where older work is.
_MAX_AGE_S = 30 * 86400.0
# A device may have made thousands of files; the trash lists all of them.
_MAX_TOLD = 50
# Whoever marks a text again and again has its whole log read: then that is a tenth of the work that is done.
_RESTS = 9
# Rows that are read at once: most have less than a kilobyte.
_AT_ONCE = 64
_WHY = "when this device was put out of the folder, or might not write, they did not have that yet"
_LINES = (
    f"others took back what this device wrote here: {_WHY}; `yp2p log` lists the versions with it, `yp2p restore`"
    " restores one"
)
_DELETED = f"others took back what this device did: {_WHY}; it goes to the trash: `yp2p trash restore` brings it back"
_REPLACED = f"others took back what this device did: {_WHY}; it goes to the trash: `yp2p trash list` shows it"


class WhileOut:
    """What of one folder this device did while it was out. `run` looks for what of it was taken back."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._until = 0  # the last row of the log that it may have written then; 0: it never was
        self._looked = 0  # up to which row it was looked at what came
        self._known: frozenset[StatementHash] = frozenset()
        self._told: set[EntryID] = set()
        self._marked: set[DocumentID] = set()  # documents in which something was taken back that was not looked at
        self._is_loaded = False  # something may have come before the daemon started, and was not looked at
        self._woken = trio.Event()

    def load(self) -> None:
        """Read what is stored; call once, before use, when the membership is known."""
        self._known = self._against_us()
        looked_at = {_looked_key(one) for one in self._known}
        read, folder = self._folder.database.rows, self._folder.id
        for key, seq, _ in tables.agreement.read_all(read, folder):
            if key in self._known:
                self._until = max(seq, self._until)
            elif key in looked_at:
                self._looked = max(seq, self._looked)
        self._looked = max(self._looked, self._until)
        self._is_loaded = self._until > 0

    def _against_us(self) -> frozenset[StatementHash]:
        """The statements by which others put this device out, or took its right to write; answered ones too."""
        own, membership = self._folder.clients.device, self._folder.membership
        removals = membership.evaluation.removals.get(own, ())
        by_others = {one.hash for one in removals if one.issuer_id != own and one.role < Role.MEMBER}
        return frozenset(by_others | membership.void_admissions(own))

    def heard(self) -> None:
        """Somebody said something about members: this device may have been put out, or let in again."""
        known, self._known = self._known, self._against_us()
        if self._known - known:
            self._note()

    def let_in_again(self) -> None:
        """This device may write, or may again."""
        self._known = self._against_us()
        if self._known:
            self._note()

    def _note(self) -> None:
        """All that was done here until now may not count for others."""
        self._until = self._folder.database.last_seq
        self._looked = self._looked or self._until
        self._told.clear()
        self._store()

    def _store(self) -> None:
        folder, first = self._folder, min(self._known)
        rows = [(DeviceID(first), self._until), (DeviceID(_looked_key(first)), self._looked)]
        folder.database.submit([tables.agreement.save(folder.id, key, seq, is_doubted=False) for key, seq in rows])

    # --- what others took back ------------------------------------------------------------------------------------

    def came(self, document: DocumentID, clients: Iterable[int]) -> None:
        """Another device brought operations of these clients."""
        if self._until and _takes_back(clients):
            self._marked.add(document)
            self._woken.set()

    async def run(self) -> None:
        """Look at what comes, until cancelled."""
        while True:
            while self._marked or self._is_loaded:
                began = time.thread_time()
                await self.look()
                await trio.sleep(_RESTS * (time.thread_time() - began))
            await self._woken.wait()
            self._woken = trio.Event()

    async def look(self) -> None:
        """Look at all that has come, and tell what concerns this device."""
        folder, found, slice_ = self._folder, dict[EntryID, str](), Slice()
        documents, self._marked = self._marked, set()
        span = _Span(self._until, self._looked, folder.database.last_seq, time.time() - _MAX_AGE_S)
        await folder.database.pending().wait()
        if self._is_loaded:
            documents |= await self._came_before(span, slice_)
            self._is_loaded = False
        for document in documents:
            entry = folder.catalogue.entry_of.get(document)
            if document.startswith(MANIFEST_PREFIX):
                found |= await self._taken_entries(document, span, slice_)
            elif entry is not None and await self._lost(document, span, slice_):
                found[entry] = _LINES
        # no await: what is told, and that it was looked at, are in one commit
        with folder.database.as_one():
            for entry, text in found.items():
                self._tell(entry, text)
            self._looked = max(span.last, self._looked)
            if self._known:
                self._store()

    def _tell(self, entry: EntryID, text: str) -> None:
        catalogue = self._folder.catalogue
        known = catalogue.entries.get(entry)
        if known is None or entry in self._told or len(self._told) >= _MAX_TOLD:
            return
        self._told.add(entry)
        path = catalogue.layout().path_of.get(entry, known.path)
        more = "; there may be more files like it" if len(self._told) == _MAX_TOLD else ""
        self._folder.notices.add(NoticeKind.TAKEN_BACK, path, text + more, entry)

    async def _came_before(self, span: _Span, slice_: Slice) -> set[DocumentID]:
        """The documents in which something was taken back that was not looked at before the daemon ended."""
        found, after = set[DocumentID](), span.looked
        while rows := tables.log.from_others(self._folder.database.rows, self._folder.id, after, _AT_ONCE):
            after = rows[-1][0]
            for _, document, data in rows:
                parser = UpdateParser(data, Shape.MANIFEST if document.startswith(MANIFEST_PREFIX) else Shape.TEXT)
                for _ in parser.steps():
                    await slice_.end_if_long()
                if _takes_back(parser.parsed.sections):
                    found.add(DocumentID(document))
        return found

    async def _lost(self, document: DocumentID, span: _Span, slice_: Slice) -> bool:
        """Whether what this device wrote in a text then was taken back by what came."""
        reading = _TextReading()
        for row in singles_in_pages(self._folder.database.rows, self._folder.id, document):
            for _ in reading.read(row, span):
                await slice_.end_if_long()
        return bool(shared(reading.wrote, reading.gone))

    async def _taken_entries(self, document: DocumentID, span: _Span, slice_: Slice) -> dict[EntryID, str]:
        """The files that this device made or changed then, and that were taken back by what came."""
        folder, reading = self._folder, _ManifestReading(document[-1])
        for row in singles_in_pages(folder.database.rows, folder.id, document):
            for _ in reading.read(row, span):
                await slice_.end_if_long()
        found: dict[EntryID, str] = {}
        for one, text in reading.gone.items():
            entry = folder.catalogue.entries.get(one)
            if entry is None or entry.kind is Kind.DIRECTORY or folder.catalogue.is_alive(entry) == (text is _DELETED):
                continue
            if one in reading.made or await self._wrote_in(entry, span, slice_):
                found[one] = text
        return found

    async def _wrote_in(self, entry: Entry, span: _Span, slice_: Slice) -> bool:
        """Whether this device wrote in a text then."""
        for row in singles_in_pages(self._folder.database.rows, self._folder.id, entry.document):
            if span.is_ours(row):
                return True
            await slice_.end_if_long()
        return False


@dataclass(frozen=True, slots=True)
class _Span:
    """Which rows of a log are looked at: `until`, `looked` and `last` are numbers of rows, `since` is in seconds."""

    until: int
    looked: int
    last: int
    since: float

    def is_ours(self, row: Single) -> bool:
        """Whether this device did that then."""
        return not row.origin and row.seq <= self.until and row.at >= self.since

    def has_come(self, row: Single) -> bool:
        """Whether that is from others, and was not looked at."""
        return bool(row.origin) and self.looked < row.seq <= self.last


@dataclass(slots=True)
class _TextReading:
    """Reads the log of a text: what this device wrote then, and what was taken back."""

    wrote: list[DeletedRange] = field(default_factory=list)
    gone: list[DeletedRange] = field(default_factory=list)
    _deleted: list[DeletedRange] = field(default_factory=list)
    _marks: list[DeletedRange] = field(default_factory=list)  # of an update in parts, which come behind one another

    def read(self, row: Single, span: _Span) -> Iterator[None]:
        """In some steps."""
        parser = UpdateParser(row.data, Shape.TEXT)
        for _ in parser.steps():
            yield
        sections = parser.parsed.sections
        if span.is_ours(row):
            self.wrote += operations(sections)
        elif span.has_come(row):
            marks = operations({client: sections[client] for client in sections if _takes_back([client])})
            if parser.ranges and (marks or (self._marks and not sections)):
                self.gone += without(parser.ranges, self._deleted)
            if sections and parser.ranges:
                self._marks = []
            else:
                self._marks = without([*self._marks, *marks], parser.ranges)
        self._deleted += parser.ranges
        yield


class _ManifestReading:
    """Reads the log of a manifest document: the entries that this device changed then, and those taken back."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._replica = ManifestReplica(1)
        self._values: dict[str, bytes | None] = {}
        self.made: set[EntryID] = set()
        self.gone: dict[EntryID, str] = {}

    def read(self, row: Single, span: _Span) -> Iterator[None]:
        """In some steps."""
        is_taken = span.has_come(row) and _takes_back(UpdateParser(row.data, Shape.MANIFEST).parse().sections)
        for client, part in single_registers(row.data) if is_taken else [(0, row.data)]:
            self._replica.apply(part)
            changed = self._replica.take_changed()
            entries = {key: one for key in changed if (one := entry_of(key)) and index_of(one) == self._index}
            if span.is_ours(row):
                self.made.update(entries.values())
            elif _takes_back([client]):
                for key, entry in entries.items():
                    self._taken(key, entry, changed[key])
            self._values |= changed
            yield

    def _taken(self, key: str, entry: EntryID, value: bytes | None) -> None:
        before = self._values.get(key)
        if key.endswith("d") and value and not before:
            self.gone[entry] = _DELETED
        elif key.endswith("c") and _content(value) != _content(before):
            self.gone.setdefault(entry, _REPLACED)


def _content(register: bytes | None) -> bytes:
    """The hash of the content that a register names, or the document; empty where it cannot be read."""
    try:
        found = decode_content(register) if register is not None else None
    except (MessageFault, ValueError):
        found = None
    return b"" if found is None else found.document if found.kind is Kind.TEXT else found.hash


def _takes_back(clients: Iterable[int]) -> bool:
    return any(Writer.of(client) is Writer.TAKEN_BACK for client in clients)


def _looked_key(statement: StatementHash) -> StatementHash:
    """Under what it is stored up to which row it was looked at what came."""
    return StatementHash(hashlib.sha256(b"yp2p looked at" + statement).digest())
