"""Channels of a folder session: when what a peer answers is of a history made apart."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from bridge import PEER, open_bridge, replica_like
from peers.sessions import Wire

from yp2p.documents.diff import Hunk
from yp2p.documents.synced import PeerState
from yp2p.folder.budget import Budget, charged
from yp2p.folder.burden import FORGIVEN_BYTES_S, MOST_BYTES
from yp2p.folder.live_document import LiveDocument
from yp2p.peers.channels import Channels
from yp2p.protocol import channel as wire
from yp2p.protocol.messages import ChannelClose

_TYPIST, _MANY = (1 << 52) + 8, 7


@pytest.mark.parametrize(
    ("compared_at", "closed_by", "expected"),
    [
        ("first", "nobody", [False]),
        ("never", "nobody", [True, False]),  # the first answer alone
        ("between", "peer", [True]),  # it was closed before it was synced, and is compared by now
        ("between", "quiet", [True]),
        ("between", "synced", [True, False]),
    ],
)
async def test_a_first_answer_before_all_was_compared_is_of_a_history_made_apart(
    compared_at: str,
    closed_by: str,
    expected: list[bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    found: list[bool] = []
    receive_all = LiveDocument.receive_all

    async def noting(self: LiveDocument, updates: Sequence[bytes], source: object, theirs: PeerState | None) -> None:
        assert theirs is not None
        found.append(theirs.has_diverged)
        await receive_all(self, updates, source, theirs)

    monkeypatch.setattr(LiveDocument, "receive_all", noting)
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("one\ntwo\n")
    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        document = bridge.document("a.txt").id
        other = replica_like(bridge, "a.txt", 7)
        link: Any = Wire()
        is_compared = compared_at == "first"
        channels = Channels(bridge.folder, link, PEER, lambda source: True, lambda: is_compared, Budget(PEER))
        await nursery.start(channels.run)

        async def answer() -> None:
            other.edit([Hunk(0, 0, "x")])
            assert channels.open(document) is not None
            for message in (wire.Have(other.state_vector()), wire.Step2(other.state())):
                await channels.deliver(document, wire.encode(message))
            await trio.testing.wait_all_tasks_blocked()

        assert channels.open(document) is not None
        if closed_by == "synced":
            await answer()
        if closed_by == "quiet":
            await trio.sleep(100)  # of a clock that jumps: for longer than a quiet channel is open
            assert any(isinstance(message, ChannelClose) for message in link.sent)
        elif closed_by in ("peer", "synced"):
            channels.closed_by_peer(document)
        is_compared = is_compared or compared_at == "between"
        while len(found) < len(expected):
            await answer()
        assert found == expected
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_much", [False, True])
async def test_where_the_open_texts_are_large_a_quiet_channel_is_closed_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock, *, is_much: bool
) -> None:
    """A document stays in memory as long as a channel listens."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("one\ntwo\n")
    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        monkeypatch.setattr("yp2p.folder.texts.MAX_IDLE_BYTES", 0 if is_much else 1 << 20)
        live, other, link = bridge.document("a.txt"), replica_like(bridge, "a.txt", 7), Wire()
        channels = Channels(
            bridge.folder, cast(Any, link), PEER, lambda source: True, lambda: True, Budget(PEER)
        )  # fmt: skip
        await nursery.start(channels.run)
        await channels.deliver(live.id, wire.encode(wire.Step2(other.state())))
        await trio.sleep(5)
        assert any(isinstance(message, ChannelClose) for message in link.sent) is is_much
        assert live.is_needed is not is_much
        nursery.cancel_scope.cancel()


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def test_a_channel_that_was_closed_goes_from_memory_without_the_collector(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, without_collector: None
) -> None:
    """It holds a text: what waits for the collector becomes more with the histories of all that were worked on."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("one\ntwo\n")
    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        live, other = bridge.document("a.txt"), replica_like(bridge, "a.txt", 7)
        channels = Channels(
            bridge.folder, cast(Any, Wire()), PEER, lambda source: True, lambda: True, Budget(PEER)
        )  # fmt: skip
        await nursery.start(channels.run)
        await channels.deliver(live.id, wire.encode(wire.Step2(other.state())))
        await trio.testing.wait_all_tasks_blocked()
        opened = channels._open[live.id]
        there = [weakref.ref(opened.conversation), weakref.ref(opened.channel), weakref.ref(opened)]
        del opened
        channels.closed_by_peer(live.id)
        await trio.testing.wait_all_tasks_blocked()
        assert [one() for one in there] == [None, None, None]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("builds_on_it", [False, True])
async def test_what_is_typed_waits_for_nothing_heavy_in_its_own_text_unless_it_builds_on_that(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, *, builds_on_it: bool
) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "a.txt").write_text("one\n\n\n\ntwo\n")
    async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
        live, budget, heavy = bridge.document("a.txt"), Budget(PEER), replica_like(bridge, "a.txt", _MANY)
        channels = Channels(bridge.folder, cast(Any, Wire()), PEER, lambda source: True, lambda: True, budget)
        await nursery.start(channels.run)
        for _ in range(300):  # each before the one that was written last
            heavy.edit([Hunk(0, 0, "x")])
        typist = heavy if builds_on_it else replica_like(bridge, "a.txt", _TYPIST)
        budget.burden.add(MOST_BYTES + 100 * FORGIVEN_BYTES_S)

        def typed(letter: str) -> wire.Updates:
            end = len(typist.text()) - 1
            return wire.Updates((typist.edit([Hunk(end, end, letter)]) or b"",))

        async def say(*messages: wire.ProviderMessage) -> None:
            for message in messages:
                await charged(budget, channels.deliver, live.id, wire.encode(message))
                await trio.testing.wait_all_tasks_blocked()

        began = trio.current_time()
        await say(wire.Have(heavy.state_vector()), wire.Step2(heavy.state()))
        for letter in "ab":
            await say(typed(letter))
        assert live.text.text() == f"one\n\n\n\ntwo{'' if builds_on_it else 'ab'}\n"
        await say(wire.Have(typist.state_vector()), typed("c"))
        await say(typed("d"))
        assert trio.current_time() - began < 10
        await trio.sleep(200)
        assert live.text.text() == f"{'x' * 300}one\n\n\n\ntwoabcd\n"
        nursery.cancel_scope.cancel()
