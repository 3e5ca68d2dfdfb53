"""Who hears of an update when: programs at once of what others wrote, everybody of everything once it is durable."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import trio
import trio.testing

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.folder import live_document, turns
from yp2p.folder.live_document import Keeper, LiveDocument
from yp2p.identity import DocumentID
from yp2p.protocol.insertions import Insertion
from yp2p.protocol.ysync import Checked
from yp2p.store.writer import Commit

_PEER = b"peer"


class _Heard:
    def __init__(self) -> None:
        self.updates: list[bytes] = []

    def __call__(self, update: bytes, source: object, vector: bytes | None) -> None:
        self.updates.append(update)


def _live() -> tuple[LiveDocument, _Heard, _Heard]:
    live = LiveDocument(DocumentID(bytes(16)), TextReplica(1), Keeper(lambda *_: None, Commit))
    peers, programs = _Heard(), _Heard()
    live.subscribe(peers)
    live.subscribe(programs, early=True)
    return live, peers, programs


async def test_programs_hear_at_once_of_what_others_wrote_and_peers_when_it_is_durable() -> None:
    live, peers, programs = _live()
    commit = Commit()
    live.applied(b"1", _PEER, commit)
    assert (programs.updates, peers.updates) == ([b"1"], [])
    commit.finish()
    assert (programs.updates, peers.updates) == ([b"1"], [b"1"])


async def test_what_was_found_on_the_disk_is_told_to_nobody_before_it_is_durable() -> None:
    live, peers, programs = _live()
    commit = Commit()
    live.applied(b"1", None, commit)
    assert (programs.updates, peers.updates) == ([], [])
    commit.finish()
    assert (programs.updates, peers.updates) == ([b"1"], [b"1"])


async def test_nothing_overtakes_what_it_may_depend_on() -> None:
    live, peers, programs = _live()
    first, second = Commit(), Commit()
    live.applied(b"1", None, first)
    live.applied(b"2", _PEER, second)
    assert programs.updates == []
    second.finish()
    assert (programs.updates, peers.updates) == ([], [])
    first.finish()
    assert (programs.updates, peers.updates) == ([b"1", b"2"], [b"1", b"2"])


async def test_what_the_store_refused_is_told_to_nobody() -> None:
    live, peers, _ = _live()
    commit = Commit()
    live.applied(b"1", _PEER, commit)
    commit.finish(OSError("no space left"))
    assert peers.updates == []
    assert live.untold_updates() == [b"1"]


_SMALL = Insertion.of(7, "x").update


async def test_a_peer_that_is_faster_than_the_disk_has_to_wait() -> None:
    commits: list[Commit] = []

    def accept(live: LiveDocument, update: Checked, source: object) -> Commit:
        commits.append(Commit())
        live.applied(update.data, source, commits[-1])
        return commits[-1]

    live = LiveDocument(DocumentID(bytes(16)), TextReplica(1), Keeper(accept, Commit))
    await live.receive_all([_SMALL] * 500, _PEER)
    with trio.move_on_after(0.1) as waiting:
        await live.receive_all([_SMALL] * 100, _PEER)
    assert waiting.cancelled_caught
    for commit in commits:
        commit.finish()
    await live.receive_all([_SMALL], _PEER)
    assert live.untold_updates() == [_SMALL]


@pytest.mark.parametrize("is_done", [True, False])
async def test_who_asks_to_be_called_is_called_once(is_done: bool) -> None:
    commit, calls = Commit(), list[int]()
    if is_done:
        commit.finish()
    commit.then(lambda: calls.append(1))
    assert calls == [1] * is_done
    if not is_done:
        commit.finish()
    assert calls == [1]


async def test_who_cannot_be_told_is_told_no_more_and_nobody_else_suffers() -> None:
    live, peers, _ = _live()

    def fails(update: bytes, source: object, vector: bytes | None) -> None:
        raise ValueError(update)

    live.subscribe(fails)
    later = _Heard()
    live.subscribe(later)
    for update in (b"1", b"2"):
        commit = Commit()
        live.applied(update, _PEER, commit)
        commit.finish()
    assert peers.updates == later.updates == [b"1", b"2"]


async def test_nothing_is_taken_at_once_that_takes_long_or_is_at_fault() -> None:
    writer, taken = TextReplica(7), list[bytes]()
    update = writer.edit([Hunk(0, 0, "text")])
    large = writer.edit([Hunk(0, 0, "x" * 20_000)])
    assert update is not None
    assert large is not None

    def accept(live: LiveDocument, update: Checked, source: object) -> Commit | None:
        live.replica.take(update)
        taken.append(update.data)
        return None

    live = LiveDocument(DocumentID(bytes(16)), TextReplica(1), Keeper(accept, Commit))
    assert not live.receive_nowait([large], _PEER)
    assert not live.receive_nowait([b"\x01\x01"], _PEER), "whoever has the time says what is wrong"
    assert not live.receive_nowait([b"\x00\x00"] * 1024, _PEER), "each takes its time, however short it is"
    assert live.receive_nowait([update], _PEER)
    assert taken == [update]
    assert live.text.text() == "text"


async def test_between_updates_that_each_take_long_others_get_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes do not tell what an update costs: a transaction of a document of half a million pieces takes 10 ms."""
    worked, between = 0.0, [0.0]

    def accept(live: LiveDocument, update: Checked, source: object) -> Commit | None:
        nonlocal worked
        worked += 0.01
        between[-1] += 0.01
        return None

    async def watches() -> None:
        while True:
            between.append(0.0)
            await trio.lowlevel.checkpoint()

    now = SimpleNamespace(thread_time=lambda: worked, time=time.time)
    monkeypatch.setattr(turns, "time", now)
    monkeypatch.setattr(live_document, "time", now)
    live = LiveDocument(DocumentID(bytes(16)), TextReplica(1), Keeper(accept, Commit))
    updates = [Insertion.of(client, "x").update for client in range(1, 41)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watches)
        await live.receive_all(updates, _PEER)
        nursery.cancel_scope.cancel()
    assert worked == pytest.approx(0.4)
    assert max(between) <= 0.02
    assert not live.receive_nowait(updates[:1], _PEER), "64 of them would go on in one step"


async def test_updates_that_say_nothing_cost_nothing() -> None:
    def accept(live: LiveDocument, update: Checked, source: object) -> Commit | None:
        raise AssertionError("the library is not asked")

    live = LiveDocument(DocumentID(bytes(16)), TextReplica(1), Keeper(accept, Commit))
    await live.receive_all([b"\x00\x00"] * 100, _PEER)
    assert live.receive_nowait([b"\x00\x00"], _PEER)


async def test_between_many_tiny_updates_others_get_their_turn() -> None:
    live, _, _ = _live()
    rounds = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live.receive_all, [b"\x00\x00"] * 1024, _PEER, None)
        while nursery.child_tasks:
            rounds += 1
            await trio.lowlevel.checkpoint()
    assert rounds > 10
