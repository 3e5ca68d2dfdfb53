"""Asking a peer for blobs (docs/protocol.md, "Blobs"); `blob_server.py` is the answering side.

Theory of operation
    Whoever needs the content of a blob asks a peer for it. Blobs of one chunk are asked for many at a time and come
    many in a message. For a longer one the list of its chunks is asked for first and checked against the hash of the
    blob; what is here already, of a fetch that was broken off or in the file that it replaces, is not asked for again.
    Where the list of that file has little in common with the new one, samples are asked for: they tell where in the
    file to look (`files/shifted.py`).
    Chunks of nothing but NUL bytes are never asked for: they become holes.
    Every chunk is checked against its hash before it is written.

    The peer says with an empty chunk that it does not have one (any more); others are asked then, and it again after a
    while. `blob_exchange.py` says when a blob is on no device. A blob that cannot be written waits likewise, and holds
    up no other one.

    What another peer was asked for is left to it as long as it answers (`folder/claims.py`). A long blob comes from all
    who have it, each asked for other chunks (`folder/long_blobs.py`).

    While the folder is paused nothing is written to its disk: what comes is not taken, but asked for again later.

Invariants
    * At most three requests are open (`long_blobs.py`), so answers never fill the inbox.
    * Of two answers to one question the first is written; the same blob is not written by two at a time.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress

import trio

from yp2p.folder.claims import PATIENCE_S
from yp2p.folder.folder import Folder
from yp2p.folder.transfers import Transfer
from yp2p.identity import DeviceID, EntryID
from yp2p.machine import reason as reason_of
from yp2p.peers.blob_exchange import BlobExchange, FolderPaused, Reply
from yp2p.peers.long_blobs import LongBlobs
from yp2p.peers.small_blobs import SmallBlobs
from yp2p.protocol.blobs import chunk_count
from yp2p.protocol.entries import Content
from yp2p.transport.link import Link

# A request may take this long, and as much longer as a slow network takes for its bytes each second.
_REQUEST_LIMIT_S = 60.0
_SLOWEST = 64 << 10
# Blobs of one chunk in a request, and their bytes.
_BATCH = 512
_BATCH_BYTES = 4 << 20


class BlobFetcher:
    """Fetches the blobs that one folder lacks from one peer. `run` does the work, `deliver` takes the answers."""

    def __init__(self, folder: Folder, link: Link, peer: DeviceID, is_at_rest: Callable[[], Awaitable[bool]]) -> None:
        self._folder = folder
        self._peer = peer
        self._claims = folder.observers.blob_claims
        self._blobs = folder.files.blobs
        self._exchange = BlobExchange(folder, link, peer, is_at_rest)
        self._retries = self._exchange.retries
        self._small = SmallBlobs(self._exchange)
        self._long = LongBlobs(self._exchange)
        self._work = trio.Event()

    def wake(self, *, anew: bool = False) -> None:
        """There may be something to fetch; `anew`: the peer may have what it did not have before."""
        if anew:
            self._exchange.expect_missing()
        self._work.set()

    def note_held(self, blobs: Collection[bytes]) -> None:
        """The peer says that these are on its disk."""
        self._exchange.note_held(blobs)
        self._work.set()

    async def deliver(self, message: Reply) -> None:
        await self._exchange.deliver(message)

    def asks_for(self, blob: bytes, size: int) -> bool:
        """Whether the peer is being asked for the hashes of the chunks of a blob, and these are of so many bytes."""
        return self._exchange.asks_for(blob, size)

    async def run(self) -> None:
        self._exchange.start()
        while True:
            lapse_at = self._claims.next_lapse(self._peer, trio.current_time())
            with trio.move_on_at(min(lapse_at, self._retries.next_at)):
                await self._work.wait()
            self._work = trio.Event()
            while self._folder.state.pause_reason:
                await self._folder.state.changed.wait()
            while wanted := await self._next_in_turn():
                blobs = {content.hash for content, _ in wanted}
                size = sum(content.size for content, _ in wanted) if len(wanted) > 1 else 0
                self._claims.take(blobs, self._peer, trio.current_time(), size=size)
                self._blobs.begin_fetch(blobs)
                self._exchange.is_asking = True
                limit_s = _REQUEST_LIMIT_S + sum(content.size for content, _ in wanted) / _SLOWEST
                try:
                    with trio.fail_after(limit_s) as self._exchange.limit, self._shown(wanted):
                        await self._fetch(wanted)
                except OSError as error:
                    self._cannot_write(wanted, error)
                except (trio.TooSlowError, FolderPaused):
                    self._retries.retry_later(blobs, trio.current_time())
                finally:
                    self._exchange.is_asking = False
                    self._claims.release(blobs, self._peer)
                    self._blobs.end_fetch(blobs)
                    for blob in blobs - self._blobs.fetching:
                        self._folder.state.progress.arrived.pop(blob, None)
                    for session in self._folder.observers.sessions.values():
                        session.fetch()  # they left these blobs to this one
                await self._exchange.confirm()

    async def _next_in_turn(self) -> list[tuple[Content, EntryID]]:
        """What to ask for next; who let requests run out is asked after the others had time to be."""
        wanted = self._next()
        if wanted and not self._exchange.may_ask():
            with suppress(FolderPaused):
                await self._exchange.turn(0)  # before others leave it to this peer
            wanted = self._next()
        if wanted and self._claims.is_late(self._peer) and len(self._folder.observers.sessions) > 1:
            await trio.sleep(PATIENCE_S)
            wanted = self._next()
        return wanted

    @contextmanager
    def _shown(self, wanted: list[tuple[Content, EntryID]]) -> Iterator[None]:
        """Show people what comes meanwhile."""
        content, entry = wanted[0]
        key, transfers = self._exchange.key(content.hash), self._folder.state.transfers
        path = self._exchange.path_of(entry) if len(wanted) == 1 else ""
        size = sum(content.size for content, _ in wanted)
        transfers.begin(key, Transfer(path, len(wanted), size, trio.current_time()))
        try:
            yield
        finally:
            transfers.end(key)

    async def _fetch(self, wanted: list[tuple[Content, EntryID]]) -> None:
        if chunk_count(wanted[0][0].size) == 1:
            await self._small.fetch(wanted)
        else:
            await self._long.fetch(*wanted[0])

    def _cannot_write(self, wanted: list[tuple[Content, EntryID]], error: OSError) -> None:
        for content, entry in wanted:
            self._folder.note_waiting(entry, reason_of(error))
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._blobs.garbage.add(content.hash)
        self._retries.cannot_write({content.hash for content, _ in wanted}, trio.current_time())
        self._folder.state.touch()

    def _next(self) -> list[tuple[Content, EntryID]]:
        """A batch of blobs of one chunk, or a longer one; empty when nothing is left that this peer may have."""
        folder, blobs = self._folder, self._blobs
        now = trio.current_time()
        self._retries.forget_due(now)
        if not blobs.wanted or folder.state.pause_reason:
            return []
        small: dict[bytes, tuple[Content, EntryID]] = {}
        long: list[tuple[Content, EntryID]] = []
        begun: list[tuple[Content, EntryID]] = []
        available: list[EntryID] = []
        size, most = 0, min(_BATCH_BYTES, self._exchange.asked_at_once)
        for entry, content in blobs.wanted.items():
            blob = content.hash
            if blobs.file_with(blob) is not None or blob in blobs.downloaded:
                available.append(entry)
            elif blob in blobs.installing or not self._retries.is_due(blob, now):
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
                if len(small) >= _BATCH or size >= most:
                    break
        folder.render_queue.want_unless_resting(available)
        return list(small.values()) or long or begun
