"""A text as a program edits it: a live `pycrdt.Doc` with edits and positions in code points, and undo.

`pycrdt` counts texts in UTF-8 bytes, and an index inside a character corrupts the document on other devices. So edits
go through `edit`, `insert` and `delete`, which count code points as Python does. The document itself is there for
whatever else a program wants of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pycrdt import Doc, Text, TransactionEvent, UndoManager

from yp2p.documents.diff import Hunk, apply_hunks, hunks
from yp2p.documents.positions import Assoc, Position, PositionIndex
from yp2p.documents.replica import is_being_changed, raising_panics
from yp2p.documents.text import MAX_HUNKS, replace_in
from yp2p.errors import PositionInvalid
from yp2p.protocol.ysync import Shape

# The origin of changes that came from the daemon, which are never undone here.
FROM_DAEMON = "yp2p daemon"


class SharedText:
    """One file's text in this process.

    Args:
        on_change: takes every update that was made here.
        on_receive: is called after each change that came from others.
    """

    def __init__(self, on_change: Callable[[bytes], None], on_receive: Callable[[], None] = lambda: None) -> None:
        self.doc: Doc[Any] = Doc(client_id=secrets.randbelow(2**32 - 1) + 1)
        self.text: Text = self.doc.get(Shape.TEXT.value, type=Text)
        self._on_change = on_change
        self._on_receive = on_receive
        self._is_receiving = False
        self._transactions = 0
        self._held: list[bytes] = []  # what came while a transaction was open
        self._positions: PositionIndex | None = None
        self._cached: str | None = None  # the text, since the last change
        self._subscription = self.doc.observe(self._changed)

    def close(self) -> None:
        """Let go of the document: one that is observed is never freed."""
        self.doc.unobserve(self._subscription)

    def _changed(self, event: TransactionEvent) -> None:
        update = bytes(event.update)
        self._cached = None
        if self._positions is not None:
            self._positions.apply(update)
        if self._is_receiving:
            self._on_receive()
        else:
            self._on_change(update)

    def __str__(self) -> str:
        if is_being_changed(self.doc):
            return str(self.text)
        if self._cached is None:
            self._cached = str(self.text)
        return self._cached

    def receive(self, update: bytes) -> None:
        """Apply what the daemon sent; after the transaction that is open, if there is one: it is no part of that."""
        if self._transactions:
            self._held.append(update)
            return
        self._is_receiving = True
        try:
            with raising_panics(), self.doc.transaction(origin=FROM_DAEMON):
                self.doc.apply_update(update)
        finally:
            self._is_receiving = False

    def state_vector(self) -> bytes:
        return self.doc.get_state()

    def update_since(self, state_vector: bytes) -> bytes:
        return self.doc.get_update(state_vector)

    @contextmanager
    def transaction(self, origin: str | None = None) -> Iterator[None]:
        """Changes that belong together, for the others and for undo.

        Args:
            origin: whose changes these are, for `undo_manager`.
        """
        self._transactions += 1
        try:
            with self.doc.transaction(origin=origin) if origin is not None else self.doc.transaction():
                yield
        finally:
            self._transactions -= 1
            while self._held and not self._transactions:
                self.receive(self._held.pop(0))

    def edit(self, start: int, stop: int, text: str) -> None:
        """Replace the code points `start:stop` by `text`. Raises IndexError: they are outside the text."""
        self._apply([Hunk(start, stop, text)])

    def insert(self, index: int, text: str) -> None:
        """Insert before code point `index`. Raises IndexError."""
        self.edit(index, index, text)

    def delete(self, start: int, stop: int) -> None:
        """Remove the code points `start:stop`. Raises IndexError."""
        self.edit(start, stop, "")

    def replace_all(self, text: str) -> None:
        """Make the whole text this one, changing only what differs, as a save would."""
        self._apply(hunks(str(self), text, limit=MAX_HUNKS))

    def _apply(self, changes: Sequence[Hunk]) -> None:
        before = str(self)
        places = [place for hunk in changes for place in (hunk.start, hunk.stop)]
        if any(not 0 <= place <= len(before) for place in places) or any(h.start > h.stop for h in changes):
            raise IndexError(f"{places} is outside a text of {len(before)} characters")
        is_nested = is_being_changed(self.doc)
        with self.doc.transaction():
            replace_in(self.text, before, changes)
        if not is_nested:
            self._cached = apply_hunks(before, changes)  # to ask the library takes longer than everything else

    def position(self, index: int, assoc: Assoc = Assoc.AFTER) -> Position:
        """The position at code point `index`. Raises PositionInvalid: it is no index, or no association."""
        if not isinstance(index, int) or assoc not in tuple(Assoc):
            raise PositionInvalid(f"{index!r} with {assoc!r} is no place in a text")
        return self._index().create(str(self), index, assoc)

    def index_of(self, position: Position) -> int:
        """Where a position is now, in code points. Raises PositionUnknown."""
        return self._index().resolve(str(self), position)

    def _index(self) -> PositionIndex:
        if self._positions is None:
            self._positions = PositionIndex(self.doc.get_update())
        return self._positions

    def undo_manager(self, **settings: Any) -> UndoManager:
        """Undo what this process did, and nothing that came from the daemon (`pycrdt.UndoManager`).

        Args:
            settings: `scopes` (the text, unless others are named), `capture_timeout_millis`, `timestamp`.
        """
        return UndoManager(**{"scopes": [self.text], **settings})
