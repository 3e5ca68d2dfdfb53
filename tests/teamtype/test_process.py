"""`yp2p client` as an editor starts it, and what it saves where no daemon is."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from pathlib import Path

import pytest
from lab import YP2P, Device, devices, eventually

from yp2p.editors.rescue import Unsaved, make_file, save
from yp2p.errors import FileUnavailable


def _frames(*messages: dict[str, object]) -> bytes:
    bodies = [json.dumps({"jsonrpc": "2.0", **message}).encode() for message in messages]
    return b"".join(b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in bodies)


def _client(device: Device, directory: Path, data: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [YP2P, "client"], env=device.environment, cwd=directory, input=data, capture_output=True, timeout=60
    )


@pytest.mark.long
def test_it_serves_an_editor_until_that_goes(tmp_path: Path) -> None:
    with devices(tmp_path, "one") as (one,):
        (one.dir / "below").mkdir()
        (one.dir / "below" / "a.txt").write_text("text\n")
        one.cli("share", str(one.dir))
        one.wait()
        uri = (one.dir / "below" / "a.txt").as_uri()
        here = {"line": 0, "character": 0}
        delta = [{"range": {"start": here, "end": here}, "replacement": "typed "}]
        done = _client(
            one,
            one.dir / "below",
            _frames(
                {"id": "one", "method": "open", "params": {"uri": uri, "content": "text\n"}},
                {"id": 2, "method": "edit", "params": {"uri": uri, "revision": 0, "delta": delta}},
            ),
        )
        assert done.returncode == 0, done.stderr
        assert b'"id":2,"result":"success"' in done.stdout
        eventually(lambda: (one.dir / "below" / "a.txt").read_text() == "typed text\n")

        apart = _client(one, tmp_path, b"")
        assert (apart.returncode, apart.stdout) == (8, b"")
        assert b"is in no folder of this device" in apart.stderr
        wrong = _client(one, one.dir, b"something else\r\n\r\n")
        assert (wrong.returncode, b"-32700" in wrong.stdout) == (2, True)
        assert b"Content-Length" in wrong.stderr
        assert b"Traceback" not in done.stderr + apart.stderr + wrong.stderr


def test_what_no_daemon_takes_is_saved_as_a_change_of_what_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\nthree\nsaved by something else\n")
    path.chmod(0o640)
    save(Unsaved(str(path), ("one\ntwo\nthree\n",), "one\n2\nthree\n"))
    assert path.read_text() == "one\n2\nthree\nsaved by something else\n"
    assert path.stat().st_mode & 0o777 == 0o640
    save(None)
    save(Unsaved(str(path), ("same",), "same"))
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("data", [b"\0 with a NUL", b"\xff no UTF-8"])
def test_what_is_no_text_any_more_is_left_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    for _ in range(2):
        save(Unsaved(str(path), ("",), "typed\n"))
    assert path.read_bytes() == data
    assert {found.name for found in tmp_path.iterdir()} == {"a.txt", "a.unsaved-1.txt", "a.unsaved-2.txt"}
    assert (tmp_path / "a.unsaved-2.txt").read_text() == "typed\n"


def test_a_file_that_is_gone_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    save(Unsaved(str(path), ("before\n",), "before\nand after\r\n"))
    assert path.read_bytes() == b"before\nand after\r\n"
    make_file(str(path), "something else")
    assert path.read_bytes() == b"before\nand after\r\n"
    with pytest.raises(FileUnavailable, match="cannot be made"):
        make_file(str(tmp_path / "no" / "a.txt"), "")


def test_where_the_directory_is_gone_it_is_saved_above(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "below" / "a.txt"
    place = save(Unsaved(str(path), ("before\n",), "before\nand after\n"))
    assert place == str(tmp_path / "a.unsaved-1.txt")
    assert Path(place).read_text() == "before\nand after\n"


def test_where_it_cannot_be_written_it_is_saved_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before\n")
    path.chmod(0o600)

    def fail(number: int) -> None:
        if os.fstat(number).st_ino == path.stat().st_ino:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    place = save(Unsaved(str(path), ("before\n",), "before\nand after\n"))
    assert place == str(tmp_path / "a.unsaved-1.txt")
    assert Path(place).read_text() == "before\nand after\n"
    assert Path(place).stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_made_in_part_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FileUnavailable, match="No space"):
        make_file(str(tmp_path / "a.txt"), "text")
    assert list(tmp_path.iterdir()) == []


def test_everything_else_of_a_file_stays_as_it_is(tmp_path: Path) -> None:
    """Whose it is, its attributes and other names; and a symlink to it stays one."""
    path, link, name = tmp_path / "a.txt", tmp_path / "link.txt", tmp_path / "name.txt"
    path.write_text("before\nand a line that is removed\n")
    link.symlink_to("a.txt")
    name.hardlink_to(path)
    try:
        os.setxattr(path, "user.colour", b"green")
    except OSError:
        pytest.skip("this file system has no attributes")
    before = path.stat()
    assert save(Unsaved(str(link), ("before\nand a line that is removed\n",), "before\n")) is None
    after = path.stat()
    assert name.read_text() == "before\n"
    assert link.is_symlink()
    assert os.getxattr(path, "user.colour") == b"green"
    assert (after.st_ino, after.st_uid, after.st_mode) == (before.st_ino, before.st_uid, before.st_mode)
    assert len(list(tmp_path.iterdir())) == 3
