"""What a live document says and where positions are in it, without asking the library for each change.

To read a text the library walks over all of its blocks, and so it does to find a place. A document that is asked again
and again gets an *outline* (`outline.py`), which knows both by itself. To make one takes about as long as fifty walks,
so it is made after a few of them; where one is of no use any more the next is made after twice as many. A text that
has none (it has few blocks or very many operations, or its outline declined) is asked of the library, and its positions
of a `PositionIndex`.
"""

from __future__ import annotations

from collections.abc import Sequence

from yp2p.documents.diff import Hunk, apply_hunks
from yp2p.documents.guarded import FileDoc
from yp2p.documents.outline import Outline
from yp2p.documents.positions import PositionIndex
from yp2p.documents.replica import is_being_changed
from yp2p.errors import CrdtPanic, InvalidUpdate

# So many updates wait at most to be brought to the outline, or the index of positions.
_MAX_UNPLACED = 256
_FIRST_WALKS = 8
# In a text of fewer blocks the library walks as fast as an outline is copied.
_CHARACTERS_A_BLOCK = 64


class FollowedText:
    """The text of a document. It is told of each change, and nothing of a transaction that is open."""

    def __init__(self, doc: FileDoc) -> None:
        self._doc = doc
        self._cached: str | None = None  # the text, since the last change
        self._outline: Outline | None = None
        self._positions: PositionIndex | None = None
        self._placed = ""  # the text that the outline knows
        self._unplaced: list[bytes] = []  # what neither of the two has yet
        self._brought: tuple[bytes, str] | None = None  # state vector and text that a transaction was asked at
        self._walks, self._wanted = 0, _FIRST_WALKS

    def changed(self, update: bytes) -> None:
        """A transaction has ended that made this update."""
        self._cached = None
        if self._outline is not None or self._positions is not None:
            self._unplaced.append(update)
            if len(self._unplaced) >= _MAX_UNPLACED:
                self._place()

    def changed_here(self, before: str, changes: Sequence[Hunk]) -> None:
        """What the library was told to change in a text has ended."""
        if self._outline is None:
            self._cached = apply_hunks(before, changes)  # to ask the library takes longer than everything else
            self._walk()

    def text(self) -> str:
        if is_being_changed(self._doc):
            return str(self._doc.library_text)
        if self._cached is None:
            self._place()
            if self._outline is None:
                self._cached = str(self._doc.library_text)
                self._walk()
            else:
                self._cached = self._placed
        return self._cached

    def update_for(self, change: Hunk) -> bytes | None:
        """The update that makes a change; None where the library has to find its place."""
        text = self.text()
        if self._outline is None or is_being_changed(self._doc):
            return None
        return self._outline.edit(self._doc.client_id, text, change.start, change.stop, change.text)

    def index(self) -> Outline | PositionIndex:
        """What knows the positions in the text as it is now."""
        self._place()
        if self._outline is None and self._positions is None:
            self._walk(_FIRST_WALKS)
            if self._outline is None:
                self._positions = PositionIndex(self._doc.get_update())
        elif is_being_changed(self._doc):
            self._bring()
        return self._outline or self._positions or PositionIndex(self._doc.get_update())

    def _bring(self) -> None:
        """Bring what a transaction that is open has done so far to the index of positions."""
        now = self._doc.get_state(), str(self._doc.library_text)
        if self._brought == now:
            return
        known = self._outline or self._positions
        assert known is not None
        self._unplaced.append(self._doc.get_update(known.state_vector()))
        self._place()
        if self._outline is None and self._positions is None:
            self._positions = PositionIndex(self._doc.get_update())
        self._brought = now

    def _place(self) -> None:
        """Bring what happened to the outline, or the index of positions."""
        updates, self._unplaced = self._unplaced, []
        if not updates:
            return
        if self._outline is not None:
            for update in updates:
                placed = self._outline.apply(self._placed, update)
                if placed is None:
                    self._outline, self._placed = None, ""
                    return
                self._placed = placed
        elif self._positions is not None:
            try:
                self._positions.apply(*updates)
            except (CrdtPanic, InvalidUpdate):
                self._positions = None  # made again from the document when it is asked for

    def _walk(self, times: int = 1) -> None:
        """The library has walked, or is about to; after enough of that there is an outline, if there can be one."""
        self._walks += times
        if self._outline is None and self._walks >= self._wanted:
            self._walks, self._wanted = 0, 2 * self._wanted
            text = str(self._doc.library_text)
            self._outline = Outline.of(self._doc.get_update(), text, len(text) // _CHARACTERS_A_BLOCK)
            if self._outline is not None:
                self._placed, self._positions, self._unplaced, self._brought = text, None, [], None
