"""A file is put in place, and a program is quick: what it did to the file is not taken for what was put there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from yp2p.files import placing, replace, temporary_files
from yp2p.files.inspect import NO_STAMP, Found, inspect
from yp2p.files.replace import Result
from yp2p.files.root import Root
from yp2p.files.temporary_files import Filling
from yp2p.identity import FolderID
from yp2p.protocol.entries import Mode

FOLDER = FolderID(b"f" * 16)
OURS, THEIRS = b"rendered", b"saved by"  # of one length


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    (tmp_path / "folder").mkdir()
    found = Root(tmp_path / "folder")
    found.prepare(FOLDER)
    found.probe()
    yield found
    found.close()


def _write(path: Path) -> None:
    with path.open("r+b", buffering=0) as file:
        file.write(THEIRS)


def _write_anew(path: Path) -> None:
    path.unlink()
    path.write_bytes(THEIRS)  # often with the same inode number


def _rename_over(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(THEIRS)
    other.rename(path)


def _make_executable(path: Path) -> None:
    path.chmod(0o755)


def _exchange(root: Root) -> Result:
    (root.path / "f").write_bytes(b"base")
    temporary = temporary_files.create_temporary(root, "f")
    temporary_files.fill_temporaries(root, [Filling(temporary, "f", OURS, Mode.PLAIN)])
    return replace.exchange(root, temporary, "f", hashlib.sha256(b"base").digest(), NO_STAMP)


def _install(root: Root) -> Result:
    temporary = temporary_files.create_temporary(root, "f")
    temporary_files.fill_temporaries(root, [Filling(temporary, None, OURS, Mode.PLAIN)])
    return replace.install_new(root, temporary, "f")


def _no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "_lease", lambda _: False)


def _once_in_place(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Do something right after a file was put in place."""
    real = replace.rename

    def rename(*arguments: object) -> None:
        real(*arguments)  # type: ignore[arg-type]
        do()

    monkeypatch.setattr(replace, "rename", rename)


@pytest.mark.parametrize("put", [_exchange, _install])
@pytest.mark.parametrize("act", [_write, _write_anew, _rename_over, _make_executable])
def test_without_leases(
    root: Root, monkeypatch: pytest.MonkeyPatch, put: Callable[[Root], Result], act: Callable[[Path], None]
) -> None:
    _no_lease(monkeypatch)
    _once_in_place(monkeypatch, lambda: act(root.path / "f"))
    _is_seen(root, put(root))


@pytest.mark.parametrize("put", [_exchange, _install])
@pytest.mark.parametrize("act", [_write_anew, _rename_over, _make_executable])
def test_with_a_lease_on_the_file_that_was_put(
    root: Root, monkeypatch: pytest.MonkeyPatch, put: Callable[[Root], Result], act: Callable[[Path], None]
) -> None:
    _once_in_place(monkeypatch, lambda: act(root.path / "f"))
    _is_seen(root, put(root))


@pytest.mark.parametrize("put", [_exchange, _install])
def test_who_writes_to_it_in_place_waits_until_its_stamp_is_taken(
    root: Root, monkeypatch: pytest.MonkeyPatch, put: Callable[[Root], Result]
) -> None:
    writer = threading.Thread(target=_write, args=(root.path / "f",))

    def start() -> None:
        with pytest.raises(BlockingIOError):
            os.open(root.path / "f", os.O_WRONLY | os.O_NONBLOCK)
        writer.start()

    _once_in_place(monkeypatch, start)
    result = put(root)
    writer.join(10)
    assert result.stamp is not None
    assert not writer.is_alive()
    _is_seen(root, result)


@pytest.mark.parametrize("put", [_exchange, _install])
def test_a_file_that_nobody_touched_has_its_stamp(root: Root, put: Callable[[Root], Result]) -> None:
    stamp = put(root).stamp
    assert stamp is not None
    assert inspect(root, "f", stamp, 1000, trust_stamp=True).found is Found.UNCHANGED


@pytest.mark.parametrize("put", [_exchange, _install])
def test_without_leases_a_file_that_was_written_a_moment_ago_is_read_again(
    root: Root, monkeypatch: pytest.MonkeyPatch, put: Callable[[Root], Result]
) -> None:
    """A write within the same tick of the clock shows in nothing."""
    _no_lease(monkeypatch)
    monkeypatch.setattr(placing, "RACY_NS", 3600 * 10**9)
    assert put(root).stamp is None
    (root.path / "f").unlink()
    monkeypatch.setattr(placing, "RACY_NS", 0)
    assert put(root).stamp is not None


def test_no_lease_stays(root: Root) -> None:
    _install(root)
    descriptor = os.open(root.path / "f", os.O_WRONLY | os.O_NONBLOCK)
    assert fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == fcntl.F_UNLCK
    os.close(descriptor)


def test_a_symlink_has_its_stamp(root: Root) -> None:
    result = replace.install_new(root, temporary_files.make_symlink(root, "l", b"f"), "l")
    assert result.stamp is not None
    assert inspect(root, "l", result.stamp, 1000, trust_stamp=True).found is Found.UNCHANGED


def _is_seen(root: Root, result: Result) -> None:
    """Whoever looks at the path takes what is there for a change."""
    assert result.outcome is replace.Outcome.DONE
    found = inspect(root, "f", result.stamp or NO_STAMP, 1000, trust_stamp=True)
    assert found.found is not Found.UNCHANGED
    assert (found.text, found.mode) != (OURS.decode(), Mode.PLAIN)
