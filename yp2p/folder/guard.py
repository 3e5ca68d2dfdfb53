"""The deletion guard: too many deletions at once have to be confirmed by a person (invariant 8).

An empty directory, a wrong `rm -rf`, a script gone mad or a hostile member look alike: many files go at once. Deletes
of any origin are counted over ten minutes, and so are files whose content others replace; when they become more than
`MIN_FILES` and more than a quarter of the files, or more bytes than the trash can hold, the folder is paused here until
somebody confirms or reverts them. Of those of devices that were let in lately (`newcomers.py`), `MIN_NEW_FILES` are
enough, where they are more than a quarter of the files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from yp2p.identity import EntryID

WINDOW_S = 600.0
# A person who tidies up removes dozens of files; a quarter of a folder is no tidying.
MIN_FILES = 50
# Whoever is new here has not much to tidy up.
MIN_NEW_FILES = 10
SHARE = 0.25


@dataclass(frozen=True, slots=True)
class _Done:
    """When a file was deleted or replaced last, and the bytes of all times."""

    at: float
    size: int
    is_gone: bool
    is_by_new: bool


def limit_of(total: int) -> int:
    """How many of so many files may go, or go back, without anybody being asked."""
    return max(MIN_FILES, int(SHARE * total))


def limit_of_new(total: int) -> int:
    """The same of devices that were let in lately."""
    return max(MIN_NEW_FILES, int(SHARE * total))


class DeletionGuard:
    """Counts the deletions of one folder. `now` is any steady clock, in seconds."""

    def __init__(self, trash_bytes: int) -> None:
        self._trash_bytes = trash_bytes
        # One file that comes and goes is one; its bytes are in the trash as often.
        self._done: dict[EntryID, _Done] = {}
        self._approved: set[EntryID] = set()

    def use(self, trash_bytes: int) -> None:
        """The trash can hold so many bytes from now on."""
        self._trash_bytes = trash_bytes

    def refuses(
        self,
        sizes: Mapping[EntryID, int],
        live: int,
        now: float,
        verb: str = "deleted",
        by_new: Collection[EntryID] = (),
    ) -> str:
        """Why these deletions have to wait for a person's word; empty when they may be done.

        Args:
            sizes: entries about to be deleted, with their sizes in bytes.
            live: how many live entries the folder has, these included.
            verb: what is done to them, for the answer.
            by_new: those of them that devices delete that were let in lately.
        """
        self._forget(now)
        wanted = {entry: size for entry, size in sizes.items() if entry not in self._approved}
        count = len(self._done.keys() | wanted.keys())
        total = live + sum(1 for entry, done in self._done.items() if done.is_gone and entry not in sizes)
        limit = limit_of(total)
        if wanted and count > limit:
            return f"{count} of {total} files were {verb} within ten minutes"
        new = {entry for entry, done in self._done.items() if done.is_by_new} | (wanted.keys() & set(by_new))
        if wanted and len(new) > limit_of_new(total):
            return f"{len(new)} of {total} files were {verb} within ten minutes"
        size = sum(wanted.values()) + sum(done.size for done in self._done.values())
        if wanted and size > self._trash_bytes:
            return f"{size} bytes were {verb} within ten minutes, more than the trash may hold"
        return ""

    def count(
        self, entry: EntryID, now: float, size: int = 0, *, is_gone: bool = True, is_by_new: bool = False
    ) -> None:
        """One of them was done; it `is_gone`, or was replaced; by a device that was let in lately, or another one."""
        if entry in self._approved:
            self._approved.discard(entry)
        else:
            before = self._done.pop(entry, None)  # the order is that of the times
            size += before.size if before is not None else 0
            self._done[entry] = _Done(now, size, is_gone, is_by_new)

    def approve(self, entries: set[EntryID]) -> None:
        """A person said that these may be deleted."""
        self._approved |= entries
        self._done.clear()

    def let(self, entries: Iterable[EntryID]) -> None:
        """A person took these away one by one: they are no part of a flood, and what takes back one leaves them."""
        self._approved.update(entries)

    def done(self, now: float) -> set[EntryID]:
        """What was deleted within the last ten minutes."""
        self._forget(now)
        return set(self._done)

    def reset(self) -> None:
        self._done.clear()

    def _forget(self, now: float) -> None:
        while self._done and self._done[next(iter(self._done))].at < now - WINDOW_S:
            del self._done[next(iter(self._done))]
