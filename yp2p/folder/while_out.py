"""What this device did while it was out of a folder, or might not write, and that others took back.

Theory of operation
    Others take back what a device did after it was removed (`taking_back.py`), and let go of what it cannot give any
    more (`never_given.py`). A device that is let in again hears of that as of any other edit: its files go to its
    trash, its lines out of its texts. Nobody meant these files, and its people should not have to find out.

    So from when it hears that it was put out, and anew from when it may write again, it tells of files of its own that
    go because others say so, and of texts of which others take out what it wrote: until it was in step once with each
    member, as what that one says may be of then until that moment. It need not have known that it was out: who was
    away hears of its removal and of its return at once.

    Up to which row of the log others have everything is what `uncounted.py` knows. The row up to which this device did
    it is kept in the same table, under the hash of a statement by which it was put out.

Invariants
    * Each file is told of once.
    * What is done here after the return is none of that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Set
from typing import TYPE_CHECKING

from yp2p.documents.manifest import Manifest
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import Entry, index_of
from yp2p.folder.notices import NoticeKind
from yp2p.folder.packs import Single, stored_rows
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.protocol.delete_sets import in_order, shared
from yp2p.protocol.deleted_ranges import DeletedRange
from yp2p.protocol.entries import Kind
from yp2p.protocol.ysync import Shape, UpdateParser, parse_update
from yp2p.store import tables
from yp2p.store.tables.log import ALL
from yp2p.trust.statements import Role, StatementHash

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder

# Nobody asks any more where older work is.
_MAX_AGE_S = 30 * 86400.0
# A device may have made thousands of files; the trash lists all of them.
_MAX_TOLD = 50
_WHEN = "while it was out of the folder or might not write"


class WhileOut:
    """What of one folder this device did while it was out."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._until = 0  # the last row of the log that it may have written then; 0: it never was
        self._known: frozenset[StatementHash] = frozenset()
        self._told: set[EntryID] = set()
        self._changed: set[EntryID] = set()  # entries of which others said something of then; the disk may follow later
        self._ours: dict[int, set[EntryID]] = {}
        self._wrote: dict[DocumentID, list[DeletedRange]] = {}  # what this device wrote then in texts
        self._in_step: set[DeviceID] = set()  # these have been since, also where nothing was written since

    def load(self) -> None:
        """Read what is stored; call once, before use, when the membership is known."""
        self._known = self._against_us()
        for key, seq, _ in tables.agreement.read_all(self._folder.database.rows, self._folder.id):
            if key in self._known:
                self._until = max(seq, self._until)

    def _against_us(self) -> frozenset[StatementHash]:
        """The statements by which others put this device out, or took its right to write; answered ones too."""
        own, evaluation = self._folder.clients.device, self._folder.membership.evaluation
        removals = evaluation.removals.get(own, ())
        by_others = {one.hash for one in removals if one.issuer_id != own and one.role < Role.MEMBER}
        return frozenset(by_others | {grant.hash for grant in evaluation.lost if grant.subject_id == own})

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
        database = self._folder.database
        self._until = database.last_seq
        self._told.clear()
        self._changed.clear()
        self._ours.clear()
        self._wrote.clear()
        self._in_step.clear()
        row = tables.agreement.save(self._folder.id, DeviceID(min(self._known)), self._until, is_doubted=False)
        database.submit([row])

    def in_step(self, device: DeviceID) -> None:
        """Another device has all that is here, and this one all that is there."""
        if self._until:
            self._in_step.add(device)

    def _is_of_then(self, devices: Iterable[DeviceID]) -> bool:
        """Whether one of these others was not in step with this device since."""
        folder = self._folder
        own, agreed = folder.clients.device, folder.observers.uncounted.agreed_with
        others = {device for device in devices if device != own and folder.membership.takes_from(device)}
        return bool(self._until) and any(agreed(device) <= self._until for device in others - self._in_step)

    # --- what others took back ------------------------------------------------------------------------------------

    def entries_came(self, entries: Iterable[EntryID]) -> None:
        """Others changed entries."""
        if self._is_of_then(self._folder.membership.devices):
            self._changed.update(entries)

    def removed(self, entry: EntryID, path: str, *, is_replaced: bool = False) -> None:
        """Others deleted a file, or replaced what it held: what was there is in the trash."""
        if entry in self._changed and self._may_be_told(entry) and self._made_then(entry):
            how = "`yp2p trash list` shows it" if is_replaced else "`yp2p trash restore` brings it back"
            self._tell(entry, path, f"others took back what this device did {_WHEN}; it is in the trash: {how}")

    def text_came(self, document: DocumentID, news: bytes, source: DeviceID) -> None:
        """Another device changed a text that is here."""
        if not self._is_of_then([source]):
            return
        entry = self._folder.catalogue.entry_of.get(document)
        if entry is None or not self._may_be_told(entry):
            return
        deleted = UpdateParser(news, Shape.TEXT)
        deleted.parse()
        if deleted.ranges and shared(self._written_in(document), deleted.ranges):
            path = self._folder.catalogue.layout().path_of.get(entry, "")
            text = (
                f"others took back what this device wrote here {_WHEN}; `yp2p log` lists the versions with it,"
                " `yp2p restore` restores one"
            )
            self._tell(entry, path, text)

    def _may_be_told(self, entry: EntryID) -> bool:
        return entry not in self._told and len(self._told) < _MAX_TOLD

    def _tell(self, entry: EntryID, path: str, text: str) -> None:
        self._told.add(entry)
        is_last = len(self._told) == _MAX_TOLD
        more = "; there may be more files like it" if is_last else ""
        self._folder.notices.add(NoticeKind.TAKEN_BACK, path, text + more, entry)

    def _made_then(self, entry: EntryID) -> bool:
        """Whether this device made an entry, or changed it, when it was out, or not long before."""
        found = self._folder.catalogue.entries.get(entry)
        if found is not None and any(self._own_rows(document) for document in _texts(found)):
            return True
        return entry in self._entries_of_ours(index_of(entry))

    def _entries_of_ours(self, index: int) -> Set[EntryID]:
        """The entries of a manifest document that this device made or changed then."""
        if index in self._ours:
            return self._ours[index]
        folder, replica, earliest = self._folder, ManifestReplica(1), time.time() - _MAX_AGE_S
        found = self._ours[index] = set[EntryID]()
        for seq, at, origin, data in tables.log.rows(
            folder.database.rows, folder.id, folder.catalogue.documents[index].id
        ):
            replica.apply(data)
            changed = Manifest.read_changed(replica, index).keys()
            if not origin and seq <= self._until and at >= earliest:
                found |= changed
        return found

    def _written_in(self, document: DocumentID) -> list[DeletedRange]:
        """The operations of a text that this device made then."""
        if document not in self._wrote:
            made = [
                (client, start, stop - start)
                for row in self._own_rows(document)
                for client, (start, stop) in parse_update(row.data).sections.items()
            ]
            self._wrote[document] = in_order(made)
        return self._wrote[document]

    def _own_rows(self, document: DocumentID) -> list[Single]:
        folder, earliest = self._folder, time.time() - _MAX_AGE_S
        rows = stored_rows(folder.database.rows, folder.id, document, ALL)
        singles = (single for stored in rows for single in stored.singles())
        return [one for one in singles if not one.origin and one.seq <= self._until and one.at >= earliest]


def _texts(entry: Entry) -> Iterator[DocumentID]:
    if entry.kind is Kind.TEXT:
        yield entry.document
