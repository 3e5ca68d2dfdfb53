"""A text that a program has open: the part of the Python API's `File` that is about edits and positions."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from pycrdt import Doc, Text

from yp2p.documents.positions import Assoc, Position
from yp2p.documents.shared import SharedText
from yp2p.documents.undo_stack import UndoManager


class EditableText:
    """Edits, positions and undo of one text. Indices count code points, as Python does."""

    def __init__(self, shared: SharedText) -> None:
        self._shared = shared
        self._undo = shared.undo_manager()

    @property
    def doc(self) -> Doc[Any]:
        """The live document; its root `Text` is `source`, which counts UTF-8 bytes. It has no other root."""
        return self._shared.doc

    @property
    def text(self) -> Text:
        """The root of the document. Its indices count UTF-8 bytes: `edit`, `insert` and `delete` do not."""
        return self._shared.text

    @text.setter
    def text(self, text: Text) -> None:
        if text is not self._shared.text:  # which is what `file.text += "more"` gives
            raise AttributeError("the text of a file is changed and not replaced; `replace_all` makes it another one")

    def __str__(self) -> str:
        return str(self._shared)

    def edit(self, start: int, stop: int, text: str) -> None:
        """Replace the characters `start:stop`. Where it raises, nothing has changed.

        Raises:
            IndexError: they are outside the text.
            TypeError, ValueError: no text file can hold this: half a surrogate pair, a NUL, too many bytes.
            FileUnavailable: the block is over.
        """
        self._shared.edit(start, stop, text)

    def insert(self, index: int, text: str) -> None:
        """Insert before a character. Raises as `edit`."""
        self._shared.insert(index, text)

    def delete(self, start: int, stop: int) -> None:
        """Remove the characters `start:stop`. Raises as `edit`."""
        self._shared.delete(start, stop)

    def replace_all(self, text: str) -> None:
        """Make the whole text this one, changing only what differs. Raises as `edit`."""
        self._shared.replace_all(text)

    def transaction(self, origin: str | None = None) -> AbstractContextManager[None]:
        """A context in which several changes are one, for the others and for undo.

        When an exception leaves it, the text is again what it was. What others write meanwhile comes after it.
        """
        return self._shared.transaction(origin)

    def position(self, index: int, assoc: Assoc = Assoc.AFTER) -> Position:
        """The position at an index, which stays there while the text changes. Raises PositionInvalid."""
        return self._shared.position(index, assoc)

    def index_of(self, position: Position) -> int:
        """Where a position is now. Raises PositionInvalid; PositionUnknown: it is beside what is not here (yet)."""
        return self._shared.index_of(position)

    @property
    def undo(self) -> UndoManager:
        """Undoes what this program did since it opened the file, and nothing of others (`pycrdt.UndoManager`).

        What a transaction with an origin did is undone only where `include_origin` names that origin.
        """
        return self._undo

    def undo_manager(self, **settings: Any) -> UndoManager:
        """One more, which begins now, with settings of its own: `scopes`, `capture_timeout_millis`, `timestamp`.

        The scopes are the text, unless others are named; they may be types of a `pycrdt.Doc` of the program's own.
        """
        return self._shared.undo_manager(**settings)
