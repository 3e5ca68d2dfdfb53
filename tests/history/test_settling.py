"""A file beside another one is settled on the disk: what goes is in the trash first, and nothing is written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from yp2p.errors import UsageError
from yp2p.files.root import Root
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
    inode = (root.path / _NAMED).stat().st_ino
    items = _settled(root, _COPY, _NAMED, keep)
    assert _files(root) == files
    assert _trashed(root, items) == trashed
    status = (root.path / _NAMED).stat()
    assert (status.st_ino, status.st_mode & 0o777) == (inode, 0o640), "it is the same file"
    root.close()


def test_a_name_that_is_taken_is_not_taken_again(root: Root) -> None:
    (root.path / "d/a 2.txt").write_text("of somebody")
    _settled(root, _COPY, _NAMED, "both")
    assert _files(root) == {"a.txt": "this", "a 2.txt": "of somebody", "a 3.txt": "the other one"}
    root.close()


def test_a_link_that_is_kept_stays_a_link(root: Root) -> None:
    (root.path / _COPY).unlink()
    (root.path / _COPY).symlink_to("/etc/hostname")
    items = _settled(root, _COPY, _NAMED, "other")
    assert (root.path / _NAMED).readlink() == Path("/etc/hostname")
    assert _trashed(root, items) == ["this"]
    root.close()


def test_the_last_one_that_is_there_is_never_removed(root: Root) -> None:
    (root.path / _NAMED).unlink()
    with pytest.raises(UsageError, match="not on this disk any more"):
        _settled(root, _COPY, _NAMED, "this")
    assert _settled(root, _COPY, _NAMED, "other") == []
    assert _files(root) == {"a.txt": "the other one"}
    with pytest.raises(UsageError, match="not on this disk any more"):
        _settled(root, _COPY, _NAMED, "both")
    root.close()
