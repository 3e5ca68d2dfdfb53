"""The table of what is done with the file of an entry (`disk/render/plan.py`)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from yp2p.disk.render.plan import Facts, Step, plan
from yp2p.documents.registers import Entry
from yp2p.files.inspect import NO_STAMP
from yp2p.folder.records import FileRecord
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import BEFORE_BYTES, Content, Kind, Mode

_ID, _OLD, _NEW, _OTHER = EntryID(b"e" * 16), b"o" * 32, b"n" * 32, b"x" * 32
_DOCUMENT, _GENERATION = DocumentID(b"d" * 16), DocumentID(b"g" * 16)
_TEXT = Entry(_ID, "a", Content.text(_DOCUMENT, Mode.PLAIN), None)
_BLOB = Entry(_ID, "a", Content.blob(_NEW, 3, Mode.PLAIN, 1), None)
_SYMLINK = Entry(_ID, "a", Content.symlink(b"there"), None)
_DIRECTORY = Entry(_ID, "a", Content.directory(), None)


def _file(kind: Kind = Kind.TEXT, content: bytes = _OLD, path: str = "a", *, is_own: bool = False) -> FileRecord:
    document = _DOCUMENT if kind is Kind.TEXT else DocumentID(b"r" * 16)
    return FileRecord(_ID, path, document, 1, None, content, Mode.PLAIN, NO_STAMP, kind, is_own)


def _blob_after(content: bytes) -> FileRecord:
    """A blob that was saved here in the place of this content."""
    return replace(_file(Kind.BLOB, _OTHER, is_own=True), base_state=content[:BEFORE_BYTES])


_AT = Facts(_TEXT, None, path="a")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        # not to be touched
        (Facts(None, _file()), Step.NOTHING),
        (replace(_AT, is_here=False), Step.NOTHING),
        (replace(_AT, is_ignored=True), Step.NOTHING),
        (replace(_AT, is_ignored=True, record=_file()), Step.NOTHING),
        (replace(_AT, is_ignored=True, record=_file(path="b")), Step.MOVE_OUT),
        (replace(_AT, is_ignored=True, record=_file(path="b"), is_file_ignored=True), Step.NOTHING),
        # deleted
        (replace(_AT, is_alive=False), Step.NOTHING),
        (replace(_AT, is_alive=False, record=_file()), Step.REMOVE),
        (replace(_AT, is_alive=False, record=_file(), is_file_ignored=True), Step.FORGET),
        (replace(_AT, entry=_BLOB, is_alive=False, record=_file(Kind.BLOB, _OTHER, is_own=True)), Step.REINSTATE),
        (replace(_AT, entry=_BLOB, is_alive=False, record=_file(Kind.BLOB, _NEW, is_own=True)), Step.REMOVE),
        # nothing is made of a text before its file may be written again
        (replace(_AT, record=_file(), is_due=False), Step.WAIT),
        (replace(_AT, record=_file(path="b"), is_due=False), Step.NEED_CONTENT),
        (_AT, Step.NEED_CONTENT),
        # a text
        (replace(_AT, content=_NEW), Step.WRITE),
        (replace(_AT, content=_NEW, is_due=False), Step.WAIT),
        (replace(_AT, content=_NEW, record=_file()), Step.WRITE),
        (replace(_AT, content=_NEW, record=_file(path="b")), Step.MOVE),
        (replace(_AT, content=_OLD, record=_file()), Step.ADVANCE_BASE),
        (replace(_AT, content=_OLD, record=_file(), is_rendered=True), Step.SET_MODE),
        (
            replace(_AT, content=_OLD, record=replace(_file(), document=_GENERATION), is_rendered=True),
            Step.ADVANCE_BASE,
        ),
        (replace(_AT, content=_NEW, record=replace(_file(), document=_GENERATION)), Step.WRITE),
        (replace(_AT, content=_OLD, record=_file(Kind.BLOB)), Step.WRITE),
        (replace(_AT, content=_NEW, record=_file(Kind.BLOB, _OTHER, is_own=True)), Step.CONFLICT_COPY),
        (replace(_AT, content=_OTHER, record=_file(Kind.BLOB, _OTHER, is_own=True)), Step.CONFLICT_COPY),
        # what is no text
        (replace(_AT, entry=_BLOB, content=_NEW), Step.WRITE_OPAQUE),
        (replace(_AT, entry=_BLOB, content=_NEW, record=_file(Kind.BLOB, _NEW)), Step.SET_MODE),
        (replace(_AT, entry=_BLOB, content=_NEW, record=_file(Kind.BLOB)), Step.WRITE_OPAQUE),
        (replace(_AT, entry=_BLOB, content=_NEW, record=_file(Kind.BLOB, path="b")), Step.MOVE),
        (replace(_AT, entry=_BLOB, content=_NEW, record=_file(Kind.BLOB, is_own=True)), Step.CONFLICT_COPY),
        (replace(_AT, entry=_BLOB, content=_NEW, record=_blob_after(_NEW)), Step.REINSTATE),
        (replace(_AT, entry=_SYMLINK, content=b"s"), Step.WRITE_OPAQUE),
        (replace(_AT, entry=_SYMLINK, content=b"s", record=_file(Kind.SYMLINK, _SYMLINK.content.hash)), Step.NOTHING),
        (replace(_AT, entry=_DIRECTORY, content=b"d"), Step.MAKE_DIRECTORY),
        (replace(_AT, entry=_DIRECTORY, content=b"d", record=_file(Kind.DIRECTORY, b"d", "b")), Step.MAKE_DIRECTORY),
    ],
)
def test_table(facts: Facts, expected: Step) -> None:
    assert plan(facts) is expected


def test_no_combination_overwrites_what_was_saved_here_and_is_not_replaced() -> None:
    """All facts in all combinations: steps that take something away are only ever what the invariants allow."""
    records = [
        None,
        *(
            _file(kind, content, path, is_own=is_own)
            for kind, content, path, is_own in product(
                (Kind.TEXT, Kind.BLOB, Kind.SYMLINK), (_OLD, _NEW), ("a", "b"), (False, True)
            )
        ),
    ]
    flags = (False, True)
    seen: set[Step] = set()
    for entry, record, is_ignored, is_file_ignored, is_alive, is_due, content, is_rendered in product(
        (_TEXT, _BLOB, _SYMLINK, _DIRECTORY), records, flags, flags, flags, flags, (None, _OLD, _NEW), flags
    ):
        if is_ignored and not is_alive:
            continue  # only live entries have a path
        holds = content if content is None or entry.kind is Kind.TEXT else entry.content.hash
        facts = Facts(entry, record, "a", is_ignored, is_file_ignored, is_alive, True, is_due, holds, is_rendered)
        step = plan(facts)
        seen.add(step)
        if step in (Step.WRITE, Step.WRITE_OPAQUE, Step.REMOVE) and record is not None and record.is_own:
            now = entry.content.hash if step is Step.REMOVE else holds
            is_same = record.kind is entry.kind and record.content == now
            assert is_same or record.document == entry.document, facts
        if is_ignored or (record is not None and is_file_ignored and not is_alive):
            assert step in (Step.NOTHING, Step.MOVE_OUT, Step.FORGET), facts
        if record is not None and record.path == "a" and is_alive and not is_ignored and not is_due:
            assert step is Step.WAIT, facts
    assert seen == set(Step)
