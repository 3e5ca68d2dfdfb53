"""Which files of a folder are read by other programs: evidence for what a program has open.

Theory of operation
    inotify's IN_ACCESS on each directory, in a queue of its own. In the watcher's queue, a search through 20,000 files
    would overflow it (16,384 events), and what an editor saved meanwhile would have to be found by a scan. Here an
    overflow costs only certainty: from then on every file may have been read (`Reads.overflow`).

    IN_ACCESS comes for read(2) and its like, one event for each read of a small file; equal events in a row are one.
    It does not come for opening (which a scan does with every file), for stat(2), or for mmap(2); who opens a file and
    maps it is not seen. What this process reads itself is seen as well: it reads a file when somebody has saved it,
    which is as good as evidence as reading is.

    Alternatives, and why not: docs/decisions/0016.
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass, field

import trio
from inotify_simple import INotify, flags

_MASK = flags.ACCESS | flags.ONLYDIR
# As plain numbers: an operation on a flag takes a microsecond.
_OVERFLOW, _IGNORED, _IS_DIRECTORY = int(flags.Q_OVERFLOW), int(flags.IGNORED), int(flags.ISDIR)
_HEAD = struct.Struct("iIII")  # inotify(7): watch, mask, cookie, length of the name
# About 500 events, which take 3 ms.
_SLICE_BYTES = 16 << 10
# Nothing waits for who has read what; taking events in batches costs less. 16,384 fit into the queue.
_PAUSE_S = 0.5


@dataclass(slots=True)
class Reads:
    """What was read since the last time."""

    paths: set[str] = field(default_factory=set)
    overflow: bool = False  # any file may have been read


class ReadWatcher:
    """The watches for reads of one folder. `close` when done."""

    def __init__(self) -> None:
        self._inotify = INotify(nonblocking=True)
        self._path_of: dict[int, str] = {}
        self.is_blind = False  # some directory has no watch: the kernel's limit is reached

    def close(self) -> None:
        self._inotify.close()

    def watch(self, path: str, descriptor: int) -> None:
        """Tell from now on what is read in a directory that is open here."""
        if self.is_blind:
            return
        try:
            watch = self._inotify.add_watch(f"/proc/self/fd/{descriptor}", _MASK)
        except OSError as error:
            self.is_blind |= error.errno == errno.ENOSPC
            return
        self._path_of[watch] = path  # a directory that moved is listed again, and has its new path then

    def give_up(self) -> bool:
        """Watch nothing any more, because the watches are needed elsewhere; False when there are none."""
        watches, self._path_of = self._path_of, {}
        self.is_blind = True
        for watch in watches:
            try:
                self._inotify.rm_watch(watch)
            except OSError:
                pass  # the kernel removed it with the directory
        return bool(watches)

    async def wait(self) -> None:
        """Return when something was read, but not more often than twice a second."""
        await trio.sleep(_PAUSE_S)
        await trio.lowlevel.wait_readable(self._inotify.fileno())

    def take(self, reads: Reads) -> bool:
        """Add the next of what was read; False when there is no more. Takes some 3 ms."""
        try:
            data = os.read(self._inotify.fileno(), _SLICE_BYTES)
        except BlockingIOError:
            return False
        at = 0
        while at < len(data):
            watch, mask, _, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            if mask & _OVERFLOW:
                reads.overflow = True
            elif mask & _IGNORED:
                self._path_of.pop(watch, None)
            elif length and not mask & _IS_DIRECTORY:
                directory = self._path_of.get(watch)
                if directory is not None:
                    name = os.fsdecode(data[at : at + length].rstrip(b"\x00"))
                    reads.paths.add(f"{directory}/{name}" if directory else name)
            at += length
        return True

    def take_all(self) -> Reads:
        """Everything that was read since the last time. After a search through many files this takes 60 ms."""
        reads = Reads()
        while self.take(reads):
            pass
        return reads
