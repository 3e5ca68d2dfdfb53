"""What is no regular file is looked at and never opened: to open a FIFO, a device or a tape has effects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from inotify_simple import INotify, flags

from yp2p.config import Files
from yp2p.errors import FolderError
from yp2p.files import replace, temporary_files
from yp2p.files.blobs import Assembly, ChunkRange, read_chunks
from yp2p.files.editor_locks import lock_of
from yp2p.files.git_locks import GitLocks
from yp2p.files.ignore import IGNORE_FILE
from yp2p.files.ignore_file import read_rules
from yp2p.files.inspect import NO_STAMP, Finding, Found, Stamp, inspect
from yp2p.files.replace import Outcome
from yp2p.files.root import Root
from yp2p.files.temporary_files import Filling
from yp2p.files.temporary_names import Purpose
from yp2p.identity import FolderID
from yp2p.protocol.blobs import chunk_hash
from yp2p.protocol.entries import Kind, Mode

_FOLDER = FolderID(b"f" * 16)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    (tmp_path / "folder").mkdir()
    found = Root(tmp_path / "folder")
    found.prepare(_FOLDER)
    yield found
    found.close()


def _inspect(root: Root, path: str) -> None:
    assert inspect(root, path, None, 1000, trust_stamp=False).found is Found.OTHER


def _set_mode(root: Root, path: str) -> None:
    with pytest.raises(OSError):
        replace.set_mode(root, Purpose.of(b"e" * 16, 1, b""), path, Mode.EXECUTABLE, Kind.TEXT)


def _exchange(root: Root, path: str) -> None:
    temporary = temporary_files.create_temporary(root, path)
    result = replace.exchange(root, temporary, path, b"base", NO_STAMP)
    assert result.outcome is Outcome.CHANGED


def _move_away(root: Root, path: str) -> None:
    for kind in (Kind.TEXT, Kind.BLOB):
        assert replace.move_away(root, path, "elsewhere", b"base", NO_STAMP, kind).outcome is Outcome.CHANGED


def _copy(root: Root, path: str) -> None:
    copy = path, Stamp.of(os.stat(root.path / path)), b""
    [failure] = temporary_files.fill_temporaries(
        root, [Filling(temporary_files.create_temporary(root, path), None, None, Mode.PLAIN, copy_of=copy)]
    )
    assert failure is not None


def _put_like(root: Root, path: str) -> None:
    [failure] = temporary_files.fill_temporaries(
        root, [Filling(temporary_files.create_temporary(root, path), path, b"", Mode.PLAIN)]
    )
    assert failure is None


def _read_chunks(root: Root, path: str) -> None:
    assert read_chunks(root, ChunkRange(path, Stamp.of(os.stat(root.path / path)), 0, 1)) == [b""]


def _assemble(root: Root, path: str) -> None:
    assembly = Assembly(root, b"b" * 32, 1, [chunk_hash(b"x")], "f")
    assembly.copy_from(path)
    assembly.close()


def _editor_lock(root: Root, path: str) -> None:
    (root.path / path).rename(root.path / ".a.txt.swp")
    assert lock_of(root, "a.txt") is not None


def _ignore_file(root: Root, path: str) -> None:
    (root.path / path).rename(root.path / IGNORE_FILE)
    with pytest.raises(FolderError):
        read_rules(root, Files())


def _git(root: Root, path: str) -> None:
    (root.path / path).rename(root.path / ".git")
    with INotify() as inotify:
        GitLocks(inotify).watch("", root.descriptor)


def _marker(root: Root, path: str) -> None:
    (root.path / path).rename(root.path / ".yp2p/marker")
    assert root.marker() is None


_WAYS = (
    _inspect, _set_mode, _exchange, _move_away, _copy, _put_like, _read_chunks, _assemble, _editor_lock, _ignore_file,
    _git, _marker,
)  # fmt: skip


@pytest.mark.parametrize("way", _WAYS, ids=lambda way: way.__name__.strip("_"))
def test_nobody_opens_a_fifo(root: Root, way: Callable[[Root, str], None]) -> None:
    os.mkfifo(root.path / "p")
    with INotify() as opened:
        opened.add_watch(str(root.path / "p"), flags.OPEN)
        way(root, "p")
        assert not opened.read(timeout=0)


def test_a_writer_that_waits_for_its_reader_goes_on_waiting(root: Root) -> None:
    os.mkfifo(root.path / "p")
    assert inspect(root, "p", None, 1000, trust_stamp=False).found is Found.OTHER
    with pytest.raises(OSError, match="No such device"):  # there is no reader
        os.open(root.path / "p", os.O_WRONLY | os.O_NONBLOCK)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_no_file(root: Root) -> None:
    os.mknod(root.path / "null", 0o020666, os.makedev(1, 3))
    finding = inspect(root, "null", None, 1000, trust_stamp=False)
    assert finding == Finding("null", Found.OTHER, finding.stamp, reason="not a regular file")
