"""A replica: one pycrdt document behind a wall, with the updates it makes.

Theory of operation
    pycrdt crashes or panics on bytes that honest documents never contain, counts text in UTF-8 bytes where Python
    counts code points, and lets an event be read only during its transaction. This module alone deals with that:
    everything else calls `receive` for a peer's bytes and `apply` for our own.

    What changed a replica comes out as the *update of the transaction* (`bytes(event.update)` inside the
    callback): only the news, however much of a received update was known before. The document is observed while it is
    changed and not longer: a callback holds its document, and the document the callback, where Python cannot see it, so
    a document with an observer is never freed.

Invariants
    * A peer's bytes are `Checked`, and what they build on is here (`check_dependencies`), before pycrdt sees them.
    * A panic is caught in `raising_panics` alone, becomes `CrdtPanic`, and the replica refuses all
      further use: what it would say now could be wrong on others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any

from pycrdt import Doc, Snapshot, TransactionEvent

from yp2p.errors import CrdtPanic, InvalidUpdate
from yp2p.protocol.delete_sets import deleting_quickly
from yp2p.protocol.deleted_ranges import FEW_RANGES, DeletedRange, snapshot_parts
from yp2p.protocol.dependencies import check_dependencies
from yp2p.protocol.state_vectors import encode_state_vector, read_state_vector
from yp2p.protocol.versions import VersionReader
from yp2p.protocol.ysync import Checked, Shape, check, parse_update

# What deletes more makes the next version take milliseconds longer.
_MANY_RANGES = 1 << 10

_FOUR_BYTES = re.compile(rb"[\xf0-\xf4]")


@contextmanager
def raising_panics() -> Iterator[None]:
    """A panic of the library becomes an exception. Raises CrdtPanic."""
    try:
        yield
    except BaseException as error:
        # pyo3's PanicException cannot be imported and is no Exception: match its name.
        if type(error).__name__ == "PanicException":  # never trio.Cancelled
            raise CrdtPanic(str(error)) from None  # noqa: ASYNC104 (a panic, not a cancellation)
        raise


def is_being_changed(doc: Doc[Any]) -> bool:
    """Whether a transaction of a document is open: observers have not been told of what was changed in it."""
    return doc._txn is not None


class Replica:
    """One document of one shape. Not safe to use after `CrdtPanic`."""

    shape: Shape

    def __init__(self, client_id: int) -> None:
        self.client_id = client_id
        self._news: list[bytes] = []
        self._panicked = False
        self._changes = 0  # how many there were
        self._clocks: dict[int, int] | None = None  # since the last change
        self.versions = VersionReader()
        self._is_receiving = False  # what a peer sent has been parsed already
        self.halves: set[tuple[int, int]] = set()  # second halves of surrogate pairs, as the wall needs them
        self._doc: Doc[Any] = Doc(client_id=client_id)

    def _on_transaction(self, event: TransactionEvent) -> None:
        update = bytes(event.update)
        self._news.append(update)
        self._changes += 1
        self._clocks = None
        if not self._is_receiving:
            self._note_halves(update)

    def _note_halves(self, update: bytes) -> None:
        """Remember where characters of two UTF-16 units are; their UTF-8 begins with F0 to F4."""
        if self.shape is Shape.TEXT and _FOUR_BYTES.search(update):
            with suppress(InvalidUpdate):  # from the store; what a peer sends has been parsed before
                self.halves |= parse_update(update).halves

    @contextmanager
    def _calling_pycrdt(self) -> Iterator[None]:
        if self._panicked:
            raise CrdtPanic("this document panicked before")
        try:
            with raising_panics():
                yield
        except CrdtPanic:
            self._panicked = True
            raise

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Calls that may change the document: what they change is noted."""
        with self._calling_pycrdt():
            subscription = self._doc.observe(self._on_transaction)
            try:
                yield
            finally:
                self._doc.unobserve(subscription)

    def _take_news(self) -> bytes | None:
        news, self._news = self._news, []
        if len(news) > 1:
            raise AssertionError(f"one call made {len(news)} transactions")
        return news[0] if news else None

    def load(self, updates: Iterable[bytes]) -> None:
        """Apply our own updates from the store, many at once."""
        with self._calling_pycrdt(), self._doc.transaction():
            for update in updates:
                self._doc.apply_update(update)
                self._note_halves(update)
        self._changes += 1
        self._clocks = None

    def apply(self, update: bytes) -> bytes | None:
        """Apply an update that this device made; gives what was news, None when nothing was."""
        with self._changing():
            self._doc.apply_update(update)
        return self._take_news()

    def receive(self, data: bytes) -> bytes | None:
        """`check` a peer's update, and `take` it. Raises as `take`."""
        return self.take(check(data, self.shape))

    def take(self, update: Checked) -> bytes | None:
        """Apply a peer's update; gives what was news, None when nothing was.

        Raises:
            InvalidUpdate: no honest device made this.
            MissingDependency: something before it is missing here.
            CrdtPanic: the library panicked all the same.
        """
        clocks, parsed = self.clocks(), update.parsed
        check_dependencies(parsed, clocks, self.halves)
        self._is_receiving = True
        try:
            news = self.apply(update.data)
        finally:
            self._is_receiving = False
            self.halves |= parsed.halves
        if news is not None and len(update.deleted) > FEW_RANGES:
            news = deleting_quickly(news, self.shape)
        # All that it builds on is here, so the library has taken all of it; to ask takes as long as to apply.
        for client, (_, stop) in parsed.sections.items():
            clocks[client] = max(clocks.get(client, 0), stop)
        self._clocks = clocks
        if len(update.deleted) > _MANY_RANGES:
            self.version()  # so that whoever asks for it after the last of many parts need not read all of them
        return news

    def state_vector(self) -> bytes:
        with self._calling_pycrdt():
            return self._doc.get_state()

    def clocks(self) -> dict[int, int]:
        """The state vector as a mapping of client ID to clock."""
        if self._clocks is None:
            self._clocks = read_state_vector(self.state_vector())
        return dict(self._clocks)

    def state(self) -> bytes:
        """The whole document as one update."""
        with self._calling_pycrdt():
            return self._doc.get_update()

    def update_since(self, state_vector: bytes) -> bytes:
        """What a holder of `state_vector` lacks. Raises InvalidUpdate for a vector that is not one."""
        theirs, ours = read_state_vector(state_vector), self.clocks()
        if not theirs.keys() <= ours.keys():  # clients that are not here only take the library time
            state_vector = encode_state_vector({client: theirs[client] for client in ours.keys() & theirs.keys()})
        with self._calling_pycrdt():
            return self._doc.get_update(state_vector)

    def deleted(self) -> list[DeletedRange]:
        """What is deleted in this document."""
        return list(chain.from_iterable(self.deleted_parts()))

    def deleted_parts(self) -> Iterator[list[DeletedRange]]:
        """What is deleted at the time of this call, as many ranges at a time as are read in some milliseconds."""
        with self._calling_pycrdt():
            snapshot = Snapshot.from_doc(self._doc).encode()
        return snapshot_parts(snapshot)

    def version(self) -> bytes:
        """32 bytes that are equal on two devices exactly when they hold the same operations (invariant 9)."""
        with self._calling_pycrdt():
            snapshot = Snapshot.from_doc(self._doc).encode()
        return self.versions.version(snapshot)
