"""Asking a peer for blobs (docs/protocol.md, "Blobs"); `blob_server.py` is the answering side.

Theory of operation
    Whoever needs the content of a blob asks a peer for it. Blobs of one chunk are asked for many at a time and come
    many in a message. For a longer one the list of its chunks is asked for first and checked against the hash of the
    blob; what is here already, of a fetch that was broken off or in the file that it replaces, is not asked for again.
    Chunks of nothing but NUL bytes are never asked for: they become holes.
    Every chunk is checked against its hash before it is written.

    The peer says with an empty chunk that it does not have one (any more); others are asked then, and it again after a
    while. A blob that cannot be written waits likewise, and holds up no other one.

    What another peer was asked for is left to it as long as it answers (`folder/claims.py`). A long blob comes from all
    who have it, each asked for other chunks (`folder/long_blobs.py`).

    While the folder is paused nothing is written to its disk: what comes is not taken, but asked for again later.

Invariants
    * At most `_WINDOW` requests are open, so answers never fill the inbox.
    * Of two answers to one question the first is written; the same blob is not written by two at a time.
"""

from __future__ import annotations

import errno
import heapq
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import trio

from yp2p.files.blobs import Assembly, WholeBlob, name_of, write_blobs
from yp2p.files.root import Root
from yp2p.folder.claims import PATIENCE_S
from yp2p.folder.folder import Folder
from yp2p.folder.long_blobs import CHUNKS_IN_REQUEST, LongBlob
from yp2p.identity import DeviceID, EntryID
from yp2p.machine import low_room
from yp2p.protocol.blobs import CHUNK_BYTES, blob_hash, chunk_count, chunk_hash, chunk_size, nul_chunks, nul_hash
from yp2p.protocol.entries import Content, Kind
from yp2p.protocol.messages import ChunkHashes, ChunkHashesQuery, Chunks, Fetch
from yp2p.protocol.reconcile import HASH_BYTES
from yp2p.store import tables
from yp2p.transport.link import Link

_REPLY_LIMIT_S = 60.0
_RETRY_S = 5.0
# What cannot be written is not asked for every few seconds.
_LONGEST_RETRY_S = 20.0
# A request may take this long, and as much longer as a slow network takes for its bytes each second.
_REQUEST_LIMIT_S = 60.0
_SLOWEST = 64 << 10
# Requests that are open at a time, and chunks in each: 12 MiB on their way keep a fast link busy.
_WINDOW = 3
# Blobs of one chunk in a request, and their bytes.
_BATCH = 512
_BATCH_BYTES = 4 << 20
# Messages that are written to the disk together.
_REPLIES_AT_ONCE = 4
# For a blob this long it is worth while to look for one that is like it, among so many that are about as long.
_ALIKE_BYTES, _MOST_ALIKE = 4 << 20, 32


class _Paused(Exception):
    """The folder is paused here: its disk is not touched."""


class BlobFetcher:
    """Fetches the blobs that one folder lacks from one peer. `run` does the work, `deliver` takes the answers."""

    def __init__(self, folder: Folder, link: Link, peer: DeviceID) -> None:
        self._folder = folder
        self._link = link
        self._peer = peer
        self._claims = folder.observers.blob_claims
        self._replies_in, self._replies = trio.open_memory_channel[ChunkHashes | Chunks](64)
        self._blobs = folder.files.blobs
        self._work = trio.Event()
        self._not_before: dict[bytes, float] = {}  # when to ask again for what did not come
        self._unwritable: dict[bytes, int] = {}  # how often they could not be written
        self._is_asking = False

    def wake(self, *, anew: bool = False) -> None:
        """There may be something to fetch; `anew`: the peer may have what it did not have before."""
        if anew:
            self._not_before = {blob: at for blob, at in self._not_before.items() if blob in self._unwritable}
        self._work.set()

    async def deliver(self, message: ChunkHashes | Chunks) -> None:
        if self._is_asking:  # else nobody asked for it
            await self._replies_in.send(message)

    async def run(self) -> None:
        while True:
            lapse_at = self._claims.next_lapse(self._peer, trio.current_time())
            with trio.move_on_at(min(lapse_at, *self._not_before.values(), math.inf)):
                await self._work.wait()
            self._work = trio.Event()
            while self._folder.state.pause_reason:
                await self._folder.state.changed.wait()
            while wanted := await self._next_in_turn():
                blobs = {content.hash for content, _ in wanted}
                size = sum(content.size for content, _ in wanted) if len(wanted) > 1 else 0
                self._claims.take(blobs, self._peer, trio.current_time(), size=size)
                self._blobs.begin_fetch(blobs)
                self._is_asking = True
                try:
                    with trio.fail_after(_REQUEST_LIMIT_S + sum(content.size for content, _ in wanted) / _SLOWEST):
                        await self._fetch(wanted)
                except OSError as error:
                    self._cannot_write(wanted, error)
                except (trio.TooSlowError, _Paused):
                    self._ask_later(blobs)
                finally:
                    self._is_asking = False
                    self._claims.release(blobs, self._peer)
                    self._blobs.end_fetch(blobs)
                    for blob in blobs - self._blobs.fetching:
                        self._folder.state.progress.arrived.pop(blob, None)
                    for session in self._folder.observers.sessions.values():
                        session.fetch()  # they left these blobs to this one

    async def _next_in_turn(self) -> list[tuple[Content, EntryID]]:
        """What to ask for next; who let requests run out is asked after the others had time to be."""
        wanted = self._next()
        if wanted and self._claims.is_late(self._peer) and len(self._folder.observers.sessions) > 1:
            await trio.sleep(PATIENCE_S)
            wanted = self._next()
        return wanted

    def _ask_later(self, blobs: Iterable[bytes]) -> None:
        self._not_before.update(dict.fromkeys(blobs, trio.current_time() + _RETRY_S))

    async def _fetch(self, wanted: list[tuple[Content, EntryID]]) -> None:
        if chunk_count(wanted[0][0].size) == 1:
            await self._fetch_small(wanted)
        else:
            await self._fetch_long(*wanted[0])

    def _cannot_write(self, wanted: list[tuple[Content, EntryID]], error: OSError) -> None:
        for content, entry in wanted:
            self._folder.note_waiting(entry, error.strerror or str(error))
            if error.errno == errno.ENOSPC:
                self._blobs.garbage.add(content.hash)
        now = trio.current_time()
        for blob in {content.hash for content, _ in wanted}:
            failures = self._unwritable[blob] = self._unwritable.get(blob, 0) + 1
            self._not_before[blob] = now + min(_LONGEST_RETRY_S, _RETRY_S * 2.0 ** min(failures - 1, 16))
        self._folder.state.touch()

    def _next(self) -> list[tuple[Content, EntryID]]:
        """A batch of blobs of one chunk, or a longer one; empty when nothing is left that this peer may have."""
        folder, blobs = self._folder, self._blobs
        if folder.state.pause_reason:
            return []
        small: dict[bytes, tuple[Content, EntryID]] = {}
        long: list[tuple[Content, EntryID]] = []
        begun: list[tuple[Content, EntryID]] = []
        available: list[EntryID] = []
        size, now = 0, trio.current_time()
        for blob in [blob for blob, at in self._not_before.items() if at <= now]:
            del self._not_before[blob]
        for entry, content in blobs.wanted.items():
            blob = content.hash
            if blobs.file_with(blob) is not None or blob in blobs.downloaded:
                available.append(entry)
            elif blob in blobs.installing or self._not_before.get(blob, 0.0) > now:
                continue
            elif blob in self._folder.observers.long_blobs:
                begun = begun or [(content, entry)]
            elif self._claims.is_held(blob, self._peer, now):
                continue
            elif chunk_count(content.size) > 1:
                long = long or [(content, entry)]
            else:
                small[blob] = content, entry
                size += content.size
                if len(small) >= _BATCH or size >= _BATCH_BYTES:
                    break
        folder.render_queue.want_unless_resting(available)
        return list(small.values()) or long or begun

    async def _reply(self) -> ChunkHashes | Chunks:
        """Raises trio.TooSlowError, and _Paused: what came is not to be written."""
        with trio.fail_after(_REPLY_LIMIT_S):
            reply = await self._replies.receive()
        if self._folder.state.pause_reason:
            raise _Paused
        self._claims.heard(self._peer, trio.current_time())
        return reply

    # --- blobs of one chunk -------------------------------------------------------------------------------------

    async def _fetch_small(self, wanted: list[tuple[Content, EntryID]]) -> None:
        waiting = {content.hash: self._path_of(entry) for content, entry in wanted}
        here = self._holes([content for content, _ in wanted])
        await self._take_small([WholeBlob(blob, bytes(size), waiting[blob]) for blob, size in here.items()])
        for blob in here:
            del waiting[blob]
        if waiting:
            self._keep_floor(sum(content.size for content, _ in wanted if content.hash in waiting))
            await self._link.send(Fetch(self._folder.id, tuple((blob, 0, 1) for blob in waiting)))
        while waiting:
            reply = await self._reply()
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
            self._ask_later({blob for blob, _ in came} - {blob.hash for blob in good})
            self._folder.state.progress.traffic.add(sum(len(blob.data) for blob in good), trio.current_time())
            await self._take_small(good)
        self._claims.answered(self._peer)

    async def _take_small(self, blobs: list[WholeBlob]) -> None:
        """Write blobs that came, but for those that came from another peer meanwhile."""
        index = self._blobs
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
        self._came(list(hashes))

    def _holes(self, contents: list[Content]) -> dict[bytes, int]:
        """The sizes of those that are nothing but NUL bytes, by hash: they need not be asked for."""
        return {
            content.hash: content.size
            for content in contents
            if content.hash == blob_hash(content.size, [nul_hash(content.size)])
        }

    def _path_of(self, entry: EntryID) -> str:
        """Where an entry is to be put; in the root where that is not known any more."""
        return self._folder.catalogue.layout().path_of.get(entry, "")

    def _write(self, blobs: list[WholeBlob]) -> None:
        root = Root(self._folder.path)
        try:
            write_blobs(root, blobs)
        finally:
            root.close()

    def _came(self, blobs: list[bytes]) -> None:
        folder = self._folder
        blobs = [blob for blob in blobs if folder.files.blobs.who_wants([blob])]
        for blob in blobs:
            self._unwritable.pop(blob, None)
        folder.files.blobs.downloaded.update((blob, name_of(blob)) for blob in blobs)
        folder.render_queue.want_unless_resting(folder.files.blobs.who_wants(blobs))

    # --- longer ones --------------------------------------------------------------------------------------------

    async def _fetch_long(self, content: Content, entry: EntryID) -> None:
        blob = content.hash
        hashes = await self._hashes_of(content)
        if not hashes:
            self._ask_later([blob])
            return
        async with self._shared(content, entry, hashes) as shared:
            self._claims.release([blob], self._peer)  # from here on chunks are claimed
            is_lacking = await self._assemble(shared)
        if is_lacking:
            self._ask_later([blob])
        elif not shared.is_complete:
            now = trio.current_time()  # others were asked for what is left
            self._not_before[blob] = min(self._claims.next_lapse(self._peer, now), now + _RETRY_S)

    @asynccontextmanager
    async def _shared(self, content: Content, entry: EntryID, hashes: list[bytes]) -> AsyncIterator[LongBlob]:
        """Take part in putting a blob together, or begin with it. Raises OSError, _Paused."""
        begun, blob = self._folder.observers.long_blobs, content.hash
        shared = begun.get(blob)
        is_first = shared is None
        if shared is None:
            await trio.to_thread.run_sync(self._check_room, content, hashes)
            shared = begun.get(blob)
            is_first = shared is None
        if shared is None:
            root = Root(self._folder.path)
            try:
                shared = LongBlob(blob, root, Assembly(root, blob, content.size, hashes, self._path_of(entry)))
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
        self._folder.state.progress.arrived[content.hash] = content.size - assembly.missing_bytes
        shared.begin()
        if not shared.left:
            await self._complete(shared)

    async def _complete(self, shared: LongBlob) -> None:
        """The last chunk was written."""
        await trio.to_thread.run_sync(shared.assembly.force)
        shared.completed()
        self._came([shared.blob])

    async def _copy_alike(self, content: Content, entry: EntryID, assembly: Assembly) -> None:
        """Take the chunks that files here have: the one that is replaced, and the one that shares most with it."""
        folder = self._folder
        old = folder.files.get(entry)
        if old is not None and assembly.missing:
            await trio.to_thread.run_sync(assembly.copy_from, old.path)
        if content.size < _ALIKE_BYTES or not assembly.missing:
            return
        blobs = [record for record in folder.files.values() if record.kind is Kind.BLOB and record is not old]
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
        self._keep_floor(content.size - holes - there)

    def _keep_floor(self, wanted_bytes: int) -> None:
        """Raises OSError when too little room would be left on the disk for what people save here."""
        shortage = low_room(self._folder.path, max(0, wanted_bytes))
        if shortage:
            raise OSError(errno.ENOSPC, shortage)

    async def _hashes_of(self, content: Content) -> list[bytes]:
        """The hashes of the chunks, checked; empty when they are not to be had."""
        folder, blob = self._folder, content.hash
        known = folder.files.chunk_hashes(blob)
        if _are_of(content, known):
            return known
        await self._link.send(ChunkHashesQuery(folder.id, blob))
        while not isinstance(reply := await self._reply(), ChunkHashes) or reply.blob != blob:
            pass
        hashes = list(reply.hashes)
        if not _are_of(content, hashes):
            return []
        folder.database.submit([tables.chunks.save(blob, content.size, b"".join(hashes))])
        return hashes

    async def _assemble(self, shared: LongBlob) -> bool:
        """Ask for what is left, some requests ahead, until nothing is; tells whether the peer lacks it.

        Others ask their peers for other chunks.
        """
        open_chunks: set[int] = set()
        came: list[tuple[int, bytes]] = []
        is_lacking = False
        try:
            while not shared.is_complete:
                is_wanted = bool(self._blobs.who_wants([shared.blob])) and not is_lacking
                # More is asked for before what came is written: the peer is not to wait for our disk.
                while is_wanted and len(open_chunks) <= (_WINDOW - 1) * CHUNKS_IN_REQUEST:
                    ahead = (len(open_chunks) + CHUNKS_IN_REQUEST) * CHUNK_BYTES
                    request = shared.claim(self._peer, self._claims, trio.current_time(), ahead)
                    if request is None:
                        break
                    open_chunks.update(range(request[0], sum(request)))
                    await self._link.send(Fetch(self._folder.id, ((shared.blob, *request),)))
                if came:
                    is_lacking |= not await self._take_chunks(shared, came)  # then it has another version by now
                    if not open_chunks and not is_lacking:
                        self._claims.answered(self._peer)
                if shared.is_complete or not open_chunks:
                    break
                came = await self._chunks(shared, open_chunks)
                open_chunks.difference_update(index for index, _ in came)
        finally:
            self._claims.release(map(shared.key, open_chunks), self._peer)
        return is_lacking

    async def _chunks(self, shared: LongBlob, wanted: set[int]) -> list[tuple[int, bytes]]:
        """The next chunks that come; none where another session completes the blob meanwhile."""
        came: list[tuple[int, bytes]] = []
        with shared.waiting() as scope:
            try:
                came = [
                    chunk for reply in await self._replies_now() for chunk in _chunks_of(shared.blob, reply, wanted)
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
            self._folder.state.progress.chunks_came(shared.blob, size, trio.current_time())
            if not shared.left:
                await self._complete(shared)
        self._claims.release((shared.key(index) for index, _ in came), self._peer)
        return is_good

    async def _replies_now(self) -> list[ChunkHashes | Chunks]:
        """The next reply, and those that came with it: a worker thread is worth while for several."""
        replies = [await self._reply()]
        with suppress(trio.WouldBlock):
            while len(replies) < _REPLIES_AT_ONCE:
                replies.append(self._replies.receive_nowait())
        return replies


def _chunks_of(blob: bytes, reply: ChunkHashes | Chunks, wanted: set[int]) -> list[tuple[int, bytes]]:
    chunks = reply.chunks if isinstance(reply, Chunks) else ()
    return [(index, data) for hash_, index, data in chunks if hash_ == blob and index in wanted]


def _are_of(content: Content, hashes: list[bytes]) -> bool:
    """Whether these are the hashes of the chunks of a blob."""
    return len(hashes) == chunk_count(content.size) and blob_hash(content.size, hashes) == content.hash
