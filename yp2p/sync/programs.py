"""Programs of this device that have a file's document open (`control/documents.py` serves them).

What a program writes is a change of this device like any save: it goes to the disk and to the peers, can be undone, and
has this device as its author. It is looked at by the same wall as what a peer sends, as a program may be wrong.

Where a program's cursor is, and whatever else it says of itself, is part of this device's presence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from yp2p.documents.positions import Position, PositionIndex
from yp2p.errors import DocumentPoisoned, InvalidUpdate, PositionInvalid, PositionUnknown
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol import awareness
from yp2p.protocol.mending import Moved
from yp2p.sync.folder import Folder

# What programs say of themselves goes into one awareness state of a few kilobytes.
_MAX_PROGRAMS_TOLD = 16
# A program that is refused faster than it reads hears the last reasons.
_MAX_REFUSALS = 8
# Others end the session with a device whose state has more than 8 KiB (`awareness.MAX_STATE_BYTES`).
_MAX_STATE_BYTES = 6 << 10
_END_OF_TIME = 1 << 33  # in the year 2242


@dataclass(eq=False, slots=True)
class Program:
    """One program that has one file open; the source of its updates.

    `client` is the client ID that it says it writes with; what it brings of others' is then not taken for its own.
    `is_this_file` tells whether it named the file, and not only a path.
    """

    entry: EntryID
    client: int | None = None
    is_this_file: bool = False
    since: float = field(default_factory=lambda: round(time.time()))
    state: dict[str, Any] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)  # sentences that it has not been told


class Programs:
    """The programs that have files of one folder open; `on_change` is told when that or what they say changes.

    Args:
        max_text_bytes: how large a text may become by what a program writes.
    """

    def __init__(self, folder: Folder, on_change: Callable[[], None], max_text_bytes: int = 4 << 20) -> None:
        self.max_text_bytes = max_text_bytes
        self._folder = folder
        self._on_change = on_change
        self._open: set[Program] = set()
        self._displaced: dict[DocumentID, list[Moved]] = {}

    def add(self, program: Program) -> None:
        self._open.add(program)
        self._on_change()

    def remove(self, program: Program) -> None:
        self._open.discard(program)
        if not any(other.entry == program.entry for other in self._open):
            self._displaced.pop(self._folder.manifest.entries[program.entry].document, None)
        self._on_change()

    def displaced_in(self, document: DocumentID) -> list[Moved]:
        """What stands for items of a document that are at another place here (`protocol/mending.py`)."""
        return self._displaced.setdefault(document, [])

    def refused(self, program: Program, reason: str) -> None:
        """Have a program told that something of what it wrote was not taken."""
        program.refusals = [*program.refusals[-_MAX_REFUSALS:], reason]
        self._folder.touch()

    def said(self, program: Program, data: bytes) -> None:
        """Take what a program says of itself, as an awareness update. Raises InvalidUpdate."""
        presences = awareness.decode(data)
        states = [presence.state for presence in presences if presence.state is not None]
        program.state = states[-1] if states else {}
        self._on_change()

    def besides(self, program: Program) -> list[dict[str, Any]]:
        """The other programs of this device that have the same file open, as `describe` tells of them."""
        same = sorted((p for p in self._open if p.entry == program.entry and p is not program), key=lambda p: p.since)
        path = self._folder.layout().path_of.get(program.entry, "")
        return [{"path": path, "since": p.since, **_state(self._folder, p)} for p in same[:_MAX_PROGRAMS_TOLD]]

    def describe(self) -> list[dict[str, Any]]:
        """What this device's presence tells of them."""
        paths = self._folder.layout().path_of
        told = sorted((p for p in self._open if p.entry in paths), key=lambda p: (paths[p.entry], p.since))
        return [
            {"path": paths[program.entry], "since": program.since, **_state(self._folder, program)}
            for program in told[:_MAX_PROGRAMS_TOLD]
        ]  # fmt: skip


def _state(folder: Folder, program: Program) -> dict[str, Any]:
    """A program's own words, and the line its cursor is in."""
    found: dict[str, Any] = {}
    if isinstance(name := program.state.get("name"), str):
        found["name"] = name[:100]
    cursor = program.state.get("cursor")
    if isinstance(cursor, dict):
        try:
            position = Position.from_json(cursor)
            entry = folder.manifest.entries[program.entry]
            live = folder.texts.open(entry.document)
            text = live.text.text()
            at = PositionIndex(live.replica.state()).resolve(text, position)
        except (PositionInvalid, PositionUnknown, InvalidUpdate, DocumentPoisoned, KeyError):
            return found
        found |= {"line": text.count("\n", 0, at) + 1, "cursor": position.to_json()}
    return found


def fitting(state: dict[str, Any]) -> dict[str, Any]:
    """A state with as many of its files as others take: a larger one would be a fault of ours."""
    files = list(state.get("files", []))
    while files and len(json.dumps({**state, "files": files}, separators=(",", ":"))) > _MAX_STATE_BYTES:
        files.pop()
    return {**state, "files": files}


def cleaned(state: dict[str, Any]) -> dict[str, Any]:
    """What a device says of itself, as far as it is of the right shape; with `open`, the paths alone."""
    files = state.get("files")
    good = [item for item in files if _is_file(item)] if isinstance(files, list) else []
    paths = sorted({item["path"] for item in good})
    return {"device": str(state.get("device", "")), "id": str(state.get("id", "")), "open": paths, "files": good}


def _is_file(item: object) -> bool:
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        return False
    since, line, name = item.get("since"), item.get("line", 1), item.get("name", "")
    is_time = isinstance(since, int | float) and 0 <= since < _END_OF_TIME
    return is_time and type(line) is int and isinstance(name, str) and "device" not in item


def others_in(
    present: Iterable[dict[str, Any]], own: str, path: str, besides: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Who else has a file open, of the awareness states of a folder, `cleaned`; as many as fit in one.

    Args:
        besides: what other programs of this device have open.
    """
    found = [
        {"device": state["device"], **item}
        for state in present
        for item in (besides if state["id"] == own else state["files"])
        if item["path"] == path
    ]
    return list(fitting({"files": found})["files"])
