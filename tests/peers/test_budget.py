"""A member that sends without end: its sessions take a share of the loop while others are at work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from bridge import FOLDER, PEER, Bridge, open_bridge
from peers.sessions import Wire, session_over

from yp2p.documents.conversation import Conversation
from yp2p.folder.budget import SHARE, Budget, charged, is_at_work
from yp2p.identity import DeviceID, DocumentID
from yp2p.peers.answers import Answers
from yp2p.peers.channels import Channels
from yp2p.protocol.messages import ManifestQuery

_COST_S, _LINKS, _LINK_S = 0.05, 3, 10.0


async def _types(source: object) -> None:
    while True:
        is_at_work(source)
        await trio.sleep(0.5)


async def _flood(bridge: Bridge, budget: Budget) -> None:
    """One link's worth of questions without end."""
    session = session_over(Wire(), bridge, budget=budget)
    with trio.move_on_after(_LINK_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.run)
            while True:
                await session.deliver(ManifestQuery(FOLDER))


@pytest.mark.parametrize(("somebody", "share"), [(DeviceID(b"o" * 32), SHARE), (PEER, 1.0)])
async def test_who_sends_without_end_has_its_share_on_one_link_after_the_other(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
    work: Callable[[float], None],
    somebody: DeviceID,
    share: float,
) -> None:
    """Its own edits are nobody's work but its own: then all goes as fast as it can."""
    taken = [0]

    async def take(answers: Answers, question: object) -> None:
        work(_COST_S)
        taken[0] += 1
        await trio.sleep(_COST_S)  # the clock goes on as well

    monkeypatch.setattr(Answers, "take", take)
    (tmp_path / "dir").mkdir()
    budget = Budget(PEER)
    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        nursery.start_soon(_types, somebody)
        for _ in range(_LINKS):
            await _flood(bridge, budget)
        nursery.cancel_scope.cancel()
    assert taken[0] * _COST_S == pytest.approx(_LINKS * _LINK_S * share, rel=0.1)


async def test_a_channel_is_work_for_its_own_peer_whoever_has_it_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Callable[[float], None]
) -> None:
    """What one member writes opens the channels of the others, in a task that works for the first."""

    async def begin(conversation: Conversation, on_more: Callable[[], None]) -> None:
        work(0.3)
        await trio.sleep_forever()

    monkeypatch.setattr(Conversation, "begin", begin)
    (tmp_path / "dir").mkdir()
    own, other = Budget(PEER), Budget(DeviceID(b"o" * 32))
    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        document = DocumentID(bridge.folder.catalogue.documents[0].id)
        channels = Channels(bridge.folder, Wire(), PEER, lambda source: True, lambda: True, own)  # type: ignore[arg-type]
        await nursery.start(channels.run)

        async def opens() -> None:
            assert channels.open(document) is not None

        await charged(other, opens)
        await trio.testing.wait_all_tasks_blocked()
        assert own.left_s < -0.2
        assert other.left_s > -0.1
        nursery.cancel_scope.cancel()
