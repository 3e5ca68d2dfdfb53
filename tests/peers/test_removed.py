"""Devices of which one is out of a folder, as the other one sees it: both hear of it, and nothing else is said."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import trio
import trio.testing
from conditions import until
from peers.test_links import HELLO, HOSTILE, NOTES, ONE, OTHER, TWO, Node, _run, statements

from yp2p.discovery.addresses import Address
from yp2p.folder.budget import Budget
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DeviceID, DocumentID, Identity, PublicIdentity, format_device_id
from yp2p.peers.contact import Contact
from yp2p.peers.removed import FormerDevices
from yp2p.protocol.messages import ChannelData, FolderOffers, FolderState, Membership
from yp2p.transport.dialer import dial
from yp2p.transport.link import Link, open_link
from yp2p.trust.statements import Role, Signer, Statement

THREE = Identity(bytes([4]) * 32)


def _room(*others: Identity) -> list[Statement]:
    """Administrators whom ONE let in, and who have acknowledged that."""
    signer = Signer(ONE, NOTES)
    made = [signer.grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    for other in others:
        made.append(signer.grant([made[-1].hash], other.public, Role.ADMINISTRATOR, ""))
    last = made[-1].hash
    return [*made, *(Signer(other, NOTES).acknowledge([last]) for other in others)]


def _heads(room: list[Statement]) -> list[bytes]:
    named = {one for said in room for one in said.previous}
    return [one.hash for one in room if one.hash not in named]


def _removal(by: Identity, whom: Identity, room: list[Statement]) -> Statement:
    return Signer(by, NOTES).remove(_heads(room), whom.public, Role.REMOVED)


def _bodies(*said: Statement) -> list[bytes]:
    return [one.encode() for one in said]


def _members(node: Node) -> set[DeviceID]:
    return set(node.state(NOTES))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Former members are dialled as soon as they are known."""
    monkeypatch.setattr("yp2p.peers.removed._DIALLED_AFTER_S", 0.0)


def _was_told(node: Node) -> bool:
    """Whether its people read that it is out."""
    return any(
        notice.kind is NoticeKind.DEVICE_REMOVED and "removed this device from the folder" in notice.text
        for notice in node.folders[NOTES].notices
    )


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("who_dials", ["the elder", "the younger"])
def test_two_that_removed_each_other_and_meet_nobody_else_agree_and_one_is_told(who_dials: str) -> None:
    room = _room(TWO)

    async def test(one: Node, two: Node) -> None:
        assert (_members(one), _members(two)) == ({ONE.device_id}, {TWO.device_id})
        dials, other = (one, two) if who_dials == "the elder" else (two, one)
        dials.knows(other)
        dials.peers.membership_changed()
        await until(lambda: _members(one) == _members(two) == {ONE.device_id})
        assert _was_told(two)
        assert not _was_told(one)
        assert not one.peers.is_linked(two.id)
        assert not two.peers.is_linked(one.id)

    _run(
        test,
        (ONE, {NOTES: _bodies(*room, _removal(ONE, TWO, room))}),
        (TWO, {NOTES: _bodies(*room, _removal(TWO, ONE, room))}),
    )


@pytest.mark.usefixtures("at_once")
def test_who_heard_first_is_said_too_where_that_decides() -> None:
    """THREE heard of TWO's removal first, which only TWO knows; so the elder is out, and both know it."""
    room = _room(TWO, THREE)
    by_one, by_two = _removal(ONE, TWO, room), _removal(TWO, ONE, room)
    heard = Signer(THREE, NOTES).acknowledge([by_two.hash])

    async def test(one: Node, two: Node) -> None:
        one.knows(two)
        one.peers.membership_changed()
        await until(lambda: _members(one) == _members(two) == {TWO.device_id, THREE.device_id})
        assert _was_told(one)
        assert not _was_told(two)

    _run(test, (ONE, {NOTES: _bodies(*room, by_one)}), (TWO, {NOTES: _bodies(*room, by_two, heard)}))


def test_who_does_not_say_that_it_removed_others_is_not_told_who_else_is_there() -> None:
    room = _room(TWO, THREE)
    removal = _removal(ONE, TWO, room)
    later = Signer(ONE, NOTES).grant([removal.hash], Identity(bytes([5]) * 32).public, Role.MEMBER, "of later")
    heard = Signer(THREE, NOTES).acknowledge([later.hash])

    async def test(one: Node) -> None:
        folder = one.folders[NOTES].membership
        assert set(folder.about_removal(TWO.device_id)) == set(_bodies(*room, removal))
        await folder.receive(_bodies(_removal(TWO, ONE, room)))
        assert set(folder.about_removal(TWO.device_id)) == set(_bodies(*room, removal, later, heard))

    _run(test, (ONE, {NOTES: _bodies(*room, removal, later, heard)}))


@pytest.mark.parametrize("is_mutual", [False, True], ids=["removed", "removed each other"])
def test_who_shares_another_folder_is_told_over_that_link(is_mutual: bool) -> None:
    room, other = _room(TWO), statements(OTHER, TWO.public)
    of_two = _bodies(*room, *([_removal(TWO, ONE, room)] if is_mutual else []))

    async def test(one: Node, two: Node) -> None:
        two.knows(one)
        await until(lambda: one.has_session(two.id, OTHER) and two.has_session(one.id, OTHER))
        await until(lambda: _members(one) == _members(two) == {ONE.device_id})
        assert _was_told(two)
        assert one.has_session(two.id, OTHER)
        assert two.has_session(one.id, OTHER)
        assert not one.has_session(two.id, NOTES)

    _run(
        test,
        (ONE, {NOTES: _bodies(*room, _removal(ONE, TWO, room)), OTHER: other}),
        (TWO, {NOTES: of_two, OTHER: other}),
    )


def test_two_that_remove_each_other_at_once_on_a_link_that_goes_on_agree() -> None:
    room, other = _room(TWO), statements(OTHER, TWO.public)

    async def test(one: Node, two: Node) -> None:
        two.knows(one)
        await until(lambda: all(one.has_session(two.id, folder) for folder in (NOTES, OTHER)))
        await until(lambda: all(two.has_session(one.id, folder) for folder in (NOTES, OTHER)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(one.folders[NOTES].membership.receive, _bodies(_removal(ONE, TWO, room)))
            nursery.start_soon(two.folders[NOTES].membership.receive, _bodies(_removal(TWO, ONE, room)))
        await until(lambda: _members(one) == _members(two) == {ONE.device_id})
        assert _was_told(two)
        assert one.has_session(two.id, OTHER)

    _run(test, (ONE, {NOTES: _bodies(*room), OTHER: other}), (TWO, {NOTES: _bodies(*room), OTHER: other}))


async def _read(link: Link) -> list[object]:
    """What comes until the other side ends the link."""
    found: list[object] = []
    try:
        while True:
            found.append(await link.receive())
    except Exception:
        return found


def test_nothing_but_statements_is_taken_and_a_number_of_them_and_nothing_else_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TWO was removed, and says whatever it likes."""
    monkeypatch.setattr("yp2p.peers.removed._MOST_PARTS", 3)
    monkeypatch.setattr("yp2p.peers.removed.LISTENS_S", 0.2)
    room = _room(TWO)
    removal, signer = _removal(ONE, TWO, room), Signer(TWO, NOTES)
    said = [signer.acknowledge([room[-1].hash])]
    for _ in range(5):
        said.append(signer.acknowledge([said[-1].hash]))

    async def test(one: Node) -> None:
        folder = one.folders[NOTES]
        entries = dict(folder.catalogue.entries)
        secured = await dial("127.0.0.1", one.address.port, TWO, ONE.public.noise_key)
        async with open_link(secured, HELLO) as link:
            await link.send(FolderState(NOTES, bytes(32), bytes(32), bytes(32), True, 77))
            await link.send(ChannelData(NOTES, DocumentID(bytes(16)), b"\x00\x00\x01\x00"))
            await link.send(FolderOffers(()))
            await link.send(Membership(OTHER, tuple(_bodies(*room))))
            for one_of_them in said:
                await link.send(Membership(NOTES, tuple(_bodies(one_of_them))))
            answers = await _read(link)
        assert [type(answer) for answer in answers] == [Membership]
        assert answers[0] == Membership(NOTES, tuple(folder.membership.about_removal(TWO.device_id)))
        assert set(folder.membership.statements()) == {*_bodies(*room, removal, *said[:3])}
        assert folder.catalogue.entries == entries
        assert not one.peers.is_linked(TWO.device_id)
        assert one.peers.devices.contact(TWO.device_id).faults == 0

    _run(test, (ONE, {NOTES: _bodies(*room, removal)}))


class _Devices:
    """Three former members; one has no address, and one has left by itself."""

    def __init__(self) -> None:
        self.roster = self
        self.contacts: dict[DeviceID, Contact] = {}
        self.contact(TWO.device_id).addresses[Address("192.0.2.1", 1)] = 1.0
        self.contact(HOSTILE.device_id).addresses[Address("192.0.2.2", 1)] = 1.0

    def contact(self, device: DeviceID) -> Contact:
        return self.contacts.setdefault(device, Contact(Budget(device)))

    def former(self) -> dict[DeviceID, PublicIdentity]:
        return {one.device_id: one.public for one in (TWO, THREE, HOSTILE)}

    def is_never_dialled(self, device: DeviceID) -> bool:
        return device == HOSTILE.device_id


def test_a_former_member_that_does_not_answer_is_dialled_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[tuple[int, str]] = []

    async def nobody(host: str, port: int, identity: Identity, noise_key: bytes) -> None:
        await trio.lowlevel.checkpoint()
        tries.append((round(trio.current_time() - began), host))
        raise OSError

    monkeypatch.setattr("yp2p.peers.removed.dial", nobody)
    began = 0.0

    async def run() -> None:
        nonlocal began
        began = trio.current_time()
        former = FormerDevices(ONE, _Devices(), {}, lambda: HELLO)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(former.run)
            await trio.sleep(4 * 3600)
            former.network_changed()  # there may be others where it is now
            await trio.sleep(600)
            former.network_changed()
            former.network_changed()
            await trio.sleep(299)
            nursery.cancel_scope.cancel()

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
    times = [at for at, _ in tries]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert times[0] == 60
    assert waits == [300, 600, 1200, 2400, 3600, 3600, 2640, 600]
    assert Counter(host for _, host in tries).keys() == {"192.0.2.1"}


@pytest.mark.parametrize("by", [ONE, TWO], ids=["another one", "itself"])
def test_who_left_by_itself_knows_it_and_is_not_dialled(by: Identity) -> None:
    room = _room(TWO)

    async def test(one: Node) -> None:
        assert set(one.peers.devices.roster.former()) == {TWO.device_id}
        assert one.peers.devices.roster.is_never_dialled(TWO.device_id) == (by is TWO)

    _run(test, (ONE, {NOTES: _bodies(*room, _removal(by, TWO, room))}))


@pytest.mark.parametrize("who_dials", ["who lets in", "who is let in"])
def test_whom_a_removed_device_had_let_in_hears_that_it_is_let_in_again(who_dials: str) -> None:
    room = _room(TWO)
    removal = _removal(ONE, TWO, room)
    let_in = Signer(TWO, NOTES).grant(_heads(room), THREE.public, Role.MEMBER, "three")
    again = Signer(ONE, NOTES).grant([removal.hash, let_in.hash], THREE.public, Role.MEMBER, "three")

    async def test(one: Node, three: Node) -> None:
        assert _members(three) == {ONE.device_id}
        dials, other = (one, three) if who_dials == "who lets in" else (three, one)
        dials.knows(other)
        with trio.fail_after(60):
            await until(lambda: one.has_session(three.id, NOTES) and three.has_session(one.id, NOTES))
        assert _members(three) == {ONE.device_id, THREE.device_id}

    _run(
        test,
        (ONE, {NOTES: _bodies(*room, removal, let_in, again)}),
        (THREE, {NOTES: _bodies(*room, removal, let_in)}),
    )


def test_whom_a_removed_device_had_let_in_gets_no_link_before_it_is_let_in_again() -> None:
    room = _room(TWO)
    removal = _removal(ONE, TWO, room)
    let_in = Signer(TWO, NOTES).grant(_heads(room), THREE.public, Role.MEMBER, "three")

    async def test(one: Node, three: Node) -> None:
        three.knows(one)
        await until(lambda: bool(three.peers.devices.contact(one.id).reach.attempts))
        assert not one.peers.is_linked(three.id)
        assert not three.peers.is_linked(one.id)

    _run(
        test,
        (ONE, {NOTES: _bodies(*room, removal, let_in)}),
        (THREE, {NOTES: _bodies(*room, removal, let_in)}),
    )


@pytest.mark.parametrize("shares_more", [False, True])
def test_whom_a_removed_device_had_let_in_hears_why_it_is_out(shares_more: bool) -> None:
    room, other = _room(TWO), {OTHER: statements(OTHER, THREE.public)} if shares_more else {}
    removal = _removal(ONE, TWO, room)
    let_in = Signer(TWO, NOTES).grant(_heads(room), THREE.public, Role.MEMBER, "three")
    later = Signer(ONE, NOTES).grant([removal.hash], HOSTILE.public, Role.MEMBER, "came later")

    async def test(one: Node, three: Node) -> None:
        assert THREE.device_id in _members(three)
        three.knows(one)
        with trio.fail_after(60):
            await until(lambda: THREE.device_id not in _members(three))
        texts = [notice.text for notice in three.folders[NOTES].notices]
        assert [text for text in texts if "let this device in" in text and "yp2p device readmit" in text]
        assert HOSTILE.device_id not in three.folders[NOTES].membership.everybody()

    _run(
        test,
        (ONE, {NOTES: _bodies(*room, removal, let_in, later), **other}),
        (THREE, {NOTES: _bodies(*room, let_in), **other}),
    )


def test_of_those_whom_a_removed_device_let_in_a_few_are_told_and_none_is_dialled() -> None:
    room = _room(TWO)
    signer, friends = Signer(TWO, NOTES), [Identity(number.to_bytes(32, "big")).public for number in range(1, 100)]
    let_in = [signer.grant(_heads(room), friend, Role.MEMBER, "friend") for friend in friends]

    async def test(one: Node) -> None:
        roster = one.peers.devices.roster
        assert len(roster.former().keys() & {friend.device_id for friend in friends}) == 16
        assert TWO.device_id in roster.former()
        assert all(roster.is_never_dialled(friend.device_id) for friend in friends)

    _run(test, (ONE, {NOTES: _bodies(*room, *let_in, _removal(ONE, TWO, room))}))


def test_a_removed_device_is_called_as_before() -> None:
    """History names whoever wrote something, for years."""
    room = [Signer(ONE, NOTES).grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    room.append(Signer(ONE, NOTES).grant([room[-1].hash], TWO.public, Role.MEMBER, "desk"))

    async def test(one: Node) -> None:
        folder = one.folders[NOTES]
        assert folder.name_of(TWO.device_id) == "desk"
        await folder.membership.receive(_bodies(_removal(ONE, TWO, room)))
        assert TWO.device_id not in folder.membership.members
        assert folder.name_of(TWO.device_id) == "desk"
        assert folder.name_of(HOSTILE.device_id) == format_device_id(HOSTILE.device_id)[:8]

    _run(test, (ONE, {NOTES: _bodies(*room)}))
