"""Files over a link that a person limits: they keep to the limit, and what is on its way is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from bridge import OWN, PEER, Bridge, open_bridge

from yp2p.documents.registers import Change
from yp2p.folder.transfers import FILES, MAX_LINES, Key, Line, Transfer, Transfers, Way
from yp2p.identity import DeviceID, EntryID
from yp2p.peers.blob_server import BlobServer
from yp2p.peers.blob_transfer import BlobFetcher
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.messages import ChunkHashesQuery, Chunks, Fetch
from yp2p.transport.pacing import Pacing, Rates

_RATE = 2_000_000


class _Link:
    """Hands on what is sent, at once."""

    def __init__(self, pacing: Pacing, peer: DeviceID) -> None:
        self.deliver: Callable[[Any], Awaitable[None]]
        self.pace = pacing.pace_of(peer)
        self.chunks = 0

    async def send(self, message: Any, limit: int = 0) -> None:
        self.chunks += isinstance(message, Chunks)
        await self.deliver(message)


@dataclass(slots=True)
class _Both:
    """A device that asks and one that answers, each with its limits."""

    asking: Bridge
    answering: Bridge
    receives: Pacing
    sends: Pacing
    link: _Link
    fetcher: BlobFetcher

    async def arrived(self) -> None:
        blobs = self.asking.folder.files.blobs
        while {content.hash for content in blobs.wanted.values()} - blobs.downloaded.keys():
            await trio.sleep(0.01)


@asynccontextmanager
async def _open_both(tmp_path: Path, sizes: dict[str, int]) -> AsyncIterator[_Both]:
    for name in ("one", "two"):
        (tmp_path / name / "dir").mkdir(parents=True)
    for number, (name, size) in enumerate(sizes.items(), 1):
        (tmp_path / "one" / "dir" / name).write_bytes(b"\0" + bytes([number]) * (size - 1))
    async with open_bridge(tmp_path / "one") as one, open_bridge(tmp_path / "two") as two:
        receives, sends = Pacing(), Pacing()
        asking, answering = _Link(receives, PEER), _Link(sends, OWN)
        link: Any = asking
        fetcher = BlobFetcher(two.folder, link, PEER, _at_rest)
        give, take = trio.open_memory_channel[ChunkHashesQuery | Fetch](8)
        asking.deliver, answering.deliver = give.send, fetcher.deliver
        async with trio.open_nursery() as nursery:
            server: Any = answering
            nursery.start_soon(BlobServer(one.folder, server, OWN).serve, take)
            nursery.start_soon(fetcher.run)
            yield _Both(two, one, receives, sends, answering, fetcher)
            nursery.cancel_scope.cancel()


async def _at_rest() -> bool:
    return True


def _on_a_clock(test: Callable[[Path], Awaitable[None]]) -> Callable[[Path], None]:
    """Real time, which a folder's scan may turn on."""

    @wraps(test)
    def run(tmp_path: Path) -> None:
        async def limited() -> None:
            with trio.fail_after(30):
                await test(tmp_path)

        trio.run(limited, clock=trio.testing.MockClock(rate=1))

    return run


async def _want(both: _Both, name: str) -> None:
    record = both.answering.folder.files.by_path(name)
    assert record is not None
    content = Content.blob(record.content, record.stamp.size, Mode.PLAIN, record.stamp.mtime_ns)
    await both.asking.folder.catalogue.write([Change(EntryID(name.encode()[:1] * 16), name, content)]).wait()
    both.fetcher.wake()


def _lines(bridge: Bridge) -> list[Line]:
    return bridge.folder.state.transfers.lines(trio.current_time())


@_on_a_clock
async def test_a_long_file_is_asked_for_at_the_rate_and_shown_on_both_sides(tmp_path: Path) -> None:
    size = 2_400_000
    with trio.fail_after(20):
        async with _open_both(tmp_path, {"a.bin": size}) as both:
            both.receives.limit(Rates(download=_RATE))
            began = trio.current_time()
            await _want(both, "a.bin")
            await trio.sleep(0.6)
            (coming,), (going,) = _lines(both.asking), _lines(both.answering)
            assert (coming.path, coming.files, coming.total) == ("a.bin", 1, size)
            assert (going.path, going.total, going.key.way) == ("a.bin", size, Way.SENDING)
            assert 0 < coming.done < size
            assert coming.bytes_per_s > 0
            assert coming.seconds_left is not None
            await both.arrived()
            assert 0.7 * size / _RATE < trio.current_time() - began < 2 * size / _RATE
            assert _lines(both.asking) == [], "it is here"


@_on_a_clock
async def test_while_files_are_held_none_come_and_afterwards_they_do(tmp_path: Path) -> None:
    async with _open_both(tmp_path, {"a.bin": 600_000, "b.bin": 1000}) as both:
        both.receives.hold_files(hold=True)
        await _want(both, "a.bin")
        await _want(both, "b.bin")
        await trio.sleep(0.5)
        assert both.link.chunks == 0
        both.receives.hold_files(hold=False)
        await both.arrived()
        assert both.link.chunks > 0


@_on_a_clock
async def test_who_holds_files_gives_none(tmp_path: Path) -> None:
    async with _open_both(tmp_path, {"a.bin": 1000}) as both:
        both.sends.hold_files(hold=True)
        await _want(both, "a.bin")
        await trio.sleep(0.3)
        assert both.link.chunks == 0
        assert not both.asking.folder.files.waiting.entries, "nobody says that no device has it"


@_on_a_clock
async def test_a_folder_that_is_paused_has_nothing_open_while_it_waits_for_its_turn(tmp_path: Path) -> None:
    async with _open_both(tmp_path, {"a.bin": 4 << 20}) as both:
        both.receives.limit(Rates(download=64_000))
        await _want(both, "a.bin")
        while not both.asking.folder.observers.long_blobs:
            await trio.sleep(0.01)
        await trio.sleep(0.2)
        both.asking.folder.state.problem = "it is paused"
        both.asking.folder.state.touch()
        with trio.fail_after(2):  # a chunk has its turn every four seconds
            while both.asking.folder.observers.long_blobs:
                await trio.sleep(0.01)


def test_lines_are_bounded_and_those_that_are_over_make_room() -> None:
    transfers = Transfers()
    for number in range(2 * MAX_LINES):
        transfers.sent(Key(Way.SENDING, PEER, bytes([number])), 1, 0.0, Transfer("x", 1, 10, 0.0))
    assert len(transfers.lines(0.0)) == MAX_LINES
    transfers.sent(Key(Way.SENDING, PEER, b"new"), 1, 100.0, Transfer("y", 1, 10, 100.0))
    assert [line.path for line in transfers.lines(100.0)] == ["y"]


def test_small_files_are_one_line() -> None:
    transfers = Transfers()
    for now in (1.0, 2.0):
        transfers.sent(Key(Way.SENDING, PEER, FILES), 500, now, Transfer("", 1, None, now))
    (line,) = transfers.lines(2.0)
    assert (line.files, line.done, line.total, line.seconds_left) == (2, 1000, None, None)
    assert transfers.lines(60.0) == []


def test_a_file_that_comes_from_two_devices_is_done_when_both_have_sent_it() -> None:
    transfers = Transfers()
    for device in (PEER, OWN):
        key = Key(Way.RECEIVING, device, b"blob")
        transfers.begin(key, Transfer("a.bin", 1, 4000, 0.0))
        transfers.moved(key, 1000, 1.0, done=2000)
    one, two = transfers.lines(1.0)
    assert one.seconds_left == two.seconds_left == pytest.approx(2000 / (one.bytes_per_s + two.bytes_per_s))
