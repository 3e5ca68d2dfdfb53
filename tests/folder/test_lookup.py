"""Which folder a word means: a label, a directory, or a label that is a directory as well where it is typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from yp2p.check.offline import _chosen
from yp2p.cli.options import folder_name
from yp2p.errors import UsageError
from yp2p.folder.lookup import choose, find_in_room
from yp2p.identity import FolderID
from yp2p.store.look import StoredFolder


@dataclass
class _Named:
    label: str
    path: Path

    number: int = 0

    @property
    def id(self) -> FolderID:
        return FolderID(bytes([self.number]) * 16)


def _meant(word: str, *folders: Any) -> Path:
    name = folder_name(word)
    return choose(folders, name).path


def test_a_label_that_is_a_directory_here_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "other").mkdir()
    elsewhere = _Named("notes", Path("/elsewhere/notes"))
    here = _Named("things", tmp_path / "notes")
    assert _meant("notes", elsewhere) == elsewhere.path, "its directory was moved here by hand"
    assert _meant("notes", elsewhere, here) == here.path
    for word in ("./notes", f"{tmp_path}/notes", "other"):
        with pytest.raises(UsageError, match="no folder is called"):
            _meant(word, elsewhere)
    with pytest.raises(UsageError, match="no folder is called 'other'"):
        _meant("other", elsewhere)


@pytest.mark.parametrize("label", ["a/b", "My <b> [red]Photos/2026", "./x", "../x", "~/x", "a/./b", "/a/b", "a//b/"])
def test_a_label_with_slashes_can_be_typed(label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named = _Named(label, Path("/elsewhere/notes"))
    assert _meant(label, named, _Named("other", tmp_path)) == named.path
    monkeypatch.chdir("/")
    assert _meant(label, named) == named.path


@pytest.mark.parametrize("word", ["a/b", "./notes", "../notes", "/nowhere/at/all", "notes"])
def test_what_is_not_found_is_called_as_it_was_typed(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    with pytest.raises(UsageError, match=f"^no folder is called '{word}'; the folders here are 'other'$"):
        _meant(word, _Named("other", Path("/other")))
    with pytest.raises(UsageError, match=f"^no folder is called '{word}', for this device has no folder yet; .*share"):
        _meant(word)


def test_a_check_without_a_daemon_takes_the_same_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    folders = tuple(
        StoredFolder(FolderID(bytes([number]) * 16), label, Path(f"/{number}"))
        for number, label in enumerate(("a/b", "notes"))
    )
    for one in folders:
        assert _chosen(folders, folder_name(one.label)) == [one]
        assert _chosen(folders, folder_name(str(one.root))) == [one]
    with pytest.raises(UsageError, match=r"no folder is called 'x/y'; the folders here are 'a/b', 'notes'"):
        _chosen(folders, folder_name("x/y"))
    with pytest.raises(UsageError, match=r"called 'x', for this device has no folder yet"):
        _chosen((), "x")


def test_a_label_that_begins_as_an_id_captures_no_room_of_that_folder() -> None:
    own, whole = _Named("notes", Path("/notes"), 0xAB), "ab" * 16
    other = _Named("abab/sub", Path("/other"), 0xCD)
    folders: Any = [own, other]
    assert find_in_room([own], "abab/sub/a.md") == (own, "sub/a.md")  # type: ignore[list-item]
    with pytest.raises(UsageError, match="several folders are called 'abab/sub'"):
        find_in_room(folders, "abab/sub/a.md")
    assert find_in_room(folders, "ababab/sub/a.md") == (own, "sub/a.md")
    assert find_in_room(folders, "cdcd/a.md") == (other, "a.md")
    for label in (f"{whole}/sub", whole):
        other.label = label
        assert find_in_room(folders, f"{whole}/sub/a.md") == (own, "sub/a.md")
        assert choose(folders, whole) is own  # type: ignore[comparison-overlap]
    other.label = "notes/sub"
    assert find_in_room(folders, "notes/sub/a.md") == (other, "a.md")
    assert find_in_room(folders, "notes/a.md") == (own, "a.md")
    assert find_in_room(folders, "notes") == (own, "")
    with pytest.raises(UsageError, match="no folder is called 'none'"):
        find_in_room(folders, "none/a.md")


def test_a_directory_is_meant_whatever_another_folder_is_called(tmp_path: Path) -> None:
    own = _Named("notes", tmp_path, 1)
    folders: Any = [own, _Named(str(tmp_path), Path("/other"), 2)]
    assert choose(folders, str(tmp_path)) is own  # type: ignore[comparison-overlap]
