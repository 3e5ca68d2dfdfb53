"""What would come to a directory, as far as it is chosen, and whether there is room for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from yp2p.config import Files
from yp2p.folder.choice import Chosen
from yp2p.pairing.exchange import Listed
from yp2p.pairing.preview import compare, room
from yp2p.protocol.entries import Kind


def _listed(path: str, data: bytes) -> Listed:
    return Listed(path, Kind.TEXT, hashlib.sha256(data).digest(), len(data))


_ENTRIES = [_listed("a.txt", b"a\n"), _listed("docs/b.txt", b"bb\n"), _listed("films/c", b"c" * 100)]


def test_what_is_not_chosen_does_not_come(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films/own").write_text("own\n")
    found = compare(tmp_path, _ENTRIES, Files(), Chosen(["docs"]))
    assert (found.only_there, found.bytes_to_come, found.not_chosen, found.only_here) == (1, 3, 2, 1)
    found = compare(tmp_path, _ENTRIES, Files(), Chosen())
    assert (found.only_there, found.bytes_to_come, found.not_chosen) == (3, 105, 0)


@pytest.mark.parametrize(
    ("chosen", "needed"), [((), 103), (("films",), 100), (("films/c", "a.txt"), 100), (("a.txt",), 0), (("x",), 0)]
)
def test_what_is_here_needs_no_room(tmp_path: Path, chosen: tuple[str, ...], needed: int) -> None:
    (tmp_path / "a.txt").write_bytes(b"A\n")
    (tmp_path / ".yp2pignore").write_text("*.tmp\n")
    entries = [*_ENTRIES, _listed("x/y.tmp", b"ignored")]
    assert room(tmp_path, entries, Files(), Chosen(chosen))["bytes_needed"] == needed


def test_too_little_room_is_told_with_both_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yp2p.pairing.preview.free_bytes", lambda directory: 104)
    found = room(tmp_path, _ENTRIES, Files(), Chosen())
    assert (found["bytes_needed"], found["bytes_free"]) == (105, 104)
    assert "has room for 104 bytes, and the files that would come take 105 bytes" in str(found["no_room"])
    assert room(tmp_path, _ENTRIES, Files(), Chosen(["films"]))["no_room"] == ""
