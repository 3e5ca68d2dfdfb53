"""The paths that this process moves new files to: the report of such a move is no news.

The kernel's reports of moves are in order, and do not say who moved a file. So the first report for each of these paths
is dropped; a second one is of a move by somebody else. All moves that are done have been reported by the end of the
next reading of the kernel's queue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class ExpectedMoves:
    """The paths of one folder."""

    def __init__(self) -> None:
        self._expected: set[str] = set()
        self._swallowed: set[str] = set()  # those that were reported, while others are still being put in place
        self._over: set[str] = set()  # those of which the kernel has told by now, if it did

    @contextmanager
    def moving(self, paths: set[str]) -> Iterator[set[str]]:
        """New files are moved to these paths in here. Gives a set, to which the caller adds those where one is."""
        placed: set[str] = set()
        self._expected |= paths
        try:
            yield placed
        finally:
            self._swallowed.clear()  # whoever asked for this knows of them now
            self._expected -= paths - placed
            self._over |= paths & placed  # the kernel has told of all by now: what is read next is the last of it

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What the kernel has told by now is read in here."""
        over, self._over = self._over, set()
        yield
        self._expected -= over

    def take(self, path: str) -> bool:
        """Something was moved to this path; tells whether that was expected."""
        if path not in self._expected:
            return False
        self._expected.remove(path)
        self._swallowed.add(path)
        return True

    def beneath(self, directories: Iterable[str]) -> set[str]:
        """The paths in these directories."""
        above = tuple(f"{directory}/" for directory in directories)
        return {path for path in self._expected | self._swallowed if path.startswith(above)}
