"""What of a blob is nothing but NUL bytes is neither asked for nor written: a file with holes comes with its holes."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, Bridge, open_bridge

from yp2p.documents.registers import Change
from yp2p.identity import EntryID
from yp2p.peers.blob_server import BlobServer
from yp2p.peers.blob_transfer import BlobFetcher
from yp2p.protocol.blobs import CHUNK_BYTES, chunk_hash, nul_chunks, nul_hash
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.messages import ChunkHashesQuery, Fetch
from yp2p.transport.pacing import Pace, Pacing

_ENTRY = EntryID(b"\x07" * 16)
_LONG = 30 << 20


class _Link:
    """Hands on what is sent, and remembers which chunks were asked for."""

    def __init__(self) -> None:
        self.deliver: Callable[[Any], Awaitable[None]]
        self.asked: list[int] = []
        self.pace = Pace(Pacing())

    async def send(self, message: Any, limit: int = 0) -> None:
        if isinstance(message, Fetch):
            self.asked += [first + number for _, first, count in message.wanted for number in range(count)]
        await self.deliver(message)


async def at_rest() -> bool:
    return True


async def _transfer(one: Bridge, two: Bridge, name: str) -> list[int]:
    """Bring a file of one folder to the other; gives which of its chunks were asked for."""
    record = one.folder.files.by_path(name)
    assert record is not None
    content = Content.blob(record.content, record.stamp.size, Mode.PLAIN, record.stamp.mtime_ns)
    await two.folder.catalogue.write([Change(_ENTRY, name, content)]).wait()
    asking: Any = _Link()
    answering: Any = _Link()
    fetcher = BlobFetcher(two.folder, asking, PEER, at_rest)
    give, take = trio.open_memory_channel[ChunkHashesQuery | Fetch](8)
    asking.deliver, answering.deliver = give.send, fetcher.deliver
    async with trio.open_nursery() as nursery:
        nursery.start_soon(BlobServer(one.folder, answering, PEER).serve, take)
        nursery.start_soon(fetcher.run)
        fetcher.wake()
        with trio.fail_after(30):
            while record.content not in two.folder.files.blobs.downloaded:
                if two.folder.files.waiting.entries:
                    break
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    await two.render()
    return list(asking.asked)


def _make(path: Path, size: int, data: dict[int, bytes]) -> None:
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        for at, written in data.items():
            file.seek(at)
            file.write(written)
        file.truncate(size)


@pytest.mark.parametrize(
    ("size", "data", "asked"),
    [
        (_LONG + 5, {0: b"begin", 16 << 20: b"middle", _LONG + 2: b"end"}, [0, 64, 120]),
        (3 * CHUNK_BYTES, {2 * CHUNK_BYTES - 1: b"\xff"}, [1]),
        (2 * CHUNK_BYTES + 1, {0: bytes(CHUNK_BYTES)}, []),
        (CHUNK_BYTES, {}, []),
        (100, {0: bytes(100)}, []),
        (100, {99: b"\xff"}, [0]),
    ],
)
def test_a_file_comes_with_its_holes(tmp_path: Path, size: int, data: dict[int, bytes], asked: list[int]) -> None:
    async def test() -> None:
        _make(tmp_path / "one/dir/big.img", size, data)
        (tmp_path / "two").mkdir()
        async with open_bridge(tmp_path / "one") as one, open_bridge(tmp_path / "two") as two:
            assert await _transfer(one, two, "big.img") == asked
            came = tmp_path / "two/dir/big.img"
            assert came.stat().st_size == size
            assert came.stat().st_blocks * 512 <= len(asked) * CHUNK_BYTES
            with came.open("rb") as file:
                for at, written in data.items():
                    file.seek(at)
                    assert file.read(len(written)) == written

    trio.run(test, clock=trio.testing.MockClock(rate=1))


@pytest.mark.parametrize("has_room", [True, False])
def test_only_what_is_no_hole_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_room: bool) -> None:
    blocks = 64 if has_room else 63
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_blocks=0), raising=True
    )

    async def test() -> None:
        _make(tmp_path / "one/dir/big.img", 8 * CHUNK_BYTES, {4 * CHUNK_BYTES: b"data"})
        (tmp_path / "two").mkdir()
        async with open_bridge(tmp_path / "one") as one, open_bridge(tmp_path / "two") as two:
            await _transfer(one, two, "big.img")
            assert (tmp_path / "two/dir/big.img").exists() is has_room

    trio.run(test, clock=trio.testing.MockClock(rate=1))


def test_which_chunks_are_holes() -> None:
    nul, other = nul_hash(CHUNK_BYTES), chunk_hash(b"x")
    assert nul == chunk_hash(bytes(CHUNK_BYTES))
    assert nul_chunks(3 * CHUNK_BYTES, [nul, other, nul]) == {0, 2}
    assert nul_chunks(2 * CHUNK_BYTES + 7, [other, nul, nul_hash(7)]) == {1, 2}
    assert nul_chunks(2 * CHUNK_BYTES + 7, [nul_hash(7), other, nul]) == set()
    assert nul_chunks(0, []) == set()
