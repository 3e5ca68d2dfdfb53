"""Files that are not read at the moment they are looked at: long ones, and those that are open for writing.

A long file is read beside everything else (`long_files.py`). One that a program has open for writing is read once it
is closed, or was quiet for a while (`open_files.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

import trio

from yp2p.disk.ingest.long_files import LongFiles
from yp2p.disk.ingest.meaning import Meaning
from yp2p.disk.ingest.open_files import OpenFiles
from yp2p.disk.ingest.pending_paths import PendingPaths
from yp2p.files.inspect import Finding, Found, Stamp
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord


class DeferredReads:
    """The long files and the open files of one folder.

    Args:
        start_reading: starts `read` for a path, beside everything else.
    """

    def __init__(
        self,
        folder: Folder,
        root: Root,
        max_text_bytes: int,
        pending: PendingPaths,
        start_reading: Callable[[str], None],
    ) -> None:
        self._open = OpenFiles(folder, pending)
        self._long = LongFiles(folder, root, max_text_bytes, pending, self._open, start_reading)

    async def read(self, path: str) -> None:
        """Read one long file."""
        await self._long.read(path)

    def read_beside(self) -> Mapping[str, Finding]:
        """The long files that were read and have not been looked at since."""
        return dict(self._long.found)

    def quiet(self) -> dict[str, Stamp]:
        """The files that may be read although they are open, as they were found last."""
        return self._open.quiet(trio.current_time())

    def read_open(self) -> Set[str]:
        """The files that were read while they were open, and not since: their status says nothing of their content."""
        return self._open.read_open

    def put_off(self, finding: Finding, record: FileRecord | None) -> None:
        """What was found cannot be read now: it is looked at again."""
        if finding.found is Found.LONG:
            self._long.want(finding.path)
        else:
            self._open.found(finding, record, trio.current_time())

    def found(self, path: str, meaning: Meaning) -> None:
        """A path was looked at: what was read of it beside is not needed again."""
        if meaning is not Meaning.LONG:
            self._long.found.pop(path, None)

    def taken(self, finding: Finding, meaning: Meaning) -> None:
        """What was found at a path has been dealt with."""
        if finding.is_open:
            self._open.was_read(finding.path, trio.current_time())
        elif meaning not in (Meaning.LONG, Meaning.BUSY, Meaning.UNCHANGED):
            self._open.closed(finding.path)
