"""A file beside another one is settled on the disk: what goes is in the trash first, and nothing is written over."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from yp2p.errors import UsageError
from yp2p.files import temporary_files
from yp2p.files.root import Root
from yp2p.history import settling
from yp2p.history.settling import _settled

_COPY, _NAMED = "d/a.conflict-desk-2026-11-29-1f2e3d4c.txt", "d/a.txt"


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "d").mkdir()
    (tmp_path / _NAMED).write_text("this")
    (tmp_path / _NAMED).chmod(0o640)
    (tmp_path / _COPY).write_text("the other one")
    found = Root(tmp_path)
    found.make_own_directories()
    found.probe()
    return found


def _files(root: Root) -> dict[str, str]:
    return {path.name: path.read_text() for path in (root.path / "d").iterdir()}


def _trashed(root: Root, items: list[str]) -> list[str]:
    return [(root.path / ".yp2p/trash" / item).read_text() for item in items]


@pytest.mark.parametrize(
    ("keep", "files", "trashed"),
    [
        ("this", {"a.txt": "this"}, ["the other one"]),
        ("other", {"a.txt": "the other one"}, ["this"]),
        ("both", {"a.txt": "this", "a 2.txt": "the other one"}, []),
    ],
)
def test_what_is_not_kept_is_in_the_trash(root: Root, keep: str, files: dict[str, str], trashed: list[str]) -> None:
    done = _settled(root, _COPY, _NAMED, keep)
    assert _files(root) == files
    assert _trashed(root, done.trash) == trashed
    # And what is said to stand is what stands.
    assert done.stands == [f"d/{name}" for name in files]
    assert (root.path / _NAMED).stat().st_mode & 0o777 == 0o640
    root.close()


def _everything(root: Root) -> list[str]:
    """The contents of all files, in the folder and in the trash."""
    return sorted(path.read_text() for path in root.path.rglob("*") if path.is_file())


def _before(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Have something happen before each call of a function of `settling`."""
    real = getattr(settling, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        act()
        return real(*args, **options)

    monkeypatch.setattr(settling, name, wrapped)


@pytest.mark.parametrize("moment", ["fill_temporaries", "exchange", "move_away"])
def test_a_copy_that_is_saved_meanwhile_empties_nothing(
    root: Root, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    _before(monkeypatch, moment, lambda: (root.path / _COPY).write_text("newer"))
    with pytest.raises(UsageError, match="changed meanwhile"):
        _settled(root, _COPY, _NAMED, "other")
    files = _files(root)
    assert files.pop(Path(_COPY).name) == "newer"
    assert files == {"a.txt": "this" if moment == "fill_temporaries" else "the other one"}
    assert "this" in _everything(root)
    root.close()


@pytest.mark.parametrize("moment", ["fill_temporaries", "exchange"])
def test_a_file_that_is_saved_meanwhile_is_not_written_over(
    root: Root, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    _before(monkeypatch, moment, lambda: (root.path / _NAMED).write_text("saved just now"))
    with pytest.raises(UsageError, match="changed meanwhile"):
        _settled(root, _COPY, _NAMED, "other")
    assert _files(root) == {"a.txt": "saved just now", Path(_COPY).name: "the other one"}
    assert _everything(root) == ["saved just now", "the other one"], "nothing is left over"
    root.close()


def test_a_disk_that_is_full_leaves_both_files(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(temporary_files, "copy_file", fail)
    with pytest.raises(OSError, match="No space"):
        _settled(root, _COPY, _NAMED, "other")
    assert _everything(root) == ["the other one", "this"]
    assert set(_files(root)) == {"a.txt", Path(_COPY).name}
    root.close()


def test_what_is_in_the_trash_is_not_written_to_under_another_name(root: Root) -> None:
    (root.path / "link").hardlink_to(root.path / _NAMED)
    items = _settled(root, _COPY, _NAMED, "other").trash
    (root.path / "link").write_text("written later")
    assert (_files(root), _trashed(root, items)) == ({"a.txt": "the other one"}, ["this"])
    root.close()


def test_a_name_that_is_taken_is_not_taken_again(root: Root) -> None:
    (root.path / "d/a 2.txt").write_text("of somebody")
    _settled(root, _COPY, _NAMED, "both")
    assert _files(root) == {"a.txt": "this", "a 2.txt": "of somebody", "a 3.txt": "the other one"}
    root.close()


def test_a_link_that_is_kept_stays_a_link(root: Root) -> None:
    (root.path / _COPY).unlink()
    (root.path / _COPY).symlink_to("/etc/hostname")
    items = _settled(root, _COPY, _NAMED, "other").trash
    assert (root.path / _NAMED).readlink() == Path("/etc/hostname")
    assert _trashed(root, items) == ["this"]
    root.close()


def test_the_last_one_that_is_there_is_never_removed(root: Root) -> None:
    (root.path / _NAMED).unlink()
    with pytest.raises(UsageError, match="not on this disk any more"):
        _settled(root, _COPY, _NAMED, "this")
    assert _settled(root, _COPY, _NAMED, "other").trash == []
    assert _files(root) == {"a.txt": "the other one"}
    with pytest.raises(UsageError, match="not on this disk any more"):
        _settled(root, _COPY, _NAMED, "both")
    root.close()


async def test_of_two_files_nothing_stands_now_and_nothing_is_said_to_be_settled() -> None:
    layout = SimpleNamespace(entry_at={_COPY: 1, _NAMED: 2})
    files = SimpleNamespace(tally=SimpleNamespace(beside={1: _COPY}))
    folder: Any = SimpleNamespace(catalogue=SimpleNamespace(layout=lambda: layout), files=files)
    with pytest.raises(UsageError, match="keep this, other or both"):
        await settling.settle_files(folder, _NAMED, "now")
