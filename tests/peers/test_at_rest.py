"""What a peer says again is no change: nobody of this device is woken by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import trio
import trio.testing
from bridge import PEER, open_bridge
from peers.sessions import open_session, state_of_equal

from yp2p.identity import DeviceID, format_device_id
from yp2p.peers.presence import AWARENESS_CHANNEL
from yp2p.peers.session import FolderSession
from yp2p.protocol import awareness
from yp2p.protocol.awareness import Presence
from yp2p.protocol.channel import AwarenessUpdate, encode
from yp2p.protocol.messages import ChannelData, FolderState


async def _hears(session: FolderSession, message: FolderState | ChannelData) -> bool:
    """Whether a message of the peer is a change in the folder."""
    folder = session.agreement.conditions._folder
    await folder.database.pending().wait()  # what came before it is stored, and told
    await trio.testing.wait_all_tasks_blocked()
    changed = folder.state.changed
    await session.deliver(message)
    await trio.testing.wait_all_tasks_blocked()
    return changed.is_set()


async def test_a_heartbeat_is_no_change(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("a\n")
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (session, _):
        state = state_of_equal(session)
        assert await _hears(session, state), "the first one is"
        assert session.compared
        await _hears(session, state)
        assert not await _hears(session, state)
        assert await _hears(session, replace(state, settled=False)), "and so is what it says anew"
        assert session.agreement.announcements.of_peer is not None
        assert not session.agreement.announcements.of_peer.settled


def _awareness(clock: int, device: DeviceID, *files: str) -> AwarenessUpdate:
    state = {"device": "desk", "id": format_device_id(device), "files": [{"path": path, "since": 1} for path in files]}
    return AwarenessUpdate(awareness.encode([Presence(7, clock, state)]))


async def test_who_is_still_awake_is_no_change(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    (tmp_path / "dir").mkdir()
    async with open_bridge(tmp_path) as bridge, open_session(bridge) as (session, _):
        folder = bridge.folder
        session._presence._on_change = folder.state.touch

        async def says(clock: int, *files: str) -> bool:
            update = encode(_awareness(clock, PEER, *files))
            return await _hears(session, ChannelData(folder.id, AWARENESS_CHANNEL, update))

        assert await says(1), "it is here"
        assert not await says(2), "it says so again"
        assert await says(3, "a.txt"), "it has a file open"
        assert not await says(4, "a.txt")
        assert [state["files"] for state in session._presence.present()] == [[{"path": "a.txt", "since": 1}]]
