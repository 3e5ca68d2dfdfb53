"""Watching a folder: inotify under trio, and the scan that goes with it.

Theory of operation
    inotify watches directories. A new directory gets its watch *before* it is listed, so whatever appears in it is
    either listed or reported (a race lost 474 of 900 files where the order was the other way round). A directory
    moved in may be full already and is scanned as a whole; one moved out takes its watches along. When the
    kernel's queue overflows, everything may have been missed: the answer is a scan of the whole folder.

    What comes out are *paths to look at*, nothing more: what happened is decided by looking at the disk.
"""

from __future__ import annotations

import errno
import math
import os
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio
from inotify_simple import INotify, flags

from yp2p.errors import FolderError
from yp2p.files.editor_locks import locked_names
from yp2p.files.expected_moves import ExpectedMoves
from yp2p.files.git_locks import GIT, GitLocks
from yp2p.files.ignore import IgnoreRules
from yp2p.files.inspect import Stamp
from yp2p.files.reads import ReadWatcher
from yp2p.files.root import TMP, Root
from yp2p.files.walk import walk
from yp2p.machine import is_shortage

_MASK = (
    flags.CLOSE_WRITE | flags.MODIFY | flags.ATTRIB | flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.MOVED_TO
    | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR | flags.DONT_FOLLOW
)  # fmt: skip

_WATCHES_ALLOWED = Path("/proc/sys/fs/inotify/max_user_watches")
_LEAST_WATCHES = 1 << 16

# A person's saves are far from this, and wait for nothing.
_FLOOD_EVENTS, _FLOOD_S, _FLOOD_PAUSE_S = 64, 0.1, 0.02


@dataclass(slots=True)
class Batch:
    """Paths to look at, from one reading of the kernel's queue."""

    finished: set[str] = field(default_factory=set)  # closed, moved, created, removed, other mode: look now
    modified: set[str] = field(default_factory=set)  # written to and still open: look when it is quiet
    removed_directories: set[str] = field(default_factory=set)  # everything known beneath: look
    new_directories: set[str] = field(default_factory=set)  # to be watched and listed: `scan`
    changed_directories: set[str] = field(default_factory=set)  # other mode or owner: something may be possible by now
    written: set[str] = field(default_factory=set)  # paths that somebody wrote to
    in_git: set[str] = field(default_factory=set)  # of these and those that are finished: last by a git command
    git_ended: bool = False  # a git command let go of its lock
    # Locks of editors that are gone: the file's path, the lock's name, and whether the file was saved before.
    released: list[tuple[str, str, bool]] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)  # what was closed in `.yp2p/tmp`: ours, or a save that came late
    # Keys given to `watch_reading`: somebody has read the file; with the paths that had been written to before.
    read: dict[bytes, frozenset[str]] = field(default_factory=dict)
    overflow: bool = False  # look everywhere
    root_gone: bool = False

    @property
    def has_work(self) -> bool:
        """Whether something is to be looked at: that a file was read, or one of ours closed, is none."""
        parts = (self.finished, self.modified, self.removed_directories, self.new_directories, self.changed_directories)
        return self.overflow or any(parts) or bool(self.written or self.released)


class _Pace:
    """Whether so many events come that it is better to take many at a time: each wake-up costs more than an event."""

    def __init__(self) -> None:
        self._since = -math.inf
        self._events = 0

    def is_flood(self, now: float) -> bool:
        if now - self._since > _FLOOD_S:
            self._since, self._events = now, 0
        return self._events > _FLOOD_EVENTS

    def add(self, events: int) -> None:
        self._events += events


class Watcher:
    """The watches of one folder. Use `open_watcher`."""

    def __init__(self, root: Root, ignore: IgnoreRules) -> None:
        self.reads = ReadWatcher()
        try:
            self._inotify = INotify()
        except OSError:
            self.reads.close()
            raise
        self._root = root
        self.ignore = ignore
        self._path_of: dict[int, str] = {}
        self._watch_of: dict[str, int] = {}
        self._reading: dict[int, bytes] = {}
        self._git = GitLocks(self._inotify)
        self._kept = -1  # the watch of `.yp2p/tmp`
        self._pace = _Pace()
        self._expected = ExpectedMoves()
        self.exhausted = False
        self.was_short = False  # whether something was not looked at because the machine had no descriptor or memory
        # Paths that no folder can hold, and directories that cannot be read, and why, as of the last look.
        self.passed_over: dict[str, str] = {}
        self._lock = threading.Lock()  # a scan runs in a worker thread while events are taken

    def close(self) -> None:
        self._inotify.close()
        self.reads.close()

    def fileno(self) -> int:
        """What becomes readable when there is something to look at."""
        return int(self._inotify.fileno())

    @property
    def watched_directories(self) -> int:
        return len(self._watch_of)

    @property
    def advice(self) -> str:
        """What a person can do where `exhausted` is set: not every directory has a watch."""
        allowed = _WATCHES_ALLOWED.read_text().strip() if _WATCHES_ALLOWED.exists() else ""
        wanted = 2 * max(_LEAST_WATCHES, self.watched_directories, int(allowed) if allowed.isdecimal() else 0)
        return (
            f"of {allowed or 'all'} inotify watches none is left, so not all changes are told at once: allow more "
            f"(`sudo sysctl fs.inotify.max_user_watches={wanted}`)"
        )

    def scan(self, path: str = "") -> list[str]:
        """Watch the directory `path` and all beneath it; gives the files in them that are not ignored, and the
        directories with nothing in them.

        Blocks; belongs in a worker thread.
        """
        if not path:
            self.exhausted = self.was_short = False
            self._git.watch_above(self._root.path)
        passed_over: dict[str, str] = {}
        found = list(walk(self._root, lambda: self.ignore, path, self._watch, passed_over.__setitem__, self._failed))
        kept = {at: why for at, why in self.passed_over.items() if path and not is_at_or_beneath(at, path)}
        self.passed_over = kept | passed_over
        return found

    def _failed(self, error: OSError) -> None:
        self.was_short |= is_shortage(error)

    def _watch(self, path: str, descriptor: int) -> None:
        try:
            watch = self._add_watch(f"/proc/self/fd/{descriptor}")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self.exhausted = True
            self._failed(error)
            return
        self.reads.watch(path, descriptor)
        self._git.watch(path, descriptor)
        with self._lock:
            old = self._path_of.get(watch)
            if old is not None and old != path:
                self._watch_of.pop(old, None)
            self._path_of[watch] = path
            self._watch_of[path] = watch

    def _add_watch(self, path: str) -> int:
        mask = _MASK & ~flags.DONT_FOLLOW
        try:
            return int(self._inotify.add_watch(path, mask))
        except OSError as error:
            if error.errno != errno.ENOSPC or not self.reads.give_up():
                raise
        return int(self._inotify.add_watch(path, mask))  # to see what is saved matters more than to see what is read

    def watch_kept(self) -> None:
        """Tell from now on what is written to replaced files, by those who had opened them before."""
        try:
            descriptor = self._root.open(TMP, os.O_DIRECTORY | os.O_RDONLY)
        except OSError:
            return  # they are looked at again in any case
        try:
            self._kept = self._inotify.add_watch(f"/proc/self/fd/{descriptor}", flags.CLOSE_WRITE)
        except OSError:
            return
        finally:
            os.close(descriptor)

    def watch_reading(self, path: str, key: bytes, stamp: Stamp | None = None) -> bool:
        """Tell once, under `key`, when somebody reads the file now at `path`; False when that cannot be told, or the
        file does not have the `stamp` that is given."""
        try:
            descriptor = self._root.open(path, os.O_PATH)
        except OSError:
            return False
        try:
            if stamp is not None and Stamp.of(os.fstat(descriptor)) != stamp:
                return False
            # Whoever reads it after somebody wrote to it reads another version: that ends the watch as well.
            mask = flags.ACCESS | flags.MODIFY | flags.ONESHOT
            watch = self._inotify.add_watch(f"/proc/self/fd/{descriptor}", mask)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        self._reading[watch] = key
        return True

    def _watch_repository(self, path: str) -> None:
        """A repository was made in a directory that is watched."""
        try:
            descriptor = self._root.open(path, os.O_PATH | os.O_DIRECTORY) if path else os.dup(self._root.descriptor)
        except OSError:
            return
        self._git.watch(path, descriptor)
        os.close(descriptor)

    def _forget(self, path: str) -> None:
        prefix = path + "/"
        for watched in [p for p in self._watch_of if p == path or p.startswith(prefix)]:
            watch = self._watch_of.pop(watched)
            self._path_of.pop(watch, None)
            try:
                self._inotify.rm_watch(watch)
            except OSError:
                pass  # the kernel removed it with the directory

    async def next_batch(self) -> Batch:
        """What to look at, as soon as there is something."""
        await trio.lowlevel.wait_readable(self.fileno())
        if self._pace.is_flood(trio.current_time()):
            await trio.sleep(_FLOOD_PAUSE_S)
        batch = Batch()
        with self._expected.reading():
            events = self._inotify.read(timeout=0)
            self._pace.add(len(events))
            with self._lock:
                for event in events:
                    self._take(event.wd, event.mask, event.name, batch)
            if batch.removed_directories:
                # What was put into a directory that went away meanwhile is where nobody expects it.
                batch.finished |= self._expected.beneath(batch.removed_directories)
        return batch

    def expecting(self, paths: Sequence[str]) -> AbstractContextManager[set[str]]:
        """Leave out one event for each of these paths: the caller is about to move a new file there.

        A second event is somebody else's, and is reported. Where a directory has no watch yet, it will be listed, and
        the file with it. Gives a set, to which the caller adds the paths where it has put a file; for the others
        nothing is left out.
        """
        is_one_move = self._root.capabilities.no_replace  # without it other events come of it
        return self._expected.moving(
            {path for path in paths if is_one_move and path.rpartition("/")[0] in self._watch_of}
        )

    def _take(self, watch: int, mask: int, name: str, batch: Batch) -> None:
        if mask & flags.Q_OVERFLOW:
            batch.overflow = True
            self._git.forget()
        elif watch == self._kept:
            batch.kept.add(f"{TMP}/{name}")
        elif (key := self._reading.pop(watch, None)) is not None:
            if mask & flags.ACCESS:
                batch.read[key] = frozenset(batch.written)
        elif (directory := self._path_of.get(watch)) is None:
            batch.git_ended |= self._git.take(watch, mask, name)
        elif mask & (flags.DELETE_SELF | flags.MOVE_SELF | flags.IGNORED | flags.UNMOUNT):
            batch.root_gone = batch.root_gone or directory == ""
        else:
            self._take_entry(directory, mask, name, batch)

    def _take_entry(self, directory: str, mask: int, name: str, batch: Batch) -> None:
        """Something happened to what is in a directory that is watched, or to itself."""
        if not name:
            if mask & flags.ATTRIB:
                self._take_directory(directory, mask, batch)
            return
        path = _joined(directory, name)
        is_directory = bool(mask & flags.ISDIR)
        if mask & flags.MOVED_TO and not is_directory and self._expected.take(path):
            return
        if name == GIT and mask & (flags.CREATE | flags.MOVED_TO):
            self._watch_repository(directory)
        if mask & (flags.DELETE | flags.MOVED_FROM):
            for locked in locked_names(name):
                beside = _joined(directory, locked)
                batch.released.append((beside, name, beside in batch.written or beside in batch.finished))
        is_told = not is_directory and (path in batch.modified or path in batch.finished)
        if not is_told and self.ignore.ignores(path, directory=is_directory):
            return
        (batch.in_git.add if self._git.covers(path) else batch.in_git.discard)(path)
        if mask & (flags.MODIFY | flags.CLOSE_WRITE):
            batch.written.add(path)
        if is_directory:
            self._take_directory(path, mask, batch)
        else:
            (batch.modified if mask & flags.MODIFY else batch.finished).add(path)

    def _take_directory(self, path: str, mask: int, batch: Batch) -> None:
        if mask & (flags.MOVED_FROM | flags.DELETE):
            self._forget(path)
            batch.removed_directories.add(path)
        elif mask & (flags.CREATE | flags.MOVED_TO):
            batch.new_directories.add(path)
        elif mask & flags.ATTRIB:
            batch.changed_directories.add(path)
            if path in self.passed_over or path not in self._watch_of or not self._is_readable(path):
                batch.new_directories.add(path)  # what is in it can be read now, or not any more

    def _is_readable(self, path: str) -> bool:
        """Whether a directory can be listed, or is gone, which others tell of."""
        try:
            os.close(self._root.open(path, os.O_DIRECTORY | os.O_RDONLY) if path else os.dup(self._root.descriptor))
        except OSError as error:
            return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
        return True


def _joined(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def is_at_or_beneath(path: str, directory: str) -> bool:
    """Whether a path is that of a directory, or of something in it; every path is beneath the root, which is empty."""
    return not directory or path == directory or path.startswith(f"{directory}/")


@asynccontextmanager
async def open_watcher(root: Root, ignore: IgnoreRules) -> AsyncIterator[Watcher]:
    """A watcher without watches yet: `scan` sets them. Raises FolderError: the kernel allows no more."""
    try:
        watcher = Watcher(root, ignore)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise FolderError(
            f"{root.path} cannot be watched: no inotify instance is left for this user. Allow more "
            "(`sudo sysctl fs.inotify.max_user_instances=1024`), or raise the limit of open files (`ulimit -n`)"
        ) from error
    try:
        yield watcher
    finally:
        watcher.close()
