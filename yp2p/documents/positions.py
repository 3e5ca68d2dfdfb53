"""Positions that stay where they are while a text changes: cursors, bookmarks, selections.

Theory of operation
    A position names an item of the document, the operation that wrote the character after it (or before it), and not an
    index. That is what Yjs calls a relative position and pycrdt a sticky index; JSON and bytes are those of Yjs. The
    library's own is not used on texts: it counts earlier items in UTF-8 bytes and the rest in UTF-16 units, and panics
    at the end of a text and on positions that it does not know.

    Yjs counts in UTF-16 units. A *shadow* of the document, in which every UTF-16 unit is the letter `x`
    (`protocol/relabelled.py`), has the same items at the same clocks, and in it bytes, UTF-16 units and characters are
    one.
    There the library's sticky index is right, and what would make it panic is looked at before.

Sources: `createRelativePositionFromTypeIndex` and `createAbsolutePositionFromRelativePosition` of Yjs 13.6.

Invariants
    * Indices that come in and go out count code points of the text, as Python does.
    * Nothing that a peer or a file said reaches the library before it was checked against the state vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pycrdt import Assoc as LibraryAssoc
from pycrdt import Doc, StickyIndex, Text, merge_updates

from yp2p.documents.replica import raising_panics
from yp2p.errors import InvalidUpdate, PositionInvalid, PositionUnknown
from yp2p.protocol.cursor import MAX_CLIENT, Cursor
from yp2p.protocol.relabelled import relabelled
from yp2p.protocol.state_vectors import MAX_CLOCK, read_state_vector
from yp2p.protocol.wire import write_varint
from yp2p.protocol.ysync import Shape

_ROOT = Shape.TEXT.value
_ITEM, _ROOT_NAME = 0, 1
_MINUS_ONE = 0x41  # -1 as the signed varint of lib0
_LETTER = "x"


class Assoc(IntEnum):
    """Which neighbour a position stays with when something is inserted exactly there."""

    AFTER = 0  # with the character after it
    BEFORE = -1  # with the character before it


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text: beside the character that operation `clock` of `client` wrote.

    Without a client it is the end of the text (`Assoc.AFTER`) or its beginning (`Assoc.BEFORE`).
    """

    assoc: Assoc
    client: int | None = None
    clock: int = 0

    def encode(self) -> bytes:
        """As `Y.encodeRelativePosition` does."""
        if self.client is None:
            head = bytes([_ROOT_NAME, len(_ROOT)]) + _ROOT.encode()
        else:
            head = bytes([_ITEM]) + write_varint(self.client) + write_varint(self.clock)
        return head + (b"\x00" if self.assoc is Assoc.AFTER else bytes([_MINUS_ONE]))

    @classmethod
    def decode(cls, data: bytes) -> Position:
        """Raises PositionInvalid."""
        cursor = Cursor(data)
        try:
            kind = cursor.varint()
            client: int | None = None
            clock = 0
            if kind == _ITEM:
                client, clock = cursor.client(), cursor.varint()
            elif kind != _ROOT_NAME or cursor.text() != _ROOT:
                raise PositionInvalid("a position that is in no text of a file")
            # Positions of Yjs before 13.5 end here.
            assoc = cursor.varint() if cursor.at < cursor.end else 0
            cursor.finish()
        except InvalidUpdate as error:
            raise PositionInvalid(f"these bytes are no position: {error}") from None
        return cls._checked(0 if assoc == 0 else -1 if assoc == _MINUS_ONE else assoc, client, clock)

    def to_json(self) -> dict[str, Any]:
        """As `Y.relativePositionToJSON` does."""
        item = {"item": {"client": self.client, "clock": self.clock}} if self.client is not None else {}
        return {"tname": _ROOT, **item, "assoc": int(self.assoc)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Position:
        """Raises PositionInvalid. A root beside an item, which Yjs writes and yrs does not, says nothing."""
        if not isinstance(value, Mapping):
            raise PositionInvalid(f"{value!r:.80} is no position: it is no JSON object")
        item, name = value.get("item"), value.get("tname")
        if item is None:
            if name != _ROOT:
                raise PositionInvalid(f"a position in {name!r:.80}, where a file's text is {_ROOT!r}")
            return cls._checked(value.get("assoc", 0), None, 0)
        if not isinstance(item, Mapping):
            raise PositionInvalid(f"{item!r:.80} is no item of a position")
        return cls._checked(value.get("assoc", 0), item.get("client"), item.get("clock"), is_item=True)

    @classmethod
    def _checked(cls, assoc: object, client: object, clock: object, *, is_item: bool = False) -> Position:
        if type(assoc) is not int or assoc not in list(Assoc):
            raise PositionInvalid(f"{assoc!r:.80} is no association of a position: 0 is after, -1 is before")
        if client is None and not is_item:
            return cls(Assoc(assoc))
        for name, number, largest in (("client", client, MAX_CLIENT), ("clock", clock, MAX_CLOCK)):
            if type(number) is not int or not 0 <= number <= largest:
                raise PositionInvalid(f"{number!r:.80} is no {name} of a position")
        assert isinstance(client, int)
        assert isinstance(clock, int)
        return cls(Assoc(assoc), client, clock)


class PositionIndex:
    """Where positions are in one text, kept up to date with `apply`.

    Args:
        state: the whole document as one update.
    """

    def __init__(self, state: bytes) -> None:
        self._doc: Doc[Any] = Doc(client_id=1)
        self._text: Text = self._doc.get(_ROOT, type=Text)
        self._clocks: dict[int, int] | None = None
        self.apply(state)

    def apply(self, *updates: bytes) -> None:
        """Take updates that the document has taken, in order and without a gap. Raises InvalidUpdate."""
        with raising_panics():
            update = merge_updates(*updates) if len(updates) > 1 else updates[0]
            self._doc.apply_update(relabelled(update, lambda _: _LETTER))
        self._clocks = None

    def state_vector(self) -> bytes:
        """What `apply` has taken so far."""
        return self._doc.get_state()

    def create(self, text: str, index: int, assoc: Assoc) -> Position:
        """The position at an index of the text, which is what the document says now.

        Raises:
            PositionInvalid: the index is outside the text.
        """
        if not 0 <= index <= len(text):
            raise PositionInvalid(f"index {index} is outside a text of {len(text)} characters")
        if index == (len(text) if assoc is Assoc.AFTER else 0):
            return Position(assoc)
        unit = _units(text[:index])
        with raising_panics():
            sticky = self._text.sticky_index(unit, LibraryAssoc(assoc.value))
            item = sticky.to_json().get("item")
        assert item is not None
        return Position(assoc, int(item["client"]), int(item["clock"]))

    def resolve(self, text: str, position: Position) -> int:
        """The index of a position in the text, which is what the document says now.

        Raises:
            PositionUnknown: it is beside what this document does not have (yet).
        """
        if position.client is None:
            return len(text) if position.assoc is Assoc.AFTER else 0
        if self._clocks is None:
            self._clocks = read_state_vector(self._doc.get_state())
        if position.clock >= self._clocks.get(position.client, 0):
            raise PositionUnknown(
                f"a position beside operation {position.clock} of client {position.client}, which is not in this text"
            )
        with raising_panics():
            item = {"client": position.client, "clock": position.clock}
            sticky = StickyIndex.from_json({"item": item, "assoc": int(position.assoc)}, self._text)
            unit = sticky.get_index()
        return _characters(text, unit)


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _characters(text: str, unit: int) -> int:
    """The code points of a text before a UTF-16 unit; what points into a character is in front of it."""
    if text.isascii():
        return unit
    data = text.encode("utf-16-le", "surrogatepass")
    return len(data[: 2 * unit].decode("utf-16-le", "ignore"))
