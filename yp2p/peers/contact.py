"""What is known of another device besides its keys: where it may be, and how it behaved."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from yp2p.discovery.addresses import Address
from yp2p.folder.budget import Budget
from yp2p.folder.burden import SLOWED
from yp2p.identity import FolderID
from yp2p.machine import Until
from yp2p.peers.reach import Reach

# After a fault the device waits: this long, twice as long after each further one, up to an hour.
_QUARANTINE_S = 60.0
_LONGEST_QUARANTINE_S = 3600.0
# We do not dial a device that waits. That it may dial us this often lets an honest one through that was mended
# meanwhile; beyond it a device could fill the log with a line for each connection.
_FREE_FAULTS = 16
# A link that held for this long pays for the faults before it.
FORGIVEN_S = 600.0
# A device that was removed is told that so often at most: each time is a handshake, and some statements.
_TOLD_EVERY_S = 60.0
# Boot IDs remembered of a device.
_MAX_BOOTS = 16


@dataclass(slots=True)
class Choice:
    """What a person here chose about a device, and since when it is known (0: from before that was noted)."""

    name: str = ""
    is_paused: bool = False
    since: float = 0.0
    paused_until: Until | None = None  # None: until that person says otherwise


@dataclass(slots=True)
class Contact:
    """One other device. Times are trio's, but those of `addresses`: seconds since 1970, when it was seen there."""

    budget: Budget
    name: str = ""
    addresses: dict[Address, float] = field(default_factory=dict)
    wake: trio.Event = field(default_factory=trio.Event)
    quarantined_until: float = 0.0
    folders_until: dict[FolderID, float] = field(default_factory=dict)  # it waits in these until then
    last_error: str = ""
    faults: int = 0  # since the last link that held
    boots: dict[bytes, float] = field(default_factory=dict)  # boot ID: when it was seen last
    told_at: float = -FORGIVEN_S  # when it was told that it was removed
    cloned_at: float = -FORGIVEN_S  # when two boot IDs were seen in turns
    reach: Reach = field(default_factory=Reach)
    choice: Choice = field(default_factory=Choice)
    was_not_reached: bool = False  # when it was tried last, and it was not seen since
    version: str = ""  # of yp2p there, as it said last

    def saw(self, boot_id: bytes, now: float) -> bool:
        """Note a boot ID; tells whether it is back after another one, which only two machines at a time can do."""
        newest = next(reversed(self.boots), None)
        is_back = boot_id in self.boots and newest != boot_id
        self.boots.pop(boot_id, None)
        self.boots[boot_id] = now
        while len(self.boots) > _MAX_BOOTS:
            del self.boots[next(iter(self.boots))]
        if is_back:
            self.cloned_at = now
        return is_back

    def is_cloned(self, now: float) -> bool:
        return now - self.cloned_at < FORGIVEN_S

    def is_told_again(self, now: float) -> bool:
        """Whether it is time to tell it by what it was removed; who asks does so."""
        if now - self.told_at < _TOLD_EVERY_S:
            return False
        self.told_at = now
        return True

    def problem(self, now: float) -> str:
        """What is wrong with it, for people; empty when nothing is."""
        if self.is_cloned(now):
            return "two machines have the key of this device (a cloned disk?); they are served in turns"
        return self.last_error or (SLOWED if self.budget.burden.is_heavy else "")

    @property
    def last_seen(self) -> float | None:
        """When it was connected or announced last, as far as that is known."""
        return max(self.addresses.values(), default=0.0) or None

    def note_link_fault(self, reason: str, now: float) -> None:
        """It broke the protocol of the link: no link with it for a while."""
        self.quarantined_until = now + self._next_wait_s(reason)

    def note_session_fault(self, folder: FolderID, reason: str, now: float) -> None:
        """It broke the protocol in one folder: no session with it there, on the same link, for a while."""
        self.folders_until[folder] = now + self._next_wait_s(reason)

    def _next_wait_s(self, reason: str) -> float:
        self.faults += 1
        self.last_error = reason
        return min(_LONGEST_QUARANTINE_S, _QUARANTINE_S * 2.0 ** min(self.faults - 1, 16))

    def is_banned(self, now: float) -> bool:
        """Whether there were so many faults that it has to wait before it may connect again."""
        return self.faults > _FREE_FAULTS and now < self.quarantined_until

    def is_banned_from(self, folder: FolderID, now: float) -> bool:
        """Whether there were so many faults that it has to wait in a folder, also on a new link."""
        return self.faults > _FREE_FAULTS and now < self.folders_until.get(folder, 0.0)

    def link_ended(self, since: float, now: float) -> None:
        """A link that was up since then has ended."""
        if now - since > FORGIVEN_S:
            self.faults = 0
            self.last_error = ""
