"""A disk that flips bits beneath its file system: what was written by nobody is found, made whole, and not spread."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Device, eventually, tree, unexpected_lines

pytestmark = [pytest.mark.power, pytest.mark.timeout(120)]

_BLOCK_BYTES = 4096
FILES = {
    "text.txt": b"a line of a text that stands on a bad disk\n" * 400, "photo.bin": bytes(range(256)) * 2000,
    "fine.bin": bytes(range(255, -1, -1)) * 900,
}  # fmt: skip


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """An image of a disk, and where its file system is."""
    if os.geteuid() != 0 or shutil.which("filefrag") is None or not Path("/dev/loop-control").exists():
        pytest.skip("needs root, loop devices and filefrag (e2fsprogs)")
    image, mountpoint = tmp_path / "image", tmp_path / "one" / "dir"
    mountpoint.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-b", str(_BLOCK_BYTES), str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(mountpoint)], check=True)
    try:
        (mountpoint / "lost+found").rmdir()
        yield image, mountpoint
    finally:
        subprocess.run(["umount", str(mountpoint)], check=True)


def _flip(image: Path, path: Path) -> None:
    """Change a byte of a file on the disk, and nothing that the file system knows of it."""
    os.sync()
    shown = subprocess.run(["filefrag", "-v", str(path)], check=True, capture_output=True, text=True).stdout
    first = next(line for line in shown.splitlines() if line.lstrip().startswith("0:"))
    block = int(first.split(":")[2].split("..")[0])
    before = path.stat()
    with image.open("r+b") as file:
        file.seek(block * _BLOCK_BYTES + 1000)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    after = path.stat()
    assert (before.st_ino, before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_ino, after.st_size, after.st_mtime_ns, after.st_ctime_ns,
    )  # fmt: skip


def _check(device: Device, **wanted: bool) -> dict[str, str]:
    answer: dict[str, Any] = device.call("POST", "/v1/check", wanted, 60)
    return {one["path"]: f"{one['kind']} {one['result']}" for one in answer["findings"]}


def test_flipped_bits_are_found_and_made_whole(tmp_path: Path, disk: tuple[Path, Path]) -> None:
    image, root = disk
    one, two = Device(tmp_path, "one"), Device(tmp_path, "two")
    assert one.dir == root
    one.others, two.others = [two], [one]
    try:
        for name, data in FILES.items():
            (root / name).write_bytes(data)
        one.start()
        two.start()
        two.join(one)
        for device in (one, two):
            device.wait()
        for name in ("text.txt", "photo.bin"):
            _flip(image, root / name)
        assert _check(one, read=True) == {"text.txt": "damaged-file found", "photo.bin": "damaged-file found"}
        assert (root / "photo.bin").read_bytes() != FILES["photo.bin"], "it is on the disk"
        assert tree(two.dir) == FILES
        assert _check(one, read=True, repair=True) == {
            "text.txt": "damaged-file repaired", "photo.bin": "damaged-file repaired",
        }  # fmt: skip
        for device in (one, two):
            device.wait()
        assert tree(one.dir) == tree(two.dir) == FILES
        kept = {path.name: path.read_bytes() for path in (root / ".yp2p/trash").rglob("*") if path.is_file()}
        for name in ("text.txt", "photo.bin"):
            differs = [a ^ b for a, b in zip(kept[name], FILES[name], strict=True) if a != b]
            assert differs == [1], "what the disk made of it is in the trash"
        eventually(lambda: _check(one, read=True) == {})
        for device in (one, two):
            assert unexpected_lines(device, "bit_rot_found") == []
    finally:
        one.kill()
        two.kill()
