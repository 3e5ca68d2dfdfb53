"""Which paths are to be looked at: what inotify reported, and what has rested since.

A file that was closed is looked at at once. One that is written to and stays open is looked at after `QUIET_S`
without a write, and after `NOISY_S` anyway. What a new directory holds is listed; until then more is to come.

A git command may write a file more than once, and what it writes first is nobody's: `git checkout --merge` writes the
other branch, and puts in again what was changed in the work tree. So what is written while git holds its lock is looked
at when the lock goes, and after `GIT_S` anyway; from then on nothing waits until one goes: git may wait for a person
(`git commit -a`), or have crashed. Times are trio's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from yp2p.files.watch import Batch

QUIET_S = 1.0
NOISY_S = 10.0
GIT_S = 5.0


class ChangedPaths:
    """The paths of one folder that wait to be looked at."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._written: dict[str, tuple[float, float]] = {}  # path: first and last write seen
        self._in_git: set[str] = set()  # what waits for git
        self._git_since: float | None = None  # since when something has waited for the lock that git holds
        self._listed: dict[str, set[str]] = {}  # new directories, and the paths that were found in each
        self.is_listing = False  # whether a new directory is being listed
        self.scan_wanted = True  # whether everything is to be looked at

    def __bool__(self) -> bool:
        return bool(self._paths)

    @property
    def is_waiting(self) -> bool:
        """Whether anything is to be looked at, now or later."""
        return bool(self._paths or self._written or self._in_git or self.is_listing or self.scan_wanted)

    def add(self, path: str) -> None:
        self._paths.add(path)

    def update(self, paths: Iterable[str]) -> None:
        self._paths.update(paths)

    def note(self, batch: Batch, known: Iterable[str], now: float) -> None:
        """Take what inotify reported.

        Args:
            known: paths of which those in a directory that is gone are to be looked at.
        """
        for path in batch.finished:
            self._written.pop(path, None)
        self._note_finished(batch, now)
        for path in batch.modified - batch.finished:
            first, _ = self._written.get(path, (now, now))
            self._written[path] = (first, now)
        self._paths.update(batch.removed_directories)
        if batch.removed_directories:
            prefixes = tuple(f"{directory}/" for directory in batch.removed_directories)
            self._paths.update(path for path in known if path.startswith(prefixes))
        self.scan_wanted = self.scan_wanted or batch.overflow

    def _note_finished(self, batch: Batch, now: float) -> None:
        waiting = batch.finished & batch.in_git
        if waiting and self._git_since is None:
            self._git_since = now
        if not waiting or batch.git_ended or batch.overflow or now >= self._git_until():
            waiting = set()
        self._in_git = (self._in_git - batch.finished) | waiting
        self._paths |= batch.finished - waiting
        if batch.git_ended or batch.overflow:
            self._git_since = None
            self._git_is_done()

    def _git_until(self) -> float:
        return self._git_since + GIT_S if self._git_since is not None else math.inf

    def _git_is_done(self) -> None:
        self._paths |= self._in_git
        self._in_git = set()

    def list_directory(self, directory: str, found: Collection[str]) -> None:
        """A new directory is watched, and these are the paths in it."""
        self._paths.update(found)
        self._listed[directory] = set(found)

    def take_listed(self) -> dict[str, set[str]]:
        """What was found in each directory that was listed since the last call (`new_directories.py`)."""
        listed, self._listed = self._listed, {}
        return listed

    def rest(self, now: float) -> None:
        """What was written to long enough ago is to be looked at."""
        if now >= self._git_until():
            self._git_is_done()
        for path, (first, last) in list(self._written.items()):
            if now - last >= QUIET_S or now - first >= NOISY_S:
                del self._written[path]
                self._paths.add(path)

    def take(self, also: Iterable[str] = ()) -> set[str]:
        """The paths to look at now."""
        paths, self._paths = self._paths.union(also), set()
        return paths

    def next_deadline(self) -> float:
        """When the next path has rested; infinite where none is being written to."""
        git_until = self._git_until() if self._in_git else math.inf
        return min([git_until, *(min(last + QUIET_S, first + NOISY_S) for first, last in self._written.values())])
