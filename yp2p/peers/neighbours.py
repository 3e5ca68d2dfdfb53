"""Neighbours: with which members of a large folder a device keeps a link, and who is reached through others.

Theory of operation
    In a folder of up to `MOST_IN_MESH` devices everybody dials everybody. Beyond that each device *chooses* a few: for
    each folder it ranks the other members by a hash over the folder, itself and the other one (rendezvous hashing), and
    dials the best `CHOSEN` of those that can be reached. Links are the union of what both ends choose, so a device has
    about twice as many; what is changed goes from neighbour to neighbour (`relaying.py`).

    That needs neighbours that pass on. A reader does not, and nobody takes content from it: a device that had chosen
    readers only would hear of nothing. So a folder with a reader is none of the large ones, however many its members
    are: everybody dials everybody, as long as there is one.

    Who hashes so chooses at random, but the same again after a restart, and no two devices alike. The graph in which
    each of n vertices chooses k others at random is k-connected with a probability that goes to 1 for k >= 2 (Fenner
    and Frieze, On the connectivity of random m-orientable graphs and digraphs, 1982); what that means for rooms of
    these sizes is computed and tried in decision 0046. A link that is there counts whoever chose it, and one that is
    lost makes room for the next in rank: no agreement with others is needed, and one departure moves only the links of
    those that had chosen that device.

    Where not all see all, the choice is not at random, and two parts of a network may choose past one another. So a
    device whose folder changes links with one more, drawn at random, every minute or two: whatever way there is
    between any two devices, what one has gets to the other (anti-entropy: Demers and others, Epidemic algorithms for
    replicated database maintenance, 1987).

    What none of its neighbours has may be elsewhere: as long as something is missing, one more is drawn every few
    seconds, of those that may have it each one once. What then is still missing may be nowhere; so others are drawn at
    pauses that double, until there is news (`_Search`). And whom a person waits for, or offers something, is dialled
    whoever was chosen.

Invariants
    * Where not everybody passes on, nobody chooses.
    * Nobody is chosen in place of a device that is linked, or that nothing is known to be in the way of.
    * A link that is not wanted any more stays for `SURPLUS_S`, and then, for a while, until everything that goes over
      it is in sync and those that are wanted are linked. Only who dialled ends it: where the other end chose it, that
      one dials.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import structlog
import trio

from yp2p.folder.folder import Folder
from yp2p.folder.turns import any_of
from yp2p.identity import DeviceID, FolderID, short_id
from yp2p.trust.statements import Role

# As many devices link with all others: an edit reaches everybody in one step, and 15 links cost nothing.
MOST_IN_MESH = 16
# As many others a device chooses in a larger folder: it has about twice as many links. With three, one room in some
# thousand falls apart when half of the devices leave at once, until they have chosen anew (decision 0046).
CHOSEN = 4
# A link that is not wanted any more may be again soon: whose place it took comes and goes.
SURPLUS_S = 60.0
# How long after one more device was looked at the next one is, at least; up to twice as long.
_ONE_MORE_S = 60.0
# The same while something is missing that no neighbour has, and after all were asked.
_MISSING_S, _LONGEST_MISSING_S = 10.0, 300.0
# What is never in sync, because something is missing that nobody has, keeps no link for longer than this.
_SURPLUS_AT_MOST_S = 300.0
# What changes all the time is looked at this often.
_PAUSE_S = 1.0

log = structlog.get_logger()


def ranked(own: DeviceID, folder: FolderID, others: Iterable[DeviceID]) -> list[DeviceID]:
    """The other members of a folder, those that this device chooses first in front."""
    start = hashlib.sha256(b"yp2p neighbours v1" + folder + own)

    def rank(other: DeviceID) -> bytes:
        one = start.copy()
        one.update(other)
        return one.digest()

    return sorted(others, key=rank)


def is_large(folder: Folder) -> bool:
    """Whether the members of a folder are too many for each to be linked with all, and all of them pass on."""
    members = folder.membership.devices
    return len(members) > MOST_IN_MESH and all(one.role >= Role.MEMBER for one in members.values())


def choose(ranking: Iterable[DeviceID], is_possible: Callable[[DeviceID], bool]) -> set[DeviceID]:
    """Those that are to be dialled: the best that are possible, and all that would be better."""
    chosen: set[DeviceID] = set()
    possible = 0
    for device in ranking:
        if possible == CHOSEN:
            break
        chosen.add(device)
        possible += is_possible(device)
    return chosen


class Linked(Protocol):
    """A link that is up."""

    @property
    def dialled_by_us(self) -> bool: ...

    def is_at_rest(self) -> bool:
        """Whether all folders that go over it are in sync."""

    def end(self, reason: str) -> None: ...


class Neighbours:
    """Whom this device wants to be linked with.

    Args:
        is_possible: whether a device is linked, or might be as far as is known.
        wake: is told of each that is wanted from now on.

    Attributes:
        links: those that are up; whoever keeps them sets it, and calls `update` when one comes or goes.
        also: each gives devices that are wanted whoever was chosen.
    """

    def __init__(
        self,
        own: DeviceID,
        folders: Mapping[FolderID, Folder],
        is_possible: Callable[[DeviceID], bool],
        wake: Callable[[DeviceID], None],
    ) -> None:
        self._own = own
        self._folders = folders
        self._is_possible = is_possible
        self._wake = wake
        self.links: Mapping[DeviceID, Linked] = {}
        self.also: list[Callable[[], Iterable[DeviceID]]] = []
        self._rankings: dict[FolderID, tuple[bytes, Sequence[DeviceID]]] = {}
        self._wanted: set[DeviceID] | None = None  # None: all of them
        self._asked = Counter[DeviceID]()  # those that a person waits for
        self._one_more: DeviceID | None = None
        self._search = _Search()
        self._looked_at: dict[FolderID, tuple[bytes, bytes]] = {}  # what a folder was when one more was drawn
        self._unwanted_since: dict[DeviceID, float] = {}
        self._changed = trio.Event()

    def wants(self, device: DeviceID) -> bool:
        """Whether this device dials another one."""
        return self._wanted is None or device in self._wanted

    @contextmanager
    def asking(self, devices: Iterable[DeviceID]) -> Iterator[None]:
        """Want links with these devices as long as the block lasts."""
        asked = list(devices)
        self._asked.update(asked)
        self.update()
        try:
            yield
        finally:
            self._asked.subtract(asked)
            self._asked = +self._asked
            self.update()

    def update(self) -> None:
        """Something changed that the choice depends on: choose anew."""
        before, self._wanted = self._wanted, self._choose()
        if before is None and self._wanted is None:
            return
        event, self._changed = self._changed, trio.Event()
        event.set()
        if before is not None:
            news = self._wanted - before if self._wanted is not None else self._others() - before
            for device in news:
                self._wake(device)

    def _others(self) -> set[DeviceID]:
        return {device for folder in self._folders.values() for device in folder.membership.devices} - {self._own}

    def _choose(self) -> set[DeviceID] | None:
        if not any(map(is_large, self._folders.values())):
            return None
        wanted = {*self._asked, *(device for give in self.also for device in give())}
        if self._one_more is not None:
            wanted.add(self._one_more)
        for folder in self._folders.values():
            if not is_large(folder):
                wanted |= folder.membership.devices.keys()
            else:
                wanted |= choose(self._ranking(folder), self._is_possible)
        return wanted - {self._own}

    def _ranking(self, folder: Folder) -> Sequence[DeviceID]:
        members = folder.membership.digest()
        known = self._rankings.get(folder.id)
        if known is None or known[0] != members:
            others = ranked(self._own, folder.id, folder.membership.devices.keys() - {self._own})
            self._rankings[folder.id] = known = (members, others)
        return known[1]

    # --- what has its time --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look at one more device now and then, and end links that are not wanted any more, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_surplus)
            nursery.start_soon(self._look_at_one_more)

    async def _look_at_one_more(self) -> None:
        last, pause_s = -math.inf, 0.0
        while True:
            large = [folder for folder in self._folders.values() if is_large(folder)]
            changes = [self._changed, *(folder.state.changed for folder in large)]
            lacking = [folder for folder in large if _lacks_something(folder)]
            news = [folder for folder in large if self._looked_at.get(folder.id) != _content(folder)]
            due = last + pause_s if news else math.inf
            if lacking:
                self._search.look(self._there(lacking), set().union(*map(_may_have, lacking)))
                due = min(due, last + self._search.pause_s)
            if trio.current_time() >= due:
                self._looked_at |= {folder.id: _content(folder) for folder in large}
                self._draw(lacking, news)
                last, pause_s = trio.current_time(), random.uniform(_ONE_MORE_S, 2 * _ONE_MORE_S)
                continue
            with trio.move_on_at(due):
                await any_of(changes)
            await trio.sleep(_PAUSE_S)

    def _there(self, folders: Iterable[Folder]) -> set[DeviceID]:
        """The members of these folders that are linked, or could be."""
        members = {device for folder in folders for device in folder.membership.devices} - {self._own}
        return set(filter(self._is_possible, members))

    def _draw(self, lacking: Collection[Folder], news: Collection[Folder]) -> None:
        """Choose one more of the members of these folders that could be linked and is not."""
        possible = self._there(lacking or news) - self.links.keys()
        if lacking:
            possible = self._search.those_to_ask(possible)
        self._one_more = random.choice(sorted(possible)) if possible else None
        if lacking and self._one_more is not None:
            self._search.drawn.add(self._one_more)
        self.update()

    async def _end_surplus(self) -> None:
        while True:
            changed, now = self._changed, trio.current_time()
            surplus = [device for device in self.links if not self.wants(device)]
            self._unwanted_since = {device: self._unwanted_since.get(device, now) for device in surplus}
            ours = {
                device: since + SURPLUS_S
                for device, since in self._unwanted_since.items()
                if self.links[device].dialled_by_us
            }
            ending = min(ours, key=ours.__getitem__, default=None)
            if ending is not None and ours[ending] <= now and self._may_end(ending, now):
                log.debug("link_not_wanted", peer=short_id(ending))
                self.links[ending].end("reached through other devices")
            with trio.move_on_at(max(min(ours.values(), default=math.inf), now + _PAUSE_S)):
                await changed.wait()

    def _may_end(self, device: DeviceID, now: float) -> bool:
        """Whether nothing is lost with a link that is not wanted, and the others are there."""
        if now >= self._unwanted_since[device] + _SURPLUS_AT_MOST_S:
            return True
        has_all = all(other in self.links for other in self._wanted or () if self._is_possible(other))
        return has_all and self.links[device].is_at_rest()


class _Search:
    """Whom to look at as long as something is missing that no neighbour has: it may be on none.

    News is a device that was not there, or that may have what it was known to lack, or something else that is missing.

    Attributes:
        pause_s: how long after one device the next one is looked at.
        drawn: those that were looked at since there was news of them.
    """

    def __init__(self) -> None:
        self.pause_s = _MISSING_S
        self.drawn: set[DeviceID] = set()
        self._there: set[DeviceID] = set()
        self._may_have: set[DeviceID] = set()

    def look(self, there: set[DeviceID], may_have: set[DeviceID]) -> None:
        """These devices are there, and of these nobody knows that they lack it."""
        may_have = may_have & there
        news = (there - self._there) | (may_have - self._may_have)
        if news:
            self.pause_s = _MISSING_S
            self.drawn -= news
        self._there, self._may_have = there, may_have

    def those_to_ask(self, unlinked: set[DeviceID]) -> set[DeviceID]:
        """Those of which nothing is known yet; where there are none, all of them, and the pauses get longer."""
        unknown = (unlinked & self._may_have) - self.drawn
        if not unknown:
            self.pause_s = min(2 * self.pause_s, _LONGEST_MISSING_S)
        return unknown or unlinked


def _may_have(folder: Folder) -> set[DeviceID]:
    """The members of a folder that are not known to lack all that is missing there."""
    observers, blobs, members = folder.observers, folder.files.blobs, set(folder.membership.devices)
    if observers.uncounted.doubted or observers.unsent.is_pending:
        return members
    known = [blobs.lacking[blob] for blob in blobs.given_by_none(observers.sessions.keys())]
    return members - known[0].intersection(*known[1:]) if known else set()


def _lacks_something(folder: Folder) -> bool:
    """Whether something is missing that the neighbours do not have, or that only others may know."""
    observers = folder.observers
    if observers.uncounted.doubted or observers.unsent.is_pending:
        return True
    return bool(observers.sessions and folder.files.blobs.given_by_none(observers.sessions.keys()))


def _content(folder: Folder) -> tuple[bytes, bytes]:
    return folder.catalogue.digest(), folder.leaves.tree().root()
