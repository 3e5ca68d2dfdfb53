"""A file that has other names as well (hard links): what is done to one of them here reaches none of the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from yp2p.files import replace, temporary_files, trash
from yp2p.files.capabilities import Capabilities
from yp2p.files.inspect import NO_STAMP, Stamp, inspect
from yp2p.files.replace import Outcome
from yp2p.files.root import TMP, Root
from yp2p.files.temporary_files import Filling
from yp2p.files.temporary_names import Purpose
from yp2p.identity import FolderID
from yp2p.protocol.entries import Kind, Mode

_MIB = 1 << 20


@pytest.fixture(params=[True, False], ids=["exchange", "by hand"])
def root(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Root]:
    (tmp_path / "folder").mkdir()
    found = Root(tmp_path / "folder")
    found.prepare(FolderID(b"f" * 16))
    if not request.param:
        found.capabilities = Capabilities(exchange=False, no_replace=False)
    yield found
    found.close()


@pytest.fixture
def other(root: Root) -> Path:
    """Another name of the file `f`, outside of the folder."""
    (root.path / "f").write_text("one\n")
    os.link(root.path / "f", root.path.parent / "other")
    return root.path.parent / "other"


def _content(root: Root, path: str) -> tuple[bytes, Stamp, Kind]:
    found = inspect(root, path, None, _MIB, trust_stamp=False)
    assert found.kind is not None
    return found.content, found.stamp, found.kind


def test_the_trash_has_a_copy(root: Root, other: Path) -> None:
    os.chmod(other, 0o640)
    os.utime(other, ns=(10**18, 10**18))
    os.setxattr(other, "user.note", b"mine")
    place = f"{trash.new_place()}/f"
    result = replace.move_away(root, "f", place, *_content(root, "f"))
    with other.open("a") as file:
        file.write("written later\n")
    kept = root.path / place
    assert (kept.read_text(), os.getxattr(kept, "user.note")) == ("one\n", b"mine")
    assert (kept.stat().st_mode & 0o777, kept.stat().st_mtime_ns) == (0o640, 10**18)
    assert result.stamp == Stamp.of(kept.stat())
    assert not (root.path / "f").exists()
    assert root.temporaries() == []


def test_holes_stay_holes_in_the_copy(root: Root, other: Path) -> None:
    with other.open("r+b") as file:
        file.truncate(64 * _MIB)
        file.seek(32 * _MIB)
        file.write(b"in the middle")
    place = f"{trash.new_place()}/f"
    assert replace.move_away(root, "f", place, None, NO_STAMP).outcome is Outcome.DONE
    status = (root.path / place).stat()
    assert (status.st_size, status.st_blocks * 512 < _MIB) == (64 * _MIB, True)
    with (root.path / place).open("rb") as file:
        file.seek(32 * _MIB - 1)
        assert file.read(15) == b"\0in the middle\0"


def test_what_is_written_while_it_is_copied_stays(root: Root, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_file = replace.copy_to

    def written_meanwhile(of: Root, path: str, stamp: Stamp, target: str) -> Stamp:
        made = copy_file(of, path, stamp, target)
        other.write_text("another one\n")
        return made

    @contextmanager
    def none(descriptor: int) -> Iterator[None]:
        yield

    content = _content(root, "f")
    monkeypatch.setattr(replace, "read_lease", none)
    monkeypatch.setattr(replace, "copy_to", written_meanwhile)
    result = replace.move_away(root, "f", f"{trash.new_place()}/f", *content)
    assert result.outcome is Outcome.CHANGED
    assert (root.path / "f").read_text() == "another one\n"
    assert trash.items(root) == []


def test_what_is_no_file_of_several_names_is_moved(root: Root) -> None:
    (root.path / "f").write_text("one\n")
    inode = (root.path / "f").stat().st_ino
    place = f"{trash.new_place()}/f"
    assert replace.move_away(root, "f", place, *_content(root, "f")).outcome is Outcome.DONE
    assert (root.path / place).stat().st_ino == inode


def test_it_is_told_of_what_came_out(root: Root, other: Path) -> None:
    temporary = temporary_files.create_temporary(root, "f")
    temporary_files.fill_temporaries(root, [Filling(temporary, "f", b"two\n", Mode.PLAIN)])
    result = replace.exchange(root, temporary, "f", *_content(root, "f"))
    assert (result.outcome, result.is_linked, other.read_text()) == (Outcome.DONE, True, "one\n")


def test_the_other_names_keep_their_mode(root: Root, other: Path) -> None:
    os.utime(other, ns=(10**18, 10**18))
    before = other.stat()
    purpose = Purpose.of(b"e" * 16, 1, b"c" * 32)
    stamp = replace.set_mode(root, purpose, "f", Mode.EXECUTABLE, Kind.TEXT)
    here = (root.path / "f").stat()
    assert (stamp, here.st_mode & 0o111, here.st_mtime_ns) == (Stamp.of(here), 0o111, 10**18)
    assert other.stat().st_mode == before.st_mode
    assert (root.path / "f").read_text() == "one\n"
    assert not os.listdir(root.path / TMP)
