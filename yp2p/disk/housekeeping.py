"""Periodic work on an open root: checks that the root is still there and whether a scan is due, gives back memory, and
prunes the trash.

A blob that no device gives is looked for in the trash of this one: an entry may have gone back to a content that was
replaced before any other device had fetched it.
"""

from __future__ import annotations

import math
import time

import structlog
import trio

from yp2p.config import Trash
from yp2p.disk import root_check
from yp2p.disk.open_root import OpenRoot
from yp2p.disk.render.render import Render
from yp2p.disk.scans import Scans
from yp2p.files import trash
from yp2p.files.blobs import name_of
from yp2p.files.mounts import MountWatch, mounts_below
from yp2p.files.root import TRASH, Root
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import day_begins, forget_old_bases
from yp2p.identity import ID_BYTES, EntryID
from yp2p.machine import reason
from yp2p.memory import collect_what_has_ended, collect_what_was_kept, is_much_free, trim
from yp2p.store import tables

EVERY_S = 5.0
_PRUNE_S = 3600.0
# Where others never let a folder rest, what they had us use and give back goes to the kernel all the same: as soon as
# it is much.
_TRIM_S = 5.0

log = structlog.get_logger()


def make_own_directories(folder: Folder, root: Root) -> None:
    """Make what is missing of `.yp2p/`, and tell what stood in its place. Raises OSError."""
    for moved in root.make_own_directories():
        wanted = moved.rpartition(".aside-")[0]
        log.warning("put_aside", name=moved, advice=f"{wanted} has to be a directory")
        text = f"{wanted} has to be a directory; what stood there was renamed"
        folder.notices.add(NoticeKind.SET_ASIDE, moved, text, EntryID(bytes(ID_BYTES)))


class Housekeeping:
    """Keeps one folder."""

    def __init__(self, folder: Folder, settings: Trash) -> None:
        self._folder = folder
        self._settings = settings
        self._was_settled = False
        self._trimmed_at = -math.inf
        self._pruned_at = 0.0
        self._is_too_large = False
        self._trash_filled_at = 0  # when something came into the trash last, as its directory says
        self._wanted: frozenset[bytes] = frozenset()  # the blobs that were wanted the last time
        self._searched_at = 0  # when something had come into the trash last, when it was searched

    def use(self, settings: Trash) -> None:
        """Keep so much in the trash from now on; what is too much goes with the next round."""
        self._settings = settings
        self._pruned_at = 0.0

    async def run(self, at: OpenRoot, scans: Scans) -> None:
        """Do everything each `EVERY_S`. Raises RootGone: the root is another directory now."""
        with MountWatch() as watch:
            mounts = await trio.to_thread.run_sync(mounts_below, at.root.path)
            while True:
                # All folders at the same moment: a device at rest wakes up once for all of them.
                await trio.sleep_until((trio.current_time() // EVERY_S + 1) * EVERY_S)
                await self._give_back_memory(at.render)
                scans.want_if_due()
                if watch.has_changed():
                    mounts, before = await trio.to_thread.run_sync(mounts_below, at.root.path), mounts
                    if mounts != before:
                        scans.want()
                root_check.check_still_in_place(self._folder, at.root)
                self._folder.texts.digests.save()
                at.ingest.readers.forget_old()
                await self.fetch_from_trash(at.root)
                await self._prune(at.root)

    async def _give_back_memory(self, render: Render) -> None:
        """Close the documents that nobody uses, and drop what is not needed once the folder has come to rest."""
        folder = self._folder
        has_dropped = folder.close_idle_documents()
        collect_what_has_ended()
        if folder.state.settled and not self._was_settled:
            folder.files.rest()
            folder.render_queue.trim()
            render.drop_caches()
            has_dropped = True
        self._was_settled = folder.state.settled
        if self._was_settled:
            collect_what_was_kept()
        now = trio.current_time()
        if self._was_settled and has_dropped:
            folder.database.trim()
        elif now - self._trimmed_at < _TRIM_S or not is_much_free():
            return
        self._trimmed_at = now
        await trio.to_thread.run_sync(trim)

    async def fetch_from_trash(self, root: Root) -> None:
        """Take from the trash what has been wanted since the last time, and nobody gives."""
        folder, blobs = self._folder, self._folder.files.blobs
        wanted = {content.hash: content.size for content in blobs.wanted.values()}
        before, self._wanted = self._wanted, frozenset(wanted)
        given_by_none = blobs.given_by_none(folder.observers.sessions.keys())
        stuck = (before & wanted.keys()) - blobs.downloaded.keys() - blobs.installing - blobs.fetching | given_by_none
        filled_at = _filled_at(root)
        if not stuck or folder.state.pause_reason or (stuck <= blobs.searched and filled_at == self._searched_at):
            return
        self._searched_at = filled_at
        sizes = {blob: wanted[blob] for blob in stuck}
        found = await trio.to_thread.run_sync(trash.copies_of, root, sizes, name_of)
        blobs.searched |= {blob for blob in stuck - found.keys() if blobs.who_wants([blob])}
        folder.state.touch()
        folder.render_queue.wake()
        if found:
            blobs.downloaded.update(found)
            folder.render_queue.want_all(blobs.who_wants(found))
            log.info("taken_from_trash", folder=folder.label, count=len(found))

    async def _prune(self, root: Root) -> None:
        """Once an hour, and when something came into it: what is too old or too much in the trash goes for good."""
        now = time.time()
        filled_at = _filled_at(root)
        if now - self._pruned_at < _PRUNE_S and filled_at == self._trash_filled_at:
            return
        self._pruned_at, self._trash_filled_at = now, filled_at
        folder, settings = self._folder, self._settings
        days = tables.day.days(folder.database.rows)
        folder.database.submit([*forget_old_bases(folder.id, now), day_begins(folder.database, now)])
        try:
            pruned = await trio.to_thread.run_sync(trash.prune, root, days, settings.max_age_days, settings.max_bytes)
        except OSError as error:
            log.warning("trash_not_pruned", folder=folder.label, reason=reason(error))
            return
        if pruned.removed:
            log.info("trash_pruned", folder=folder.label, count=len(pruned.removed))
        self._warn_of_size(pruned.bytes_left)

    def _warn_of_size(self, size: int) -> None:
        """Say once that the trash holds more than it should: what came within the last day is not pruned."""
        is_too_large = size > 2 * self._settings.max_bytes  # one large file in it is nothing to act on
        if is_too_large and not self._is_too_large:
            advice = "what came within the last day is kept; yp2p trash empty removes it"
            log.warning("trash_too_large", folder=self._folder.label, bytes=size, advice=advice)
        self._is_too_large = is_too_large


def _filled_at(root: Root) -> int:
    status = root.lstat(TRASH)
    return status.st_mtime_ns if status is not None else 0
