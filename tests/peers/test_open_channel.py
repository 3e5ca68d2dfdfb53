"""An open channel: it has tasks only while there is something to do, and its messages are taken in their order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, open_bridge, replica_like
from conditions import until
from peers.sessions import Wire

from yp2p.documents.conversation import Conversation
from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.errors import CrdtPanic
from yp2p.folder.budget import Budget
from yp2p.folder.live_document import LiveDocument
from yp2p.identity import DocumentID
from yp2p.peers.channels import Channels
from yp2p.protocol import channel as wire
from yp2p.protocol.messages import ChannelData

_FILES = 20


@dataclass
class _Room:
    """The channels of a link on which a test says what the peer would."""

    bridge: Bridge
    channels: Channels
    link: Any

    def document(self, number: int = 0) -> DocumentID:
        return self.bridge.document(f"{number}.txt").id

    def other(self, number: int = 0, client: int = 7) -> TextReplica:
        return replica_like(self.bridge, f"{number}.txt", client)

    async def say(self, *messages: wire.ProviderMessage, number: int = 0) -> None:
        for message in messages:
            await self.channels.deliver(self.document(number), wire.encode(message))

    async def type(self, letter: str) -> None:
        """Write on this device."""
        live = self.bridge.document("0.txt")
        typed = live.text.edit([Hunk(0, 0, letter)])
        assert typed is not None
        await self.bridge.folder.edits.record(live, typed, None).wait()
        await trio.testing.wait_all_tasks_blocked()

    @property
    def told(self) -> int:
        """In how many messages the peer was told what was written."""
        payloads = [message.payload for message in self.link.sent if isinstance(message, ChannelData)]
        return sum(isinstance(wire.decode(payload), wire.Updates) for payload in payloads)

    @property
    def tasks(self) -> int:
        """How many tasks its channels have."""
        assert self.channels._nursery is not None
        return len(self.channels._nursery.child_tasks)


@asynccontextmanager
async def _open_room(base: Path) -> AsyncIterator[_Room]:
    (base / "dir").mkdir()
    for number in range(_FILES):
        (base / "dir" / f"{number}.txt").write_text("one\ntwo\n")
    link: Any = Wire()
    async with open_bridge(base) as bridge, trio.open_nursery() as nursery:
        channels = Channels(bridge.folder, link, PEER, lambda source: True, lambda: True, Budget(PEER))
        await nursery.start(channels.run)
        yield _Room(bridge, channels, link)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _at_a_pace(base: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[_Room, LiveDocument]]:
    """A peer has the first text open, which tells it something every five seconds."""
    async with _open_room(base) as room:
        live = room.bridge.document("0.txt")
        monkeypatch.setattr(type(live), "pace_s", lambda self: 5.0)
        await room.say(wire.Step1(room.other().state_vector()))
        await trio.testing.wait_all_tasks_blocked()
        yield room, live


async def test_a_channel_has_no_task_while_there_is_nothing_to_do(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """To cancel hundreds that wait takes megabytes for a moment, and what comes to lie there keeps them."""
    async with _open_room(tmp_path) as room:
        for number in range(_FILES):
            other = room.other(number)
            await room.say(wire.Step1(other.state_vector()), wire.Step2(other.state()), number=number)
        await trio.testing.wait_all_tasks_blocked()
        assert len(room.channels._open) == _FILES
        assert room.tasks == 0
        typed = room.other().edit([Hunk(0, 0, "x")])
        assert typed is not None
        await room.say(wire.Updates((typed,)))
        assert room.tasks == 1
        await trio.testing.wait_all_tasks_blocked()
        assert room.bridge.document("0.txt").text.text() == "xone\ntwo\n"
        assert room.tasks == 0


async def test_what_is_typed_here_at_a_pace_is_sent_by_a_task_that_ends_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    async with _at_a_pace(tmp_path, monkeypatch) as (room, _):
        for letter in "abc":
            await room.type(letter)
        assert room.told == 1, "the first one at once"
        assert room.tasks == 1
        mock_clock.jump(6)
        await trio.testing.wait_all_tasks_blocked()
        assert room.told == 2, "the others together"
        assert room.tasks == 0


async def test_nothing_overtakes_what_waits_in_a_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    go_on, taken = trio.Event(), list[bytes]()
    take = Conversation.take

    async def slow(conversation: Conversation, message: list[bytes]) -> None:
        taken.append(message[0])
        await go_on.wait()
        await take(conversation, message)

    async with _open_room(tmp_path) as room:
        other, said = room.other(), list[wire.ProviderMessage]()
        await room.say(wire.Step2(other.state()))
        await trio.testing.wait_all_tasks_blocked()
        monkeypatch.setattr(Conversation, "take", slow)
        for letter in "abc":
            said.append(wire.Updates((other.edit([Hunk(0, 0, letter)]) or b"",)))
        await room.say(said[0])
        for message in said[1:]:
            data = wire.encode(message)
            assert not room.channels.take_nowait(ChannelData(room.bridge.folder.id, room.document(), data))
            await room.say(message)
        go_on.set()
        await trio.testing.wait_all_tasks_blocked()
        assert taken == [wire.encode(message) for message in said]
        assert room.bridge.document("0.txt").text.text() == "cbaone\ntwo\n"


async def test_what_came_before_a_channel_was_closed_is_taken(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with _open_room(tmp_path) as room:
        other = room.other()
        await room.say(wire.Step2(other.state()))
        await room.say(*(wire.Updates((other.edit([Hunk(0, 0, letter)]) or b"",)) for letter in "abc"))
        room.channels.closed_by_peer(room.document())
        await trio.testing.wait_all_tasks_blocked()
        assert room.bridge.document("0.txt").text.text() == "cbaone\ntwo\n"
        assert (room.tasks, room.link.undone.bytes) == (0, 0)
        await until(lambda: not room.bridge.document("0.txt").is_needed)  # what was taken is stored by then


@pytest.mark.parametrize("how", ["it is closed", "the link ends"])
async def test_nothing_is_sent_any_more_when_a_channel_is_over(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
) -> None:
    """Also what waits for the store, or for its time."""
    async with _at_a_pace(tmp_path, monkeypatch) as (room, live):
        for letter in "ab":
            await room.type(letter)
        assert room.tasks == 1
        if how == "it is closed":
            room.channels.closed_by_peer(live.id)
        else:
            assert room.channels._nursery is not None
            room.channels._nursery.cancel_scope.cancel()
        said = len(room.link.sent)
        mock_clock.jump(20)
        await trio.testing.wait_all_tasks_blocked()
        assert len(room.link.sent) == said
        assert not live.is_needed
        assert not room.channels._open


async def test_a_channel_whose_text_fails_is_over_and_what_comes_for_it_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async def fail(conversation: Conversation, message: list[bytes]) -> None:
        raise CrdtPanic("it cannot be taken")

    monkeypatch.setattr(Conversation, "take", fail)
    async with _open_room(tmp_path) as room:
        live = room.bridge.document("0.txt")
        await room.say(wire.Step2(room.other().state()), wire.Step2(room.other().state()))
        await trio.testing.wait_all_tasks_blocked()
        assert not room.channels._open
        assert not live.is_needed
        assert room.link.undone.bytes == 0
        await room.say(wire.Step2(room.other().state()))  # it is kept off
        assert not room.channels._open
        monkeypatch.undo()
        await room.say(wire.Step2(room.other(1).state()), number=1)
        await trio.testing.wait_all_tasks_blocked()
        assert len(room.channels._open) == 1, "the other channels go on"
