"""Where the editor's cursor is, for others, and where theirs are, for the editor."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from yp2p.client import File, Position
from yp2p.editors.line_ends import index_in_file, index_shown
from yp2p.editors.lines import Lines
from yp2p.editors.messages import Range, range_of
from yp2p.errors import PositionInvalid, PositionUnknown

# The others are told of a cursor at most so often; the daemon does not tell more often either.
_PACE_S = 0.05


@dataclass(frozen=True, slots=True)
class Caret:
    """Where somebody is, as the others are told."""

    name: str
    head: Position
    anchor: Position


class Cursors:
    """The cursors in one file that one editor has open.

    Args:
        name: what the editor's person is called.
        uri: what the editor calls the file.
    """

    def __init__(self, name: str, uri: str) -> None:
        self._name = name
        self._uri = uri
        self._ranges: Sequence[Range] | None = None  # of the editor's cursors, where others are to be told
        self._said = trio.Event()
        self._told: dict[str, Caret] = {}  # where the others are, as the editor was told

    def say(self, ranges: Sequence[Range]) -> None:
        """The editor says where its cursors are."""
        self._ranges = ranges
        self._said.set()

    async def tell_others(self, file: File, lines: Callable[[], Lines]) -> None:
        """Tell the others of it until cancelled.

        Args:
            lines: gives what the editor has.
        """
        while True:
            self._said = trio.Event()
            if self._ranges is not None:
                ranges, self._ranges = self._ranges, None
                self._tell(file, ranges, lines())
                await trio.sleep(_PACE_S)
            else:
                await self._said.wait()

    def _tell(self, file: File, ranges: Sequence[Range], lines: Lines) -> None:
        """Tell of the first one. Its end may be behind the end of a line: there a selection of Neovim's ends."""
        text = str(file)
        ends = [
            file.position(min(index_in_file(text, lines.nearest(place.line, place.character)), len(text)))
            for one in ranges[:1]
            for place in (one.end, one.start)
        ]
        file.set_awareness(self._name or None, *ends)

    def news(self, file: File, lines: Lines) -> list[dict[str, Any]]:
        """What the editor is to be told of others, where that is something new.

        Args:
            lines: of what the editor has, which is what is shown of the file.
        """
        before, self._told = self._told, {}
        found: list[dict[str, Any]] = []
        for who, caret in _of_others(file).items():
            if before.get(who) != caret:
                try:
                    ends = [index_shown(str(file), file.index_of(end)) for end in (caret.anchor, caret.head)]
                except PositionUnknown:
                    continue  # what it is beside is on its way
                found.append(self._cursor(who, caret, [range_of(lines, *ends)]))
            self._told[who] = caret
        return found + self._gone({who: caret for who, caret in before.items() if who not in self._told})

    def end(self) -> list[dict[str, Any]]:
        """What takes away everything that the editor was told."""
        gone, self._told = self._told, {}
        return self._gone(gone)

    def _gone(self, carets: Mapping[str, Caret]) -> list[dict[str, Any]]:
        return [self._cursor(who, caret, []) for who, caret in carets.items()]

    def _cursor(self, who: str, caret: Caret, ranges: list[dict[str, Any]]) -> dict[str, Any]:
        return {"userid": who, "name": caret.name, "uri": self._uri, "ranges": ranges}


def _of_others(file: File) -> dict[str, Caret]:
    """Who else is in the file and where, by a name that stays theirs."""
    found: dict[str, Caret] = {}
    for item in file.awareness:
        try:
            head = Position.from_json(item["cursor"])
            anchor = Position.from_json(item.get("anchor", item["cursor"]))
        except (KeyError, PositionInvalid):
            continue
        found[f"{item['device']}/{item.get('client', item.get('since'))}"] = Caret(_name(item), head, anchor)
    return found


def _name(item: Mapping[str, Any]) -> str:
    return os.fsencode(str(item.get("name") or item["device"])).decode(errors="replace")
