"""The questions to one peer about the blobs of one folder, its answers, and what is done with every blob that came.

Theory of operation
    A peer that does not have a blob may get it a moment later: its file is being read, renamed or put in place, or
    comes from somebody else; or the entry that wants it is about to be another one, and the peer knows why. So an
    answer counts only when the peer has come to rest: asked after it, it says that its disk is what it announces, and
    its manifest is ours. What looked like another version of a file for a moment does so only once: a blob is lacking
    at a peer that said so twice. Whatever the peer tells of later takes that back.

    What is asked for keeps to the limits of the link (`transport/pacing.py`): `turn` waits until it may be asked for.
    The time that this takes does not count against the peer.

    A blob that every peer lacks, and that is in nobody's trash (each device looks in its own before it is at rest
    again), is shown to people as lacking, and nothing waits for it.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress

import structlog
import trio

from yp2p.files.blobs import name_of
from yp2p.folder.folder import Folder
from yp2p.folder.transfers import Key, Way
from yp2p.identity import DeviceID, EntryID
from yp2p.machine import low_room
from yp2p.peers.blob_retries import BlobRetries
from yp2p.protocol.blobs import SAMPLES_FEATURE
from yp2p.protocol.entries import Content
from yp2p.protocol.messages import ChunkHashes, ChunkHashesQuery, Chunks, Fetch, Samples, SamplesQuery
from yp2p.transport.link import Link
from yp2p.transport.pacing import LOOK_S

log = structlog.get_logger()

_REPLY_LIMIT_S = 60.0
# Messages that are written to the disk together.
_REPLIES_AT_ONCE = 4
# Until a peer that has not a blob is asked for it once more.
_AGAIN_S = 1.0
NOBODY_HAS = (
    "no device that is connected has its content; one that is away may, or the trash: "
    "else put a copy in its place, or delete it"
)


Reply = ChunkHashes | Samples | Chunks


class FolderPaused(Exception):
    """The folder is paused here: its disk is not touched."""


class BlobExchange:
    """What fetching blobs of one chunk and longer ones have in common.

    Args:
        is_at_rest: asks the peer whether it knows what we know, and its disk holds all that it will.
    """

    def __init__(self, folder: Folder, link: Link, peer: DeviceID, is_at_rest: Callable[[], Awaitable[bool]]) -> None:
        self.folder = folder
        self.peer = peer
        self.claims = folder.observers.blob_claims
        self.retries = BlobRetries()
        self.is_asking = False
        self.limit = trio.CancelScope()  # of the request that is open
        self._asked = (b"", 0)  # whose hashes were asked for last, and how many bytes they have
        self._link = link
        self._is_at_rest = is_at_rest
        self._denied: set[bytes] = set()  # what it answered that it has not, since it was asked whether it is at rest
        self._denied_at_rest: set[bytes] = set()  # once
        self._replies_in, self._replies = trio.open_memory_channel[Reply](64)

    async def ask(self, question: ChunkHashesQuery | SamplesQuery | Fetch, size: int = 0) -> None:
        """Args: `size` of the answer, in bytes, where hashes are asked for."""
        if isinstance(question, ChunkHashesQuery):
            self._asked = question.blob, size
        await self._link.send(question)

    @property
    def gives_samples(self) -> bool:
        """Whether the peer answers SamplesQuery."""
        hello = self._link.peer
        return hello is not None and SAMPLES_FEATURE in hello.features.split()

    @property
    def asked_at_once(self) -> int:
        """How many bytes to ask for at a time."""
        return self._link.pace.asked_at_once

    def may_ask(self) -> bool:
        """Whether `turn` would not wait."""
        pace = self._link.pace
        return not pace.pacing.holds_files and pace.due_at <= trio.current_time()

    async def turn(self, size: int) -> None:
        """Wait until so many bytes may be asked for. Raises FolderPaused."""
        pace = self._link.pace
        if not pace.limits_download:
            return
        began, changes = trio.current_time(), pace.pacing.changes
        at = pace.ask_at(size, began)
        try:
            while (now := trio.current_time()) < at:
                with trio.move_on_at(min(at, now + LOOK_S)):
                    await self.folder.state.changed.wait()
                if self.folder.state.pause_reason:
                    raise FolderPaused
                if pace.pacing.changes != changes:
                    changes, at = pace.pacing.changes, pace.ask_at(size, trio.current_time())
        except BaseException:
            if at < math.inf and pace.pacing.changes == changes:
                pace.not_asked(size)
            raise
        finally:
            self.limit.deadline += trio.current_time() - began

    def took(self, asked: int, granted: int) -> None:
        """Of so many bytes that `turn` granted so many were asked for."""
        if self._link.pace.limits_download and asked < granted:
            self._link.pace.not_asked(granted - asked)

    def key(self, blob: bytes) -> Key:
        """What people are shown it as, while it comes from the peer."""
        return Key(Way.RECEIVING, self.peer, blob)

    def asks_for(self, blob: bytes, size: int) -> bool:
        """Whether the peer is being asked for the hashes of the chunks of a blob, and these are of so many bytes."""
        return self.is_asking and blob == self._asked[0] and size <= self._asked[1]

    async def deliver(self, message: Reply) -> None:
        if self.is_asking:  # else nobody asked for it
            await self._replies_in.send(message)

    async def reply(self) -> Reply:
        """Raises trio.TooSlowError, and FolderPaused: what came is not to be written."""
        with trio.fail_after(_REPLY_LIMIT_S):
            reply = await self._replies.receive()
        if self.folder.state.pause_reason:
            raise FolderPaused
        self.claims.heard(self.peer, trio.current_time())
        return reply

    async def replies_now(self) -> list[Reply]:
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

    def check_quota(self, wanted: Iterable[tuple[Content, EntryID]]) -> None:
        """Raises OSError when these contents are beyond what the folder may take."""
        wanted, files = list(wanted), self.folder.files
        old = (files.get(entry) for _, entry in wanted)
        replaced = sum(record.stamp.size for record in old if record is not None)
        refusal = files.quota.refusal({content.hash: content.size for content, _ in wanted}, replaced, files)
        if refusal:
            raise OSError(errno.EDQUOT, refusal)

    def start(self) -> None:
        """The peer was not asked for anything yet."""
        self.expect_missing()
        waiting = self.folder.files.waiting
        for entry in [entry for entry, reason in waiting.entries.items() if reason == NOBODY_HAS]:
            waiting.done(entry)

    def expect_missing(self) -> None:
        """The peer may have what it did not have before."""
        self.retries.expect_missing()
        self._denied.clear()
        self._denied_at_rest.clear()
        self.folder.files.blobs.expect_all_of(self.peer)

    def note_held(self, blobs: Collection[bytes]) -> None:
        """The peer says that these are on its disk."""
        self.retries.expect(blobs)
        self._denied.difference_update(blobs)
        self._denied_at_rest.difference_update(blobs)
        for blob in blobs:
            self.folder.files.blobs.expect(self.peer, blob)

    def note_missing(self, blobs: Collection[bytes]) -> None:
        """The peer does not have these blobs now: it is asked again later."""
        self.retries.retry_later(blobs, trio.current_time())
        self._denied.update(blobs)

    async def confirm(self) -> None:
        """Find out whether what the peer has not is to be had from it later; people hear of what nobody has."""
        if not self._denied or not await self._is_at_rest():
            self._denied.clear()
            return
        index, denied = self.folder.files.blobs, self._denied  # without what it has told of meanwhile
        once, twice = denied - self._denied_at_rest, denied & self._denied_at_rest
        self._denied = set()
        self._denied_at_rest |= once
        self.retries.retry_later(once, trio.current_time(), _AGAIN_S)
        lacking = {blob for blob in twice if index.who_wants([blob])}
        for blob in lacking:
            index.lacking.setdefault(blob, set()).add(self.peer)
        nobody_has = index.given_by_none(self.folder.observers.sessions.keys()) & lacking
        for entry in index.who_wants(nobody_has):
            self.folder.note_waiting(entry, NOBODY_HAS)
        if nobody_has:
            log.debug("blobs_on_no_device", folder=self.folder.label, count=len(nobody_has))
            self.folder.render_queue.wake()  # until the trash was searched for them the folder is not settled

    def note_downloaded(self, blobs: Iterable[bytes]) -> None:
        """These blobs are complete in their temporary files: the disk is to put them in place."""
        index = self.folder.files.blobs
        blobs = [blob for blob in blobs if index.who_wants([blob])]
        for blob in blobs:
            self.retries.written(blob)
            index.lacking.pop(blob, None)
        self.folder.catalogue.awaited.content_came(index.who_wants(blobs))
        index.downloaded.update((blob, name_of(blob)) for blob in blobs)
        self.folder.render_queue.want_unless_resting(index.who_wants(blobs))
