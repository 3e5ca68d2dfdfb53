"""The simulated disk: where a device can end in the middle of a call, and what a power cut leaves of what it wrote."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest
from simulation.disk import PAGE_BYTES, SimulatedDisk
from simulation.file_calls import OF_OS, current_host
from simulation.hooks import Crash

_DATA = os.urandom(10 * PAGE_BYTES).replace(b"\0", b"\1")
_SEEDS = range(60)


class _Machine:
    """What the calls need of a host."""

    def __init__(self, base: Path, seed: int = 1) -> None:
        base.mkdir(exist_ok=True)
        self.disk = SimulatedDisk(base / "dir", base / "inodes", random.Random(seed))
        self.ends_at = ""
        self.points: list[str] = []

    def point(self, kind: str) -> None:
        self.points.append(kind)
        if kind == self.ends_at:
            raise Crash

    def stamp(self, descriptor: int) -> None:
        pass


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[_Machine]:
    made = _Machine(tmp_path / "machine")
    with ExitStack() as stack:
        for name, call in OF_OS.items():
            stack.enter_context(patch.object(os, name, call))
        token = current_host.set(made)  # type: ignore[arg-type]
        yield made
        current_host.reset(token)


def _make(machine: _Machine, name: str, data: bytes = b"") -> int:
    (machine.disk.path / name).write_bytes(data)
    return os.open(machine.disk.path / name, os.O_RDWR)


def _write(descriptor: int, source: int) -> int:
    return os.write(descriptor, _DATA)


def _pwrite(descriptor: int, source: int) -> int:
    return os.pwrite(descriptor, _DATA, 0)


def _copy(descriptor: int, source: int) -> int:
    return os.copy_file_range(source, descriptor, 1 << 30)


@pytest.mark.parametrize("call", [_write, _pwrite, _copy])
def test_a_device_ends_before_or_amid_what_it_writes(machine: _Machine, call) -> None:
    name = {_write: "write", _pwrite: "pwrite", _copy: "copy_file_range"}[call]
    source = _make(machine, "source", _DATA)
    for ends_at, left in ((name, 0), (f"in a {name}", len(_DATA) // 2), ("", len(_DATA))):
        os.lseek(source, 0, os.SEEK_SET)
        target, machine.ends_at = _make(machine, "target"), ends_at
        if ends_at:
            with pytest.raises(Crash):
                call(target, source)
        else:
            assert call(target, source) == len(_DATA)
        assert (machine.disk.path / "target").read_bytes() == _DATA[:left]
        os.close(target)
    os.close(source)


def test_a_byte_has_no_middle(machine: _Machine) -> None:
    descriptor = _make(machine, "file")
    assert os.pwrite(descriptor, b"x", 3) == 1
    os.close(descriptor)
    assert machine.points == ["pwrite"]
    assert (machine.disk.path / "file").read_bytes() == b"\0\0\0x"


def test_only_what_may_make_or_empty_a_file_is_a_step(machine: _Machine) -> None:
    path = machine.disk.path / "file"
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY, os.O_WRONLY | os.O_TRUNC):
        os.close(os.open(path, flags))
    assert machine.points == ["open", "open"]


def test_every_call_on_names_and_modes_is_a_step(machine: _Machine) -> None:
    path = machine.disk.path / "file"
    descriptor = _make(machine, "file")
    os.fchmod(descriptor, 0o640)
    os.utime(descriptor, ns=(1, 1))
    os.ftruncate(descriptor, 5)
    os.symlink("file", path.with_name("link"))
    os.close(descriptor)
    assert machine.points == ["fchmod", "utime", "ftruncate", "symlink"]
    assert (path.stat().st_size, path.with_name("link").is_symlink()) == (5, True)


def test_elsewhere_the_calls_are_what_they_are(machine: _Machine) -> None:
    current_host.set(None)
    descriptor = _make(machine, "file")
    os.pwrite(descriptor, b"abc", 0)
    os.close(descriptor)
    assert machine.points == []


def _after_a_cut(base: Path, seed: int, *, force: bool) -> bytes:
    machine = _Machine(base / str(seed), seed)
    machine.disk.record()
    current_host.set(machine)  # type: ignore[arg-type]
    descriptor = os.open(machine.disk.path / "blob", os.O_RDWR | os.O_CREAT)
    os.pwrite(descriptor, _DATA, 0)
    if force:
        os.fdatasync(descriptor)
    os.close(descriptor)
    machine.disk.cut()
    left = machine.disk.path / "blob"
    return left.read_bytes() if left.exists() else b""


@pytest.mark.usefixtures("machine")
def test_what_was_not_forced_is_whole_in_part_or_not_at_all(tmp_path: Path) -> None:
    left = [_after_a_cut(tmp_path, seed, force=False) for seed in _SEEDS]
    torn = [data for data in left if data.strip(b"\0") and data != _DATA]
    assert {b"", bytes(len(_DATA)), _DATA} <= set(left)
    assert torn
    for data in torn:
        pages = [data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)]
        wanted = [_DATA[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)]
        assert all(page in (want, bytes(PAGE_BYTES)) for page, want in zip(pages, wanted, strict=True))


@pytest.mark.usefixtures("machine")
def test_what_was_forced_is_there_where_its_name_is(tmp_path: Path) -> None:
    assert {_after_a_cut(tmp_path, seed, force=True) for seed in _SEEDS} == {b"", _DATA}


@pytest.mark.usefixtures("machine")
def test_modes_come_to_the_disk_before_the_names_that_follow(tmp_path: Path) -> None:
    found = set()
    for seed in _SEEDS:
        machine = _Machine(tmp_path / str(seed), seed)
        descriptor = _make(machine, "new")
        os.fchmod(descriptor, 0o600)
        machine.disk.record()
        current_host.set(machine)  # type: ignore[arg-type]
        os.fchmod(descriptor, 0o640)
        os.rename(machine.disk.path / "new", machine.disk.path / "placed")
        os.close(descriptor)
        machine.disk.cut()
        (path,) = machine.disk.path.iterdir()
        found.add((path.name, stat.S_IMODE(path.stat().st_mode)))
    assert found == {("new", 0o600), ("new", 0o640), ("placed", 0o640)}


def test_a_symlink_is_whole_or_not_there(machine: _Machine) -> None:
    link = machine.disk.path / "link"
    (machine.disk.path / "directory").mkdir()
    os.symlink("directory", link)
    machine.disk.record()
    os.symlink("nowhere", machine.disk.path / "other")
    machine.disk.cut()
    assert os.readlink(link) == "directory"
    assert {path.name for path in machine.disk.path.iterdir()} <= {"directory", "link", "other"}
