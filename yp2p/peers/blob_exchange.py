"""The questions to one peer about the blobs of one folder, its answers, and what is done with every blob that came."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable
from contextlib import suppress

import trio

from yp2p.files.blobs import name_of
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, EntryID
from yp2p.machine import low_room
from yp2p.peers.blob_retries import BlobRetries
from yp2p.protocol.messages import ChunkHashes, ChunkHashesQuery, Chunks, Fetch
from yp2p.transport.link import Link

_REPLY_LIMIT_S = 60.0
# Messages that are written to the disk together.
_REPLIES_AT_ONCE = 4
NOBODY_HAS = (
    "no device that is connected has its content; one that is away may, or the trash: "
    "else put a copy in its place, or delete it"
)


class FolderPaused(Exception):
    """The folder is paused here: its disk is not touched."""


class BlobExchange:
    """What fetching blobs of one chunk and longer ones have in common."""

    def __init__(self, folder: Folder, link: Link, peer: DeviceID) -> None:
        self.folder = folder
        self.peer = peer
        self.claims = folder.observers.blob_claims
        self.retries = BlobRetries()
        self.is_asking = False
        self._link = link
        self._replies_in, self._replies = trio.open_memory_channel[ChunkHashes | Chunks](64)

    async def ask(self, question: ChunkHashesQuery | Fetch) -> None:
        await self._link.send(question)

    async def deliver(self, message: ChunkHashes | Chunks) -> None:
        if self.is_asking:  # else nobody asked for it
            await self._replies_in.send(message)

    async def reply(self) -> ChunkHashes | Chunks:
        """Raises trio.TooSlowError, and FolderPaused: what came is not to be written."""
        with trio.fail_after(_REPLY_LIMIT_S):
            reply = await self._replies.receive()
        if self.folder.state.pause_reason:
            raise FolderPaused
        self.claims.heard(self.peer, trio.current_time())
        return reply

    async def replies_now(self) -> list[ChunkHashes | Chunks]:
        """The next reply, and those that came with it: a worker thread is worth while for several."""
        replies = [await self.reply()]
        with suppress(trio.WouldBlock):
            while len(replies) < _REPLIES_AT_ONCE:
                replies.append(self._replies.receive_nowait())
        return replies

    def path_of(self, entry: EntryID) -> str:
        """Where an entry is to be put; in the root where that is not known any more."""
        return self.folder.catalogue.layout().path_of.get(entry, "")

    def check_free_space(self, wanted_bytes: int) -> None:
        """Raises OSError when too little room would be left on the disk for what people save here."""
        shortage = low_room(self.folder.path, max(0, wanted_bytes))
        if shortage:
            raise OSError(errno.ENOSPC, shortage)

    def note_missing(self, blobs: Collection[bytes]) -> None:
        """The peer does not have these blobs now: it is asked again later, and people hear of what nobody has."""
        self.retries.retry_later(blobs, trio.current_time())
        index, devices = self.folder.files.blobs, self.folder.observers.sessions.keys()
        for blob in blobs:
            index.lacking.setdefault(blob, set()).add(self.peer)
        for entry in index.who_wants(index.given_by_none(devices).intersection(blobs)):
            self.folder.note_waiting(entry, NOBODY_HAS)

    def note_downloaded(self, blobs: Iterable[bytes]) -> None:
        """These blobs are complete in their temporary files: the disk is to put them in place."""
        index = self.folder.files.blobs
        blobs = [blob for blob in blobs if index.who_wants([blob])]
        for blob in blobs:
            self.retries.written(blob)
            index.lacking.pop(blob, None)
        index.downloaded.update((blob, name_of(blob)) for blob in blobs)
        self.folder.render_queue.want_unless_resting(index.who_wants(blobs))
