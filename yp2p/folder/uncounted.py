"""What a device did that was removed from the folder meanwhile, and that does not count.

Theory of operation
    A device that was away can meet one that was removed while it was, before it hears of that. It takes what that one
    did afterwards, and somebody may go on from there. When it hears of the removal it *doubts* that device: it hands
    on nothing of the folder until it knows which of its changes count. Every row of the log has the device that it
    came from, so those in question are known. They count where

    * another member had everything, as of that row or a later one, before the removal was heard of (`agreed`); or
    * a member that has heard of the removal, and doubts nothing, has them (`peers/judging.py` asks for its documents):
      it takes nothing from the device since. Whoever removed it, or whom it was let in by, says what there was when
      that was done, whatever the removed device has become since; what others have brought since, who had not heard,
      does not count by that.

    All others are taken back (`taking_back.py`), by edits of today; then the folder goes on.

    Rows say who brought a change, not who wrote it. What others wrote and a removed device passed on counts, as far as
    the client IDs of others are in it. What a removed device did and a member handed on before it had heard of the
    removal is that member's by then, until the member hears of it and takes it back (docs/threat-model.md).

    A device that was made a reader is doubted like one that was removed. A device that only reads itself takes nothing
    back, and hands nothing on either: it withdraws what no member has (`unsent.py`); a member by then, it doubts.

Invariants
    * While a device is doubted no document of the folder is sent or received.
    * What this device's own people removed is not doubted: what is here is what they knew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import structlog
import trio

from yp2p.folder.members import Removal
from yp2p.folder.packs import Single, stored_rows
from yp2p.identity import DeviceID, DocumentID
from yp2p.store import tables
from yp2p.store.sql import Statement
from yp2p.trust.statements import Statement as Removed
from yp2p.trust.statements import StatementHash

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder

# For so long it stays known of a change that may come to be doubted which device brought it (`history/retention.py`).
KEPT_APART_S = 30 * 86400.0

log = structlog.get_logger()


class Uncounted:
    """Which changes of one folder may not count. `judging` is held by who finds that out.

    Attributes:
        without_answer: the members that cannot tell what counts either.
        when_doubted: is called when the first one is, and when the last one is not any more.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._agreed: dict[DeviceID, int] = {}
        self._stored: dict[DeviceID, int] = {}
        self._at_removal: dict[StatementHash, int] = {}  # by removal of this device's: up to which row there was a log
        self._doubted: dict[DeviceID, int] = {}
        self.without_answer: set[DeviceID] = set()
        self.judging = trio.Lock()
        self.when_doubted: Callable[[], None] = lambda: None
        self._rights_changed = trio.Event()

    @property
    def rights_changed(self) -> trio.Event:
        """Set when somebody may write by now, or may no more, or it is known by now what counts of who may not."""
        if self._rights_changed.is_set():
            self._rights_changed = trio.Event()
        return self._rights_changed

    @property
    def doubted(self) -> Mapping[DeviceID, int]:
        """The removed devices that are doubted, and behind which row of the log."""
        return self._doubted if not self._folder.membership.is_reader else {}

    @property
    def of_silenced(self) -> Mapping[DeviceID, int]:
        """As `doubted`, also where this device only reads."""
        return self._doubted

    def problem(self) -> str:
        """What people should know as long as something is doubted; else empty."""
        if not self.doubted:
            return ""
        names = ", ".join(sorted(repr(self._folder.membership.name_of(device)) for device in self.doubted))
        return (
            f"{names} may not write here any more, and something of it came to this device: nothing is synced until"
            " a device that knows what counts is here"
        )

    def load(self) -> None:
        """Read what is stored; call once, before use."""
        for device, seq, is_doubted in tables.agreement.read_all(self._folder.database.rows, self._folder.id):
            if device == self._folder.clients.device:
                continue  # of `unsent.py`
            if self._folder.membership.is_removal(device):
                self._at_removal[StatementHash(device)] = seq
            elif is_doubted:
                self._doubted[DeviceID(device)] = seq
            else:
                self._agreed[DeviceID(device)] = self._stored[DeviceID(device)] = seq

    def agreed(self, device: DeviceID, seq: int) -> None:
        """Another device has everything that the log had up to that row, on its disk as well."""
        if not self._doubted and self._folder.membership.takes_from(device):
            self._agreed[device] = max(seq, self._agreed.get(device, 0))

    def agreed_with(self, device: DeviceID) -> int:
        """Up to which row of the log another device is known to have had everything; 0 where it is not."""
        return self._agreed.get(device, 0)

    def agreed_last(self) -> int:
        """Up to which row of the log two other members have had everything, or the only one that there is."""
        membership, own = self._folder.membership, self._folder.clients.device
        others = [one for one in membership.devices if one != own and membership.takes_from(one)]
        agreed = sorted((self._agreed.get(one, 0) for one in others), reverse=True)
        return agreed[min(1, len(agreed) - 1)] if agreed else 0

    def last_counted(self, device: DeviceID) -> int | None:
        """Up to which row of the log what there was counted when people here removed a device; None: others did.

        Of one that is out because a removed device had let it in: when people here removed that one.
        """
        own, membership = self._folder.clients.device, self._folder.membership
        found = set[int]()
        for removal in membership.put_out_by(device):
            if removal.issuer_id == own and removal.hash in self._at_removal:
                found.add(self._at_removal[removal.hash])
            elif removal.issuer_id == own and not membership.takes_from(removal.subject_id):  # of an earlier version
                found |= {self._agreed[one] for one in (removal.subject_id,) if one in self._agreed}
        return min(found, default=None)

    def boundaries(self) -> set[int]:
        """The rows up to which there is what counts of devices that people here removed."""
        devices = self._folder.membership.evaluation.put_out_by
        return {seq for device in devices if (seq := self.last_counted(device)) is not None}

    def certain(self) -> int:
        """Up to which row of the log nothing may come to be doubted, whoever is removed: two others have all that.

        Where there is one other device, nobody could tell what counts of it, and all rows are such.
        """
        membership, last = self._folder.membership, self._folder.database.last_seq
        others = [
            one for one in membership.devices if one != self._folder.clients.device and membership.takes_from(one)
        ]
        agreed = sorted((self._agreed.get(one, 0) for one in others), reverse=True)
        return min([agreed[1] if len(agreed) > 1 else last, *self._doubted.values()])

    def store_agreed(self, device: DeviceID) -> None:
        """Remember it beyond a restart."""
        seq = self._agreed.get(device, 0)
        if seq > self._stored.get(device, 0) and device not in self._doubted:
            self._stored[device] = seq
            self._folder.database.submit([self._row(device, seq, is_doubted=False)])

    def _row(self, device: DeviceID, seq: int, *, is_doubted: bool) -> Statement:
        return tables.agreement.save(self._folder.id, device, seq, is_doubted=is_doubted)

    def removal_said(self, removal: Removed) -> None:
        """Somebody says that a device is removed, or may do less: note what there is, where people here say so."""
        if removal.issuer_id == self._folder.clients.device:
            self._at_removal[removal.hash] = seq = self._folder.database.last_seq
            self._folder.database.submit([self._row(DeviceID(removal.hash), seq, is_doubted=False)])

    def removed(self, removal: Removal) -> None:
        """A member may not write any more: doubt what came from it.

        Not where people here said so, or of this device itself, nor where it said so itself: what it did stands.
        """
        own = self._folder.clients.device
        if removal.device in (own, removal.by):
            return
        if removal.by == own:
            self._agreed[removal.device] = self._folder.database.last_seq
            self._stored.pop(removal.device, None)
            self.store_agreed(removal.device)
            return
        membership = self._folder.membership
        witnesses = {device for device in membership.members if membership.takes_from(device)}
        seq = max((seq for device, seq in self._agreed.items() if device in witnesses), default=0)
        self._doubted[removal.device] = seq
        self._folder.database.submit([self._row(removal.device, seq, is_doubted=True)])
        self._folder.state.touch()
        self._rights_changed.set()
        if membership.is_reader:
            self._folder.observers.unsent.begin()
        elif len(self.doubted) == 1:
            self.when_doubted()

    def let_in_again(self, device: DeviceID) -> None:
        """What a device has counts again, and it would bring it all again: it is not doubted any more."""
        if device in self._doubted:
            self.judged({device: self._doubted[device]})

    def role_changed(self) -> None:
        """Somebody's rights changed: this device may be a member by now, and doubt what it took meanwhile."""
        self._rights_changed.set()
        if self.doubted:
            self.when_doubted()

    def knows_who(self, device: DeviceID) -> set[DeviceID]:
        """The members that removed a device, or whoever let it in."""
        removals = self._folder.membership.put_out_by(device)
        return {removal.issuer_id for removal in removals} & self._folder.membership.devices.keys()

    def can_nobody_tell(self) -> bool:
        """Whether every other member has said that it cannot tell what counts."""
        membership, own = self._folder.membership, self._folder.clients.device
        return self.without_answer >= {one for one in membership.devices if one != own and membership.takes_from(one)}

    def rows(self, device: DeviceID) -> dict[DocumentID, list[Single]]:
        """The changes of a doubted device, by their document. Call when all that was submitted is stored."""
        folder, found = self._folder, dict[DocumentID, list[Single]]()
        if device not in self._doubted:  # it was let in again
            return found
        read, first = folder.database.rows, self._doubted[device] + 1
        for document in tables.log.documents_from(read, folder.id, device, first):
            rows = stored_rows(read, folder.id, document, tables.log.behind(first))
            singles = [single for stored in rows for single in stored.singles()]
            found[document] = [one for one in singles if one.origin == device and one.seq >= first]
        return {document: singles for document, singles in found.items() if singles}

    def judged(self, devices: Mapping[DeviceID, int]) -> None:
        """What of these devices counts is known, and all else was taken back."""
        for device, seq in devices.items():
            if self._doubted.get(device) == seq:
                del self._doubted[device]
                forget = tables.judgement.forget(self._folder.id, device)
                self._folder.database.submit([self._row(device, seq, is_doubted=False), forget])
        if not self._doubted:
            self.without_answer.clear()
            self._folder.state.touch()
            self._rights_changed.set()
            self.when_doubted()
