"""What to do with the file of one entry: decided of plain values, done elsewhere (`render.py`).

Theory of operation
    `plan` is a table: of what is known of an entry and its file it gives one step. Two things are found out only when a
    step says so, because they cost something: `NEED_CONTENT` asks for what the entry holds by now (of a text its
    document has to be read), and after a `MOVE` the file is elsewhere. Then `plan` is asked again.

Invariants
    * A file that holds what was saved here, and what its entry's content does not replace, is never overwritten
      (`REINSTATE`, `CONFLICT_COPY`).
    * What is at a path that this device leaves out stays as it is.
    * No text is made of a document more often than its file may be put in place (`WAIT`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from yp2p.disk.ingest.opaque_entries import holds_unreplaced_save
from yp2p.documents.registers import Entry
from yp2p.folder.records import FileRecord
from yp2p.protocol.entries import Kind


class Step(Enum):
    """What is to be done next."""

    NOTHING = auto()
    NEED_CONTENT = auto()  # find out what the entry holds, and plan again
    WAIT = auto()  # until the file may be put in place again
    MOVE = auto()  # to where the layout has it; then plan again
    MOVE_OUT = auto()  # to a path that is left out; then nothing more
    FORGET = auto()  # its file is left out, and nobody's any more
    REMOVE = auto()  # the entry was deleted: into the trash
    REINSTATE = auto()  # the entry becomes what was saved here
    CONFLICT_COPY = auto()  # the file becomes an entry of its own
    MAKE_DIRECTORY = auto()
    WRITE_OPAQUE = auto()  # a blob or a symlink, if its content is here
    SET_MODE = auto()  # the content is there; the mode may not be
    ADVANCE_BASE = auto()  # the file has this text already, of an older version
    WRITE = auto()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an entry and its file.

    `path` is where the layout has the entry. `is_due`: whether its file may be put in place again by now. `is_here`:
    whether the document of a text is here. `content` is the hash of what the entry holds, once that is known, and
    `is_rendered` then says whether the file's base is all of the document.
    """

    entry: Entry | None
    record: FileRecord | None
    path: str = ""
    is_ignored: bool = False
    is_file_ignored: bool = False
    is_alive: bool = True
    is_here: bool = True
    is_due: bool = True
    content: bytes | None = None
    is_rendered: bool = False


def plan(facts: Facts) -> Step:
    """The next step."""
    entry, record = facts.entry, facts.record
    if entry is None:
        return Step.NOTHING  # a register that cannot be read: what is here stays
    if facts.is_ignored:
        # What was renamed to a path that is left out goes there first.
        must_move = record is not None and record.path != facts.path and not facts.is_file_ignored
        return Step.MOVE_OUT if must_move else Step.NOTHING
    if not facts.is_alive:
        return _plan_of_deleted(entry, record, is_file_ignored=facts.is_file_ignored)
    if not facts.is_here:
        return Step.NOTHING
    if record is not None and record.path == facts.path and not facts.is_due:
        return Step.WAIT
    if facts.content is None:
        return Step.NEED_CONTENT
    if record is not None and holds_unreplaced_save(record, entry, facts.content):
        return Step.REINSTATE if record.replaces(entry.content.hash) else Step.CONFLICT_COPY
    if entry.kind is Kind.DIRECTORY:
        return Step.MAKE_DIRECTORY
    if record is not None and record.path != facts.path:
        return Step.MOVE
    return _plan_of_text(facts, entry, record) if entry.kind is Kind.TEXT else _plan_of_opaque(entry, record)


def _plan_of_deleted(entry: Entry, record: FileRecord | None, *, is_file_ignored: bool) -> Step:
    if record is None:
        return Step.NOTHING
    if is_file_ignored:
        return Step.FORGET
    return Step.REINSTATE if holds_unreplaced_save(record, entry, entry.content.hash) else Step.REMOVE


def _plan_of_opaque(entry: Entry, record: FileRecord | None) -> Step:
    if record is None or record.kind is not entry.kind or record.content != entry.content.hash:
        return Step.WRITE_OPAQUE
    return Step.SET_MODE if entry.kind is Kind.BLOB else Step.NOTHING


def _plan_of_text(facts: Facts, entry: Entry, record: FileRecord | None) -> Step:
    is_text = record is not None and record.kind is Kind.TEXT
    # A new generation of the document replaces the file like any other change.
    if is_text and record is not None and record.document == entry.document and facts.is_rendered:
        return Step.SET_MODE
    if not facts.is_due:
        return Step.WAIT
    if is_text and record is not None and record.content == facts.content:
        return Step.ADVANCE_BASE
    return Step.WRITE
