"""Which files were written to and are not looked at yet, by what, and which were written together."""

from __future__ import annotations

from collections.abc import Set

from yp2p.files.watch import Batch

# Files that were written within `WAVE_S`: nobody has this many editors open with old versions in them and saves all of
# them at once, while cp, rsync, tar, git and formatters write hundreds in that time.
WAVE_FILES = 8
WAVE_S = 1.0
# More than that were not written within a second by anything that this is about, and each is looked at for a decision.
_MOST_WRITTEN = 256


class Waves:
    """Which files were written at about the same time."""

    def __init__(self) -> None:
        self._written: dict[str, float] = {}  # when, in the order of being told

    def add(self, path: str, at_s: float) -> None:
        """A file was written; `at_s` in seconds by any clock, as long as it is one."""
        self._written.pop(path, None)
        self._written[path] = at_s
        while len(self._written) > _MOST_WRITTEN:
            del self._written[next(iter(self._written))]

    def includes(self, path: str) -> bool:
        """Whether a file is one of so many that it cannot be an editor's."""
        at_s = self._written.get(path)
        if at_s is None:
            return False
        return sum(abs(other - at_s) <= WAVE_S for other in self._written.values()) >= WAVE_FILES


class RecentWrites:
    """What inotify told of writers to the files of one folder."""

    def __init__(self) -> None:
        self.waves = Waves()
        self.reports = 0  # how many were taken
        # Written to, and not looked at since: in which report that was told last.
        self._written: dict[str, int] = {}
        self._pending: dict[str, int] = {}  # the same, and those that were put in place of another
        self._in_git: set[str] = set()  # written to last by a git command

    def take(self, batch: Batch, now: float) -> None:
        """Take a report; `now` in seconds since 1970."""
        self._written |= dict.fromkeys(batch.written, self.reports)
        self._pending |= dict.fromkeys(batch.written | batch.finished, self.reports)
        self._in_git = (self._in_git - batch.finished - batch.written) | batch.in_git
        self.reports += 1
        for path in batch.written:
            self.waves.add(path, now)

    def inspected(self, paths: Set[str], reports: int) -> None:
        """What the first `reports` reports told of these paths is known now."""
        for marks in (self._written, self._pending):
            for path in paths:
                if marks.get(path, reports) < reports:
                    del marks[path]

    def is_written(self, path: str) -> bool:
        """Whether somebody has written to the file: who reads it now reads that."""
        return path in self._written

    def is_pending(self, path: str) -> bool:
        """Whether the file was written to, or put in place of another."""
        return path in self._pending

    def is_in_git(self, path: str) -> bool:
        """Whether a git command was at work when the file at this path was written last."""
        return path in self._in_git
