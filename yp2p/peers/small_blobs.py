"""Fetching blobs of one chunk: many in a request, many in a message."""

from __future__ import annotations

import trio

from yp2p.files.blobs import WholeBlob, write_blobs
from yp2p.files.root import Root
from yp2p.identity import EntryID
from yp2p.peers.blob_exchange import BlobExchange
from yp2p.protocol.blobs import blob_hash, chunk_hash, nul_hash
from yp2p.protocol.entries import Content
from yp2p.protocol.messages import Chunks, Fetch


class SmallBlobs:
    """Fetches blobs of one chunk from one peer."""

    def __init__(self, exchange: BlobExchange) -> None:
        self._exchange = exchange
        self._folder = exchange.folder

    async def fetch(self, wanted: list[tuple[Content, EntryID]]) -> None:
        """Fetch them. Raises OSError, trio.TooSlowError, FolderPaused."""
        waiting = {content.hash: self._exchange.path_of(entry) for content, entry in wanted}
        here = _holes([content for content, _ in wanted])
        await self._take([WholeBlob(blob, bytes(size), waiting[blob]) for blob, size in here.items()])
        for blob in here:
            del waiting[blob]
        if waiting:
            size = sum(content.size for content, _ in wanted if content.hash in waiting)
            self._exchange.check_quota((content, entry) for content, entry in wanted if content.hash in waiting)
            self._exchange.check_free_space(size)
            await self._exchange.turn(sum({content.hash: content.size for content, _ in wanted}.values()))
            await self._exchange.ask(Fetch(self._folder.id, tuple((blob, 0, 1) for blob in waiting)))
        while waiting:
            reply = await self._exchange.reply()
            if not isinstance(reply, Chunks):
                continue
            came = [(blob, data) for blob, _, data in reply.chunks if blob in waiting]
            good = [
                WholeBlob(blob, data, waiting[blob])
                for blob, data in came
                if blob == blob_hash(len(data), [chunk_hash(data)])
            ]
            for blob, _ in came:
                waiting.pop(blob, None)
            lacking = {blob for blob, _ in came} - {blob.hash for blob in good}
            self._exchange.note_missing(lacking)
            size, now = sum(len(blob.data) for blob in good), trio.current_time()
            self._folder.state.progress.traffic.add(size, now)
            self._folder.state.transfers.moved(self._exchange.key(wanted[0][0].hash), size, now)
            await self._take(good)
        self._exchange.claims.answered(self._exchange.peer)

    async def _take(self, blobs: list[WholeBlob]) -> None:
        """Write blobs that came, but for those that came from another peer meanwhile."""
        index = self._folder.files.blobs
        news = [
            blob for blob in blobs
            if index.who_wants([blob.hash])
            and not (blob.hash in index.writing or blob.hash in index.downloaded or blob.hash in index.installing)
        ]  # fmt: skip
        hashes = {blob.hash for blob in news}
        if not hashes:
            return
        # no await: what is being written is written by one, and may be in its place right after that
        index.writing |= hashes
        try:
            await trio.to_thread.run_sync(self._write, news)
        finally:
            index.writing -= hashes
        self._exchange.note_downloaded(list(hashes))

    def _write(self, blobs: list[WholeBlob]) -> None:
        root = Root(self._folder.path)
        try:
            write_blobs(root, blobs)
        finally:
            root.close()


def _holes(contents: list[Content]) -> dict[bytes, int]:
    """The sizes of those that are nothing but NUL bytes, by hash: they need not be asked for."""
    return {
        content.hash: content.size
        for content in contents
        if content.hash == blob_hash(content.size, [nul_hash(content.size)])
    }
