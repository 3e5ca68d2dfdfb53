"""A folder session: when it is told of changes, and what is said again to a peer whose session began after ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from bridge import FOLDER, OWN, PEER, clock, open_bridge
from conditions import until
from peers.sessions import Wire, open_session, session_over, state_of_equal

from yp2p.folder.budget import Budget
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.members import Membership
from yp2p.folder.notices import Notices
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import EntryID, Identity
from yp2p.peers.contact import Contact
from yp2p.peers.folder_sessions import FolderSessions
from yp2p.peers.presence import FolderPresence
from yp2p.peers.session import FolderSession
from yp2p.protocol import messages
from yp2p.protocol.messages import Ack, BothChanged, Condition, FolderCondition, FolderState, Side
from yp2p.protocol.update_parts import MAX_MANIFEST_MESSAGE_BYTES
from yp2p.trust.statements import Role, Signer

_SIDE = Side("", (), 0)
_TOLD = BothChanged(FOLDER, EntryID(bytes(16)), False, 1, "", "", "", (_SIDE, _SIDE))


async def test_places_changed_apart_are_told_again_once_the_peer_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Notices, "of_maker", lambda *_: [_TOLD])
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (session, link):
        await until(lambda: link.sent.count(_TOLD) == 1)
        for nonce in (1, 2):
            await session.deliver(state_of_equal(session, nonce=nonce))
            # The answer comes after all that the state made us say.
            await until(lambda: nonce in [it.answers for it in link.sent if isinstance(it, FolderState)])  # noqa: B023
            assert link.sent.count(_TOLD) == 2


async def test_who_tells_statements_is_answered_with_those_that_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge:
        owner = Identity(bytes(32))
        membership = Membership(FOLDER, owner.device_id, bridge.folder.database, owner)
        first = Signer(owner, FOLDER).grant((), owner.public, Role.ADMINISTRATOR, "owner").encode()
        await membership.receive([first])
        bridge.folder.membership = membership
        async with open_session(bridge) as (session, link):
            await OwnStatements(membership).grant(Identity(bytes([1]) * 32).public, Role.MEMBER, "new")
            told = messages.Membership(FOLDER, (first,))
            for _ in range(2):
                await session.deliver(told)
            await session.deliver(state_of_equal(session, nonce=1))
            await until(lambda: 1 in [it.answers for it in link.sent if isinstance(it, FolderState)])
            (answer,) = [it for it in link.sent if isinstance(it, messages.Membership)]
        assert set(answer.statements) == set(membership.statements()) - {first}, "once, and nothing that it said itself"


async def test_a_session_is_registered_with_its_link_and_not_when_its_task_first_runs(tmp_path: Path) -> None:
    """Two links at a time: whichever task comes first, changes are told to the newer one's session."""
    (tmp_path / "dir").mkdir()

    async def run(session: FolderSession, scope: trio.CancelScope) -> None:
        with scope:
            await session.run()

    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        sessions, presence = bridge.folder.observers.sessions, FolderPresence(1, OWN)
        links: list[Any] = [Wire(), Wire()]
        scopes = [trio.CancelScope(), trio.CancelScope()]
        old, new = (FolderSession(bridge.folder, link, PEER, presence, Budget(PEER)) for link in links)
        old.register()
        new.register()
        assert sessions[PEER] is new, "before any task has run"
        nursery.start_soon(run, new, scopes[1])
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(run, old, scopes[0])
        await trio.testing.wait_all_tasks_blocked()
        assert sessions[PEER] is new
        scopes[0].cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert sessions[PEER] is new
        for link in links:
            link.sent.clear()
        presence.greet(PEER)
        assert [len(link.sent) for link in links] == [0, 1], "who is here is told over the newer link"
        scopes[1].cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert PEER not in sessions


async def test_the_sessions_of_a_link_are_registered_before_anything_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        folder = bridge.folder
        folder.membership.members |= dict.fromkeys((OWN, PEER), cast(Any, None))
        link: Any = Wire()
        presence = FolderPresence(1, OWN)
        sessions = FolderSessions(OWN, PEER, link, Contact(Budget(PEER)), {folder.id: folder}, lambda _: presence)
        sessions.open(nursery)
        assert folder.observers.sessions[PEER] is sessions.by_folder[folder.id]
        nursery.cancel_scope.cancel()


async def test_a_peer_is_in_sync_only_when_its_disk_is(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a\n")
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (session, _):
        folder = bridge.folder

        async def hears(message: FolderState | FolderCondition) -> None:
            await session.deliver(message)
            await trio.testing.wait_all_tasks_blocked()

        await hears(state_of_equal(session, settled=False))
        assert session.compared
        assert not session.agreement.in_sync, "it knows all, and has not written it: also of an earlier link"
        record = folder.files.by_path("a.txt")
        assert record is not None
        await hears(FolderCondition(folder.id, Condition.WORKING, (record.entry,)))
        assert list(session.agreement.behind) == [record.entry]
        await hears(state_of_equal(session))
        assert not session.agreement.in_sync
        await hears(FolderCondition(folder.id, Condition.NONE))
        assert session.agreement.in_sync
        for condition in (Condition.PAUSED, Condition.AWAITING_CONFIRMATION):
            await hears(FolderCondition(folder.id, condition))
            assert not session.agreement.in_sync


async def test_with_a_peer_that_is_apart_nothing_is_in_sync_and_what_it_missed_is_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    monkeypatch.setattr(Notices, "of_maker", lambda *_: [_TOLD])
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (session, link):
        folder = bridge.folder
        for message in (state_of_equal(session), FolderCondition(folder.id, Condition.APART)):
            await session.deliver(message)
        await trio.testing.wait_all_tasks_blocked()
        assert not session.agreement.in_sync
        link.sent.clear()
        await session.deliver(FolderCondition(folder.id, Condition.NONE))
        await trio.testing.wait_all_tasks_blocked()
        assert session.agreement.in_sync
        assert _TOLD in link.sent
        again = session_over(link, bridge, was_apart=True)
        folder.state.settled = True
        link.sent.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(again.run)
            await _said(link, lambda said: said == FolderCondition(folder.id, Condition.NONE))
            nursery.cancel_scope.cancel()


async def test_a_folder_that_is_paused_says_so_and_acknowledges_nothing(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a\n")
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (_, link):
        folder = bridge.folder
        folder.state.settled = True
        await _said(link, lambda said: isinstance(said, FolderState) and said.settled)
        record = folder.files.by_path("a.txt")
        assert record is not None
        folder.rendered([record.entry])
        await _said(link, lambda said: isinstance(said, Ack))
        link.sent.clear()
        folder.state.pause_for_confirmation("many files were deleted")
        folder.rendered([record.entry])
        await _said(link, lambda said: isinstance(said, FolderState) and not said.settled)
        await _said(link, lambda said: said == FolderCondition(folder.id, Condition.AWAITING_CONFIRMATION))
        assert not any(isinstance(said, Ack) for said in link.sent)
        folder.state.pause_for_confirmation("")
        folder.state.settled = True
        await _said(link, lambda said: said == FolderCondition(folder.id, Condition.NONE))
        await _said(link, lambda said: isinstance(said, FolderState) and said.settled)


async def _said(link: Any, wanted: Callable[[object], bool]) -> None:
    with trio.fail_after(20):
        while not any(wanted(said) for said in link.sent):
            clock().jump(0.1)
            await trio.lowlevel.checkpoint()
            await trio.testing.wait_all_tasks_blocked(0.001)


async def test_a_large_message_is_waited_for_where_it_is_asked_for_or_about_a_text_that_is_here(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("one\n")
    async with open_bridge(tmp_path) as bridge:
        session = session_over(Wire(), bridge)
        here, elsewhere = bridge.document("a.txt").id, bytes(16)
        assert session.waits_for(messages.ChannelData.TYPE, here, 60 << 20)
        assert not session.waits_for(messages.ChannelData.TYPE, elsewhere, 4 << 20)
        manifest = manifest_document_id(3)
        assert session.waits_for(messages.ChannelData.TYPE, manifest, MAX_MANIFEST_MESSAGE_BYTES)
        assert not session.waits_for(messages.ChannelData.TYPE, manifest, MAX_MANIFEST_MESSAGE_BYTES + 1)
        assert not session.waits_for(messages.Documents.TYPE, here, 4 << 20)
        assert not session.waits_for(messages.ChunkHashes.TYPE, bytes(32), 4 << 20)
        assert not session.waits_for(messages.FolderLinks.TYPE, elsewhere, 4 << 20)
        questions = session._reconciliation._questions
        await questions.tell(messages.Pull(bridge.folder.id, (here,)))
        assert session.waits_for(messages.Documents.TYPE, here, 60 << 20)
        assert not session.waits_for(messages.Documents.TYPE, elsewhere, 4 << 20)
        questions.close()
        assert not session.waits_for(messages.Documents.TYPE, here, 4 << 20)
        exchange = session._fetcher._exchange
        exchange.is_asking = True
        await exchange.ask(messages.ChunkHashesQuery(bridge.folder.id, bytes(32)), 4 << 20)
        answer = messages.encode(messages.ChunkHashes(bridge.folder.id, bytes(32), bytes(4 << 20)))
        assert session.waits_for(messages.ChunkHashes.TYPE, bytes(32), len(answer))
        assert not session.waits_for(messages.ChunkHashes.TYPE, bytes(32), 5 << 20), "more than the blob has"
        assert not session.waits_for(messages.ChunkHashes.TYPE, b"x" * 32, 4 << 20)
