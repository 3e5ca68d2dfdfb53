"""Of a long file in which something was inserted only that is sent, whatever a peer says of where the rest stands."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, open_bridge

from yp2p.documents.registers import Change
from yp2p.files.blobs import Assembly
from yp2p.identity import EntryID
from yp2p.peers import long_blobs
from yp2p.peers.blob_exchange import BlobExchange
from yp2p.peers.blob_server import BlobQuestion, BlobServer
from yp2p.peers.blob_transfer import BlobFetcher
from yp2p.protocol.blobs import CHUNK_BYTES, SAMPLE_ENTRY_BYTES, SAMPLES_FEATURE
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.messages import Fetch, Samples, SamplesQuery
from yp2p.transport.pacing import Pace, Pacing

_ENTRY = EntryID(b"\x07" * 16)
_CHUNKS = 20
_OLD = random.Random(2).randbytes(_CHUNKS * CHUNK_BYTES)


class _Link:
    """Hands on what is sent, and remembers what was asked for."""

    def __init__(self, features: str, answer: Callable[[Samples], Samples | None]) -> None:
        self.deliver: Callable[[Any], Awaitable[None]]
        self.asked: list[Any] = []
        self.chunks = 0
        self.peer = SimpleNamespace(features=features)
        self.pace = Pace(Pacing())
        self._answer = answer

    async def send(self, message: Any, limit: int = 0) -> None:
        self.asked.append(type(message))
        if isinstance(message, Fetch):
            self.chunks += sum(count for _, _, count in message.wanted)
        if isinstance(message, Samples) and (message := self._answer(message)) is None:
            return
        await self.deliver(message)


def _as_it_is(samples: Samples) -> Samples:
    return samples


async def _bring(one: Bridge, two: Bridge, link: _Link, answering: _Link) -> None:
    """Bring `f` of one folder to the other."""
    await one.look()
    record = one.folder.files.by_path("f")
    assert record is not None
    content = Content.blob(record.content, record.stamp.size, Mode.PLAIN, record.stamp.mtime_ns)
    await two.folder.catalogue.write([Change(_ENTRY, "f", content)]).wait()
    asking: Any = link
    fetcher = BlobFetcher(two.folder, asking, PEER, _at_rest)
    give, take = trio.open_memory_channel[BlobQuestion](8)
    link.deliver, answering.deliver = give.send, fetcher.deliver
    served: Any = answering
    async with trio.open_nursery() as nursery:
        nursery.start_soon(BlobServer(one.folder, served, PEER).serve, take)
        nursery.start_soon(fetcher.run)
        fetcher.wake()
        with trio.fail_after(60):
            while record.content not in two.folder.files.blobs.downloaded:
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    await two.render()
    assert (two.folder.path / "f").read_bytes() == (one.folder.path / "f").read_bytes()


async def _at_rest() -> bool:
    return True


def _play(
    base: Path, new: bytes, *, features: str = SAMPLES_FEATURE, answer: Callable[[Samples], Samples | None] = _as_it_is
) -> _Link:
    """A file is on both sides, then is replaced by other content on one; gives the link over which that came."""
    link, answering = _Link(features, answer), _Link("", answer)

    async def test() -> None:
        (base / "one/dir").mkdir(parents=True)
        (base / "two").mkdir()
        (base / "one/dir/f").write_bytes(_OLD)
        async with open_bridge(base / "one") as one, open_bridge(base / "two") as two:
            first = _Link(features, answer)
            await _bring(one, two, first, _Link("", answer))
            assert (first.chunks, SamplesQuery in first.asked) == (_CHUNKS, False), "there is nothing older"
            (base / "one/dir/f.new").write_bytes(new)
            os.replace(base / "one/dir/f.new", base / "one/dir/f")
            await _bring(one, two, link, answering)

    trio.run(test, clock=trio.testing.MockClock(rate=1))
    return link


@pytest.mark.parametrize(("inserted", "chunks"), [(1, 1), (CHUNK_BYTES + 7, 2)])
def test_what_was_inserted_in_front_is_sent_and_nothing_else(tmp_path: Path, inserted: int, chunks: int) -> None:
    link = _play(tmp_path, random.Random(3).randbytes(inserted) + _OLD)
    assert link.asked.count(SamplesQuery) == 1
    assert link.chunks <= chunks + 1


def test_no_samples_are_asked_for_where_few_chunks_are_lacking(tmp_path: Path) -> None:
    link = _play(tmp_path, _OLD[:CHUNK_BYTES] + bytes(8) + _OLD[CHUNK_BYTES + 8 :])
    assert (SamplesQuery in link.asked, link.chunks) == (False, 1)


def test_a_peer_that_knows_no_samples_is_not_asked_for_any(tmp_path: Path) -> None:
    link = _play(tmp_path, b"x" + _OLD, features="merge-rules=1")
    assert (SamplesQuery in link.asked, link.chunks) == (False, _CHUNKS + 1)


@pytest.mark.parametrize("kind", ["random", "short", "none", "another blob"])
def test_wrong_samples_only_cost_what_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    if kind == "another blob":  # it is no answer
        monkeypatch.setattr(long_blobs, "_SAMPLES_LIMIT_S", 0.1)

    def lie(samples: Samples) -> Samples:
        source = random.Random(4)
        content = {
            "random": source.randbytes(len(samples.samples)),
            "short": samples.samples[:SAMPLE_ENTRY_BYTES],
            "none": b"",
            "another blob": samples.samples,
        }[kind]
        return Samples(samples.folder, bytes(32) if kind == "another blob" else samples.blob, content)

    link = _play(tmp_path, random.Random(3).randbytes(_CHUNKS * CHUNK_BYTES), answer=lie)
    assert (link.asked.count(SamplesQuery), link.chunks) == (1, _CHUNKS)


def test_who_gives_no_samples_is_not_waited_for_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_blobs, "_SAMPLES_LIMIT_S", 0.1)
    link = _play(tmp_path, b"x" + _OLD, answer=lambda samples: None)
    assert (link.asked.count(SamplesQuery), link.chunks) == (1, _CHUNKS + 1)


async def _ask_for_long(one: Bridge, two: Bridge, link: _Link, answering: _Link) -> None:
    """Let one fetch `f` from the other for two minutes, in which it is begun again and again."""
    await one.look()
    record = one.folder.files.by_path("f")
    assert record is not None
    content = Content.blob(record.content, record.stamp.size, Mode.PLAIN, record.stamp.mtime_ns)
    await two.folder.catalogue.write([Change(_ENTRY, "f", content)]).wait()
    asking: Any = link
    served: Any = answering
    clock: Any = trio.lowlevel.current_clock()
    fetcher = BlobFetcher(two.folder, asking, PEER, _at_rest)
    give, take = trio.open_memory_channel[BlobQuestion](8)
    link.deliver, answering.deliver = give.send, fetcher.deliver
    async with trio.open_nursery() as nursery:
        nursery.start_soon(BlobServer(one.folder, served, PEER).serve, take)
        nursery.start_soon(fetcher.run)
        fetcher.wake()
        for _ in range(240):
            await trio.sleep(0.005)
            clock.jump(0.5)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("failing", "asked"), [("quota", 0), ("room", 0), ("disk", 1)])
def test_what_cannot_be_written_is_not_asked_for_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, asked: int
) -> None:
    link, answering = _Link(SAMPLES_FEATURE, _as_it_is), _Link("", _as_it_is)
    begun = 0

    def fails(*_: object) -> None:
        nonlocal begun
        begun += 1
        raise OSError(errno.ENOSPC, "full")

    async def test() -> None:
        (tmp_path / "one/dir").mkdir(parents=True)
        (tmp_path / "two").mkdir()
        (tmp_path / "one/dir/f").write_bytes(_OLD)
        async with open_bridge(tmp_path / "one") as one, open_bridge(tmp_path / "two") as two:
            await _bring(one, two, _Link("", _as_it_is), _Link("", _as_it_is))
            (tmp_path / "one/dir/f.new").write_bytes(b"x" + _OLD)
            os.replace(tmp_path / "one/dir/f.new", tmp_path / "one/dir/f")
            name = {"quota": "check_quota", "room": "check_free_space"}.get(failing)
            if name is not None:
                monkeypatch.setattr(BlobExchange, name, fails)
            else:
                monkeypatch.setattr(Assembly, "put_all", fails)
            await _ask_for_long(one, two, link, answering)

    trio.run(test, clock=trio.testing.MockClock(rate=1))
    assert begun > 2, "it is tried again"
    assert link.asked.count(SamplesQuery) == asked


@pytest.mark.parametrize("ends", ["paused", "cancelled"])
def test_who_is_paused_or_stopped_looks_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    link, answering = _Link(SAMPLES_FEATURE, _as_it_is), _Link("", _as_it_is)
    began, ended = threading.Event(), threading.Event()

    def looks(_: Assembly, old: str, samples: object, may_go_on: Callable[[], bool]) -> None:
        try:
            for _number in range(10_000):  # as long as the older file
                began.set()
                if not may_go_on():
                    ended.set()
                    return
                time.sleep(0.001)
        except trio.Cancelled:
            ended.set()
            raise

    async def test() -> None:
        (tmp_path / "one/dir").mkdir(parents=True)
        (tmp_path / "two").mkdir()
        (tmp_path / "one/dir/f").write_bytes(_OLD)
        async with open_bridge(tmp_path / "one") as one, open_bridge(tmp_path / "two") as two:
            await _bring(one, two, _Link("", _as_it_is), _Link("", _as_it_is))
            (tmp_path / "one/dir/f.new").write_bytes(b"x" + _OLD)
            os.replace(tmp_path / "one/dir/f.new", tmp_path / "one/dir/f")
            monkeypatch.setattr(Assembly, "copy_shifted", looks)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_bring, one, two, link, answering)
                await trio.to_thread.run_sync(began.wait, 20)
                if ends == "paused":
                    two.folder.state.problem = "the disk is away"
                    assert await trio.to_thread.run_sync(ended.wait, 5)
                    two.folder.state.problem = ""
                nursery.cancel_scope.cancel()
            assert ended.is_set()

    trio.run(test, clock=trio.testing.MockClock(rate=1))
