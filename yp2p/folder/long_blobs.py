"""A long blob that is being put together from chunks, by all sessions whose peers have it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import trio

from yp2p.files.blobs import Assembly
from yp2p.files.root import Root
from yp2p.folder.claims import Claims
from yp2p.identity import DeviceID

# Chunks in one request.
CHUNKS_IN_REQUEST = 16


class LongBlob:
    """What the sessions that fetch one blob share. The last one to leave closes it.

    Invariants
        * Only who holds `writing` touches the assembly, and nobody once the blob is complete: it may be in its place.

    Attributes:
        ready: set once what is here already was found; before that nothing is asked for.
        left: chunks that have not been written.
    """

    def __init__(self, blob: bytes, root: Root, assembly: Assembly) -> None:
        self.blob = blob
        self.root = root
        self.assembly = assembly
        self.ready = trio.Event()
        self.writing = trio.Lock()
        self.left: set[int] = set()
        self.users = 0
        self.is_complete = False
        self._never_asked: Iterator[tuple[int, int]] = iter(())
        self._waiting: set[trio.CancelScope] = set()

    def begin(self) -> None:
        """What is here already was found."""
        self.left = set(self.assembly.missing)
        self._never_asked = runs(sorted(self.left))
        self.ready.set()

    def claim(
        self, peer: DeviceID, claims: Claims, now: float, size: int, *, most: int = CHUNKS_IN_REQUEST
    ) -> tuple[int, int] | None:
        """The next chunks to ask a peer for, as first and count; None when all are asked for, and may still come.

        Args:
            size: of a chunk, in bytes, with what was asked for before it.
            most: so many chunks at most.
        """
        run = next(self._never_asked, None)
        if run is not None and run[1] > most:
            self._never_asked = chain([(run[0] + most, run[1] - most)], self._never_asked)
            run = run[0], most
        if run is None:
            lapsed = sorted(index for index in self.left if not claims.is_held(self.key(index), peer, now))
            run = next(runs(lapsed), None)
            run = (run[0], min(run[1], most)) if run is not None else None
        if run is not None:
            claims.take([self.key(index) for index in range(run[0], sum(run))], peer, now, size=size)
        return run

    def key(self, index: int) -> bytes:
        """What a claim on a chunk is called."""
        return self.blob + index.to_bytes(4, "big")

    def waiting(self) -> trio.CancelScope:
        """A scope to wait for answers in: it ends when somebody else completes the blob."""
        scope = trio.CancelScope()
        self._waiting.add(scope)
        return scope

    def stopped_waiting(self, scope: trio.CancelScope) -> None:
        self._waiting.discard(scope)

    def completed(self) -> None:
        """The blob is whole: nobody waits for chunks any more."""
        self.is_complete = True
        for scope in self._waiting:
            scope.cancel()

    def close(self) -> None:
        self.assembly.close()
        self.root.close()


def runs(indices: list[int]) -> Iterator[tuple[int, int]]:
    """Runs of neighbours as first and count, each of at most a request's length."""
    start = 0
    for at in range(1, len(indices) + 1):
        if at == len(indices) or indices[at] != indices[at - 1] + 1 or at - start == CHUNKS_IN_REQUEST:
            yield indices[start], at - start
            start = at
