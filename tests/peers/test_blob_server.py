"""What a device answers who asks for its blobs, when it cannot read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio
import trio.testing
from bridge import open_bridge

from yp2p.peers.blob_transfer import BlobServer
from yp2p.protocol.messages import ChunkHashes, ChunkHashesQuery, Chunks, Fetch


class _Link:
    def __init__(self) -> None:
        self.sent: list[Any] = []

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
            await BlobServer(bridge.folder, link).serve(take)
            (tmp_path / "away").rename(directory)
            chunks, hashes = link.sent
            assert isinstance(chunks, Chunks)
            assert [data for _, _, data in chunks.chunks] == [b""]
            assert isinstance(hashes, ChunkHashes)
            assert hashes.hashes == ()

    trio.run(test, clock=trio.testing.MockClock(rate=1))
