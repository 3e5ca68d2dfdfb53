"""Answering a peer that asks for blobs (docs/protocol.md, "Blobs"); `blob_transfer.py` is the asking side.

Chunks are read from a file as long as that has the stamp of its record. An empty chunk says that we do not have it (any
more): while the folder is paused its disk is not read, and we have nothing.

Chunks travel in the bulk lane, and no more of them are queued than `_QUEUED_BYTES`: typing goes past them. Where the
link is limited (`transport/pacing.py`) they go in smaller messages, so that whoever waits hears of us in time. While
files are held nobody gets an answer, as over a slow network: that we have nothing would not be true.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

import trio

from yp2p.files.blobs import ChunkRange, read_chunks, read_samples_of
from yp2p.files.inspect import NO_STAMP, Finding, Stamp, inspect
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.records import save_chunks
from yp2p.folder.transfers import FILES, Key, Transfer, Way
from yp2p.identity import DeviceID
from yp2p.protocol.blobs import CHUNK_BYTES, chunk_count
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import ChunkHashes, ChunkHashesQuery, Chunks, Fetch, Samples, SamplesQuery
from yp2p.transport.link import Link

# What goes out in one message, and how much of it may wait in the link.
_MESSAGE_BYTES = 1 << 20
_QUEUED_BYTES = 2 << 20
# So many are read at a time: a hop to a worker thread and back takes as long as reading a megabyte.
_MESSAGES_READ = 4
# Where the link is limited: so many messages.
_MESSAGES_QUEUED = 2
# Of a blob that stands in many files so many are tried: what a peer can have us open for a chunk.
_FILES_TRIED = 4
# Samples are read from as many places as there are chunks, and what is asked for behind them waits: where a disk seeks
# those of a gigabyte take half a minute, and sending is faster than that.
_SAMPLING_LIMIT_S = 3.0
# A peer asks for some at a time; when more wait the link is not read.
MAX_REQUESTS_WAITING = 6

BlobQuestion = ChunkHashesQuery | SamplesQuery | Fetch


class BlobServer:
    """Answers a peer's requests for one folder."""

    def __init__(self, folder: Folder, link: Link, peer: DeviceID) -> None:
        self._folder = folder
        self._link = link
        self._peer = peer

    async def serve(self, requests: trio.MemoryReceiveChannel[BlobQuestion]) -> None:
        async for request in requests:
            if isinstance(request, ChunkHashesQuery):
                hashes = await self._hashes(request.blob)
                await self._link.send(ChunkHashes(self._folder.id, request.blob, b"".join(hashes)))
            elif isinstance(request, SamplesQuery):
                samples = await trio.to_thread.run_sync(self._samples, self._files_with(request.blob))
                await self._link.send(Samples(self._folder.id, request.blob, samples))
            elif not self._link.pace.pacing.holds_files:
                await self._serve_chunks(request)

    async def _hashes(self, blob: bytes) -> list[bytes]:
        folder = self._folder
        if folder.state.pause_reason:
            return []
        entry = folder.files.blobs.file_with(blob)
        hashes = folder.files.chunk_hashes(blob) if entry is not None else []
        if entry is None or hashes:
            return hashes
        path = folder.files[entry].path  # the list was lost: it is in the file
        try:
            found = await trio.to_thread.run_sync(self._read_whole, path, blob)
        except OSError:  # our disk is away: that is no fault of who asks
            return []
        if found.kind is not Kind.BLOB or found.content != blob:
            return []
        folder.database.submit(save_chunks(found))
        return list(found.chunks)

    def _files_with(self, blob: bytes) -> list[tuple[str, Stamp]]:
        """Some of the files that hold a blob."""
        entries = islice(self._folder.files.blobs.files_with(blob), _FILES_TRIED)
        return [(self._folder.files[entry].path, self._folder.files[entry].stamp) for entry in entries]

    def _samples(self, files: list[tuple[str, Stamp]]) -> bytes:
        """Samples from the first of these files that is what it was, if there is time. Blocks: in a worker thread."""
        if self._folder.state.pause_reason:
            return b""
        try:
            root = Root(self._folder.path)
        except OSError:
            return b""
        try:
            until = time.monotonic() + _SAMPLING_LIMIT_S
            return next(filter(None, (read_samples_of(root, path, stamp, until) for path, stamp in files)), b"")
        finally:
            root.close()

    def _read_whole(self, path: str, blob: bytes) -> Finding:
        """Blocks: in a worker thread."""
        root = Root(self._folder.path)
        try:
            return inspect(root, path, None, 0, trust_stamp=False, base=(Kind.BLOB, blob))
        finally:
            root.close()

    async def _serve_chunks(self, request: Fetch) -> None:
        groups = self._groups(request)
        while at_once := list(islice(groups, _MESSAGES_READ)):
            found = iter(
                await trio.to_thread.run_sync(self._read, [pieces for group in at_once for _, pieces in group])
            )
            for group in at_once:
                chunks = [
                    (blob, pieces[0].first + number, data)
                    for blob, pieces in group
                    for number, data in enumerate(next(found))
                ]
                queued = min(_QUEUED_BYTES, _MESSAGES_QUEUED * self._link.pace.sent_at_once(_QUEUED_BYTES))
                await self._link.send(Chunks(self._folder.id, tuple(chunks)), limit=queued)
                self._show(chunks)

    def _show(self, chunks: list[tuple[bytes, int, bytes]]) -> None:
        """Show people what goes out."""
        now, transfers = trio.current_time(), self._folder.state.transfers
        for blob, index, data in chunks:
            entry = self._folder.files.blobs.file_with(blob)
            record = self._folder.files.get(entry) if entry is not None else None
            if record is None or not data:
                continue
            size = record.stamp.size
            if chunk_count(size) == 1:
                key, of, done = Key(Way.SENDING, self._peer, FILES), Transfer("", 1, None, now), None
            else:
                key, of = Key(Way.SENDING, self._peer, blob), Transfer(record.path, 1, size, now)
                done = index * CHUNK_BYTES + len(data)
            transfers.sent(key, len(data), now, of, done=done)

    def _groups(self, request: Fetch) -> Iterator[list[tuple[bytes, list[ChunkRange]]]]:
        """What is asked for, in pieces of a message each; of each the files that it may be read from."""
        group: list[tuple[bytes, list[ChunkRange]]] = []
        size, most = 0, self._link.pace.sent_at_once(_MESSAGE_BYTES)
        for blob, first, count in request.wanted:
            files = self._files_with(blob)
            step = max(1, most // CHUNK_BYTES)
            for start in range(first, first + count, step):
                count_here = min(step, first + count - start)
                pieces = [ChunkRange(path, stamp, start, count_here) for path, stamp in files or [("", NO_STAMP)]]
                group.append((blob, pieces))
                size += min(count_here * CHUNK_BYTES, pieces[0].stamp.size)
                if size >= most:
                    yield group
                    group, size = [], 0
        if group:
            yield group

    def _read(self, wanted: list[list[ChunkRange]]) -> list[list[bytes]]:
        """Read each from the first of its files that holds it. Blocks: in a worker thread."""
        if self._folder.state.pause_reason:
            return [[b""] * pieces[0].count for pieces in wanted]
        try:
            root = Root(self._folder.path)
        except OSError:
            return [[b""] * pieces[0].count for pieces in wanted]
        try:
            return [_read_first(root, pieces) for pieces in wanted]
        finally:
            root.close()


def _read_first(root: Root, pieces: list[ChunkRange]) -> list[bytes]:
    chunks = [b""] * pieces[0].count
    for piece in pieces:
        chunks = read_chunks(root, piece)
        if all(chunks):
            break
    return chunks
