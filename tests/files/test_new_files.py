"""A new file has what a file gets that is made in its directory: group, access control list, flags, security label."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from yp2p.files import new_files, replace, temporary_files
from yp2p.files.blobs import Assembly, WholeBlob, name_of, write_blobs
from yp2p.files.inspect import Stamp
from yp2p.files.new_files import NewFiles
from yp2p.files.replace import Outcome
from yp2p.files.root import TMP, Root
from yp2p.files.temporary_files import Filling
from yp2p.files.temporary_names import Purpose
from yp2p.identity import FolderID
from yp2p.protocol.blobs import chunk_hash
from yp2p.protocol.entries import Mode

_GROUP = 12345
_SOMEBODY = 54321
_NODUMP = 0x40
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602
_ACL_ACCESS, _ACL_DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
_BLOB = b"b" * 32
_HERE = 0xFFFFFFFF
# u::rwx, u:4711:rwx, g::rwx, m::rwx, o::---
_TEAM = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 7, _HERE), (2, 7, 4711), (4, 7, _HERE), (16, 7, _HERE), (32, 0, _HERE))
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    (tmp_path / "folder").mkdir()
    found = Root(tmp_path / "folder")
    found.prepare(FolderID(b"f" * 16))
    (found.path / "team").mkdir()
    yield found
    found.close()


@pytest.fixture(params=[True, False], ids=["unnamed", "by hand"])
def is_unnamed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the file system has files without a name."""
    if not request.param:

        def cannot(*_: object) -> None:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

        monkeypatch.setattr(new_files.NewFiles, "_make_unnamed", cannot)
    return bool(request.param)


def _text(root: Root, path: str) -> None:
    temporary = temporary_files.create_temporary(root, path)
    assert temporary_files.fill_temporaries(root, [Filling(temporary, None, b"text", Mode.PLAIN)]) == [None]
    assert replace.install_new(root, temporary, path).outcome is Outcome.DONE


def _copy(root: Root, path: str) -> None:
    (root.path / "old").write_bytes(b"old")
    temporary = temporary_files.create_temporary(root, path)
    copy = "old", Stamp.of((root.path / "old").stat()), b""
    assert temporary_files.fill_temporaries(root, [Filling(temporary, None, None, Mode.PLAIN, copy_of=copy)]) == [None]
    assert replace.install_new(root, temporary, path).outcome is Outcome.DONE


def _put_blob(root: Root, path: str) -> None:
    temporary = temporary_files.take_over(root, name_of(_BLOB))
    assert temporary_files.fill_temporaries(root, [Filling(temporary, None, None, Mode.PLAIN)]) == [None]
    assert replace.install_new(root, temporary, path).outcome is Outcome.DONE


def _small_blob(root: Root, path: str) -> None:
    write_blobs(root, [WholeBlob(_BLOB, b"\xff", path)])
    _put_blob(root, path)


def _long_blob(root: Root, path: str) -> None:
    assembly = Assembly(root, _BLOB, 1, [chunk_hash(b"\xff")], path)
    assembly.find()
    assert assembly.put(0, b"\xff")
    assembly.close()
    _put_blob(root, path)


_WAYS = (_text, _copy, _small_blob, _long_blob)
ways = pytest.mark.parametrize("way", _WAYS, ids=lambda way: way.__name__.strip("_"))


@ways
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
def test_the_group_of_a_directory_that_gives_it(root: Root, way: Callable[[Root, str], None], is_unnamed: bool) -> None:
    os.chown(root.path / "team", -1, _GROUP)
    os.chmod(root.path / "team", 0o2775)
    way(root, "team/f")
    way(root, "team/new/f")
    way(root, "f")
    assert (root.path / "team/f").stat().st_gid == _GROUP
    assert (root.path / "team/new/f").stat().st_gid == _GROUP
    assert (root.path / "f").stat().st_gid == os.getegid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives directories away")
def test_a_symlink_has_the_group_as_well(root: Root) -> None:
    os.chown(root.path / "team", -1, _GROUP)
    os.chmod(root.path / "team", 0o2775)
    link = temporary_files.make_symlink(root, "team/link", b"f")
    assert replace.install_new(root, link, "team/link").outcome is Outcome.DONE
    assert (root.path / "team/link").lstat().st_gid == _GROUP


@ways
def test_the_access_control_list_of_the_directory(
    root: Root, way: Callable[[Root, str], None], is_unnamed: bool
) -> None:
    os.setxattr(root.path / "team", _ACL_DEFAULT, _TEAM)
    (root.path / "team/made").touch(0o666)
    way(root, "team/f")
    way(root, "f")
    assert os.getxattr(root.path / "team/f", _ACL_ACCESS) == os.getxattr(root.path / "team/made", _ACL_ACCESS)
    assert (root.path / "team/f").stat().st_mode == (root.path / "team/made").stat().st_mode
    assert _ACL_ACCESS not in os.listxattr(root.path / "f")


@contextmanager
def _without_privileges(path: Path) -> Iterator[None]:
    """As somebody whom permissions bind, and to whom the folder belongs."""
    if os.geteuid() != 0:
        yield
        return
    for found in (path, *path.rglob("*")):
        os.chown(found, _SOMEBODY, -1)
    os.seteuid(_SOMEBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _filled(root: Root, path: str) -> None:
    made = temporary_files.create_filled(
        root, path, None, lambda it: Filling(it, None, b"text", Mode.PLAIN), new_files=NewFiles(root), sync=True
    )
    assert replace.install_new(root, made, path).outcome is Outcome.DONE


def _replaced(root: Root, path: str) -> None:
    """What is filled is one that replaces another: made for no other eyes than the owner's."""
    purpose = Purpose(bytes(16), 7, bytes(8))
    made = temporary_files.create_filled(
        root, path, purpose, lambda it: Filling(it, None, b"text", Mode.PLAIN), new_files=NewFiles(root), sync=True
    )
    assert replace.install_new(root, made, path).outcome is Outcome.DONE


@pytest.mark.parametrize("owner_may", [0, 4], ids=["nothing", "read"])
@pytest.mark.parametrize(
    "way", [_filled, _replaced, _text, _small_blob, _long_blob], ids=lambda way: way.__name__.strip("_")
)
def test_a_directory_that_gives_the_owner_no_right_to_write(
    root: Root, way: Callable[[Root, str], None], owner_may: int, is_unnamed: bool
) -> None:
    entries = ((1, owner_may), (4, 4), (32, 4))
    given = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry, _HERE) for entry in entries)
    os.setxattr(root.path / "team", _ACL_DEFAULT, given)
    with _without_privileges(root.path):
        way(root, "team/f")
    assert (root.path / "team/f").stat().st_size
    assert root.temporaries() == []


@pytest.mark.parametrize("owner_may", [0, 4], ids=["nothing", "read"])
def test_a_file_has_no_more_rights_than_the_directory_gives(root: Root, owner_may: int) -> None:
    entries = ((1, owner_may), (4, 4), (32, 4))
    given = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry, _HERE) for entry in entries)
    os.setxattr(root.path / "team", _ACL_DEFAULT, given)
    with _without_privileges(root.path):
        os.close(os.open("team/made", os.O_CREAT | os.O_WRONLY, 0o666, dir_fd=root.descriptor))
        _filled(root, "team/f")
    assert (root.path / "team/f").stat().st_mode == (root.path / "team/made").stat().st_mode


def test_a_file_that_cannot_be_opened_by_its_name_leaves_none(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    os.setxattr(root.path / "team", _ACL_DEFAULT, _TEAM)
    monkeypatch.setattr(NewFiles, "_open_by_name", cannot)
    _filled(root, "team/f")
    assert (root.path / "team/f").read_bytes() == b"text"
    assert root.temporaries() == []


@ways
def test_nothing_of_a_list_that_only_our_own_directory_has(
    root: Root, way: Callable[[Root, str], None], is_unnamed: bool
) -> None:
    os.setxattr(root.path / TMP, _ACL_DEFAULT, _TEAM)
    (root.path / "team/made").touch(0o666)
    way(root, "team/f")
    assert _ACL_ACCESS not in os.listxattr(root.path / "team/f")
    assert (root.path / "team/f").stat().st_mode == (root.path / "team/made").stat().st_mode


def test_a_file_that_is_replaced_keeps_that_it_has_no_list(root: Root, is_unnamed: bool) -> None:
    (root.path / "team/f").write_text("old")
    os.chmod(root.path / "team/f", 0o644)
    os.setxattr(root.path / "team", _ACL_DEFAULT, _TEAM)
    temporary = temporary_files.create_temporary(root, "team/f", Purpose.of(b"e" * 16, 1, b"c" * 32))
    assert temporary_files.fill_temporaries(root, [Filling(temporary, "team/f", b"new", Mode.PLAIN)]) == [None]
    made = root.path / temporary.name
    assert (stat.S_IMODE(made.stat().st_mode), _ACL_ACCESS in os.listxattr(made)) == (0o644, False)


@ways
def test_the_flags_of_the_directory(root: Root, way: Callable[[Root, str], None]) -> None:
    if not _set_flags(root.path / "team", _NODUMP):
        pytest.skip("this file system has no flags")
    way(root, "team/f")
    way(root, "f")
    assert _flags(root.path / "team/f") & _NODUMP
    assert not _flags(root.path / "f") & _NODUMP


def _flags(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return int.from_bytes(fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8))[:4], "little")
    finally:
        os.close(descriptor)


def _set_flags(path: Path, flags: int) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", flags))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
