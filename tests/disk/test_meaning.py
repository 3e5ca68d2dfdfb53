"""The tables of what a finding on the disk means (`disk/ingest/meaning.py`)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from yp2p.disk.ingest.meaning import Circumstances, FileState, Meaning, meaning_of, state_of
from yp2p.files.inspect import KINDS, Finding, Found, Stamp
from yp2p.folder.records import FileRecord
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind, Mode

_BEFORE, _SINCE = Stamp(1, 3, 100, 100), Stamp(1, 3, 200, 200)
# As `_BEFORE`, with the time of its author, whose clock is ahead.
_BEFORE_BY_ANOTHER_CLOCK = Stamp(1, 3, 5000, 100)


def _record(kind: Kind = Kind.TEXT) -> FileRecord:
    return FileRecord(
        EntryID(b"e" * 16), "a", DocumentID(b"d" * 16), 1, None, b"old", Mode.PLAIN, Stamp(1, 3, 150, 150), kind
    )  # fmt: skip


_NEEDS_ENTRY = {Found.DIRECTORY: Meaning.NEW}
_READ = (Found.TEXT, Found.BLOB, Found.SYMLINK)
_ALWAYS = {
    Found.UNCHANGED: Meaning.UNCHANGED,
    Found.LONG: Meaning.LONG,
    Found.BUSY: Meaning.BUSY,
    Found.MISSING: Meaning.MISSING,
    Found.OTHER: Meaning.IGNORED,
    Found.DENIED: Meaning.IGNORED,
}


@pytest.mark.parametrize("found", Found)
def test_what_a_path_is(found: Found) -> None:
    finding = Finding("a", found)
    a_file, a_directory = _record(), _record(Kind.DIRECTORY)
    if found in _ALWAYS:
        for record, needs_entry in product((None, a_file, a_directory), (False, True)):
            assert meaning_of(finding, record, needs_entry=needs_entry) is _ALWAYS[found]
    elif found is Found.DIRECTORY:
        assert meaning_of(finding, None, needs_entry=True) is Meaning.NEW
        assert meaning_of(finding, None, needs_entry=False) is Meaning.NOTHING
        assert meaning_of(finding, a_file, needs_entry=False) is Meaning.DISPLACED
        assert meaning_of(finding, a_directory, needs_entry=False) is Meaning.KNOWN
    else:
        assert found in _READ
        assert meaning_of(finding, None, needs_entry=False) is Meaning.NEW
        assert meaning_of(finding, a_file, needs_entry=False) is Meaning.KNOWN
        assert meaning_of(finding, a_directory, needs_entry=False) is Meaning.DISPLACING


_TEXT = Finding("a", Found.TEXT, _SINCE, content=b"new")
_BLOB = Finding("a", Found.BLOB, _SINCE, content=b"new")
_USUAL = Circumstances()
_LIVE = Circumstances(is_live=True)
_CUT = Circumstances(after_power_cut=True, is_first=True)


@pytest.mark.parametrize(
    ("kind", "finding", "what", "expected"),
    [
        (Kind.TEXT, replace(_TEXT, content=b"old"), _USUAL, FileState.BASE),
        (Kind.TEXT, replace(_TEXT, content=b"old", stamp=_BEFORE), _CUT, FileState.BASE),
        (Kind.TEXT, replace(_BLOB, content=b"old"), _USUAL, FileState.OPAQUE),
        (Kind.BLOB, _TEXT, _USUAL, FileState.OPAQUE),
        (Kind.BLOB, _BLOB, _CUT, FileState.OPAQUE),
        (Kind.BLOB, replace(_BLOB, stamp=_BEFORE), _CUT, FileState.DAMAGED),
        (Kind.BLOB, replace(_BLOB, stamp=_BEFORE_BY_ANOTHER_CLOCK), _CUT, FileState.DAMAGED),
        (Kind.TEXT, _TEXT, replace(_USUAL, is_replaced=True), FileState.OPAQUE),
        (Kind.TEXT, _TEXT, _USUAL, FileState.NEED_DOCUMENT),
        (Kind.TEXT, _TEXT, replace(_USUAL, is_current=True), FileState.CURRENT),
        (Kind.TEXT, _TEXT, replace(_USUAL, is_current=False), FileState.EDITED),
        (Kind.TEXT, replace(_TEXT, stamp=_BEFORE), replace(_USUAL, is_current=False), FileState.EDITED),
        (Kind.TEXT, _TEXT, replace(_LIVE, is_current=True), FileState.CURRENT),
        (Kind.TEXT, _TEXT, replace(_LIVE, is_current=False), FileState.NEED_VERSION),
        (Kind.TEXT, _TEXT, replace(_LIVE, is_current=False, is_version=True), FileState.OTHER_VERSION),
        (Kind.TEXT, _TEXT, replace(_LIVE, is_current=False, is_version=False), FileState.EDITED),
        (Kind.TEXT, _TEXT, replace(_CUT, is_current=True), FileState.CURRENT),
        (Kind.TEXT, _TEXT, replace(_CUT, is_current=False), FileState.NEED_VERSION),
        (Kind.TEXT, _TEXT, replace(_CUT, is_current=False, is_version=True), FileState.OTHER_VERSION),
        (Kind.TEXT, _TEXT, replace(_CUT, is_current=False, is_version=False), FileState.EDITED),
        (
            Kind.TEXT, replace(_TEXT, stamp=_BEFORE), replace(_CUT, is_current=False, is_version=False),
            FileState.NEED_BASE,
        ),
        (
            Kind.TEXT, replace(_TEXT, stamp=_BEFORE),
            replace(_CUT, is_current=False, is_version=False, extends_base=False), FileState.DAMAGED,
        ),
        (
            Kind.TEXT, replace(_TEXT, stamp=_BEFORE),
            replace(_CUT, is_current=False, is_version=False, extends_base=True), FileState.EDITED,
        ),
    ],
)  # fmt: skip
def test_what_a_known_file_holds(kind: Kind, finding: Finding, what: Circumstances, expected: FileState) -> None:
    assert state_of(_record(kind), finding, what) is expected


@pytest.mark.parametrize("stamp", [_BEFORE, _BEFORE_BY_ANOTHER_CLOCK])
def test_after_a_power_cut_what_is_no_younger_than_its_record_is_no_edit_but_for_more_behind(stamp: Stamp) -> None:
    flags, answers = (False, True), (None, False, True)
    for kind, found, content, is_replaced, is_first, is_current, is_version in product(
        Kind, (Found.TEXT, Found.BLOB, Found.SYMLINK, Found.DIRECTORY), (b"old", b"new"), flags, flags, answers, answers
    ):
        finding = Finding("a", found, stamp, content=content)
        what = Circumstances(is_replaced, is_first, True, is_current, is_version, extends_base=False)
        state = state_of(_record(kind), finding, what)
        assert state not in (FileState.EDITED, FileState.OPAQUE), (kind, finding, what)
        assert (state is FileState.BASE) == (content == b"old" and KINDS[found] is kind)
