"""What others change in an open file, one change after the other, with who made it.

Theory of operation
    A change is told with places of the text right before it, as this process saw it. Whoever follows with a callback
    (`File.follow`) is told in the moment in which the text has changed, so a copy that is kept in step with the file
    has exactly the text before it. Whoever iterates is told later; `Edits.waiting` gives at once what has come and was
    not told yet, for who is about to write into the file with places of the text that they know.

Invariants
    * Changes come in order, each once, and none of this process's own.
    * No more than `MAX_WAITING` wait for a slow reader. Then all of them are dropped, and the next one says so: the
      text itself is what there is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yp2p.client.changes import ChangeCount
from yp2p.documents.diff import Hunk
from yp2p.documents.received import Received

__all__ = ["Author", "Authors", "Edit", "Edits", "Hunk", "Received"]

# As many as somebody types in half an hour.
MAX_WAITING = 10_000


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote something: a device, and on it, where that is known, a person or program.

    `device` is None where the daemon does not know it (any more).
    """

    device: str | None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that others made.

    Attributes:
        changes: replacements of the text right before it, in order and without overlap, in code points. Whoever makes
            them in a copy makes the last one first.
        authors: who made it; none where it only removed something that a program removed.
        is_gap: it stands for changes that nobody waited for: `changes` are none, and the text is to be read anew.
    """

    changes: tuple[Hunk, ...]
    authors: tuple[Author, ...] = ()
    is_gap: bool = False

    @property
    def delta(self) -> list[dict[str, Any]]:
        """The same as a delta as Yjs and Quill have it, in code points."""
        found: list[dict[str, Any]] = []
        at = 0
        for change in self.changes:
            if change.start > at:
                found.append({"retain": change.start - at})
            if change.text:
                found.append({"insert": change.text})
            if change.stop > change.start:
                found.append({"delete": change.stop - change.start})
            at = change.stop
        return found


class Authors:
    """Who writes in one file.

    Args:
        present: who else has it open, as awareness says.
        ask: asks the daemon for who writes with client IDs, of any time.
    """

    def __init__(
        self,
        present: Callable[[], Iterable[Mapping[str, Any]]],
        ask: Callable[[Sequence[int]], Awaitable[Iterable[Mapping[str, Any]]]],
    ) -> None:
        self._present = present
        self._ask = ask
        self._known: dict[int, Author] = {}

    async def of(self, clients: Sequence[int]) -> tuple[Author, ...]:
        """Who they are, each once. Whom the daemon cannot be asked for now is an author without a name."""
        for item in self._present():
            if item.get("client") in clients:
                self._known[item["client"]] = Author(item.get("device"), item.get("name"))
        unknown = [client for client in clients if client not in self._known]
        if unknown:
            for item in await self._ask(unknown):
                if item["device"] is not None:
                    self._known[item["client"]] = Author(item["device"], item["name"])
        return tuple(dict.fromkeys(self._known.get(client, Author(None)) for client in clients))


class Edits:
    """An asynchronous iterator over what others change from now on.

    Args:
        followers: who is told of changes.
        changes: is told of each change, and raises when nothing comes any more.
    """

    def __init__(
        self, followers: list[Callable[[Received], None]], authors: Authors, changes: ChangeCount
    ) -> None:  # fmt: skip
        self._followers = followers
        self._authors = authors
        self._changes = changes
        self._waiting: deque[Received] = deque()
        self._is_gap = False
        followers.append(self._take)

    def _take(self, received: Received) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self._is_gap = True
        if not self._is_gap:
            self._waiting.append(received)

    def close(self) -> None:
        """Follow no longer. Whoever leaves the loop without it is told of nothing, and costs what waits for them."""
        if self._take in self._followers:
            self._followers.remove(self._take)

    def waiting(self) -> list[Edit]:
        """What has come and was not told yet, without its authors; it is told now."""
        found = [Edit((), is_gap=True)] if self._is_gap else [Edit(one.changes) for one in self._waiting]
        self._waiting.clear()
        self._is_gap = False
        return found

    def __aiter__(self) -> Edits:
        return self

    async def __anext__(self) -> Edit:
        while not self._waiting and not self._is_gap:
            self._changes.check()
            await self._changes.event.wait()
        if self._is_gap:
            self._is_gap = False
            return Edit((), is_gap=True)
        received = self._waiting.popleft()
        return Edit(received.changes, await self._authors.of(received.clients))
