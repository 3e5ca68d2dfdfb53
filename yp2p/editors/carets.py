"""Where the editor's cursor is, for others, and where theirs are, for the editor."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from yp2p.client import File, Position
from yp2p.editors.line_ends import index_in_file, index_shown
from yp2p.editors.lines import Lines
from yp2p.editors.messages import Range, range_of
from yp2p.errors import PositionInvalid, PositionUnknown, UsageError


@dataclass(frozen=True, slots=True)
class Caret:
    """Where somebody is, as the others are told."""

    name: str
    head: Position
    anchor: Position


def tell_others(file: File, name: str, ranges: Sequence[Range], lines: Lines) -> None:
    """Say where the editor's first cursor is. One that is nowhere in the text any more is not told.

    Args:
        lines: of what the editor has.
    """
    try:
        anchor, head = ranges[0].indices(lines) if ranges else (None, None)
    except UsageError:
        return
    text = str(file)
    ends = [
        file.position(min(index_in_file(text, index), len(text))) if index is not None else None
        for index in (head, anchor)
    ]
    file.set_awareness(name, *ends)


def of_others(file: File) -> dict[str, Caret]:
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


def told(
    file: File, known: Mapping[str, Caret], before: Mapping[str, Caret], uri: str, lines: Lines
) -> tuple[list[dict[str, Any]], dict[str, Caret]]:
    """What the editor is to be told of others, where that is something new; and what it has been told then.

    Args:
        before: what it had been told.
        lines: of what the editor has, which is what is shown of the file.
    """
    found: list[dict[str, Any]] = []
    now: dict[str, Caret] = {}
    for who, caret in known.items():
        if before.get(who) != caret:
            try:
                ends = [index_shown(str(file), file.index_of(end)) for end in (caret.anchor, caret.head)]
            except PositionUnknown:
                continue  # what it is beside is on its way
            found.append({"userid": who, "name": caret.name, "uri": uri, "ranges": [range_of(lines, *ends)]})
        now[who] = caret
    for who, caret in before.items():
        if who not in known:
            found.append({"userid": who, "name": caret.name, "uri": uri, "ranges": []})
    return found, now


def _name(item: Mapping[str, Any]) -> str:
    return os.fsencode(str(item.get("name") or item["device"])).decode(errors="replace")
