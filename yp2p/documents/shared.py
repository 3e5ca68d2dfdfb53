"""A text as a program edits it: a live `pycrdt.Doc` with edits and positions in code points, and undo.

`pycrdt` counts texts in UTF-8 bytes, and an index inside a character corrupts the document on other devices. So edits
go through `edit`, `insert` and `delete`, which count code points as Python does. The document itself is there for
whatever else a program wants of it; it is guarded (`guarded.py`).

Invariants
    * Where an edit fails, nothing has changed; where a transaction fails, the text is what it was before it.
    * What comes from the daemon while a transaction is open is applied after it, whoever opened it.
    * Positions are right at any time, in a transaction as well: what the transaction has done so far is brought to
      their index. Earlier changes are brought to it only when a position is asked for, as that takes longer than to
      apply them.
    * An edit is the same operations, whoever finds its place: the library, or the outline of a text that is edited much
      (`followed.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from pycrdt import Text, TransactionEvent

from yp2p.documents.diff import Hunk, hunks
from yp2p.documents.followed import FollowedText
from yp2p.documents.guarded import FileDoc, check_place, check_text
from yp2p.documents.positions import Assoc, Position
from yp2p.documents.received import Received, received_in
from yp2p.documents.replica import is_being_changed, raising_panics
from yp2p.documents.text import MAX_HUNKS, replace_in
from yp2p.documents.undo_stack import UndoManager
from yp2p.errors import PositionInvalid

# The origin of changes that came from the daemon, which are never undone here.
FROM_DAEMON = "yp2p daemon"


class SharedText:
    """One file's text in this process.

    Args:
        on_change: takes every update that was made here.
        on_receive: is called after each change that came from others.
        check_open: raises when nothing may be written any more.
    """

    def __init__(
        self,
        on_change: Callable[[bytes], None],
        on_receive: Callable[[], None] = lambda: None,
        check_open: Callable[[], None] = lambda: None,
    ) -> None:
        self._check_open = check_open
        self.max_bytes: int | None = None  # how large the text may become by an edit here
        self.doc = FileDoc(
            secrets.randbelow(2**32 - 1) + 1, edit=self.edit, check=check_open, on_end=self._receive_held
        )
        self.text: Text = self.doc.text
        self._on_change = on_change
        self._on_receive = on_receive
        self._is_receiving = False
        self.followers: list[Callable[[Received], None]] = []  # who is told what others change
        self._held: list[bytes] = []  # what came while a transaction was open
        self._followed = FollowedText(self.doc)
        self._sized: tuple[str, int] | None = None  # a text and how many bytes it has
        self._subscription = self.doc.observe(self._changed)

    def close(self) -> None:
        """Let go of the document: one that is observed is never freed."""
        self.doc.unobserve(self._subscription)

    def _changed(self, event: TransactionEvent) -> None:
        update = bytes(event.update)
        self._followed.changed(update)
        if self._is_receiving:
            self._on_receive()
        else:
            self._on_change(update)

    def __str__(self) -> str:
        return self._followed.text()

    def receive(self, *updates: bytes) -> None:
        """Apply what the daemon sent; after the transaction that is open, if there is one: it is no part of that."""
        if is_being_changed(self.doc):
            self._held += updates
            return
        told = self.followers and received_in(self.doc.library_text, str(self), updates, self._tell_followers)
        with told or nullcontext():
            self._is_receiving = True
            try:
                with raising_panics(), self.doc.transaction(origin=FROM_DAEMON):
                    for update in updates:
                        self.doc.receive(update)
            finally:
                self._is_receiving = False

    def _tell_followers(self, received: Received) -> None:
        for follower in list(self.followers):
            follower(received)

    def _receive_held(self) -> None:
        while self._held and not is_being_changed(self.doc):
            self.receive(self._held.pop(0))

    def state_vector(self) -> bytes:
        return self.doc.get_state()

    def update_since(self, state_vector: bytes) -> bytes:
        return self.doc.get_update(state_vector)

    @contextmanager
    def transaction(self, origin: str | None = None) -> Iterator[None]:
        """Changes that belong together, for the others and for undo. When its block fails, the text is what it was.

        Args:
            origin: whose changes these are, for `undo_manager`.
        """
        self._check_open()
        before = str(self)
        with self.doc.transaction(origin=origin):
            try:
                yield
            except BaseException:
                self._apply(hunks(str(self), before, limit=MAX_HUNKS))
                raise

    def edit(self, start: int, stop: int, text: str) -> None:
        """Replace the code points `start:stop` by `text`. Where it raises, nothing has changed.

        Raises:
            IndexError: they are outside the text.
            TypeError, ValueError: a file cannot hold this (`check_text`), or the text would be too large, if only
                until the end of a transaction.
        """
        self._check_open()
        start, stop, size = check_place(start), check_place(stop), len(str(self))
        if not 0 <= start <= stop <= size:
            raise IndexError(f"{start}:{stop} is outside a text of {size} characters")
        size_after = self._check_size(check_text(text), start, stop)
        self._apply([Hunk(start, stop, text)])
        if size_after is not None and not is_being_changed(self.doc):
            self._sized = str(self), size_after

    def insert(self, index: int, text: str) -> None:
        """Insert before code point `index`. Raises as `edit`."""
        self.edit(index, index, text)

    def delete(self, start: int, stop: int) -> None:
        """Remove the code points `start:stop`. Raises as `edit`."""
        self.edit(start, stop, "")

    def replace_all(self, text: str) -> None:
        """Make the whole text this one, changing only what differs, as a save would. Raises as `edit`."""
        self._check_open()
        self._check_size(check_text(text), 0, len(str(self)))
        self._apply(hunks(str(self), text, limit=MAX_HUNKS))

    def _check_size(self, new: str, start: int, stop: int) -> int | None:
        """How many bytes the text has with this in the place of the code points `start:stop`, where it could be many.

        Raises:
            ValueError: too many.
        """
        before = str(self)
        if self.max_bytes is None or 4 * (len(before) + len(new)) <= self.max_bytes:
            return None  # a character has at most four bytes
        if self._sized is None or self._sized[0] is not before:
            self._sized = before, _size(before)
        had = self._sized[1]
        size = had - _size(before[start:stop]) + _size(new)
        if size > max(self.max_bytes, had):
            raise ValueError(
                f"the text would have {size} bytes, and a text file of this device has at most {self.max_bytes} "
                "([files] max_text_bytes): write less, or raise that limit"
            )
        return size

    def _apply(self, changes: Sequence[Hunk]) -> None:
        """Make changes that were checked."""
        before, is_nested = str(self), is_being_changed(self.doc)
        update = self._followed.update_for(changes[0]) if len(changes) == 1 else None
        with self.doc.transaction():
            if update is not None:
                self.doc.receive(update)
            else:
                replace_in(self.doc.library_text, before, changes)
        if update is None and not is_nested:
            self._followed.changed_here(before, changes)

    def position(self, index: int, assoc: Assoc = Assoc.AFTER) -> Position:
        """The position at code point `index`. Raises PositionInvalid: it is no index, or no association."""
        if not isinstance(index, int) or assoc not in tuple(Assoc):
            raise PositionInvalid(f"{index!r} with {assoc!r} is no place in a text")
        return self._followed.index().create(str(self), index, assoc)

    def index_of(self, position: Position) -> int:
        """Where a position is now, in code points. Raises PositionInvalid: it is none; PositionUnknown."""
        if not isinstance(position, Position):
            raise PositionInvalid(f"{position!r:.80} is no Position")
        return self._followed.index().resolve(str(self), position)

    def undo_manager(self, **settings: Any) -> UndoManager:
        """Undo what this process did, and nothing that came from the daemon.

        Args:
            settings: those of `UndoManager`; its `scopes` are the text, unless others are named.
        """
        return UndoManager(**{"scopes": [self.text], **settings})


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
