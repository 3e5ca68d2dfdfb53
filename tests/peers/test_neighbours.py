"""The choice of links in large folders: who is chosen, that all stay connected, and that nothing flaps."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from yp2p.folder.blob_index import BlobIndex
from yp2p.identity import DeviceID, EntryID, FolderID
from yp2p.peers.neighbours import CHOSEN, MOST_IN_MESH, SURPLUS_S, Neighbours, choose, is_large, ranked
from yp2p.protocol.entries import Content, Mode
from yp2p.trust.statements import Role

FOLDER = FolderID(b"f" * 16)
# `make rooms` tries ten thousand.
_ROOMS = int(os.environ.get("YP2P_ROOMS", "40"))
_MOST_DEVICES = 200


def _devices(count: int, rng: random.Random) -> list[DeviceID]:
    return [DeviceID(rng.randbytes(32)) for _ in range(count)]


Links = dict[DeviceID, set[DeviceID]]


def _links(rankings: dict[DeviceID, list[DeviceID]], there: Collection[DeviceID]) -> Links:
    """The links of those that are there, when all have chosen."""
    links: Links = {device: set() for device in there}
    for device in there:
        for other in choose(rankings[device], there.__contains__):
            if other in links:
                links[device].add(other)
                links[other].add(device)
    return links


def _largest_part(links: Links, there: Collection[DeviceID]) -> int:
    """How many devices are connected with each other, of those that are still there."""
    left, largest = set(there), 0
    while left:
        edge, part = [left.pop()], 1
        while edge:
            news = links[edge.pop()] & left
            left -= news
            part += len(news)
            edge += news
        largest = max(largest, part)
    return largest


def test_all_are_connected_in_random_rooms_before_and_after_departures() -> None:
    rng = random.Random(1)
    fell_apart, most_links, all_links, devices_of_all = 0, 0, 0, 0
    for _ in range(_ROOMS):
        size = math.exp(rng.uniform(math.log(MOST_IN_MESH + 1), math.log(_MOST_DEVICES)))  # small ones as often
        room = _devices(round(size), rng)
        folder = FolderID(rng.randbytes(16))
        rankings = {device: ranked(device, folder, set(room) - {device}) for device in room}
        there = set(rng.sample(room, rng.randint(2, len(room))))
        links = _links(rankings, there)
        assert _largest_part(links, there) == len(there)
        most_links = max(most_links, *map(len, links.values()))
        all_links, devices_of_all = all_links + sum(map(len, links.values())), devices_of_all + len(there)
        for _ in range(3):
            staying = set(rng.sample(sorted(there), max(2, round(len(there) * rng.uniform(0.5, 0.95)))))
            fell_apart += _largest_part(links, staying) < len(staying)  # nobody has chosen anew yet
            there = staying
            links = _links(rankings, there)
            assert _largest_part(links, there) == len(there)
    print(f"{_ROOMS} rooms, 4 choices in each: {all_links / devices_of_all:.2f} links a device, {most_links} at most;")
    print(f"{fell_apart} of {3 * _ROOMS} times some were apart before the others had chosen anew")
    assert all_links / devices_of_all <= 2 * CHOSEN
    assert most_links <= 6 * CHOSEN
    assert fell_apart <= 0.2 * 3 * _ROOMS


def test_a_device_chooses_the_same_again_and_others_choose_otherwise() -> None:
    own, other, *rest = _devices(40, random.Random(2))
    assert ranked(own, FOLDER, rest) == ranked(own, FOLDER, reversed(rest))
    assert ranked(own, FOLDER, rest) != ranked(other, FOLDER, rest) != ranked(other, FolderID(b"g" * 16), rest)


def test_one_departure_moves_one_link_of_those_that_had_chosen_that_device() -> None:
    devices = _devices(100, random.Random(3))
    gone = devices[50]
    for device in set(devices) - {gone}:
        ranking = ranked(device, FOLDER, set(devices) - {device})
        before = choose(ranking, lambda other: True)
        after = choose(ranking, lambda other: other != gone) - {gone}
        assert len(before - after) == len(after - before) == (gone in before)


def test_those_that_would_be_better_are_tried_as_well() -> None:
    devices = _devices(10, random.Random(4))
    away = set(devices[:3])
    assert choose(devices, lambda device: device not in away) == set(devices[: 3 + CHOSEN])


# --- over time --------------------------------------------------------------------------------------------------


@dataclass
class _Link:
    dialled_by_us: bool = True
    at_rest: bool = True
    when_ended: Callable[[], None] = lambda: None

    def is_at_rest(self) -> bool:
        return self.at_rest

    def end(self, reason: str) -> None:
        self.when_ended()


class _Room:
    """The choice of one device among others that come and go."""

    def __init__(self, count: int) -> None:
        self.own, *self.others = _devices(count, random.Random(5))
        self.content = b"as it is"
        self.folder: Any = SimpleNamespace(  # what is asked of it
            id=FOLDER,
            membership=SimpleNamespace(
                devices={device: SimpleNamespace(role=Role.MEMBER) for device in (self.own, *self.others)},
                digest=self._members,
            ),
            observers=SimpleNamespace(
                sessions={}, uncounted=SimpleNamespace(doubted=False), unsent=SimpleNamespace(is_pending=False)
            ),
            files=SimpleNamespace(blobs=BlobIndex()),
            state=SimpleNamespace(changed=trio.Event()),
            catalogue=SimpleNamespace(digest=lambda: self.content),
            leaves=SimpleNamespace(tree=lambda: SimpleNamespace(root=lambda: b"")),
        )
        self.there = set(self.others)
        self.woken: list[DeviceID] = []
        self.links: dict[DeviceID, _Link] = {}
        self.ended: set[DeviceID] = set()
        folders: dict[FolderID, Any] = {FOLDER: self.folder}
        self.neighbours = Neighbours(self.own, folders, self.there.__contains__, self.woken.append)
        self.neighbours.links = self.links
        self.neighbours.update()

    def _members(self) -> bytes:
        return b"".join(device + bytes([one.role]) for device, one in self.folder.membership.devices.items())

    def gets_role(self, device: DeviceID, role: Role) -> None:
        self.folder.membership.devices[device] = SimpleNamespace(role=role)
        self.neighbours.update()

    @property
    def wanted(self) -> set[DeviceID]:
        return set(filter(self.neighbours.wants, self.others))

    def link_all_wanted(self) -> None:
        for device in self.wanted & self.there - self.links.keys():
            self.link(device)

    def link(self, device: DeviceID, *, dialled_by_us: bool = True, at_rest: bool = True) -> None:
        self.links[device] = _Link(dialled_by_us, at_rest, lambda: self._end(device))
        self.neighbours.update()

    def _end(self, device: DeviceID) -> None:
        self.ended.add(device)
        del self.links[device]
        self.neighbours.update()

    def leaves(self, device: DeviceID) -> None:
        self.links.pop(device, None)
        self.there.discard(device)
        self.neighbours.update()

    def comes(self, device: DeviceID) -> None:
        self.there.add(device)
        self.neighbours.update()

    def misses(self, blob: bytes) -> None:
        """Wants something from now on that no neighbour has."""
        self.folder.observers.sessions = self.links
        self.folder.files.blobs.want(EntryID(blob.ljust(16)), Content.blob(blob, 1, Mode.PLAIN, 0))
        self.all_linked_lack(blob)
        self.folder.state.changed.set()
        self.folder.state.changed = trio.Event()

    def all_linked_lack(self, blob: bytes) -> None:
        self.folder.files.blobs.lacking.setdefault(blob, set()).update(self.links)

    def changes(self) -> None:
        self.content += b"!"
        self.folder.state.changed.set()
        self.folder.state.changed = trio.Event()


@contextmanager
def _quiet(room: _Room) -> Iterator[None]:
    """What a folder is at the start is no news: nobody is drawn for it."""
    room.neighbours._looked_at[FOLDER] = (room.content, b"")
    yield


def _in_time(run: Callable[[_Room], Any], count: int = 60) -> None:
    async def main() -> None:
        room = _Room(count)
        with _quiet(room):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(room.neighbours.run)
                await run(room)
                nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_in_a_room_of_sixteen_everybody_is_wanted_and_in_one_of_seventeen_four_are() -> None:
    assert len(_Room(MOST_IN_MESH).wanted) == MOST_IN_MESH - 1
    assert len(_Room(MOST_IN_MESH + 1).wanted) == CHOSEN


def test_where_somebody_only_reads_everybody_is_wanted() -> None:
    """A reader passes on nothing: who had chosen readers only would be cut off."""
    room = _Room(60)
    chosen, reader = room.wanted, room.others[7]
    assert len(chosen) == CHOSEN
    room.gets_role(reader, Role.READER)
    assert room.wanted == set(room.others)
    assert set(room.woken) == set(room.others) - chosen
    assert not is_large(room.folder)
    room.gets_role(reader, Role.ADMINISTRATOR)
    assert room.wanted == chosen


def test_links_stay_where_a_reader_came_and_end_a_while_after_the_last_one_went() -> None:
    async def run(room: _Room) -> None:
        room.gets_role(room.own, Role.READER)
        room.link_all_wanted()
        await trio.sleep(10 * SURPLUS_S)
        assert not room.ended
        room.gets_role(room.own, Role.MEMBER)
        await trio.sleep(2 * SURPLUS_S)
        assert len(room.ended) == len(room.others) - CHOSEN
        assert room.links.keys() == room.wanted

    _in_time(run)


def test_who_leaves_is_replaced_at_once_and_stays_tried() -> None:
    room = _Room(60)
    before = room.wanted
    gone = min(before)
    room.leaves(gone)
    assert room.wanted == before | {room.woken[-1]}
    assert len(room.wanted) == CHOSEN + 1
    assert gone in room.wanted  # it may be back, before anybody sees it


def test_who_comes_and_goes_costs_the_others_no_link() -> None:
    async def run(room: _Room) -> None:
        room.link_all_wanted()
        flapping = min(room.links)
        for _ in range(10):
            room.leaves(flapping)
            room.link_all_wanted()
            await trio.sleep(SURPLUS_S / 3)
            room.comes(flapping)
            room.link_all_wanted()
            await trio.sleep(SURPLUS_S / 3)
        assert not room.ended
        assert len(room.links) == CHOSEN + 1
        await trio.sleep(2 * SURPLUS_S)
        assert len(room.ended) == 1
        assert flapping not in room.ended
        assert len(room.links) == CHOSEN

    _in_time(run)


@pytest.mark.parametrize("why", ["not in sync", "dialled by the other", "one is not linked yet"])
def test_a_link_that_is_not_wanted_stays_as_long_as_there_is_a_reason(why: str) -> None:
    async def run(room: _Room) -> None:
        room.link_all_wanted()
        surplus = next(device for device in room.others if device not in room.wanted)
        room.link(surplus, dialled_by_us=why != "dialled by the other", at_rest=why != "not in sync")
        missing = min(room.wanted)
        if why == "one is not linked yet":
            del room.links[missing]
        room.neighbours.update()
        await trio.sleep(3 * SURPLUS_S)
        assert not room.ended
        room.link(surplus)
        room.link(missing)
        await trio.sleep(3 * SURPLUS_S)
        assert room.ended == {surplus}

    _in_time(run)


def test_what_is_never_in_sync_keeps_no_link_for_ever() -> None:
    async def run(room: _Room) -> None:
        room.link_all_wanted()
        surplus = next(device for device in room.others if device not in room.wanted)
        room.link(surplus, at_rest=False)
        await trio.sleep(20 * SURPLUS_S)
        assert room.ended == {surplus}

    _in_time(run)


def test_who_is_waited_for_is_wanted_meanwhile() -> None:
    room = _Room(60)
    before = room.wanted
    some = set(room.others[:10]) | {min(before)}
    with room.neighbours.asking(some), room.neighbours.asking(some):
        assert room.wanted == before | some
    assert room.wanted == before
    assert set(room.woken) == some - before


def test_one_more_is_looked_at_when_something_changed_and_nobody_where_nothing_does() -> None:
    async def run(room: _Room) -> None:
        room.link_all_wanted()
        chosen = room.wanted
        await trio.sleep(3600)
        assert room.wanted == chosen
        drawn: set[DeviceID] = set()
        for _ in range(10):
            room.changes()
            await trio.sleep(130)
            (one,) = room.wanted - chosen
            drawn.add(one)
        assert len(drawn) > 5

    _in_time(run)


def test_while_something_is_missing_that_no_neighbour_has_others_are_looked_at() -> None:
    async def run(room: _Room) -> None:
        looked_at: set[DeviceID] = set()
        room.link_all_wanted()
        room.misses(b"blob")
        for _ in range(360):
            await trio.sleep(2)
            room.link_all_wanted()
            room.all_linked_lack(b"blob")
            looked_at |= room.links.keys()
        assert looked_at == set(room.others), "each of them once"
        assert len(room.links) < 15  # they stay no longer than any other

    _in_time(run)


def test_what_is_nowhere_is_looked_for_at_pauses_that_double_until_there_is_news() -> None:
    """Else each device of a room dials another one every ten seconds for ever, for a file that nobody has any more."""

    async def run(room: _Room) -> None:
        drawn: list[float] = []

        def link_as_drawn() -> None:
            if room.wanted & room.there - room.links.keys():
                drawn.append(trio.current_time())
            room.link_all_wanted()
            for blob in room.folder.files.blobs.lacking:
                room.all_linked_lack(blob)

        async def dialled_in(seconds: int) -> int:
            drawn.clear()
            for _ in range(seconds // 5):
                await trio.sleep(5)
                link_as_drawn()
            return len(drawn)

        link_as_drawn()
        away = max(room.others, key=lambda device: device not in room.wanted)
        room.leaves(away)
        room.misses(b"blob")
        await dialled_in(3600)
        assert await dialled_in(6 * 3600) <= 6 * 12, "once in five minutes"
        began = trio.current_time()
        room.comes(away)
        await dialled_in(60)
        assert away in room.links
        assert drawn[0] - began < 20, "who comes is looked at soon"
        await dialled_in(3600)
        room.misses(b"more")
        assert await dialled_in(300) > 10, "each may have what was not missing before"

    _in_time(run)
