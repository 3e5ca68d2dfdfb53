"""What is to be rendered: the entries whose file may differ from what the documents say, and waking the disk actor.

Whoever changes what an entry's file has to hold says so with `want`; the disk actor is awake from then on. What
programs type wakes it when that is durable, and only after a moment: their keystrokes come first.

Invariants
    * Every entry whose file may differ from what the documents say is in the queue, or waits for its time
      (`disk/render/retries.py`).
    * No `want` or `wake` is lost: `start` is called before a round of work looks at anything.
    * A batch that failed is wanted again, in ever smaller ones, and one of those goes with each round: what is wrong
      with one file keeps no other one from its place, whatever else there is to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

import trio

from yp2p.identity import EntryID
from yp2p.store.writer import Commit

# A keystroke goes to the other programs and devices before it goes to the file.
_TYPING_S = 0.02
# Of a batch that failed, so many are done together; and those of them that fail again, one by one.
_AFTER_A_FAILURE = 32


class RenderQueue:
    """The entries to be rendered, in no order."""

    def __init__(self) -> None:
        self._entries: set[EntryID] = set()
        self._resting: set[EntryID] = set()
        self._failures: dict[EntryID, int] = {}  # of batches that an entry was in
        self._work = trio.Event()
        self._is_typed_into = False

    def __contains__(self, entry: object) -> bool:
        return entry in self._entries

    def __iter__(self) -> Iterator[EntryID]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __and__(self, entries: Set[EntryID]) -> set[EntryID]:
        return self._entries & entries

    def want(self, entry: EntryID) -> None:
        """Have the file of this entry looked at: there is news of it, or its time has come."""
        self._entries.add(entry)
        self._resting.discard(entry)
        self._work.set()

    def want_all(self, entries: Iterable[EntryID]) -> None:
        """`want` of each."""
        entries = set(entries)
        self._entries |= entries
        self._resting -= entries
        self._work.set()

    def want_unless_resting(self, entries: Iterable[EntryID]) -> None:
        """`want` of those that do not rest: what may help others is no news of what has just failed."""
        awake = set(entries) - self._resting
        if awake:
            self.want_all(awake)

    def rest(self, entry: EntryID) -> None:
        """The entry waits for its time: who makes it wait wants it then, or who comes after wants all that rest."""
        self._resting.add(entry)

    def want_resting(self) -> set[EntryID]:
        """`want` of all that rest, and gives them: whoever knew their times is no more."""
        resting = set(self._resting)
        self.want_all(resting)
        return resting

    def want_typed(self, entry: EntryID, stored: Commit) -> None:
        """Have the file of an entry looked at into which programs type, once what they typed is stored."""
        self._entries.add(entry)
        self._is_typed_into = True
        stored.then(self.wake)

    def failed(self, entries: Iterable[EntryID]) -> None:
        """A batch of these entries ended by an exception: `want` of each, to be done in smaller ones."""
        for entry in entries:
            self._failures[entry] = self._failures.get(entry, 0) + 1
            self.want(entry)

    def succeeded(self, entries: Iterable[EntryID]) -> None:
        """A batch of these entries is done."""
        if self._failures:
            for entry in entries:
                self._failures.pop(entry, None)

    def has_failed(self, entry: EntryID) -> bool:
        return entry in self._failures

    def batches(self) -> list[list[EntryID]]:
        """The entries of now: those that never failed, and a few of those that did least often."""
        failed = sorted(self._entries & self._failures.keys(), key=lambda entry: self._failures[entry])
        if not failed:
            return [[*self._entries]]
        few = _AFTER_A_FAILURE if self._failures[failed[0]] == 1 else 1
        together = [entry for entry in failed[:few] if self._failures[entry] == self._failures[failed[0]]]
        return [[entry for entry in self._entries if entry not in self._failures], together]

    def take(self, entry: EntryID) -> None:
        """This entry is about to be rendered."""
        self._entries.discard(entry)

    def put_off(self, entries: Iterable[EntryID]) -> None:
        """Take entries out; whoever does sees to it that they come back."""
        self._entries.difference_update(entries)

    def wake(self) -> None:
        """Have the disk actor look at what else there is to do."""
        self._work.set()

    def start(self) -> None:
        """A round of work begins: what is wanted from now on is for the next one."""
        self._work = trio.Event()

    @property
    def is_woken(self) -> bool:
        """Whether something came since the round of work began."""
        return self._work.is_set()

    async def wait(self, until: float = float("inf")) -> None:
        """Return when there is something to do, or at that time (trio's clock)."""
        with trio.move_on_at(until):
            await self._work.wait()
        if self._is_typed_into:
            self._is_typed_into = False
            await trio.sleep(_TYPING_S)

    def trim(self) -> None:
        """Give back the room of a first sync: an empty set keeps it."""
        if not self._entries:
            self._entries = set()
