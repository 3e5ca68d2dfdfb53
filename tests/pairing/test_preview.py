"""What would come to a directory, as far as it is chosen, and whether there is room for it."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

import pytest
import trio

from yp2p.config import Files
from yp2p.files.inspect import inspect
from yp2p.files.root import Root
from yp2p.folder.choice import Chosen
from yp2p.pairing.exchange import Listed
from yp2p.pairing.preview import compare, look_at, room
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


def test_a_text_that_the_other_device_has_no_file_of_has_no_size_that_is_known(tmp_path: Path) -> None:
    unchosen = Listed("long.txt", Kind.TEXT, hashlib.sha256(b"long\n").digest(), 0)
    entries = [*_ENTRIES, unchosen, _listed("empty.txt", b"")]
    assert room(tmp_path, entries, Files(), Chosen())["of_unknown_size"] == 1
    assert room(tmp_path, entries, Files(), Chosen(["films"]))["of_unknown_size"] == 0
    (tmp_path / "long.txt").write_bytes(b"long\n")
    assert room(tmp_path, entries, Files(), Chosen())["of_unknown_size"] == 0
    (tmp_path / "long.txt").write_bytes(b"other\n")
    assert room(tmp_path, entries, Files(), Chosen(), {"long.txt"})["of_unknown_size"] == 1


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


def _of_a_disk(path: Path) -> list[Listed]:
    """What a device with this one file has."""
    root = Root(path.parent)
    try:
        found = inspect(root, path.name, None, Files().max_text_bytes, trust_stamp=False)
    finally:
        root.close()
    assert found.kind is not None
    return [Listed(path.name, found.kind, found.content, path.stat().st_size)]


def test_a_file_of_the_same_size_and_other_content_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = []
    for side in ("there", "here"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "film").write_bytes(side[0].encode() * 1000)
        entries = entries or _of_a_disk(tmp_path / side / "film")

    def look(where: str, free: int, *, only_room: bool) -> tuple[object, bool]:
        monkeypatch.setattr("yp2p.pairing.preview.free_bytes", lambda directory: free)
        look = partial(look_at, tmp_path / where, entries, Files(), Chosen(), only_room=only_room)
        found = trio.run(look)
        return found["bytes_needed"], bool(found["no_room"])

    for only_room in (False, True):
        assert look("here", 999, only_room=only_room) == (1000, True)
        assert look("there", 999, only_room=only_room) == (0, False)
    assert look("here", 1000, only_room=False) == (1000, False)
    monkeypatch.setattr("yp2p.pairing.preview.inspect", None)
    assert look("here", 1000, only_room=True) == (0, False), "no file is read where there is room anyway"
