"""Who is told of what was done to a document, and when.

Peers and the disk hear of an update when it is durable, in the order in which updates were applied. Programs of this
device (`early` listeners) hear at once of what came from elsewhere, unless something before it is still on its way:
that may be what it builds on.

Several updates can be one step: they become durable with one commit, and listeners are told of them together. Of the
updates of a step only the last one carries the state vector that the document has after it; the others say that one
`FOLLOWS`. A repair is always part of the step that it repairs: every device makes the same repair, so programs hear of
both together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import structlog

from yp2p.documents.synced import FOLLOWS, Listener
from yp2p.store.writer import Commit

# Updates on their way to the store: without the cap a peer that is faster than the disk fills the memory.
MAX_UNTOLD, _MAX_UNTOLD_BYTES = 512, 4 << 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Untold:
    """An update that was applied, on its way to the store."""

    update: bytes
    source: object
    commit: Commit
    was_early: bool  # whether the programs have it
    vector: bytes | None  # the state vector right after it, where it is no keystroke


class Telling:
    """The listeners of one document."""

    def __init__(self) -> None:
        self._listeners: dict[int, Listener] = {}
        self.early: dict[int, Listener] = {}  # those that need not wait for the store
        self._next = 0
        self._untold: deque[_Untold] = deque()
        self._step: list[_Untold] | None = None

    @property
    def is_needed(self) -> bool:
        """Whether somebody listens, or something is on its way."""
        return bool(self._listeners or self.early or self._untold)

    @property
    def is_behind(self) -> bool:
        """Whether so much is on its way that whoever brings more has to wait."""
        return len(self._untold) > MAX_UNTOLD or sum(len(u.update) for u in self._untold) > _MAX_UNTOLD_BYTES

    def updates(self) -> list[bytes]:
        """What was applied and has not been told, some of it on its way to the store."""
        return [untold.update for untold in (*self._untold, *(self._step or ()))]

    async def wait(self) -> None:
        """Return when what was applied so far is durable."""
        if self._untold:
            await self._untold[-1].commit.wait()

    def subscribe(self, listener: Listener, *, early: bool) -> Callable[[], None]:
        number, self._next = self._next, self._next + 1
        listeners = self.early if early else self._listeners
        listeners[number] = listener
        return lambda: listeners.pop(number, None) and None

    def applied(self, update: bytes, source: object, commit: Commit, vector: bytes | None) -> None:
        """An update was applied and will be durable with `commit`; `vector` as listeners are told."""
        untold = _Untold(update, source, commit, False, vector)
        if self._step is not None:
            self._step.append(untold)
        else:
            self._are_applied([untold])

    @contextmanager
    def as_one(self, vector: Callable[[], bytes]) -> Iterator[None]:
        """What is applied until this ends has one commit, and is told as one. No await in here.

        Args:
            vector: gives the state vector after it.
        """
        self._step = []
        try:
            yield
        finally:
            self._end_step(vector)

    def _end_step(self, vector: Callable[[], bytes]) -> None:
        step, self._step = self._step or [], None
        if len(step) > 1 and any(untold.vector is not None for untold in step):
            last = replace(step[-1], vector=vector())
            step = [*(replace(untold, vector=FOLLOWS) for untold in step[:-1]), last]
        if step:
            self._are_applied(step)

    def _are_applied(self, step: list[_Untold]) -> None:
        if step[0].source is not None and not self._untold:
            step = [replace(untold, was_early=True) for untold in step]
            for untold in step:
                _tell(self.early, untold.update, untold.source, untold.vector)
        self._untold += step
        step[-1].commit.then(self._tell_durable)

    def _tell_durable(self) -> None:
        while self._untold and self._untold[0].commit.is_done:
            untold = self._untold.popleft()
            _tell(self._listeners, untold.update, untold.source, untold.vector)
            if not untold.was_early:
                _tell(self.early, untold.update, untold.source, untold.vector)


def _tell(listeners: dict[int, Listener], update: bytes, source: object, vector: bytes | None) -> None:
    for number, listener in list(listeners.items()):
        try:
            listener(update, source, vector)
        except Exception:
            # It is told no more. Its fault is not that of who wrote this; digests will tell what its peer lacks.
            log.exception("listener_failed")
            listeners.pop(number, None)
