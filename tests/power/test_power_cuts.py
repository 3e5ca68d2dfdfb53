"""Power cuts: a device lives on a disk image, and from one moment to the next only what had reached the image is left.

The daemon is stopped (SIGSTOP), the image is copied block by block, and the copy is mounted in its place, under another
boot ID. Nothing flushes in between; that no block was written while it was copied is checked. A daemon that was
writing to its store a moment ago, and so did an fsync, makes that likely.

The oracle: what a person wrote on the device that kept its power, and what had left the other one, is there exactly
once. What a program wrote on the device without power and nobody had flushed may be gone, but not in part.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import Device, eventually, tree, unexpected_lines

pytestmark = [pytest.mark.power, pytest.mark.timeout(1800)]
CUTS = int(os.environ.get("YP2P_POWER_CUTS", "40"))
IMAGE_BYTES = 64 << 20
FILES = 6
TOKEN = re.compile(rb"<(\w+)>")
TEMPORARY = ".swp"


class Disk:
    """A file system in an image."""

    def __init__(self, base: Path, mountpoint: Path) -> None:
        self._base = base
        self._mountpoint = mountpoint
        self._number = 0
        self._image = base / "disk-0"
        with self._image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self._image)], check=True)
        self._loop = ""
        self.mount()

    def mount(self) -> None:
        done = subprocess.run(["losetup", "-f", "--show", str(self._image)], check=True, capture_output=True, text=True)
        self._loop = done.stdout.strip()
        subprocess.run(["mount", self._loop, str(self._mountpoint)], check=True)

    def unmount(self) -> None:
        if self._loop:
            subprocess.run(["umount", str(self._mountpoint)], check=True)
            subprocess.run(["losetup", "-d", self._loop], check=True)
            self._loop = ""

    def _writes(self) -> str:
        return Path(f"/sys/block/{Path(self._loop).name}/stat").read_text().split()[4]

    def copy(self) -> Path:
        """The image as it is now: what a power cut would leave."""
        self._number += 1
        copy = self._base / f"disk-{self._number}"
        while True:
            before = self._writes()
            shutil.copyfile(self._image, copy)
            if self._writes() == before:
                return copy

    def replace(self, copy: Path) -> None:
        """Go on with a copy; nothing of the old one reaches it."""
        self.unmount()
        self._image.unlink()
        self._image = copy
        self.mount()


class Writer(threading.Thread):
    """A person who edits the files of one device, in several ways, without ever calling fsync."""

    def __init__(self, device: Device, name: str, seed: int) -> None:
        super().__init__(daemon=True)
        self.device = device
        self.name_ = name
        self.rng = random.Random(seed)
        self.written: list[str] = []
        self.pause = threading.Event()
        self.idle = threading.Event()
        self.over = False

    def run(self) -> None:
        while not self.over:
            if self.pause.is_set():
                self.idle.set()
                time.sleep(0.005)
                continue
            self.idle.clear()
            self._edit()
            time.sleep(self.rng.uniform(0.01, 0.06))  # the pace of who writes

    def _edit(self) -> None:
        path = self.device.dir / f"{self.rng.randrange(FILES)}.txt"
        token = f"{self.name_}{len(self.written)}"
        try:
            lines = path.read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return
        lines.insert(self.rng.randrange(len(lines) + 1), f"line <{token}> end\n")
        if self.rng.random() < 0.5:
            path.write_text("".join(lines))
        else:
            temporary = path.with_name(f".{path.name}{TEMPORARY}")
            temporary.write_text("".join(lines))
            temporary.rename(path)
        self.written.append(token)

    @contextmanager
    def resting(self) -> Iterator[None]:
        self.pause.set()
        self.idle.wait(5)
        yield
        self.idle.clear()
        self.pause.clear()


def _files(device: Device) -> dict[str, bytes]:
    """What is in its folder, but for a temporary file of a writer that the power cut left behind."""
    return {name: data for name, data in tree(device.dir).items() if not name.endswith(TEMPORARY)}


def _tokens(device: Device) -> list[str]:
    return [token.decode() for data in _files(device).values() for token in TOKEN.findall(data)]


def _check_files(device: Device) -> None:
    for name, data in _files(device).items():
        assert data, f"{name} is empty"
        assert b"\x00" not in data, f"{name} has NUL bytes"
        assert data.endswith(b"\n"), f"{name} is cut off"
        for line in data.splitlines():
            assert re.fullmatch(rb"line <\w+> end|begin|finish", line), f"{name}: {line!r}"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    mountpoint = tmp_path / "two"
    mountpoint.mkdir()
    made = Disk(tmp_path, mountpoint)
    try:
        yield made
    finally:
        made.unmount()


def test_power_cuts(tmp_path: Path, disk: Disk) -> None:
    boot = tmp_path / "boot_id"
    other_boot = (
        "unshare", "-m", "sh", "-c", f'mount --bind {boot} /proc/sys/kernel/random/boot_id && exec "$@"', "sh",
    )  # fmt: skip
    boot.write_text(f"{uuid.uuid4()}\n")
    one = Device(tmp_path, "one")
    two = Device(tmp_path, "two", other_boot)
    two.log = tmp_path / "two.log"  # not on the disk that goes back in time
    rng = random.Random(5)
    writers = [Writer(one, "a", 1), Writer(two, "b", 2)]
    try:
        one.start()
        two.start()
        for number in range(FILES):
            (one.dir / f"{number}.txt").write_text("begin\nfinish\n")
        two.join(one)
        one.wait()
        two.wait()
        for writer in writers:
            writer.start()
        for cut in range(CUTS):
            time.sleep(rng.uniform(0.2, 0.9))  # the moment of the cut
            with writers[1].resting():
                os.kill(two.pid, signal.SIGSTOP)
                left = set(_tokens(one))
                copy = disk.copy()
                two.kill()
                disk.replace(copy)
                boot.write_text(f"{uuid.uuid4()}\n")
                two.start()
            with writers[0].resting(), writers[1].resting():
                one.wait()
                two.wait()
                _check(one, two, [*writers[0].written, *(t for t in writers[1].written if t in left)], cut)
        assert two.log.read_text().count("unclean_boot") == CUTS
        for device in (one, two):
            assert unexpected_lines(device, "unclean_boot", "damaged_file_restored") == []
    finally:
        for writer in writers:
            writer.over = True
        for writer in writers:
            if writer.is_alive():
                writer.join(5)
        one.kill()
        two.kill()


def _check(one: Device, two: Device, wanted: list[str], cut: int) -> None:
    eventually(lambda: _files(one) == _files(two), what=f"both being equal after cut {cut}")
    _check_files(one)
    found = _tokens(one)
    doubled = sorted({token for token in found if found.count(token) > 1})
    lost = sorted(set(wanted) - set(found))
    assert not doubled, f"cut {cut}: {doubled} came twice"
    assert not lost, f"cut {cut}: {lost} are lost"
