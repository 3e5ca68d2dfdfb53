"""Files that take long to read are read beside everything else, one at a time.

A look at such a file finds that it is long, and starts a task that reads it; when that is done it is looked at again,
and what was found is there. Deletions wait meanwhile: what vanished may be what is being read.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from yp2p.disk.ingest.open_files import OpenFiles
from yp2p.disk.ingest.pending_paths import PendingPaths
from yp2p.files.inspect import Finding, Found, inspect
from yp2p.files.root import Root
from yp2p.folder.folder import Folder

# A long file that is being written is read again after this long, or ten times as long as that takes.
_RETRY_S = 5.0


class LongFiles:
    """Reads the long files of one folder.

    Args:
        start_reading: starts `read` for a path, beside everything else.

    Attributes:
        found: what was read and is not known yet, by path.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        max_text_bytes: int,
        pending: PendingPaths,
        open_files: OpenFiles,
        start_reading: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._root = root
        self._max_text_bytes = max_text_bytes
        self._pending = pending
        self._open_files = open_files
        self._start_reading = start_reading
        self._one_at_a_time = trio.CapacityLimiter(1)
        self.found: dict[str, Finding] = {}

    def want(self, path: str) -> None:
        """Have a file read that a look found to be long."""
        if path not in self._pending.reading:
            self._pending.reading.add(path)
            self._start_reading(path)

    async def read(self, path: str) -> None:
        """Read one file."""
        try:
            record = self._folder.files.by_path(path)
            base = (record.kind, record.content) if record is not None else None
            async with self._one_at_a_time:
                started = trio.current_time()
                quiet = self._open_files.quiet(started).get(path)
                finding = await trio.to_thread.run_sync(
                    lambda: inspect(
                        self._root, path, None, self._max_text_bytes, trust_stamp=False, base=base, quiet=quiet
                    )
                )
                took_s = trio.current_time() - started
            if finding.found is Found.BUSY:
                self._open_files.found(finding, record, trio.current_time(), retry_s=max(_RETRY_S, 10 * took_s))
            else:
                self.found[path] = finding
                self._pending.requeue(path)
        finally:
            self._pending.reading.discard(path)
            self._folder.render_queue.wake()
