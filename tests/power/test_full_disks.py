"""Disks that are full or read-only: what cannot be written waits with a reason, the rest goes on, nothing is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import Device, eventually, tree, unexpected_lines

pytestmark = [pytest.mark.power, pytest.mark.timeout(120)]


@contextmanager
def _disk(mountpoint: Path, size: str) -> Iterator[None]:
    mountpoint.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(mountpoint)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(mountpoint)], check=True)


def _remount(mountpoint: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(mountpoint)], check=True)


def _waiting(device: Device) -> dict[str, str]:
    return {item["path"]: item["reason"] for item in device.status()["folders"][0]["waiting"]}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    """The folder of the second device is on a disk of 4 MiB."""
    with _disk(tmp_path / "two" / "dir", "4m"):
        found = [Device(tmp_path, name) for name in ("one", "two")]
        try:
            for device in found:
                device.start()
            (found[0].dir / "a.txt").write_text("a\n")
            found[1].join(found[0])
            for device in found:
                device.wait()
            yield found
        finally:
            for device in found:
                device.kill()


def test_a_full_disk(pair: list[Device]) -> None:
    one, two = pair
    (one.dir / "big").write_bytes(os.urandom(8 << 20))
    (one.dir / "long.txt").write_text("a line of a long text\n" * 170_000)  # 3.7 MB
    (one.dir / "small.txt").write_text("small\n")
    eventually(lambda: "big" in _waiting(two), 30, "the blob that waits")
    assert _waiting(two)["big"].startswith("No space left on device: of 3 MiB free")
    (one.dir / "b.txt").write_text("b\n")
    (two.dir / "a.txt").write_text("a\nand more\n")
    eventually(lambda: (two.dir / "b.txt").exists() and (two.dir / "small.txt").exists(), 30, "the rest going on")
    eventually(lambda: (one.dir / "a.txt").read_text() == "a\nand more\n")
    assert not two.status()["folders"][0]["devices"][0]["in_sync"]
    _remount(two.dir, "size=64m")
    eventually(lambda: tree(one.dir) == tree(two.dir), 30, "everything being there")
    for device in (one, two):
        device.wait()
        assert unexpected_lines(device) == []
    assert _waiting(two) == {}


def test_a_disk_that_becomes_read_only(pair: list[Device]) -> None:
    one, two = pair
    _remount(two.dir, "ro")
    (one.dir / "a.txt").write_text("a\nand more\n")
    (one.dir / "new.txt").write_text("new\n")
    (one.dir / "blob").write_bytes(b"\0" * 10 + b"x")
    eventually(lambda: set(_waiting(two)) == {"a.txt", "new.txt", "blob"}, 30, "what waits")
    assert set(_waiting(two).values()) == {"Read-only file system; make its file system writable (mount -o remount,rw)"}
    assert two.run("status").returncode == 0
    _remount(two.dir, "rw")
    eventually(lambda: tree(one.dir) == tree(two.dir), 30, "everything being there")
    for device in (one, two):
        device.wait()


def test_a_full_disk_under_the_store(tmp_path: Path) -> None:
    """It is said, nothing comes in that could not be stored, and it goes on by itself."""
    home = tmp_path / "two" / "home"
    with _disk(home, "2m"):
        one, two = Device(tmp_path, "one"), Device(tmp_path, "two")
        try:
            one.start()
            refused = two.run("daemon")
            assert refused.returncode == 1
            assert "full" in refused.stderr
            assert "make room" in refused.stderr
            _remount(home, "size=10m")
            two.start()
            (one.dir / "a.txt").write_text("a\n")
            two.join(one)
            one.wait()
            two.wait()
            for number in range(20):
                (one.dir / f"{number}.txt").write_text(f"line {number} of a text\n" * 40_000)
            eventually(lambda: bool(two.status()["store"]["problem"]), 30, "status saying so")
            assert "make room" in two.cli("status")
            assert two.status()["folders"][0]["state"] == "paused"
            assert one.run("wait", "--timeout", "3").returncode == 1, "in sync with nobody"
            assert unexpected_lines(two, "store_waits") == []
            _remount(home, "size=256m")
            eventually(lambda: tree(one.dir) == tree(two.dir), 60, "everything being there")
            assert two.status()["store"]["problem"] == ""
            one.wait()
            two.wait()
            assert two.exit_code() is None
        finally:
            one.kill()
            two.kill()


def test_a_disk_is_unmounted_while_the_daemon_runs(tmp_path: Path) -> None:
    """And mounted again: nothing was deleted meanwhile."""
    directory = tmp_path / "two" / "dir"
    with _disk(tmp_path / "disk", "16m"):
        directory.mkdir(parents=True)
        subprocess.run(["mount", "--bind", str(tmp_path / "disk"), str(directory)], check=True)
        one, two = Device(tmp_path, "one"), Device(tmp_path, "two")
        try:
            for device in (one, two):
                device.start()
            (one.dir / "a.txt").write_text("a\n")
            two.join(one)
            two.wait()
            assert subprocess.run(["umount", str(directory)], capture_output=True).returncode != 0, "it is busy"
            two.cli("folder", "pause")
            subprocess.run(["umount", str(directory)], check=True)
            two.cli("folder", "unpause")
            eventually(lambda: "marker" in two.status()["folders"][0]["problem"])
            (one.dir / "b.txt").write_text("b\n")
            subprocess.run(["mount", "--bind", str(tmp_path / "disk"), str(directory)], check=True)
            eventually(lambda: (directory / "b.txt").exists(), 30, "it going on by itself")
            assert tree(one.dir) == tree(directory)
        finally:
            one.kill()
            two.kill()
            subprocess.run(["umount", "-l", str(directory)], capture_output=True)
