"""What a person should know of and can look up with `yp2p notices`: nothing is wrong, but it may deserve a look.

Each device tells what it saw. What a save removed of others' recent text carries what brings it back: the document as
it was right after (a row of the log), and the replacements that turn that into what was before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import msgspec
import structlog

from yp2p.documents.diff import Hunk
from yp2p.identity import DocumentID, EntryID, FolderID
from yp2p.protocol.names import encode_path, points_outside
from yp2p.store.database import Database, Statement
from yp2p.threeway.merge import Told

MAX_AGE_S = 7 * 86400.0
# The list is for people; a flood of notices is read by nobody.
MAX_NOTICES = 500
_MAX_TEXT = 200

log = structlog.get_logger()


class NoticeKind(StrEnum):
    """What happened."""

    REMOVED_OTHERS_TEXT = "removed-others-text"
    BOTH_CHANGED = "both-changed"
    OLDER_SAVE_MERGED = "older-save-merged"
    KEPT_BESIDE = "kept-beside"
    DAMAGED = "damaged"
    OLDER_VERSION = "older-version"
    DIVERGED = "diverged"
    POINTS_OUTSIDE = "points-outside"


class Versions(msgspec.Struct, frozen=True):
    """A place that two devices changed apart: the line where it begins, what stands there, and what either had."""

    line: int
    stands: str
    ours: str
    theirs: str


class Undo(msgspec.Struct, frozen=True):
    """What brings back what a save removed."""

    document: bytes
    seq: int
    hunks: list[tuple[int, int, str]]
    versions: Versions | None = None

    @classmethod
    def of(cls, document: DocumentID, seq: int, changes: Sequence[Hunk]) -> Undo:
        return cls(document, seq, [(hunk.start, hunk.stop, hunk.text) for hunk in changes])

    def changes(self) -> list[Hunk]:
        return [Hunk(start, stop, text) for start, stop, text in self.hunks]


@dataclass(frozen=True, slots=True)
class Notice:
    """One of them. `at` in seconds since 1970."""

    id: int
    at: float
    kind: NoticeKind
    path: str
    text: str
    entry: EntryID
    undo: Undo | None


class Notices:
    """The notices of one folder."""

    def __init__(self, database: Database, folder: FolderID) -> None:
        self._database = database
        self._folder = folder
        self._notices: dict[int, Notice] = {}

    def load(self) -> None:
        self._database.submit(
            [("DELETE FROM notice WHERE folder = ? AND at < ?", (self._folder, time.time() - MAX_AGE_S))]
        )
        for number, at, kind, path, text, entry, undo in self._database.rows(
            "SELECT id, at, kind, path, text, entry, undo FROM notice WHERE folder = ? AND at >= ? ORDER BY id",
            (self._folder, time.time() - MAX_AGE_S),
        ):
            decoded = msgspec.json.decode(undo, type=Undo) if undo else None
            name = path.decode("utf-8", "surrogateescape")
            self._notices[number] = Notice(number, at, NoticeKind(kind), name, text, EntryID(entry), decoded)

    def __iter__(self) -> Iterator[Notice]:
        return iter(list(self._notices.values()))

    def get(self, number: int) -> Notice | None:
        return self._notices.get(number)

    def count(self, kind: NoticeKind) -> int:
        return sum(1 for notice in self._notices.values() if notice.kind is kind)

    def tell_symlink(self, path: str, target: bytes, entry: EntryID) -> None:
        """Tell of a symlink that points out of the folder, once: it is synced as it is, and never followed."""
        text = f"the symlink points outside of the folder: {os.fsdecode(target)!r:.{_MAX_TEXT - 60}}"
        if points_outside(path, target) and not any(known.path == path and known.text == text for known in self):
            self.add(NoticeKind.POINTS_OUTSIDE, path, text, entry)

    def tell_meeting(self, path: str, entry: EntryID, told: Told) -> None:
        """Tell of a place that two devices changed apart, with both versions; once, however often they meet."""
        versions = Versions(told.line, told.stands, told.ours, told.theirs)
        known = [notice.undo.versions for notice in self if notice.entry == entry and notice.undo is not None]
        if any(v is not None and {v.ours, v.theirs} == {told.ours, told.theirs} for v in known):
            return
        shown = [part.strip().partition("\n")[0][:60] for part in (told.ours, told.theirs)]
        text = f"both changed line {told.line}: here {shown[0]!r}, there {shown[1]!r}"
        self.add(NoticeKind.BOTH_CHANGED, path, text, entry, Undo(b"", 0, [], versions))

    def is_done(self, notice: Notice) -> None:
        """What a notice told of was brought back: it cannot be brought back twice."""
        self._notices[notice.id] = replace(notice, undo=None)
        self._database.submit([("UPDATE notice SET undo = x'' WHERE id = ?", (notice.id,))])

    def add(self, kind: NoticeKind, path: str, text: str, entry: EntryID, undo: Undo | None = None) -> None:
        """Remember one, here and in the store."""
        text = text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."
        text = text.encode("utf-8", "replace").decode()
        notice = Notice(self._database.next_notice(), time.time(), kind, path, text, entry, undo)
        self._notices[notice.id] = notice
        encoded = msgspec.json.encode(undo) if undo is not None else b""
        row = (notice.id, self._folder, notice.at, kind.value, encode_path(path), text, entry, encoded)
        statements: list[Statement] = [("INSERT INTO notice VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)]
        while len(self._notices) > MAX_NOTICES:
            oldest = min(self._notices)
            del self._notices[oldest]
            statements.append(("DELETE FROM notice WHERE id = ?", (oldest,)))
        self._database.submit(statements)
        log.info("notice", kind=kind.value, number=notice.id)
