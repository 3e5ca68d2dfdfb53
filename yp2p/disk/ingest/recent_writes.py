"""Which files were written to and are not looked at yet, by what, and which were written together."""

from __future__ import annotations

from collections.abc import Set

from yp2p.disk.ingest.evidence import Waves
from yp2p.files.watch import Batch


class RecentWrites:
    """What inotify told of writers to the files of one folder."""

    def __init__(self) -> None:
        self.waves = Waves()
        self._written: set[str] = set()  # written to, and not looked at yet
        self._pending: set[str] = set()  # the same, and those that were put in place of another
        self._in_git: set[str] = set()  # written to last by a git command

    def take(self, batch: Batch, now: float) -> None:
        """Take a report; `now` in seconds since 1970."""
        self._written |= batch.written
        self._pending |= batch.written | batch.finished
        self._in_git = (self._in_git - batch.finished - batch.written) | batch.in_git
        for path in batch.written:
            self.waves.add(path, now)

    def inspected(self, paths: Set[str]) -> None:
        """What was written to these paths is known now."""
        self._written -= paths
        self._pending -= paths

    def is_written(self, path: str) -> bool:
        """Whether somebody has written to the file: who reads it now reads that."""
        return path in self._written

    def is_pending(self, path: str) -> bool:
        """Whether the file was written to, or put in place of another."""
        return path in self._pending

    def is_in_git(self, path: str) -> bool:
        """Whether a git command was at work when the file at this path was written last."""
        return path in self._in_git
