"""Links between devices in one process, over real sockets: who is at the other end, and what one fault ends."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing
from conditions import until
from structlog.testing import capture_logs

from yp2p import __version__
from yp2p.discovery.addresses import Address
from yp2p.errors import OtherVersion
from yp2p.folder import burden as module
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DeviceID, DocumentID, FolderID, Identity, PublicIdentity
from yp2p.peers.peers import Peers
from yp2p.peers.presence import FolderPresence
from yp2p.protocol.messages import (
    PROTOCOL_VERSIONS,
    ChannelData,
    Condition,
    FolderCondition,
    FolderState,
    Hello,
    Membership,
    Reached,
)
from yp2p.store.database import open_database
from yp2p.transport.dialer import dial
from yp2p.transport.handshake import Secured
from yp2p.transport.link import LinkClosed, open_link
from yp2p.transport.listener import Listener, open_listeners
from yp2p.trust.statements import Role, Signer, read_statement

ONE, TWO, HOSTILE = (Identity(bytes([number]) * 32) for number in (1, 2, 3))
NOTES, OTHER = FolderID(b"n" * 16), FolderID(b"o" * 16)
HELLO = Hello((1,), bytes(16), "hostile", 1)


class Node:
    """The links of one device; nothing looks after its files."""

    def __init__(self, identity: Identity, peers: Peers, folders: dict[FolderID, Folder], port: int) -> None:
        self.identity = identity
        self.peers = peers
        self.folders = folders
        self.address = Address("127.0.0.1", port)

    @property
    def id(self) -> DeviceID:
        return self.identity.device_id

    def state(self, folder: FolderID) -> dict[DeviceID, PublicIdentity]:
        return {device: member.identity for device, member in self.folders[folder].membership.members.items()}

    def knows(self, other: Node) -> None:
        self.peers.devices.seen(other.id, (other.address,))

    def has_session(self, other: DeviceID, folder: FolderID) -> bool:
        return self.peers.session(other, folder) is not None


def statements(folder: FolderID, *members: PublicIdentity) -> list[bytes]:
    """ONE founded the folder and let these in."""
    signer = Signer(ONE, folder)
    made = [signer.grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    for keys in members:
        made.append(signer.grant([made[-1].hash], keys, Role.MEMBER, ""))
    return [statement.encode() for statement in made]


def _removal(folder: FolderID, bodies: list[bytes]) -> bytes:
    """ONE removes TWO."""
    known = [read_statement(body, folder) for body in bodies]
    return Signer(ONE, folder).remove([known[-1].hash], TWO.public, Role.REMOVED).encode()


async def _no_pairing(secured: Secured) -> None:
    await trio.aclose_forcefully(secured.stream)


@asynccontextmanager
async def open_node(base: Path, identity: Identity, rooms: dict[FolderID, list[bytes]]) -> AsyncIterator[Node]:
    folders: dict[FolderID, Folder] = {}
    async with open_database(base / "store", make_room=False) as database, trio.open_nursery() as nursery:
        for folder_id, bodies in rooms.items():
            clients = ClientIDs.fresh(identity.device_id)
            folder = Folder(
                folder_id, folder_id[:1].decode(), base, ONE.device_id, database=database, clients=clients, adopted=True
            )
            folder.catalogue.authorship.identity = identity  # it makes no statements by itself
            await folder.load()
            await folder.membership.receive(bodies)
            folders[folder_id] = folder
        peers = Peers(identity, "node", database, folders, lambda _: FolderPresence(1, identity.device_id), [])
        for folder in folders.values():
            folder.membership.on_change = peers.membership_changed
        listeners = open_listeners(["127.0.0.1"], 0, 0).listeners
        listener = Listener(
            identity, peers.accept, _no_pairing,
            is_known=peers.devices.roster.is_known, pairing_open=lambda: False,
        )  # fmt: skip
        nursery.start_soon(listener.serve, listeners)
        nursery.start_soon(peers.run)
        yield Node(identity, peers, folders, int(listeners[0].socket.getsockname()[1]))
        nursery.cancel_scope.cancel()


def _run(test: Callable[..., Awaitable[None]], *rooms: tuple[Identity, dict[FolderID, list[bytes]]]) -> None:
    async def run(*bases: Path) -> None:
        async with AsyncExitStack() as stack:
            nodes = [
                await stack.enter_async_context(open_node(path, identity, folders))
                for path, (identity, folders) in zip(bases, rooms, strict=True)
            ]
            await test(*nodes)

    with tempfile.TemporaryDirectory() as base:
        bases = [Path(base, str(number)) for number in range(len(rooms))]
        for path in bases:
            path.mkdir()
        trio.run(run, *bases)


PHANTOM = PublicIdentity(HOSTILE.public.signing_key, TWO.public.noise_key)  # somebody's, with TWO's Noise key


def test_a_device_that_is_said_to_have_anothers_noise_key_takes_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folder `OTHER` has a phantom with TWO's Noise key."""
    monkeypatch.setattr("yp2p.peers.rivals.TOGETHER_S", 0.0)  # a newer link takes the older one's place at once
    dialled: list[DeviceID] = []

    async def noting(host: str, port: int, identity: Identity, remote_key: bytes) -> Secured:
        dialled.append(identity.device_id)
        return await dial(host, port, identity, remote_key)

    monkeypatch.setattr("yp2p.peers.dialling.dial", noting)
    notes, other = statements(NOTES, TWO.public), statements(OTHER, HOSTILE.public, PHANTOM)

    async def test(one: Node, two: Node) -> None:
        two.knows(one)  # it dials, so nobody of ONE's side has dialled yet
        await until(lambda: one.has_session(two.id, NOTES) and two.has_session(one.id, NOTES))
        await until(lambda: one.peers.devices.contact(two.id).name == "node")
        link = one.peers.link(two.id)
        for _ in range(3):
            # As mDNS does, whose hints are made of Noise keys.
            one.peers.devices.seen(PHANTOM.device_id, (two.address,))
            contact = one.peers.devices.contact(PHANTOM.device_id)
            await until(lambda: not contact.wake.is_set())  # noqa: B023 (its task goes on, and would dial at once)
        assert set(dialled) == {two.id}, "nobody dials the phantom"
        assert not one.peers.is_linked(PHANTOM.device_id)
        assert one.peers.link(two.id) is link, "the link has not changed"
        assert one.has_session(two.id, NOTES)
        assert one.peers.devices.contact(two.id).faults == 0

    _run(test, (ONE, {NOTES: notes, OTHER: other}), (TWO, {NOTES: notes}))


def test_a_link_proves_the_signing_key_too() -> None:
    """HOSTILE is let in under another's signing key, with a Noise key of its own."""
    claimed = PublicIdentity(TWO.public.signing_key, HOSTILE.public.noise_key)
    notes = statements(NOTES, claimed)

    async def test(one: Node) -> None:
        for forged in (None, TWO.sign(b"something else"), bytes(64)):
            secured = await dial("127.0.0.1", one.address.port, HOSTILE, ONE.public.noise_key)
            if forged is not None:
                secured = replace(secured, proof=forged)
            with pytest.RaisesGroup(LinkClosed):
                async with open_link(secured, HELLO):
                    raise AssertionError("it was answered")
        assert not one.peers.is_linked(claimed.device_id)

    with capture_logs() as said:
        _run(test, (ONE, {NOTES: notes}))
    assert any("did not prove" in str(line) for line in said)


def test_a_proof_is_of_one_handshake_and_one_side() -> None:
    async def test(one: Node) -> None:
        async with trio.open_nursery() as nursery:
            secured = await dial("127.0.0.1", one.address.port, TWO, ONE.public.noise_key)
            async with open_link(secured, HELLO) as link:
                assert link.peer is not None
                assert secured.is_proved_by(ONE.public, link.peer.proof)
                assert not secured.is_proved_by(ONE.public, secured.proof)
                assert not secured.is_proved_by(PublicIdentity(HOSTILE.public.signing_key, ONE.public.noise_key), b"")
                again = await dial("127.0.0.1", one.address.port, TWO, ONE.public.noise_key)
                assert not again.is_proved_by(ONE.public, link.peer.proof)
                await trio.aclose_forcefully(again.stream)
            nursery.cancel_scope.cancel()

    _run(test, (ONE, {NOTES: statements(NOTES, TWO.public)}))


def test_a_fault_in_a_folder_ends_the_session_there_and_nothing_else() -> None:
    notes, other = statements(NOTES, TWO.public), statements(OTHER, TWO.public)

    async def test(one: Node) -> None:
        secured = await dial("127.0.0.1", one.address.port, TWO, ONE.public.noise_key)
        async with open_link(secured, HELLO) as link:
            await until(lambda: one.has_session(TWO.device_id, NOTES) and one.has_session(TWO.device_id, OTHER))
            await link.send(Membership(NOTES, (notes[0][:-1] + b"\x00",)))
            await until(lambda: not one.has_session(TWO.device_id, NOTES))
            with trio.fail_after(30):
                while await link.receive() != FolderCondition(NOTES, Condition.APART):
                    pass  # it is told: what it believed of the other disk holds no more
            for _ in range(200):  # nobody reads these
                await link.send(ChannelData(NOTES, DocumentID(bytes(16)), b"\x00\x00\x01\x00"))
            await link.send(FolderState(OTHER, bytes(32), bytes(32), bytes(32), True, 77))
            with trio.fail_after(30):
                while True:
                    message = await link.receive()
                    if isinstance(message, FolderState) and message.answers == 77:
                        break
            assert one.has_session(TWO.device_id, OTHER)
            contact = one.peers.devices.contact(TWO.device_id)
            assert (contact.faults, contact.quarantined_until) == (1, 0.0)
            assert "signature" in contact.last_error

    with capture_logs() as said:
        _run(test, (ONE, {NOTES: notes, OTHER: other}))
    (told,) = [line for line in said if line["event"] == "peer_fault"]
    assert told["folder"] == "n"


def test_links_end_with_the_last_folder_that_is_shared_and_people_are_told() -> None:
    notes, other = statements(NOTES, TWO.public), statements(OTHER, TWO.public)

    async def test(one: Node, two: Node) -> None:
        two.knows(one)
        await until(lambda: all(one.has_session(two.id, folder) for folder in (NOTES, OTHER)))
        for folder, bodies in ((NOTES, notes), (OTHER, other)):
            await one.folders[folder].membership.receive([_removal(folder, bodies)])
            await until(lambda: not one.has_session(two.id, folder))  # noqa: B023
            (notice,) = one.folders[folder].notices
            assert notice.kind is NoticeKind.DEVICE_REMOVED
            assert one.peers.is_linked(two.id) or folder == OTHER
        await until(lambda: not one.peers.is_linked(two.id) and not two.peers.is_linked(one.id))
        assert TWO.device_id not in one.peers.devices.roster.known()
        assert TWO.device_id in one.peers.devices.roster.former()

    _run(test, (ONE, {NOTES: notes, OTHER: other}), (TWO, {NOTES: notes, OTHER: other}))


def test_a_removed_device_that_connects_is_told_by_what_it_was_removed_once_a_minute_and_nothing_else() -> None:
    notes = statements(NOTES, TWO.public)

    async def test(one: Node) -> None:
        await one.folders[NOTES].membership.receive([_removal(NOTES, notes)])
        secured = await dial("127.0.0.1", one.address.port, TWO, ONE.public.noise_key)
        async with open_link(secured, HELLO) as link:
            await link.send(FolderState(NOTES, bytes(32), bytes(32), bytes(32), True, 77))
            assert await link.receive() == Membership(NOTES, (*notes, _removal(NOTES, notes)))
        again: list[object] = []
        try:
            secured = await dial("127.0.0.1", one.address.port, TWO, ONE.public.noise_key)
            async with open_link(secured, HELLO) as link:
                again.append(await link.receive())
        except* LinkClosed:
            pass
        assert again == []

    with capture_logs() as said:
        _run(test, (ONE, {NOTES: notes}))
    assert "connection_failed" not in [line["event"] for line in said]


def test_a_device_that_was_removed_is_told_and_dials_nobody() -> None:
    notes = statements(NOTES, TWO.public)

    async def test(two: Node) -> None:
        await two.folders[NOTES].membership.receive([_removal(NOTES, notes)])
        (notice,) = two.folders[NOTES].notices
        assert "removed this device from the folder" in notice.text
        assert two.peers.devices.roster.known() == {}

    _run(test, (TWO, {NOTES: notes}))


def _why_not(node: Node, other: DeviceID) -> str:
    return node.peers.devices.why_not_connected(other, "other")


def test_a_device_that_does_not_know_this_one_is_told_from_one_that_is_away() -> None:
    async def test(one: Node, two: Node) -> None:
        assert "never seen" in _why_not(one, two.id)
        one.knows(two)
        await until(lambda: "does not know this device" in _why_not(one, two.id))

    _run(test, (ONE, {NOTES: statements(NOTES, TWO.public)}), (TWO, {}))


def test_a_paused_device_has_no_link_in_either_direction_and_both_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    notes, left = statements(NOTES, TWO.public), list[str]()
    monkeypatch.setattr("yp2p.peers.peers.link_has_ended", lambda: left.append("garbage"))

    async def test(one: Node, two: Node) -> None:
        one.knows(two)
        await until(lambda: one.peers.is_linked(two.id) and two.peers.is_linked(one.id))
        assert left == []
        await one.peers.choose(two.id, pause=True).wait()
        await until(lambda: not one.peers.is_linked(two.id) and not two.peers.is_linked(one.id))
        await until(lambda: len(left) == 2)
        assert _why_not(one, two.id).startswith("paused here")
        await until(lambda: _why_not(two, one.id).startswith("paused there"))
        two.peers.devices.contact(one.id).reach.is_paused_there = False
        two.knows(one)  # it dials, is told, and nothing else
        await until(lambda: _why_not(two, one.id).startswith("paused there"))
        assert not one.peers.is_linked(two.id)
        await one.peers.choose(two.id, pause=False).wait()
        await until(lambda: one.peers.is_linked(two.id) and two.peers.is_linked(one.id))
        assert not two.peers.devices.contact(one.id).reach.is_paused_there
        assert one.peers.devices.contact(two.id).faults == two.peers.devices.contact(one.id).faults == 0

    _run(test, (ONE, {NOTES: notes}), (TWO, {NOTES: notes}))


def test_devices_of_other_versions_tell_each_other_which_and_it_is_no_fault() -> None:
    async def test(one: Node) -> None:
        for _ in range(2):
            secured = await dial("127.0.0.1", one.address.port, TWO, ONE.public.noise_key)
            hello = Hello((9,), bytes(16), "newer", 1)
            said_here = rf"the peer speaks versions \[{PROTOCOL_VERSIONS[0]}\], this device speaks \[9\]"
            with pytest.RaisesGroup(pytest.RaisesExc(OtherVersion, match=said_here), flatten_subgroups=True):
                async with open_link(secured, hello):
                    pytest.fail("there is no link")
        await until(lambda: "speaks version 9" in _why_not(one, TWO.device_id))
        assert "update yp2p here" in _why_not(one, TWO.device_id)
        assert one.peers.devices.contact(TWO.device_id).faults == 0
        assert not one.peers.is_linked(TWO.device_id)

    with capture_logs() as said:
        _run(test, (ONE, {NOTES: statements(NOTES, TWO.public)}))
    assert [line["event"] for line in said].count("other_version") == 1


def test_a_device_that_speaks_a_newer_version_as_well_is_linked() -> None:
    async def test(one: Node) -> None:
        secured = await dial("127.0.0.1", one.address.port, TWO, ONE.public.noise_key)
        newest = max(PROTOCOL_VERSIONS)
        async with open_link(secured, Hello((newest, newest + 1), bytes(16), "newer", 1)) as link:
            await until(lambda: one.peers.is_linked(TWO.device_id))
            link.close("seen")

    _run(test, (ONE, {NOTES: statements(NOTES, TWO.public)}))


def test_a_device_says_its_version_and_another_name_while_it_is_connected() -> None:
    notes = statements(NOTES, TWO.public)

    async def test(one: Node, two: Node) -> None:
        one.knows(two)
        await until(lambda: one.peers.is_linked(two.id) and two.peers.is_linked(one.id))
        assert one.peers.devices.contact(two.id).version == __version__
        two.peers.rename("desk")
        await until(lambda: one.peers.devices.called(two.id) == "desk")
        await one.peers.choose(two.id, name="my desk").wait()
        assert one.peers.devices.called(two.id) == "my desk"
        two.peers.rename("table")
        await until(lambda: one.peers.devices.contact(two.id).name == "table")
        assert one.peers.devices.called(two.id) == "my desk", "what a person here said counts"

    _run(test, (ONE, {NOTES: notes}), (TWO, {NOTES: notes}))


def test_a_device_learns_from_the_other_end_how_it_looks_from_there() -> None:
    notes = statements(NOTES, TWO.public)

    async def test(one: Node, two: Node) -> None:
        one.knows(two)
        await until(lambda: one.peers.is_linked(two.id) and two.peers.is_linked(one.id))
        checks = one.peers.checks(two.id)
        assert checks is not None
        answer = await checks.ask(connects=True)
        assert answer is not None
        assert answer.reached is Reached.NOT_TRIED, "it said that it listens nowhere"
        one.peers.listen_port = one.address.port
        link = one.peers.link(two.id)
        assert link is not None
        link.close("so that it says where it listens")
        await until(lambda: one.peers.link(two.id) not in (None, link) and two.peers.is_linked(one.id))
        checks = one.peers.checks(two.id)
        assert checks is not None
        answer = await checks.ask(connects=True)
        assert answer is not None
        assert (answer.reached, answer.has_clone) == (Reached.YES, False)
        assert abs(answer.ahead_s) < 10
        again = await checks.ask(connects=True)
        assert again is not None
        assert again.reached is Reached.NOT_TRIED, "it does not connect as often as it is asked"
        assert one.peers.devices.contact(two.id).faults == 0

    _run(test, (ONE, {NOTES: notes}), (TWO, {NOTES: notes}))


def test_devices_that_are_nowhere_cost_no_task_and_one_that_comes_is_dialled() -> None:
    """A member can let in any number of them."""
    many = [Identity(bytes([9]) + number.to_bytes(31, "big")).public for number in range(100)]
    notes = statements(NOTES, TWO.public, *many)

    async def test(one: Node, two: Node) -> None:
        await until(lambda: len(one.peers.devices.roster.known()) == 101)
        await trio.testing.wait_all_tasks_blocked()
        assert not one.peers.dialling.dialled
        assert not two.peers.dialling.dialled
        one.knows(two)
        await until(lambda: one.has_session(two.id, NOTES))
        assert one.peers.dialling.dialled == {two.id}

    _run(test, (ONE, {NOTES: notes}), (TWO, {NOTES: notes}))


def test_who_is_no_member_any_more_costs_no_task() -> None:
    notes = statements(NOTES, TWO.public)

    async def test(one: Node) -> None:
        one.peers.devices.seen(TWO.device_id, (Address("127.0.0.1", 9),))
        await until(lambda: one.peers.dialling.dialled == {TWO.device_id})
        await one.folders[NOTES].membership.receive([_removal(NOTES, notes)])
        one.peers.devices.contact(TWO.device_id).wake.set()
        await until(lambda: not one.peers.dialling.dialled)

    _run(test, (ONE, {NOTES: notes}))


def test_a_device_that_is_out_says_so_of_those_that_are_not_connected() -> None:
    notes = statements(NOTES, TWO.public)

    async def test(two: Node) -> None:
        assert "never seen on this network" in two.peers.devices.why_not_connected(ONE.device_id, "one")
        await two.folders[NOTES].membership.receive([_removal(NOTES, notes)])
        assert "no folder is shared with it any more" in two.peers.devices.why_not_connected(ONE.device_id, "one")

    _run(test, (TWO, {NOTES: notes}))


def test_who_was_let_in_lately_is_on_the_account_of_who_let_it_in() -> None:
    """Else a member has as many accounts as it lets in devices."""
    third, fourth = (Identity(bytes([number]) * 32) for number in (7, 8))
    signer = Signer(ONE, NOTES)
    made = [signer.grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    made.append(signer.grant([made[-1].hash], TWO.public, Role.ADMINISTRATOR, "two"))
    more = [Signer(TWO, NOTES).grant([made[-1].hash], third.public, Role.ADMINISTRATOR, "third")]
    more.append(Signer(third, NOTES).grant([more[-1].hash], fourth.public, Role.ADMINISTRATOR, "fourth"))
    own = Signer(ONE, NOTES).grant([more[-1].hash], HOSTILE.public, Role.MEMBER, "of one")

    async def test(one: Node) -> None:
        devices = one.peers.devices
        await until(lambda: devices.contact(TWO.device_id) is not None and TWO.device_id in devices._noted)
        assert not devices.contact(TWO.device_id).choice.since, "nobody knows since when"
        before = time.time()
        await one.folders[NOTES].membership.receive([said.encode() for said in (*more, own)])
        everybody = [keys.device_id for keys in (TWO, third, fourth, HOSTILE)]
        await until(lambda: devices._noted >= set(everybody))

        def accounts() -> list[int]:
            for device in everybody:
                devices.share_burden(device)
            burdens = [devices.contact(device).budget.burden for device in everybody]
            return [burdens.index(burden) for burden in burdens]

        assert all(devices.contact(device).choice.since >= before for device in everybody[1:]), "and not since before"
        assert accounts() == [0, 0, 0, 3], "whom this device let in has its own"
        devices.contact(fourth.device_id).choice.since -= 2 * 86400
        assert accounts() == [0, 0, 2, 3], "it has been known for long"
        devices.contact(TWO.device_id).budget.burden.add(module.MOST_BYTES + 1_000_000)
        assert devices.contact(third.device_id).budget.burden.is_heavy
        assert not devices.contact(fourth.device_id).budget.burden.is_heavy

    _run(test, (ONE, {NOTES: [statement.encode() for statement in made]}))


def test_whoever_leaves_leaves_one_account_to_those_it_let_in() -> None:
    """Else a member that lets in fifty devices, and goes, has fifty; so also where each lets in one, and goes."""
    signer = Signer(ONE, NOTES)
    made = [signer.grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    made.append(signer.grant([made[-1].hash], TWO.public, Role.ADMINISTRATOR, "two"))
    two, middle, last = Signer(TWO, NOTES), Identity(bytes([99]) * 32), Identity(bytes([98]) * 32)
    many = [Identity(bytes([100 + number]) * 32) for number in range(5)]
    said = [two.grant([made[-1].hash], device.public, Role.MEMBER, "x") for device in many]
    said.append(two.grant([made[-1].hash], middle.public, Role.ADMINISTRATOR, "middle"))
    said.append(Signer(middle, NOTES).grant([said[-1].hash], last.public, Role.MEMBER, "last"))
    said.append(Signer(middle, NOTES).remove([said[-1].hash], middle.public, Role.REMOVED))
    said.append(two.remove([statement.hash for statement in said], TWO.public, Role.REMOVED))

    async def test(one: Node) -> None:
        devices, membership = one.peers.devices, one.folders[NOTES].membership
        await until(lambda: TWO.device_id in devices._noted)
        await membership.receive([statement.encode() for statement in said])
        brought = {device.device_id for device in (*many, last)}
        assert membership.devices.keys() == brought | {ONE.device_id}
        await until(lambda: devices._noted >= brought)
        for device in brought:
            devices.share_burden(device)
        accounts = {id(devices.contact(device).budget.burden) for device in brought}
        assert accounts == {id(devices.contact(TWO.device_id).budget.burden)}

    _run(test, (ONE, {NOTES: [statement.encode() for statement in made]}))
