"""Takes what the kernel reports of a folder's files: which paths are to be looked at, and which renders can be retried.

Nothing is concluded from the kind of an event.
"""

from __future__ import annotations

import itertools

import structlog
import trio

from yp2p.disk.open_root import OpenRoot
from yp2p.disk.root_check import moved
from yp2p.disk.scans import Scans
from yp2p.files.changed_paths import ChangedPaths
from yp2p.files.watch import Batch, is_at_or_beneath
from yp2p.folder.folder import Folder

_OVERFLOW = (
    "more changed at a time than the kernel tells of (fs.inotify.max_queued_events), so every file is looked at again"
)

log = structlog.get_logger()


class Reports:
    """Takes the reports on one root."""

    def __init__(self, folder: Folder, changed: ChangedPaths, scans: Scans, at: OpenRoot) -> None:
        self._folder = folder
        self._changed = changed
        self._scans = scans
        self._at = at

    async def run(self) -> None:
        """Raises RootGone: the root was moved or removed."""
        while True:
            batch = await self._at.watcher.next_batch()
            if batch.root_gone:
                raise moved(self._folder)
            self._take(batch)
            if batch.new_directories:
                await self._list(batch.new_directories)
            self._folder.render_queue.wake()

    def _take(self, batch: Batch) -> None:
        ingest, render = self._at.ingest, self._at.render
        known = itertools.chain(self._folder.files.at, ingest.pending.fresh)
        self._changed.note(batch, known, trio.current_time())
        ingest.readers.take(batch)
        if batch.kept:
            render.displaced.written(batch.kept)
        render.retries.retry_at_paths(batch.finished | batch.removed_directories, batch.changed_directories)
        if batch.overflow:
            log.warning("watch_overflow", folder=self._folder.label, advice="the folder is scanned again")
            self._folder.state.limitation = _OVERFLOW
        if batch.has_work or render.displaced.is_written:
            self._folder.state.settled = False

    async def _list(self, directories: set[str]) -> None:
        """Watch new directories, and have what is in them looked at."""
        self._changed.is_listing = True
        try:
            for directory in directories:
                found = await trio.to_thread.run_sync(self._at.watcher.scan, directory)
                self._note_passed_over(directory)
                self._at.ingest.readers.last_opened.may_be(found)
                self._changed.list_directory(directory, found)
        finally:
            self._changed.is_listing = False

    def _note_passed_over(self, directory: str) -> None:
        """A directory was listed beside a scan of everything: what cannot be read in it is known."""
        watcher, skipped = self._at.watcher, self._folder.files.waiting.skipped
        skipped.pop(directory, None)
        skipped.update((path, why) for path, why in watcher.passed_over.items() if is_at_or_beneath(path, directory))
        if watcher.exhausted or watcher.was_short:
            self._scans.poll(watcher, 0.0)
