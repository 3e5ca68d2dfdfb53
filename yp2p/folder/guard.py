"""The deletion guard: too many deletions at once need a person's word (invariant 8).

An empty directory, a wrong `rm -rf`, a script gone mad or a hostile member look alike: many files go at once. Deletes
of any origin are counted over ten minutes; when they become more than `MIN_FILES` and more than a quarter of the files,
or more bytes than the trash can hold, the folder is held here until somebody says which it was.
"""

from __future__ import annotations

from collections.abc import Mapping

from yp2p.identity import EntryID

WINDOW_S = 600.0
# A person who tidies up removes dozens of files; a quarter of a folder is no tidying.
MIN_FILES = 50
SHARE = 0.25


class DeletionGuard:
    """Counts the deletions of one folder. `now` is any steady clock, in seconds."""

    def __init__(self, trash_bytes: int) -> None:
        self._trash_bytes = trash_bytes
        # When it was deleted last, and its size; one file that comes and goes is one.
        self._done: dict[EntryID, tuple[float, int]] = {}
        self._approved: set[EntryID] = set()

    def refuses(self, sizes: Mapping[EntryID, int], live: int, now: float) -> str:
        """Why these deletions have to wait for a person's word; empty when they may be done.

        Args:
            sizes: entries about to be deleted, with their sizes in bytes.
            live: how many live entries the folder has, these included.
        """
        self._forget(now)
        wanted = {entry: size for entry, size in sizes.items() if entry not in self._approved}
        count = len(self._done.keys() | wanted.keys())
        total = live + len(self._done.keys() - sizes.keys())
        limit = max(MIN_FILES, int(SHARE * total))
        if wanted and count > limit:
            return f"{count} of {total} files were deleted within ten minutes"
        done = sum(size for entry, (_, size) in self._done.items() if entry not in wanted)
        if wanted and sum(wanted.values()) + done > self._trash_bytes:
            return f"{sum(wanted.values()) + done} bytes were deleted within ten minutes, more than the trash may hold"
        return ""

    def count(self, entry: EntryID, now: float, size: int = 0) -> None:
        """One of them was done."""
        if entry in self._approved:
            self._approved.discard(entry)
        else:
            self._done.pop(entry, None)  # the order is that of the times
            self._done[entry] = now, size

    def approve(self, entries: set[EntryID]) -> None:
        """A person said that these may be deleted."""
        self._approved |= entries
        self._done.clear()

    def done(self, now: float) -> set[EntryID]:
        """What was deleted within the last ten minutes."""
        self._forget(now)
        return set(self._done)

    def reset(self) -> None:
        self._done.clear()

    def _forget(self, now: float) -> None:
        while self._done and self._done[next(iter(self._done))][0] < now - WINDOW_S:
            del self._done[next(iter(self._done))]
