"""What people and programs say of themselves, in the format of Yjs editors and in ours.

Editors that speak Yjs say `{"user": {"name", "color", "colorLight"}, "cursor": {"anchor", "head"}}`, with positions as
JSON of Yjs. `yp2p.client` says `{"name", "cursor", "anchor"}`, which are positions. Both are understood, and each
program is told of the others in its own format. Devices tell each other of a caret in an item of their presence:
`name`, `cursor` (the head), `anchor` where that is elsewhere, `color`, `client`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import trio

from yp2p.documents.positions import Position, PositionIndex
from yp2p.errors import CrdtPanic, InvalidUpdate, PositionInvalid, PositionUnknown
from yp2p.folder.live_document import LiveDocument
from yp2p.protocol.cursor import MAX_CLIENT

_LONGEST_NAME = 100
# Carets of those who said no colour of their own; all can be read on white and on black.
_PALETTE = ("#30bced", "#6eeb83", "#ffbc42", "#e84855", "#8884ff", "#ff7ab6", "#1be7ff", "#b388eb")
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}")
# So many updates are kept for an index that nobody asks; then it is made anew when somebody does.
_MAX_UNSEEN = 1000
# In a text of many pieces finding one place takes a millisecond: those who rest are not looked for again.
_MAX_FOUND = 256


@dataclass(frozen=True, slots=True)
class Caret:
    """Who somebody is and where they are in a text; `state` is what they said, where that is known."""

    name: str = ""
    color: str = ""
    anchor: Position | None = None
    head: Position | None = None
    state: Mapping[str, Any] | None = None

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Caret:
        """Of an awareness state of a program. What is of another shape is left out."""
        user, cursor = state.get("user"), state.get("cursor")
        is_ours = isinstance(state.get("name"), str) or (isinstance(cursor, dict) and "head" not in cursor)
        is_stock = isinstance(user, dict) or not is_ours
        words = user if isinstance(user, dict) else state
        ends = (state.get("anchor", cursor), cursor)
        if is_stock and isinstance(cursor, dict):
            ends = (cursor.get("anchor"), cursor.get("head"))
        anchor, head = map(_position, ends)
        return cls(_text(words.get("name")), _color(words.get("color")), anchor, head, state if is_stock else None)

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> Caret:
        """Of an item of a device's presence."""
        head = _position(item.get("cursor"))
        anchor = _position(item["anchor"]) if "anchor" in item else head
        return cls(_text(item.get("name")), _color(item.get("color")), anchor, head)

    def item(self) -> dict[str, Any]:
        """What a device's presence tells of it, but for the line."""
        found: dict[str, Any] = {}
        if self.name:
            found["name"] = self.name
        if self.color:
            found["color"] = self.color
        if self.head is not None:
            found["cursor"] = self.head.to_json()
        if self.anchor is not None and self.anchor != self.head:
            found["anchor"] = self.anchor.to_json()
        return found

    def stock_state(self, client: int, device: str) -> Mapping[str, Any]:
        """As a Yjs editor would say it. `device` is the name of whoever said none."""
        if self.state is not None:
            return self.state
        color = self.color or _PALETTE[client % len(_PALETTE)]
        has_both = self.anchor is not None and self.head is not None
        cursor = {"anchor": _stock_json(self.anchor), "head": _stock_json(self.head)} if has_both else None
        return {"user": {"name": self.name or device, "color": color, "colorLight": f"{color[:7]}33"}, "cursor": cursor}


def client_of(item: Mapping[str, Any], device: str) -> int:
    """The awareness client of an item of a device's presence; one of its own for those who said none."""
    client = item.get("client")
    if type(client) is int and 0 < client <= MAX_CLIENT:
        return client
    digest = hashlib.sha256(repr((device, item.get("path"), item.get("since"))).encode(errors="replace")).digest()
    return int.from_bytes(digest[:4], "big") or 1


def _text(value: object) -> str:
    return value[:_LONGEST_NAME] if isinstance(value, str) else ""


def _color(value: object) -> str:
    return value if isinstance(value, str) and _COLOR.fullmatch(value) else ""


def _position(value: object) -> Position | None:
    if not isinstance(value, dict):
        return None
    try:
        return Position.from_json(value)
    except PositionInvalid:
        return None


def _stock_json(position: Position | None) -> dict[str, Any] | None:
    """With every key that Yjs itself writes: it takes one that is missing for a value."""
    return None if position is None else {"type": None, "item": None, **position.to_json()}


class Lines:
    """In which lines of one text positions are. The document is followed, and read once.

    To find one takes as long as the text is, so a cursor that moves fast is not looked for each time.

    Attributes:
        seq: another one after each change of the text.
        is_old: whether, since this was reset, a line was given where a cursor has perhaps left it.
    """

    def __init__(self, live: LiveDocument) -> None:
        self._live = live
        self._index: PositionIndex | None = None
        self._unseen: list[bytes] = []
        # Of each cursor its line, and for what it was found, and when.
        self._found: dict[object, tuple[int, tuple[int, Position], float]] = {}
        self.seq = 0
        self.is_old = False
        self.close: Callable[[], None] = live.subscribe(self._take, early=True)

    def _take(self, update: bytes, source: object, vector: bytes | None) -> None:
        self._unseen.append(update)
        self.seq += 1
        if len(self._unseen) > _MAX_UNSEEN:
            self._index, self._unseen = None, []

    def line_of(self, position: Position, whose: object = None, age_s: float = 0.0) -> int | None:
        """Counted from 1; None where the position is beside what the text does not have (yet).

        Args:
            whose: names the cursor, where that of a moment before will do.
            age_s: how old the answer may be then.
        """
        now, state = trio.current_time(), (self.seq, position)
        key = whose or position
        if key in self._found:
            line, found_state, found_at = self._found[key]
            if state == found_state or now - found_at < age_s:
                self.is_old |= state != found_state
                return line
        try:
            text = self._live.text.text()
            line = text.count("\n", 0, self._up_to_date().resolve(text, position)) + 1
        except (PositionUnknown, InvalidUpdate, CrdtPanic):
            self._index = None
            return None
        if len(self._found) > _MAX_FOUND:
            self._found.clear()
        self._found[key] = line, state, now
        return line

    def _up_to_date(self) -> PositionIndex:
        unseen, self._unseen = self._unseen, []
        if self._index is None:
            self._index = PositionIndex(self._live.replica.state())
        else:
            if unseen:
                self._index.apply(*unseen)
        return self._index
