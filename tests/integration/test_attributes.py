"""What of a file travels, and what is each disk's own: the table of docs/files.md, through two daemons."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices, eventually, unexpected_lines

_OLD = 1_000_000_000  # 2001


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    with devices(tmp_path, "one", "two") as (one, two):
        yield [one, two]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _mark(path: Path, value: bytes) -> None:
    try:
        os.setxattr(path, "user.mark", value)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip("the file system has no extended attributes")


def _set_up(directory: Path) -> None:
    for name, mode in (("run.sh", 0o755), ("private.txt", 0o600), ("setuid.bin", 0o4755), ("readonly.txt", 0o444)):
        (directory / name).write_bytes(b"\0x\n" if name.endswith("bin") else b"x\n")
        (directory / name).chmod(mode)
    (directory / "old.txt").write_text("old\n")
    (directory / "old.bin").write_bytes(b"\0old")
    for name in ("old.txt", "old.bin"):
        os.utime(directory / name, (_OLD, _OLD))
    (directory / "twin1.txt").write_text("twin\n")
    os.link(directory / "twin1.txt", directory / "twin2.txt")
    (directory / "link").symlink_to("old.txt")
    with (directory / "holes.img").open("wb") as file:
        file.truncate(8 << 20)
        file.write(b"begin")
    (directory / "empty").mkdir(mode=0o700)
    os.mkfifo(directory / "pipe")


def test_what_travels_and_what_does_not(pair: list[Device]) -> None:
    one, two = pair
    _set_up(one.dir)
    two.join(one)
    one.wait()
    two.wait()
    there = two.dir
    assert _mode(there / "run.sh") & 0o111
    assert _mode(there / "private.txt") == 0o600
    assert _mode(there / "setuid.bin") & 0o7000 == 0, "nothing runs as another user"
    assert _mode(there / "setuid.bin") & 0o111
    assert _mode(there / "readonly.txt") & 0o200, "whether its owner may write is each device's own"
    assert [int((there / name).stat().st_mtime) for name in ("old.txt", "old.bin")] == [_OLD, _OLD]
    assert (there / "twin1.txt").stat().st_ino != (there / "twin2.txt").stat().st_ino
    assert os.readlink(there / "link") == "old.txt"
    assert (there / "holes.img").stat().st_size == 8 << 20
    assert (there / "holes.img").stat().st_blocks * 512 <= 1 << 20, "holes stay holes"
    assert (there / "empty").is_dir()
    assert not (there / "pipe").exists()
    assert [item["path"] for item in one.status()["folders"][0]["not_synced"]] == ["pipe"]
    (one.dir / "run.sh").chmod(0o644)
    eventually(lambda: _mode(there / "run.sh") & 0o111 == 0, what="the mode alone")
    assert unexpected_lines(one) == unexpected_lines(two) == []


def test_attributes_and_owner_are_those_of_this_disk_and_outlive_a_replacement(pair: list[Device]) -> None:
    one, two = pair
    (one.dir / "a.txt").write_text("one\n")
    _mark(one.dir / "a.txt", b"of one")
    two.join(one)
    one.wait()
    two.wait()
    assert os.listxattr(two.dir / "a.txt") == [] or "user.mark" not in os.listxattr(two.dir / "a.txt")
    _mark(two.dir / "a.txt", b"of two")
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(two.dir / "a.txt", 1234, 1234)
    (one.dir / "a.txt").write_text("one\ntwo\n")
    eventually(lambda: (two.dir / "a.txt").read_text() == "one\ntwo\n")
    assert os.getxattr(two.dir / "a.txt", "user.mark") == b"of two"
    assert os.getxattr(one.dir / "a.txt", "user.mark") == b"of one"
    assert not is_root or (two.dir / "a.txt").stat().st_uid == 1234
