"""Fetching blobs of several chunks: the list of chunks first, then those that are lacking, some requests ahead."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio

from yp2p.files.blobs import Assembly, name_of
from yp2p.files.root import Root
from yp2p.folder.long_blobs import CHUNKS_IN_REQUEST, LongBlob
from yp2p.folder.records import FileRecord
from yp2p.folder.turns import Slice
from yp2p.identity import EntryID
from yp2p.peers.blob_exchange import BlobExchange, Reply
from yp2p.peers.blob_retries import RETRY_S
from yp2p.protocol.blobs import CHUNK_BYTES, blob_hash, chunk_count, chunk_size, nul_chunks, read_samples
from yp2p.protocol.entries import Content, Kind
from yp2p.protocol.messages import ChunkHashes, ChunkHashesQuery, Chunks, Fetch, Samples, SamplesQuery
from yp2p.protocol.reconcile import HASH_BYTES
from yp2p.store import tables

# Requests that are open at a time: with the chunks in each 12 MiB on their way, which keeps a fast link busy.
_WINDOW = 3
# For a blob this long it is worth while to look for one that is like it, among so many that are about as long.
_ALIKE_BYTES, _MOST_ALIKE = 4 << 20, 32
# Where so many chunks are lacking samples are asked for: less is sent faster than it is looked for.
_LACKING = 8
# Samples are read by the peer from as many places; who takes longer is not waited for.
_SAMPLES_LIMIT_S = 10.0


class LongBlobs:
    """Fetches blobs of several chunks from one peer, together with the sessions with others."""

    def __init__(self, exchange: BlobExchange) -> None:
        self._exchange = exchange
        self._folder = exchange.folder
        self._sampled: set[bytes] = set()  # what the peer was asked for samples of

    async def fetch(self, content: Content, entry: EntryID) -> None:
        """Fetch one, or what others do not fetch of it. Raises OSError, trio.TooSlowError, FolderPaused."""
        blob = content.hash
        hashes = await self._hashes_of(content)
        if not hashes:
            self._exchange.note_missing([blob])
            return
        async with self._shared(content, entry, hashes) as shared:
            self._exchange.claims.release([blob], self._exchange.peer)  # from here on chunks are claimed
            is_lacking = await self._assemble(shared)
        if is_lacking:
            self._exchange.note_missing([blob])
        elif not shared.is_complete:
            now = trio.current_time()  # others were asked for what is left
            lapse_at = self._exchange.claims.next_lapse(self._exchange.peer, now)
            self._exchange.retries.not_before(blob, min(lapse_at, now + RETRY_S))

    @asynccontextmanager
    async def _shared(self, content: Content, entry: EntryID, hashes: list[bytes]) -> AsyncIterator[LongBlob]:
        """Take part in putting a blob together, or begin with it. Raises OSError, FolderPaused."""
        begun, blob = self._folder.observers.long_blobs, content.hash
        shared = begun.get(blob)
        is_first = shared is None
        if shared is None:
            self._exchange.check_quota([(content, entry)])
            await trio.to_thread.run_sync(self._check_room, content, hashes)
            shared = begun.get(blob)
            is_first = shared is None
        if shared is None:
            root = Root(self._folder.path)
            try:
                shared = LongBlob(blob, root, Assembly(root, blob, content.size, hashes, self._exchange.path_of(entry)))
            except OSError:
                root.close()
                raise
            begun[blob] = shared
        shared.users += 1
        try:
            if is_first:
                await self._find(content, entry, shared)
            await shared.ready.wait()
            yield shared
        finally:
            shared.users -= 1
            has_failed = is_first and not shared.ready.is_set()
            if (has_failed or not shared.users) and begun.get(blob) is shared:
                del begun[blob]  # somebody begins again
            if has_failed:
                shared.ready.set()  # nothing is left to ask for
            if not shared.users:
                shared.close()

    async def _find(self, content: Content, entry: EntryID, shared: LongBlob) -> None:
        """Take what is here already of a blob."""
        assembly = shared.assembly
        await trio.to_thread.run_sync(assembly.find)
        await self._copy_alike(content, entry, assembly)
        await self._copy_shifted(content, entry, assembly)
        self._folder.state.progress.arrived[content.hash] = content.size - assembly.missing_bytes
        shared.begin()
        if not shared.left:
            await self._complete(shared)

    async def _complete(self, shared: LongBlob) -> None:
        """The last chunk was written."""
        await trio.to_thread.run_sync(shared.assembly.force)
        shared.completed()
        self._sampled.discard(shared.blob)
        self._exchange.note_downloaded([shared.blob])

    async def _copy_alike(self, content: Content, entry: EntryID, assembly: Assembly) -> None:
        """Take the chunks that files here have: the one that is replaced, and the one that shares most with it."""
        folder = self._folder
        old = folder.files.get(entry)
        if old is not None and assembly.missing:
            its = folder.files.chunk_hashes(old.content)
            if not its or assembly.missing_hashes().intersection(its):
                await trio.to_thread.run_sync(assembly.copy_from, old.path)
        if content.size < _ALIKE_BYTES or not assembly.missing:
            return
        blobs: list[FileRecord] = []
        part = Slice()
        for known in list(folder.files):
            await part.end_if_long()
            record = folder.files.get(known)
            if record is not None and record.kind is Kind.BLOB and record != old:
                blobs.append(record)
        near = heapq.nsmallest(_MOST_ALIKE, blobs, key=lambda record: abs(record.stamp.size - content.size))
        best = await trio.to_thread.run_sync(self._most_alike, [(r.path, r.content) for r in near], assembly)
        if best:
            await trio.to_thread.run_sync(assembly.copy_from, best)

    def _most_alike(self, near: list[tuple[str, bytes]], assembly: Assembly) -> str:
        """Which file shares most chunks with what is missing; empty where none does. Blocks."""
        wanted, best, most = assembly.missing_hashes(), "", 0
        with self._folder.database.reader() as read:
            for path, blob in near:
                packed = tables.chunks.hashes_of(read, blob)
                has = {packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)}
                if len(has & wanted) > most:
                    best, most = path, len(has & wanted)
        return best

    def _check_room(self, content: Content, hashes: list[bytes]) -> None:
        """Raises OSError when the disk cannot hold it: then not a chunk is asked for."""
        holes = sum(chunk_size(content.size, index) for index in nul_chunks(content.size, hashes))
        started = self._folder.path / name_of(content.hash)
        there = started.stat().st_blocks * 512 if started.exists() else 0
        self._exchange.check_free_space(content.size - holes - there)

    async def _hashes_of(self, content: Content) -> list[bytes]:
        """The hashes of the chunks, checked; empty when they are not to be had."""
        folder, blob = self._folder, content.hash
        known = folder.files.chunk_hashes(blob)
        if _are_of(content, known):
            return known
        await self._exchange.ask(ChunkHashesQuery(folder.id, blob), HASH_BYTES * chunk_count(content.size))
        while not isinstance(reply := await self._exchange.reply(), ChunkHashes) or reply.blob != blob:
            pass
        if len(reply.hashes) != HASH_BYTES * chunk_count(content.size):
            return []
        hashes = [reply.hashes[at : at + HASH_BYTES] for at in range(0, len(reply.hashes), HASH_BYTES)]
        if not _are_of(content, hashes):
            return []
        folder.database.submit([tables.chunks.save(blob, content.size, reply.hashes)])
        return hashes

    async def _copy_shifted(self, content: Content, entry: EntryID, assembly: Assembly) -> None:
        """Take what the file that is replaced has elsewhere: where so much is lacking the peer is asked for samples.

        It is asked once: who begins again has what they found.
        """
        old, blob = self._folder.files.get(entry), content.hash
        if old is None or old.stamp.size < CHUNK_BYTES or len(assembly.missing) < _LACKING:
            return
        if blob in self._sampled or not self._exchange.gives_samples:
            return
        self._sampled.add(blob)
        try:
            samples = await self._samples_of(content)
            if samples:
                await trio.to_thread.run_sync(assembly.copy_shifted, old.path, samples, self._may_go_on)
        finally:
            if self._folder.state.pause_reason:
                self._sampled.discard(blob)  # they found nothing, or not all

    def _may_go_on(self) -> bool:
        """Asked in a worker thread. Raises trio.Cancelled: nobody waits for it any more."""
        trio.from_thread.check_cancelled()
        return not self._folder.state.pause_reason

    async def _samples_of(self, content: Content) -> Mapping[int, tuple[int, bytes]]:
        """Samples of a blob from the peer; none where that takes it long."""
        await self._exchange.ask(SamplesQuery(self._folder.id, content.hash))
        with trio.move_on_after(_SAMPLES_LIMIT_S):
            while not isinstance(reply := await self._exchange.reply(), Samples) or reply.blob != content.hash:
                pass
            return read_samples(content.size, reply.samples)
        return {}

    async def _assemble(self, shared: LongBlob) -> bool:
        """Ask for what is left, some requests ahead, until nothing is; tells whether the peer lacks it.

        Others ask their peers for other chunks.
        """
        open_chunks: set[int] = set()
        came: list[tuple[int, bytes]] = []
        is_lacking = False
        try:
            while not shared.is_complete:
                is_wanted = bool(self._folder.files.blobs.who_wants([shared.blob])) and not is_lacking
                if is_wanted:
                    await self._ask_ahead(shared, open_chunks)
                if came:
                    is_lacking |= not await self._take_chunks(shared, came)  # then it has another version by now
                    if not open_chunks and not is_lacking:
                        self._exchange.claims.answered(self._exchange.peer)
                if shared.is_complete or not open_chunks:
                    break
                came = await self._chunks(shared, open_chunks)
                open_chunks.difference_update(index for index, _ in came)
        finally:
            self._exchange.claims.release(map(shared.key, open_chunks), self._exchange.peer)
        return is_lacking

    async def _ask_ahead(self, shared: LongBlob, open_chunks: set[int]) -> None:
        """Ask for more before what came is written: the peer is not to wait for our disk. Raises FolderPaused."""
        while len(open_chunks) <= (_WINDOW - 1) * CHUNKS_IN_REQUEST:
            most = max(1, self._exchange.asked_at_once // CHUNK_BYTES)
            if open_chunks and not self._exchange.may_ask():
                return  # what was asked for is taken meanwhile
            await self._exchange.turn(most * CHUNK_BYTES)
            ahead = (len(open_chunks) + CHUNKS_IN_REQUEST) * CHUNK_BYTES
            now = trio.current_time()
            request = None  # where another session has completed it meanwhile
            if not shared.is_complete:
                request = shared.claim(self._exchange.peer, self._exchange.claims, now, ahead, most=most)
            self._exchange.took(0 if request is None else request[1] * CHUNK_BYTES, most * CHUNK_BYTES)
            if request is None:
                return
            open_chunks.update(range(request[0], sum(request)))
            await self._exchange.ask(Fetch(self._folder.id, ((shared.blob, *request),)))

    async def _chunks(self, shared: LongBlob, wanted: set[int]) -> list[tuple[int, bytes]]:
        """The next chunks that come; none where another session completes the blob meanwhile."""
        came: list[tuple[int, bytes]] = []
        with shared.waiting() as scope:
            try:
                came = [
                    chunk
                    for reply in await self._exchange.replies_now()
                    for chunk in _chunks_of(shared.blob, reply, wanted)
                ]
            finally:
                shared.stopped_waiting(scope)
        return came

    async def _take_chunks(self, shared: LongBlob, came: list[tuple[int, bytes]]) -> bool:
        """Write chunks; False when one is not what belongs there."""
        async with shared.writing:
            if shared.is_complete:
                return True
            news = [(index, data) for index, data in came if index in shared.left]
            is_good = await trio.to_thread.run_sync(shared.assembly.put_all, news)
            written = [(index, data) for index, data in news if index not in shared.assembly.missing]
            shared.left.difference_update(index for index, _ in written)
            size = sum(len(data) for _, data in written)
            now, progress = trio.current_time(), self._folder.state.progress
            progress.chunks_came(shared.blob, size, now)
            key = self._exchange.key(shared.blob)
            self._folder.state.transfers.moved(key, size, now, done=progress.arrived[shared.blob])
            if not shared.left:
                await self._complete(shared)
        self._exchange.claims.release((shared.key(index) for index, _ in came), self._exchange.peer)
        return is_good


def _chunks_of(blob: bytes, reply: Reply, wanted: set[int]) -> list[tuple[int, bytes]]:
    chunks = reply.chunks if isinstance(reply, Chunks) else ()
    return [(index, data) for hash_, index, data in chunks if hash_ == blob and index in wanted]


def _are_of(content: Content, hashes: list[bytes]) -> bool:
    """Whether these are the hashes of the chunks of a blob."""
    return len(hashes) == chunk_count(content.size) and blob_hash(content.size, hashes) == content.hash
