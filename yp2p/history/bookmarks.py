"""Named positions in texts. They are in the manifest, so they survive edits and restarts, and every device has them."""

from __future__ import annotations

from typing import Any

from yp2p.documents.manifest import MAX_BOOKMARKS
from yp2p.documents.positions import Assoc, Position, PositionIndex
from yp2p.documents.registers import MAX_BOOKMARK_NAME_BYTES, Bookmark, Entry
from yp2p.errors import PositionUnknown, UsageError
from yp2p.folder.folder import Folder


def bookmarks(folder: Folder, entry: Entry) -> list[dict[str, Any]]:
    """The bookmarks of a text, in its order: name, position, and where that is: index, line and column (from 1)."""
    live = folder.texts.open(entry.document)
    text, index = live.text.text(), PositionIndex(live.replica.state())
    found: list[dict[str, Any]] = []
    for bookmark in folder.catalogue.manifest.bookmarks.get(entry.id, {}).values():
        assert bookmark.position is not None
        try:
            at = index.resolve(text, bookmark.position)
        except PositionUnknown:
            continue  # beside what has not come to this device yet
        line = text.count("\n", 0, at) + 1
        found.append(
            {
                "name": bookmark.name, "position": bookmark.position.to_json(), "index": at, "line": line,
                "column": at - (text.rfind("\n", 0, at) + 1) + 1,
            }
        )  # fmt: skip
    return sorted(found, key=lambda item: (item["index"], item["name"]))


def position_at(folder: Folder, entry: Entry, line: int, column: int) -> Position:
    """The position at a line and column, counted from 1. Raises UsageError: the text has no such place."""
    live = folder.texts.open(entry.document)
    text = live.text.text()
    lines = text.split("\n")
    if not 1 <= line <= len(lines) or not 1 <= column <= len(lines[line - 1]) + 1:
        raise UsageError(f"there is no line {line}, column {column} in a text of {len(lines)} lines")
    at = sum(len(before) + 1 for before in lines[: line - 1]) + column - 1
    return PositionIndex(live.replica.state()).create(text, at, Assoc.AFTER)


async def set_bookmark(folder: Folder, entry: Entry, name: str, position: Position | None) -> None:
    """Put a bookmark at a position, or remove it. Raises UsageError: a name that is none, too many, or no such one."""
    if not name or len(name.encode()) > MAX_BOOKMARK_NAME_BYTES:
        raise UsageError(f"{name!r:.80} is no name of a bookmark; it has 1 to {MAX_BOOKMARK_NAME_BYTES} bytes")
    wanted, known = Bookmark(entry.id, name, position), folder.catalogue.manifest.bookmarks.get(entry.id, {})
    if position is None and wanted.key not in known:
        names = ", ".join(sorted(repr(bookmark.name) for bookmark in known.values()))
        others = f"its bookmarks are {names}" if names else "this file has no bookmarks"
        raise UsageError(f"there is no bookmark {name!r}; {others}")
    if len(known) >= MAX_BOOKMARKS and wanted.key not in known:
        raise UsageError(f"there are {MAX_BOOKMARKS} bookmarks already, which is as many as a text can have")
    await folder.catalogue.write([wanted]).wait()
