"""Files that other programs have open for writing: when each is looked at, and when it is read all the same.

Theory of operation
    What is open for writing is read once it is closed: then it is whole. Some files are never closed (a log, a
    database, the editor that keeps its file open). Such a file is read when it was quiet for a while: nobody has
    written to it since we first saw it as it is, for `QUIET_S`. It is read with its status before and after, and what
    changes meanwhile is not taken. Each time that it is read in this way it has to be quiet twice as long as before,
    up to `LONGEST_QUIET_S`, until it is closed: a file that is written to all day does not become a version each
    minute.

    What is written through a mapping (mmap(2)) shows in the times of a file once, and then no more until the kernel has
    stored it. So of a file that was read while it was open the status says nothing: it is read again when it is closed.

    A file that has just been emptied has to be quiet for longer: most programs that empty a file are about to write it.

    In the first moments the file is looked at often, as most saves end soon, and nobody is told. Later `status` says
    why it waits.

Where no descriptor or memory was left, all that was not read is looked at again at one moment; while that fails each
pause is twice as long as the one before.

Times are trio's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from yp2p.disk.ingest.pending_paths import BUSY_RETRY_S, PendingPaths
from yp2p.files.inspect import Finding, Stamp
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord

QUIET_S, LONGEST_QUIET_S = 3.0, 60.0
EMPTIED_QUIET_S = 30.0
# How long a save usually takes; meanwhile the file is looked at often.
_SAVE_S = 1.0
# The pauses while no descriptor or memory is left.
_SHORT_S, _LONGEST_SHORT_S = 1.0, 32.0
# Of a file that was not seen open for so long nothing is remembered.
_FORGOTTEN_S = 600.0
_MAX_FILES = 1024


@dataclass(slots=True)
class _OpenFile:
    stamp: Stamp
    open_since: float
    quiet_since: float
    seen_at: float
    quiet_s: float = QUIET_S
    is_emptied: bool = False

    @property
    def readable_at(self) -> float:
        return self.quiet_since + (max(self.quiet_s, EMPTIED_QUIET_S) if self.is_emptied else self.quiet_s)


class _Shortage:
    """No descriptor or memory is left."""

    def __init__(self) -> None:
        self._since = self._again_at = -math.inf
        self._pause_s = 0.0

    def again_at(self, now: float) -> float:
        """When what could not be read now is looked at again."""
        if now >= self._again_at:
            if now >= self._again_at + _LONGEST_SHORT_S:  # another one: the last has passed
                self._since, self._pause_s = now, 0.0
            self._pause_s = min(_LONGEST_SHORT_S, max(_SHORT_S, 2 * self._pause_s))
            self._again_at = now + self._pause_s
        return self._again_at

    def is_long(self, now: float) -> bool:
        return now - self._since >= QUIET_S


class OpenFiles:
    """The files of one folder that were found open for writing, by path."""

    def __init__(self, folder: Folder, pending: PendingPaths) -> None:
        self._folder = folder
        self._pending = pending
        self._files: dict[str, _OpenFile] = {}
        self._shortage = _Shortage()
        self.read_open: set[str] = set()  # that were read while they were open, and not since

    def found(self, finding: Finding, record: FileRecord | None, now: float, *, retry_s: float = _SAVE_S) -> None:
        """A file is being written: it is looked at again, and listed with the reason once that takes long.

        Args:
            record: of the file, if it is known.
            retry_s: after a save's usual time it is not looked at again before that.
        """
        path, stamp = finding.path, finding.stamp
        if finding.is_short:
            self._pending.busy[path] = self._shortage.again_at(now)
            if self._shortage.is_long(now):
                self._list(finding, record)
            return
        self._forget_old(now)
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = _OpenFile(stamp, now, now, now)
        if file.stamp != stamp:
            file.stamp, file.quiet_since = stamp, now
        file.seen_at = now
        file.is_emptied = record is not None and not stamp.size and record.stamp.size > 0
        is_saving = now - file.open_since < _SAVE_S
        self._pending.busy[path] = now + BUSY_RETRY_S if is_saving else max(file.readable_at, now + retry_s)
        if now - file.open_since >= QUIET_S:
            self._list(finding, record)

    def _list(self, finding: Finding, record: FileRecord | None) -> None:
        if record is not None:
            self._folder.note_waiting(record.entry, finding.reason)
        else:
            self._folder.files.waiting.skipped[finding.path] = finding.reason

    def quiet(self, now: float) -> dict[str, Stamp]:
        """The files that may be read although they are open, as they were found last."""
        return {path: file.stamp for path, file in self._files.items() if now >= file.readable_at}

    def was_read(self, path: str, now: float) -> None:
        """A file was read although it is open: the next time it takes longer."""
        if len(self.read_open) < _MAX_FILES:
            self.read_open.add(path)
        file = self._files.get(path)
        if file is not None:
            file.quiet_s = min(LONGEST_QUIET_S, 2 * file.quiet_s)
            file.seen_at = now

    def closed(self, path: str) -> None:
        """Nobody has a file open, or it is gone."""
        self._files.pop(path, None)
        self.read_open.discard(path)

    def _forget_old(self, now: float) -> None:
        if len(self._files) > _MAX_FILES:
            self._files = {p: file for p, file in self._files.items() if now - file.seen_at < _FORGOTTEN_S}
