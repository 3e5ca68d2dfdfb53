"""What the store says of one file and is true of another: nothing is moved, copied or told to others by that."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio.testing
from bridge import Bridge, open_bridge

from yp2p.protocol.entries import Kind

_STAMP = ("inode", "size", "mtime_ns", "ctime_ns")
_BASE = ("content", "base_seq", "base_state")
_FILES = {"a.txt": b"alpha\nline\n", "b.txt": b"beta\nother line\n", "a.bin": b"\0aaa", "b.bin": b"\0bbbb"}


def _exchange(store: Path, one: str, other: str, columns: tuple[str, ...]) -> None:
    """Have the rows of two files say of each other what these columns do."""
    with closing(sqlite3.connect(store)) as database, database:
        names = ", ".join(columns)
        query = f"SELECT entry, {names} FROM file WHERE path IN (?, ?)"
        first, second = database.execute(query, (one.encode(), other.encode())).fetchall()
        for entry, values in ((first[0], second[1:]), (second[0], first[1:])):
            database.execute(
                f"UPDATE file SET ({names}) = ({', '.join('?' * len(columns))}) WHERE entry = ?", (*values, entry)
            )


def _said(bridge: Bridge) -> dict[str, object]:
    """What other devices are told, by path."""
    folder, found = bridge.folder, dict[str, object]()
    for path, entry in folder.catalogue.layout().entry_at.items():
        known = folder.catalogue.entries[entry]
        is_text = known.kind is Kind.TEXT
        found[path] = folder.texts.open(known.document).text.text() if is_text else known.content.hash
    return found


@pytest.mark.parametrize(
    "columns", [("path",), ("content",), _BASE, _STAMP, (*_BASE, *_STAMP), ("document",)], ids="-".join
)
@pytest.mark.parametrize("names", [("a.txt", "b.txt"), ("a.bin", "b.bin"), ("a.txt", "b.bin")], ids="-".join)
async def test_files_whose_rows_were_exchanged_stay_where_they_are(
    names: tuple[str, str], columns: tuple[str, ...], tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    directory = tmp_path / "dir"
    directory.mkdir()
    for name, data in _FILES.items():
        (directory / name).write_bytes(data)
    async with open_bridge(tmp_path) as bridge:
        before = _said(bridge)
    _exchange(tmp_path / "store", *names, columns)
    async with open_bridge(tmp_path) as bridge:
        for entry in bridge.folder.catalogue.entries:
            bridge.folder.render_queue.want(entry)
        for _ in range(3):
            await bridge.render()
        assert {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()} == _FILES
        assert _said(bridge) == before
