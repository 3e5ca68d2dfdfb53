"""Reads what stands at paths: a few small files at once, many or large ones in a worker thread."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set

import trio

from yp2p.disk.ingest.deferred_reads import DeferredReads
from yp2p.disk.ingest.last_opened import LastOpened
from yp2p.disk.ingest.meaning import ScanContext
from yp2p.files.inspect import Finding, Stamp, inspect_all
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind

# What was just saved is in the page cache: for so little a worker thread costs more than the read.
_INLINE_PATHS = 4
_INLINE_BYTES = 256 << 10

# A path, the stamp that is known of it, and whether an equal one is enough to call the file unchanged.
_Known = tuple[str, Stamp | None, bool]


class Inspector:
    """Reads the files of one folder."""

    def __init__(
        self,
        folder: Folder,
        root: Root,
        max_text_bytes: int,
        opened: LastOpened,
        deferred: DeferredReads,
    ) -> None:
        self._folder = folder
        self._root = root
        self._max_text_bytes = max_text_bytes
        self._opened = opened
        self._deferred = deferred

    async def inspect(self, paths: Collection[str], stamps: Mapping[str, Stamp] | None = None) -> list[Finding]:
        """What stands at these paths now, whatever is known of them; `UNCHANGED` where it has the stamp given."""
        known_stamps = stamps or {}
        known: list[_Known] = [(path, known_stamps.get(path), path in known_stamps) for path in paths]
        return await trio.to_thread.run_sync(self._reading(known, map(self._folder.files.by_path, paths)))

    async def inspect_known(
        self, records: Mapping[str, FileRecord | None], unread: Set[EntryID], context: ScanContext
    ) -> list[Finding]:
        """What stands at the paths of these files.

        Content decides whether a file is changed; in a scan an equal stamp is enough, and of what nobody has written to
        for a moment, but not of what was read while it was open.

        Args:
            records: by path; None for a path that no file is known at.
            unread: files that nobody has read yet: to read one would look as if its next writer had.
        """
        read_open = self._deferred.read_open()
        known: list[_Known] = [
            (path, record.stamp, context.is_scan or record.entry in unread)
            if record is not None and not context.after_power_cut and (context.is_scan or path not in read_open)
            else (path, None, False)
            for path, record in records.items()
        ]
        read = self._reading(known, records.values())
        if len(known) <= _INLINE_PATHS and not context.is_scan and self._are_small(records):
            with self._opened.reading_ourselves(records.keys()):
                return read()
        return await trio.to_thread.run_sync(read)

    def _reading(self, known: Collection[_Known], records: Iterable[FileRecord | None]) -> Callable[[], list[Finding]]:
        """What reads these files; it may run in a thread."""
        bases: dict[str, tuple[Kind, bytes]] = {
            record.path: (record.kind, record.content) for record in records if record is not None
        }
        read_beside, quiet = self._deferred.read_beside(), self._deferred.quiet()
        return lambda: inspect_all(self._root, known, self._max_text_bytes, bases, read_beside, quiet)

    def _are_small(self, paths: Iterable[str]) -> bool:
        try:
            sizes = [status.st_size for path in paths if (status := self._root.lstat(path)) is not None]
        except OSError:
            return False
        return sum(sizes) <= _INLINE_BYTES
