"""What a power cut leaves of a directory.

The files are real (in RAM where possible), and so are inotify, leases and renames. What is simulated is the page cache:
while a disk *records*, every change of a name or a mode is kept as a snapshot and every forced content is remembered. A
power cut then goes back to one of the snapshots since the file system was last synchronised as a whole, and a file that
was not forced to the disk is new, old, empty, full of NULs, or new in some of its pages. Inodes, owners and attributes
stay what they are, and a symlink is whole where its name is.
"""

from __future__ import annotations

import mmap
import os
import random
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

# The calls as they are, beneath what `hooks` puts in their place.
REAL = SimpleNamespace(
    **{
        name: getattr(os, name)
        for name in (
            "open",
            "write",
            "pwrite",
            "copy_file_range",
            "ftruncate",
            "fdatasync",
            "fsync",
            "rename",
            "unlink",
            "link",
            "symlink",
            "mkdir",
            "rmdir",
            "chmod",
            "fchmod",
            "fchown",
            "chown",
            "utime",
            "setxattr",
            "removexattr",
        )
    }
)
PAGE_BYTES = 4096


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
    modes: dict[int, int]  # inode: permission bits; not of symlinks, which have none


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
        """A name came, went or moved, or something was given another mode."""
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
        for inode in snapshot.modes:
            kept = self._kept / str(inode)
            self._forced[inode] = _Forced(peek(kept), kept.stat().st_mtime_ns)

    def _look(self) -> _Snapshot:
        files: dict[str, int] = {}
        directories: list[str] = []
        modes: dict[int, int] = {}
        for directory, below, names in os.walk(self.path):
            below.sort()
            links = [name for name in below if os.path.islink(os.path.join(directory, name))]
            below[:] = [name for name in below if name not in links]
            directories += [os.path.relpath(os.path.join(directory, name), self.path) for name in below]
            for name in sorted(names + links):
                path = os.path.join(directory, name)
                status = os.lstat(path)
                self._keep(path, status.st_ino)
                files[os.path.relpath(path, self.path)] = status.st_ino
                if not stat.S_ISLNK(status.st_mode):
                    modes[status.st_ino] = stat.S_IMODE(status.st_mode)
        return _Snapshot(files, tuple(directories), modes)

    def has_other_names(self, status: os.stat_result) -> bool:
        """As the real one, but for the name that it has here."""
        is_kept = os.path.lexists(self._kept / str(status.st_ino))
        return stat.S_ISREG(status.st_mode) and status.st_nlink > 1 + is_kept

    def _keep(self, path: str, inode: int) -> None:
        kept = self._kept / str(inode)
        if not os.path.lexists(kept):
            REAL.link(path, kept, follow_symlinks=False)

    def cut(self) -> None:
        """The power goes and comes back."""
        snapshot = self._rng.choice(self._snapshots)
        contents = {inode: self._survives(inode) for inode in snapshot.modes}
        shutil.rmtree(self.path)
        REAL.mkdir(self.path)
        for directory in snapshot.directories:
            REAL.mkdir(self.path / directory)
        for path, inode in snapshot.files.items():
            REAL.link(self._kept / str(inode), self.path / path, follow_symlinks=False)
        for inode, (data, mtime_ns) in contents.items():
            kept = self._kept / str(inode)
            if peek(kept) != data:
                kept.write_bytes(data)
            REAL.chmod(kept, snapshot.modes[inode])
            REAL.utime(kept, ns=(mtime_ns, mtime_ns))
        self.is_recording = False
        self._snapshots.clear()
        self._forced.clear()

    def _survives(self, inode: int) -> tuple[bytes, int]:
        kept = self._kept / str(inode)
        now, mtime_ns = peek(kept), kept.stat().st_mtime_ns
        forced = self._forced.get(inode)
        if forced is not None and forced.data == now:
            return now, self._rng.choice((mtime_ns, forced.mtime_ns))
        choices = [(now, mtime_ns), (b"", mtime_ns), (bytes(len(now)), mtime_ns)]
        if forced is not None:
            choices.append((forced.data, forced.mtime_ns))
        if len(now) > PAGE_BYTES:
            choices.append((self._torn(now, forced.data if forced is not None else b""), mtime_ns))
        return self._rng.choice(choices)

    def _torn(self, now: bytes, before: bytes) -> bytes:
        """Some pages came to the disk, others did not."""
        before = before.ljust(len(now), b"\0")
        pages = range(0, len(now), PAGE_BYTES)
        return b"".join(self._rng.choice((now, before))[at : at + PAGE_BYTES] for at in pages)

    def takes(self, path: str) -> bool:
        """Whether a file can be at a path: no directory is there, and no file where one above it is to be."""
        target = self.path / path
        above = [parent for parent in target.parents if parent.is_relative_to(self.path)]
        return not target.is_dir() and all(parent.is_dir() or not os.path.lexists(parent) for parent in above)

    def contents(self) -> dict[str, bytes]:
        """What a person sees."""
        found: dict[str, bytes] = {}
        for directory, below, names in os.walk(self.path):
            below[:] = sorted(name for name in below if name != ".yp2p")
            for name in sorted(names):
                path = os.path.join(directory, name)
                if not os.path.exists(path):  # a link to what is not there: a hostile member makes such
                    continue
                data = peek(path)
                # What an editor or a power cut left behind: neither travels.
                if not name.endswith(".swp") and b"\0" not in data:
                    found[os.path.relpath(path, self.path)] = data
        return found
