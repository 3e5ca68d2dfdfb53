"""What `yp2p check` says of one file, as a function of plain values."""

from __future__ import annotations

from dataclasses import replace

from yp2p.check import files
from yp2p.check.facts import FileFacts, OnDisk
from yp2p.check.findings import Kind as What
from yp2p.files.inspect import Stamp
from yp2p.folder.records import FileRecord
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind, Mode

_STAMP = Stamp(7, 4, 1000, 1000)
_ENTRY, _DOCUMENT = EntryID(b"e" * 16), DocumentID(b"d" * 16)


def _found(recorded: Stamp, there: Stamp) -> list[What]:
    record = FileRecord(_ENTRY, "a.txt", _DOCUMENT, 1, None, b"c" * 32, Mode.PLAIN, recorded)
    facts = FileFacts(
        _ENTRY,
        "a.txt",
        record,
        record,
        place="a.txt",
        kind=Kind.TEXT,
        document=_DOCUMENT,
        there=OnDisk(there, is_directory=False, links=1),
    )
    return [finding.kind for finding in files.of_file("notes", facts)]


def test_a_file_that_a_power_cut_may_have_changed_is_no_change_that_was_not_seen() -> None:
    assert _found(_STAMP, _STAMP) == _found(_STAMP.doubted(), _STAMP) == []
    changed = replace(_STAMP, mtime_ns=2000)
    assert _found(_STAMP, changed) == _found(_STAMP.doubted(), changed) == [What.UNSEEN_CHANGE]
