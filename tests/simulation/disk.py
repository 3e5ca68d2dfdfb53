"""What a power cut leaves of a directory.

The files are real (in RAM where possible), and so are inotify, leases and renames. What is simulated is the page cache:
while a disk *records*, every change of a name is kept as a snapshot and every forced content is remembered. A power cut
then goes back to one of the snapshots since the file system was last synchronised as a whole, and a file that was not
forced to the disk is new, old, empty or full of NULs. Inodes stay what they are, as on a real disk.
"""

from __future__ import annotations

import mmap
import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

# The calls as they are, beneath what `hooks` puts in their place.
REAL = SimpleNamespace(
    **{
        name: getattr(os, name)
        for name in ("rename", "unlink", "link", "write", "mkdir", "rmdir", "fdatasync", "utime")
    }
)


def peek(path: str | Path) -> bytes:
    """Read a file without anybody being able to tell: inotify does not see mmap, and the access time stays."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOATIME)
    try:
        size = os.fstat(descriptor).st_size
        if not size:
            return b""
        with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as mapped:
            return bytes(mapped)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Forced:
    """A content that is on the disk for good."""

    data: bytes
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class _Snapshot:
    files: dict[str, int]  # path: inode
    directories: tuple[str, ...]


class SimulatedDisk:
    """One device's folder directory. `kept` is a directory on the same file system that holds on to inodes."""

    def __init__(self, path: Path, kept: Path, rng: random.Random) -> None:
        self.path = path
        self._kept = kept
        self._rng = rng
        self._snapshots: list[_Snapshot] = []
        self._forced: dict[int, _Forced] = {}
        self.is_recording = False
        path.mkdir(parents=True)
        kept.mkdir()

    def record(self) -> None:
        """From now on remember what a power cut could go back to; all there is now is on the disk."""
        self.is_recording = True
        self.synchronised()

    def changed(self) -> None:
        """A name came, went or moved."""
        if self.is_recording:
            self._snapshots.append(self._look())

    def forced(self, descriptor: int) -> None:
        """One file's content is on the disk."""
        if self.is_recording:
            status = os.fstat(descriptor)
            self._forced[status.st_ino] = _Forced(peek(f"/proc/self/fd/{descriptor}"), status.st_mtime_ns)

    def synchronised(self) -> None:
        """Everything is on the disk."""
        if not self.is_recording:
            return
        snapshot = self._look()
        self._snapshots = [snapshot]
        for path, inode in snapshot.files.items():
            target = self.path / path
            self._forced[inode] = _Forced(peek(target), target.stat().st_mtime_ns)

    def _look(self) -> _Snapshot:
        files: dict[str, int] = {}
        directories: list[str] = []
        for directory, below, names in os.walk(self.path):
            below.sort()
            directories += [os.path.relpath(os.path.join(directory, name), self.path) for name in below]
            for name in sorted(names):
                path = os.path.join(directory, name)
                inode = os.lstat(path).st_ino
                kept = self._kept / str(inode)
                if not kept.exists():
                    REAL.link(path, kept)
                files[os.path.relpath(path, self.path)] = inode
        return _Snapshot(files, tuple(directories))

    def cut(self) -> None:
        """The power goes and comes back."""
        snapshot = self._rng.choice(self._snapshots)
        contents = {inode: self._survives(inode) for inode in dict.fromkeys(snapshot.files.values())}
        shutil.rmtree(self.path)
        REAL.mkdir(self.path)
        for directory in snapshot.directories:
            REAL.mkdir(self.path / directory)
        for path, inode in snapshot.files.items():
            REAL.link(self._kept / str(inode), self.path / path)
        for inode, (data, mtime_ns) in contents.items():
            kept = self._kept / str(inode)
            if peek(kept) != data:
                kept.write_bytes(data)
            REAL.utime(kept, ns=(mtime_ns, mtime_ns))
        self.is_recording = False
        self._snapshots.clear()
        self._forced.clear()

    def _survives(self, inode: int) -> tuple[bytes, int]:
        kept = self._kept / str(inode)
        now, mtime_ns = peek(kept), kept.stat().st_mtime_ns
        forced = self._forced.get(inode)
        if forced is not None and forced.data == now:
            return now, mtime_ns
        choices = [(now, mtime_ns), (b"", mtime_ns), (bytes(len(now)), mtime_ns)]
        if forced is not None:
            choices.append((forced.data, forced.mtime_ns))
        return self._rng.choice(choices)

    def contents(self) -> dict[str, bytes]:
        """What a person sees."""
        found: dict[str, bytes] = {}
        for directory, below, names in os.walk(self.path):
            below[:] = sorted(name for name in below if name != ".yp2p")
            for name in sorted(names):
                path = os.path.join(directory, name)
                data = peek(path)
                # What an editor or a power cut left behind: neither travels.
                if not name.endswith(".swp") and b"\0" not in data:
                    found[os.path.relpath(path, self.path)] = data
        return found
