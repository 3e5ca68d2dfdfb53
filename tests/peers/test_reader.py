"""What comes from a device that only reads is taken by nobody, through whichever door; and it is no fault."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing
from bridge import OWN, PEER, SIGNER, Bridge, open_bridge, replica_like
from conditions import until
from peers.sessions import open_session, state_of_equal

from yp2p.documents.diff import Hunk
from yp2p.documents.manifest import Manifest
from yp2p.documents.registers import Change
from yp2p.documents.synced import PeerState
from yp2p.documents.text import imported
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.live_document import LiveDocument
from yp2p.folder.members import Membership, Removal
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DeviceID, DocumentID, EntryID
from yp2p.peers.session import FolderSession
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.messages import BothChanged, Documents, Side
from yp2p.protocol.state_vectors import read_state_vector
from yp2p.protocol.ysync import Shape, check
from yp2p.trust.statements import Role

REMOVED = DeviceID(b"r" * 32)
_ENTRY, _DOCUMENT = EntryID(b"\x07" * 16), DocumentID(b"\x08" * 16)


def _is(bridge: Bridge, device: DeviceID, role: Role) -> None:
    bridge.folder.membership.members[device] = cast(Any, SimpleNamespace(role=role, name="peer"))


def _edit(bridge: Bridge, device: DeviceID) -> tuple[LiveDocument, bytes]:
    update = replica_like(bridge, "a.txt", device[0]).edit([Hunk(0, 0, "of a peer\n")])
    assert update is not None
    return bridge.document("a.txt"), update


async def _text(bridge: Bridge, *, at_once: bool) -> bool:
    """Whether a peer's edit of a text is taken."""
    live = bridge.document("a.txt")
    theirs = replica_like(bridge, "a.txt", 77)
    update = theirs.edit([Hunk(0, 0, "of a peer\n")])
    assert update is not None
    before = live.replica.state()
    if at_once:
        assert live.receive_nowait([update], PEER)
    else:
        state = PeerState(read_state_vector(theirs.state_vector()), is_answer=True, has_diverged=True)
        await live.receive_all([update], PEER, state)
    return live.replica.state() != before


async def _typed(bridge: Bridge) -> bool:
    return await _text(bridge, at_once=True)


async def _answered(bridge: Bridge) -> bool:
    return await _text(bridge, at_once=False)


async def _manifest(bridge: Bridge) -> bool:
    """Whether a peer's new entry is taken."""
    for index, update in Manifest(78).write([Change(_ENTRY, "b.txt", Content.text(_DOCUMENT, Mode.PLAIN))]).items():
        live = bridge.folder.live_document(manifest_document_id(index))
        assert live is not None
        await live.receive(update, PEER)
    return _ENTRY in bridge.folder.catalogue.entries


async def _pulled(bridge: Bridge) -> bool:
    """Whether a document that the manifest names is taken of a peer."""
    bridge.folder.catalogue.write([Change(_ENTRY, "b.txt", Content.text(_DOCUMENT, Mode.PLAIN))])
    bridge.folder.edits.take_pulled(_DOCUMENT, check(imported("of a peer\n"), Shape.TEXT), PEER)
    return _DOCUMENT in bridge.folder.texts.digests


@pytest.mark.parametrize("offer", [_typed, _answered, _manifest, _pulled])
@pytest.mark.parametrize(
    ("role", "is_taken"), [(Role.READER, False), (Role.MEMBER, True), (Role.ADMINISTRATOR, True)]
)  # fmt: skip
async def test_what_a_reader_sends_is_taken_by_no_door(
    tmp_path: Path, offer: Callable[[Bridge], Any], role: Role, is_taken: bool, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a line\n")
    async with open_bridge(tmp_path) as bridge:
        _is(bridge, PEER, role)
        assert await offer(bridge) is is_taken


async def test_what_a_removed_device_sends_is_not_taken_either(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a line\n")
    async with open_bridge(tmp_path) as bridge:
        membership = bridge.folder.membership
        membership.evaluation = cast(Any, SimpleNamespace(removals={PEER: ()}))
        assert not await _answered(bridge)


async def test_bytes_of_a_reader_are_not_even_read(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """It may have been a member when it sent them: nothing of it is a fault."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a line\n")
    async with open_bridge(tmp_path) as bridge:
        _is(bridge, PEER, Role.READER)
        live = bridge.document("a.txt")
        await live.receive(b"\xff" * 100, PEER)
        assert live.receive_nowait([b"\xff" * 100], PEER)


async def _deliver_all(session: FolderSession, *messages: Any) -> None:
    for message in messages:
        await session.deliver(message)
        await trio.sleep(0.1)


@pytest.mark.parametrize(("role", "is_taken"), [(Role.READER, False), (Role.MEMBER, True)])
async def test_a_reader_tells_no_conflicts_and_is_not_whom_a_joiner_waits_for(
    tmp_path: Path, role: Role, is_taken: bool, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a line\n")
    async with open_bridge(tmp_path) as bridge:
        folder = bridge.folder
        _is(bridge, PEER, role)
        record = folder.files.by_path("a.txt")
        assert record is not None
        folder.state.adopted = False
        now_ms = int(time.time() * 1000)
        sides = Side("ours\n", (OWN,), now_ms), Side("theirs\n", (PEER,), now_ms)
        told = BothChanged(folder.id, record.entry, False, 1, "a line\n", "", "", sides)
        async with open_session(bridge) as (session, _):
            await _deliver_all(session, told, state_of_equal(session))
            assert bool(folder.notices.counts()[NoticeKind.BOTH_CHANGED]) is is_taken
            assert session.compared
            assert folder.state.adopted is is_taken


@pytest.mark.parametrize(("role", "is_taken"), [(Role.READER, False), (Role.MEMBER, True)])
async def test_a_reader_is_asked_for_no_document(
    tmp_path: Path, role: Role, is_taken: bool, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        folder = bridge.folder
        _is(bridge, PEER, role)
        async with open_session(bridge) as (session, link):
            await trio.sleep(0.1)
            folder.catalogue.write([Change(_ENTRY, "b.txt", Content.text(_DOCUMENT, Mode.PLAIN))])
            session.pull()
            await trio.sleep(0.1)
            assert any(type(message).__name__ == "Pull" for message in link.sent) is is_taken
            await session.deliver(Documents(folder.id, ((_DOCUMENT, imported("of a peer\n")),)))
            await trio.sleep(0.1)
            assert (_DOCUMENT in folder.texts.digests) is is_taken


@pytest.mark.parametrize(("own", "relays"), [(Role.READER, False), (Role.MEMBER, True)])
async def test_a_reader_opens_no_channel_to_hand_on_what_came(
    tmp_path: Path, own: Role, relays: bool, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a line\n")
    async with open_bridge(tmp_path) as bridge:
        monkeypatch.setattr(bridge.folder.membership, "identity", SIGNER)
        _is(bridge, OWN, own)
        _is(bridge, PEER, Role.MEMBER)
        async with open_session(bridge, DeviceID(b"q" * 32)) as (_, link):
            await trio.sleep(0.1)
            link.sent.clear()
            assert await _answered(bridge)
            await trio.sleep(0.1)
            assert any(type(message).__name__ == "ChannelData" for message in link.sent) is relays


@pytest.mark.parametrize(("role", "is_asked"), [(Role.READER, False), (Role.MEMBER, True)])
async def test_a_reader_does_not_say_what_counts_of_a_removed_device(
    tmp_path: Path, role: Role, is_asked: bool, autojump_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a line\n")
    async with open_bridge(tmp_path) as bridge:
        folder = bridge.folder
        live, update = _edit(bridge, REMOVED)
        await live.receive(update, REMOVED)
        _is(bridge, PEER, role)
        folder.observers.uncounted.agreed(PEER, folder.database.last_seq + 1)
        folder.observers.uncounted.removed(Removal(REMOVED, "lost", PEER))
        (seq,) = folder.observers.uncounted.doubted.values()
        assert bool(seq) is is_asked, "nor is it a witness of what there was before"
        async with open_session(bridge) as (_, link):
            await folder.database.pending().wait()
            if is_asked:
                await until(lambda: not folder.observers.uncounted.doubted)
            await trio.testing.wait_all_tasks_blocked()
            assert bool(folder.observers.uncounted.doubted) is not is_asked
            assert not any(type(message).__name__ == "Pull" for message in link.sent)


async def test_a_reader_doubts_when_it_is_a_member(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dir").mkdir()
    is_reader = True
    monkeypatch.setattr(Membership, "is_reader", property(lambda _: is_reader))
    async with open_bridge(tmp_path) as bridge:
        uncounted = bridge.folder.observers.uncounted
        uncounted.removed(Removal(REMOVED, "lost", PEER))
        assert not uncounted.doubted
    async with open_bridge(tmp_path) as bridge:
        uncounted = bridge.folder.observers.uncounted
        told: list[bool] = []
        uncounted.when_doubted = lambda: told.append(True)
        uncounted.role_changed()
        assert (uncounted.doubted, told) == ({}, [])
        is_reader = False
        uncounted.role_changed()
        assert uncounted.doubted.keys() == {REMOVED}
        assert told
