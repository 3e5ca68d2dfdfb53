"""A folder on a file system without atomic exchange (bindfs, over FUSE): everything works, and status says so."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, eventually, tree, unexpected_lines

pytestmark = [pytest.mark.power, pytest.mark.timeout(120)]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Path]:
    """A directory beneath which names cannot be exchanged."""
    if shutil.which("bindfs") is None or not Path("/dev/fuse").exists():
        pytest.skip("needs bindfs and /dev/fuse")
    (tmp_path / "behind").mkdir()
    mountpoint = tmp_path / "two" / "dir"
    mountpoint.mkdir(parents=True)
    subprocess.run(["bindfs", str(tmp_path / "behind"), str(mountpoint)], check=True)
    yield mountpoint
    subprocess.run(["umount", str(mountpoint)], check=True)


def test_without_exchange(tmp_path: Path, plain: Path) -> None:
    one = Device(tmp_path, "one")
    two = Device(tmp_path, "two")
    assert two.dir == plain
    try:
        one.start()
        two.start()
        (one.dir / "a.txt").write_text("one\ntwo\nthree\n")
        two.join(one)
        one.wait()
        two.wait()
        file_system = two.status()["folders"][0]["file_system"]
        assert file_system["exchange"] is False
        assert file_system["no_replace"] is False
        assert one.status()["folders"][0]["file_system"] == {"exchange": True, "no_replace": True, "leases": True}
        for number in range(10):
            for device in (one, two):
                path = device.dir / "a.txt"
                path.write_text(path.read_text() + f"{device.name} {number}\n")
            one.wait()
            two.wait()
        (one.dir / "d").mkdir()
        (one.dir / "a.txt").rename(one.dir / "d" / "b.txt")
        (two.dir / "new.txt").write_text("new\n")
        eventually(lambda: set(tree(one.dir)) == set(tree(two.dir)) == {"d/b.txt", "new.txt"}, what="the new names")
        one.wait()
        two.wait()
        assert tree(one.dir) == tree(two.dir)
        lines = (one.dir / "d" / "b.txt").read_text().splitlines()
        assert sorted(lines) == sorted(
            ["one", "two", "three", *(f"{name} {number}" for name in ("one", "two") for number in range(10))]
        )
        two.kill()
        two.start()
        two.wait()
        assert tree(one.dir) == tree(two.dir)
        for device in (one, two):
            assert unexpected_lines(device) == []
    finally:
        one.kill()
        two.kill()
