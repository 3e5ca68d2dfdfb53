"""What a device answers who asks for its blobs, and what it takes, when its disk is not to be had."""

from __future__ import annotations

import os
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing
from bridge import PEER, open_bridge

from yp2p.files import blobs
from yp2p.identity import EntryID
from yp2p.peers import blob_server
from yp2p.peers.blob_server import BlobQuestion, BlobServer
from yp2p.peers.blob_transfer import BlobFetcher
from yp2p.protocol.blobs import CHUNK_BYTES, SAMPLED_BYTES, blob_hash, chunk_hash
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.messages import ChunkHashes, ChunkHashesQuery, Chunks, Fetch, SamplesQuery
from yp2p.transport.pacing import Pace, Pacing


def test_of_a_blob_in_several_files_any_is_sent_that_holds_it(tmp_path: Path) -> None:
    """The one that is known first was changed a moment ago, and not looked at since."""

    async def test() -> None:
        directory = tmp_path / "dir"
        directory.mkdir()
        data = b"\0" * 5 + b"the same in both"
        for name in ("a.bin", "b.bin"):
            (directory / name).write_bytes(data)
        async with open_bridge(tmp_path) as bridge:
            index = bridge.folder.files
            records = [index.by_path(name) for name in ("a.bin", "b.bin")]
            blob = blob_hash(len(data), [chunk_hash(data)])
            assert all(record is not None and record.content == blob for record in records)
            first = index.blobs.file_with(blob)
            assert first is not None
            (directory / index[first].path).write_bytes(b"\0" * 5 + b"another by now")
            link: Any = _Link()
            give, take = trio.open_memory_channel[ChunkHashesQuery | Fetch](1)
            await give.send(Fetch(bridge.folder.id, ((blob, 0, 1),)))
            give.close()
            await BlobServer(bridge.folder, link, PEER).serve(take)
            (chunks,) = link.sent
            assert chunks.chunks == ((blob, 0, data),)

    trio.run(test, clock=trio.testing.MockClock(rate=1))


_LONG = random.Random(1).randbytes(9 * CHUNK_BYTES + 1)


class _Link:
    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.pace = Pace(Pacing())

    async def send(self, message: Any, limit: int = 0) -> None:
        self.sent.append(message)


def test_who_asks_while_the_disk_is_away_is_told_that_there_is_nothing(tmp_path: Path) -> None:
    """An error of our own disk is no fault of theirs."""

    async def test() -> None:
        directory = tmp_path / "dir"
        directory.mkdir()
        (directory / "b.bin").write_bytes(bytes(100))
        async with open_bridge(tmp_path) as bridge:
            record = bridge.folder.files.by_path("b.bin")
            assert record is not None
            link: Any = _Link()
            give, take = trio.open_memory_channel[ChunkHashesQuery | Fetch](2)
            await give.send(Fetch(bridge.folder.id, ((record.content, 0, 1),)))
            await give.send(ChunkHashesQuery(bridge.folder.id, record.content))
            give.close()
            directory.rename(tmp_path / "away")
            await BlobServer(bridge.folder, link, PEER).serve(take)
            (tmp_path / "away").rename(directory)
            chunks, hashes = link.sent
            assert isinstance(chunks, Chunks)
            assert [data for _, _, data in chunks.chunks] == [b""]
            assert isinstance(hashes, ChunkHashes)
            assert hashes.hashes == b""

    trio.run(test, clock=trio.testing.MockClock(rate=1))


@pytest.mark.parametrize("is_question", [False, True])
def test_the_disk_of_a_paused_folder_is_neither_read_nor_written_to(tmp_path: Path, is_question: bool) -> None:
    async def test() -> None:
        directory = tmp_path / "dir"
        directory.mkdir()
        (directory / "b.bin").write_bytes(bytes(100))
        async with open_bridge(tmp_path) as bridge, trio.open_nursery() as nursery:
            folder = bridge.folder
            record = folder.files.by_path("b.bin")
            assert record is not None
            folder.state.problem, folder.state.question.reason = ("", "why") if is_question else ("why", "")
            server: Any = _Link()
            give, take = trio.open_memory_channel[ChunkHashesQuery | Fetch](2)
            await give.send(Fetch(folder.id, ((record.content, 0, 1),)))
            await give.send(ChunkHashesQuery(folder.id, record.content))
            give.close()
            await BlobServer(folder, server, PEER).serve(take)
            chunks, hashes = server.sent
            assert [data for _, _, data in chunks.chunks] == [b""]
            assert hashes.hashes == b""

            wanted, data = EntryID(b"x" * 16), b"\1" * 50
            blob = blob_hash(len(data), [chunk_hash(data)])
            folder.files.blobs.want(wanted, Content.blob(blob, len(data), Mode.PLAIN, 1))
            asked: Any = _Link()
            fetcher = BlobFetcher(folder, asked, PEER, trio.sleep_forever)
            nursery.start_soon(fetcher.run)
            fetcher.wake()
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert not asked.sent, "nothing is asked for"
            folder.state.problem = folder.state.question.reason = ""
            folder.state.touch()
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert len(asked.sent) == 1, "until it goes on"
            folder.state.problem, folder.state.question.reason = ("", "why") if is_question else ("why", "")
            await fetcher.deliver(Chunks(folder.id, ((blob, 0, data),)))
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert not list((directory / ".yp2p/tmp").glob("blob-*")), "what comes then is not taken"
            nursery.cancel_scope.cancel()

    trio.run(test, clock=trio.testing.MockClock())


@pytest.mark.parametrize(("seek_s", "are_read"), [(0.0, True), (0.5, False)])
def test_what_is_asked_for_behind_samples_does_not_wait_for_a_slow_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seek_s: float, are_read: bool
) -> None:
    """With the same content in two files both are read within one limit."""
    now, heads = 0.0, 0
    pread = os.pread

    def read(descriptor: int, size: int, at: int) -> bytes:
        nonlocal now, heads
        if size == SAMPLED_BYTES:
            heads += 1
            now += seek_s
        return pread(descriptor, size, at)

    async def test() -> None:
        directory = tmp_path / "dir"
        directory.mkdir()
        for name in ("a.bin", "b.bin"):
            (directory / name).write_bytes(_LONG)
        async with open_bridge(tmp_path) as bridge:
            record = bridge.folder.files.by_path("a.bin")
            assert record is not None
            link: Any = _Link()
            give, take = trio.open_memory_channel[BlobQuestion](2)
            await give.send(SamplesQuery(bridge.folder.id, record.content))
            await give.send(Fetch(bridge.folder.id, ((record.content, 0, 1),)))
            give.close()
            with monkeypatch.context() as patch:
                patch.setattr(blob_server, "time", SimpleNamespace(monotonic=lambda: now))
                patch.setattr(blobs, "time", SimpleNamespace(monotonic=lambda: now))
                patch.setattr(os, "pread", read)
                await BlobServer(bridge.folder, link, PEER).serve(take)
            samples, chunks = link.sent
            assert bool(samples.samples) == are_read
            assert chunks.chunks == ((record.content, 0, _LONG[:CHUNK_BYTES]),)

    trio.run(test, clock=trio.testing.MockClock(rate=1))
    assert heads <= 10, "so many take five seconds"
