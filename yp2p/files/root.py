"""The root of a folder on this device, and the only way to its files.

Every path is resolved beneath the root's descriptor and never through a symlink (invariant 14). The status of a file is
looked at before it is opened, because opening can have effects: a FIFO's writer takes us for its reader, a tape
rewinds, a watchdog starts to count.

`.yp2p/` in the root holds what is ours: `marker` (this directory is that folder), `choice` (which files are to be
here), `tmp` (files on their way in and out), `trash`.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yp2p.errors import FolderError
from yp2p.files.capabilities import Capabilities, may_be_of_a_name, probe, refused_name
from yp2p.files.open_directory import OpenDirectory
from yp2p.files.syscalls import birth_time_ns, open_beneath, sync_file_system
from yp2p.identity import ID_BYTES, FolderID
from yp2p.machine import is_passing

OURS = ".yp2p"
TMP = f"{OURS}/tmp"
TRASH = f"{OURS}/trash"
# A file on its way to another name, with its entry.
PARKED = f"{TMP}/park-"
LEFT = f"{TMP}/left-"


def is_ours(path: str) -> bool:
    """Whether a path is in the directory that yp2p keeps for itself."""
    return path.partition("/")[0] == OURS


def is_temporary(path: str) -> bool:
    """Whether a path is a name in `.yp2p/tmp`."""
    return path.rpartition("/")[0] == TMP


_MARKER = f"{OURS}/marker"
_CHOICE = f"{OURS}/choice"
# What is mounted below the root is not the folder's: what is put there would have to be copied, and when the mount goes
# its files look deleted.
ELSEWHERE = "another file system is mounted there; it is not part of the folder"
_README = """This directory belongs to yp2p, which keeps the folder around it the same on several devices.
tmp/ holds files on their way in, trash/ what other devices deleted. `marker` says which folder this is:
without it yp2p pauses the folder, because an empty directory must not look like a deleted folder.
"""
# A checkout may be a folder: `git add .` takes none of ours, and `git clean` leaves it.
_FOR_GIT = "*\n"


def force_to_disk(path: Path) -> bool:
    """Bring the file system of a directory to the disk, if it is there; tells whether that was done. Blocks."""
    try:
        descriptor = os.open(path, os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        sync_file_system(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def write_all(descriptor: int, data: bytes) -> None:
    """Write bytes where a descriptor is at. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove_marker(root: Root) -> None:
    """Have a root be that of no folder any more, durably. Raises OSError."""
    try:
        directory = root.open(OURS, os.O_DIRECTORY | os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.unlink(_MARKER.rpartition("/")[2], dir_fd=directory)
        os.fsync(directory)
    except FileNotFoundError:
        pass
    finally:
        os.close(directory)


def reopen_file(found: int, path: str, flags: int) -> int:
    """Open what a descriptor with O_PATH leads to, if it is a regular file (`Root.open_file`). Raises OSError."""
    mode = os.fstat(found).st_mode
    if not stat.S_ISREG(mode):
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.ELOOP if stat.S_ISLNK(mode) else errno.ENXIO
        raise OSError(number, os.strerror(number), path)
    return os.open(f"/proc/self/fd/{found}", flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def has_other_names(status: os.stat_result) -> bool:
    """Whether a file that was found under one name has others: hard links."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink > 1


class Root:
    """An open folder root. `close` when done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC)
        self._device = os.fstat(self.descriptor).st_dev
        self.capabilities = Capabilities()

    def close(self) -> None:
        os.close(self.descriptor)

    def is_in_place(self) -> bool:
        """Whether the path still leads to the directory that was opened."""
        try:
            there, here = os.stat(self.path), os.fstat(self.descriptor)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Open a file beneath the root.

        Raises:
            OSError: ELOOP when a symlink is in the way, EXDEV when another file system is mounted on the way.
        """
        try:
            descriptor = self._open_beneath(path, flags, mode)
        except OSError as error:
            if error.errno == errno.EXDEV:
                error.strerror = ELSEWHERE
            raise
        # A subvolume (btrfs) is no mount, but nothing can be moved into it either.
        is_directory = flags & os.O_DIRECTORY and flags & os.O_TMPFILE != os.O_TMPFILE
        if is_directory and os.fstat(descriptor).st_dev != self._device:
            os.close(descriptor)
            raise OSError(errno.EXDEV, ELSEWHERE, path)
        return descriptor

    def _open_beneath(self, path: str, flags: int, mode: int) -> int:
        """As `open`; our own directories are made again where somebody removed them."""
        is_made = flags & os.O_CREAT or flags & os.O_TMPFILE == os.O_TMPFILE
        mode = mode if is_made else 0
        try:
            return open_beneath(self.descriptor, path, flags, mode)
        except FileNotFoundError:
            is_ours = path in (TMP, TRASH) or (is_made and path.startswith(f"{TMP}/"))
            if not is_ours or self.marker() is None:
                raise
        self.make_own_directories()
        return open_beneath(self.descriptor, path, flags, mode)

    def open_file(self, path: str, flags: int = os.O_RDONLY) -> int:
        """Open a regular file that is there, and nothing else: to open a FIFO or a device has effects.

        Raises:
            OSError: EISDIR for a directory, ELOOP when a symlink is in the way, ENXIO for whatever else is no file.
        """
        found = self.open(path, os.O_PATH)
        try:
            return reopen_file(found, path, flags)
        finally:
            os.close(found)

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The descriptor of the directory that holds `path`, and the name in it."""
        directory, _, name = path.rpartition("/")
        if not directory:
            yield self.descriptor, name
            return
        descriptor = self.open(directory, os.O_DIRECTORY | os.O_PATH)
        try:
            yield descriptor, name
        finally:
            os.close(descriptor)

    @contextmanager
    def keeping_open(self) -> Iterator[OpenDirectory]:
        """For many files that go into few directories."""
        directory = OpenDirectory(self)
        try:
            yield directory
        finally:
            directory.close()

    def lstat(self, path: str) -> os.stat_result | None:
        """The status of `path` itself, or None when there is nothing."""
        try:
            with self.parent(path) as (directory, name):
                return os.stat(name, dir_fd=directory, follow_symlinks=False)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None
            raise

    def is_linked(self, path: str) -> bool:
        """Whether a file has other names: hard links."""
        status = self.lstat(path)
        return status is not None and has_other_names(status)

    def birth_time_ns(self, path: str) -> int | None:
        """When the file at a path was made, in nanoseconds since 1970; None where nobody can say."""
        try:
            with self.parent(path) as (directory, name):
                return birth_time_ns(directory, name)
        except OSError:
            return None

    def is_listed(self, path: str) -> bool:
        """Whether a path is there under exactly these names: a file system may find a file by other ones as well."""
        names = path.split("/")
        try:
            for depth, name in enumerate(names):
                above = "/".join(names[:depth])
                descriptor = self.open(above, os.O_DIRECTORY | os.O_RDONLY) if above else os.dup(self.descriptor)
                try:
                    if name not in os.listdir(descriptor):
                        return False
                finally:
                    os.close(descriptor)
        except OSError:
            return False
        return True

    def is_twin(self, path: str) -> bool:
        """Whether something is found at a path that has another name: here the two cannot be held apart."""
        return self.capabilities.folds_names and self.lstat(path) is not None and not self.is_listed(path)

    def read_link(self, path: str) -> bytes | None:
        """Where a symlink points to; None when none is there."""
        try:
            with self.parent(path) as (directory, name):
                return os.fsencode(os.readlink(name, dir_fd=directory))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL):
                return None
            raise

    def is_empty_directory(self, path: str) -> bool:
        """Whether a directory is there, with nothing in it."""
        try:
            descriptor = self.open(path, os.O_DIRECTORY | os.O_RDONLY)
        except OSError:
            return False
        try:
            with os.scandir(descriptor) as listing:
                return next(listing, None) is None
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def files_beneath(self, path: str) -> list[str] | None:
        """Whatever is no directory beneath one; None where that is none, or cannot be listed. Blocks."""
        found: list[str] = []
        left = [path]
        while left:
            directory = left.pop()
            try:
                descriptor = self.open(directory, os.O_DIRECTORY | os.O_RDONLY)
            except OSError:
                return None
            try:
                with os.scandir(descriptor) as listing:
                    for item in listing:
                        (left if item.is_dir(follow_symlinks=False) else found).append(f"{directory}/{item.name}")
            except OSError:
                return None
            finally:
                os.close(descriptor)
        return found

    def make_directory(self, path: str) -> None:
        """Create a directory with those above it, where they are missing. Raises OSError."""
        self.make_parents(f"{path}/")

    def remove_directory(self, path: str) -> bool:
        """Remove a directory when nothing is in it; tells whether it is gone."""
        try:
            with self.parent(path) as (directory, name):
                os.rmdir(name, dir_fd=directory)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def make_parents(self, path: str) -> None:
        """Create the directories above `path`. Raises OSError (ENOTDIR when a file is in the way)."""
        names = path.split("/")[:-1]
        for depth in range(1, len(names) + 1):
            try:
                with self.parent("/".join(names[:depth])) as (directory, name):
                    os.mkdir(name, dir_fd=directory)
            except FileExistsError:
                status = self.lstat("/".join(names[:depth]))
                if status is None or not stat.S_ISDIR(status.st_mode):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None

    def remove_empty_parents(self, path: str, keep: str = "") -> None:
        """Remove the directories above `path` that nothing is left in, up to `keep`."""
        names = path.split("/")[:-1]
        if names[:1] == [OURS] and not keep:
            return
        for depth in range(len(names), len(keep.split("/")) if keep else 0, -1):
            try:
                with self.parent("/".join(names[:depth])) as (directory, name):
                    os.rmdir(name, dir_fd=directory)
            except OSError:
                return

    def prepare(self, folder: FolderID) -> None:
        """Make `.yp2p/` with the marker. Raises FolderError when the root belongs to another folder."""
        found = self.marker()
        if found is not None and found != folder:
            raise FolderError(
                f"{self.path} is marked as another folder ({found.hex()[:8]}); "
                f"remove {self.path / _MARKER} if that folder is gone"
            )
        self.make_own_directories()
        ours = {_MARKER: folder.hex() + "\n", f"{OURS}/README": _README, f"{OURS}/.gitignore": _FOR_GIT}
        for name, text in ours.items():
            descriptor = self.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o600)
            try:
                write_all(descriptor, text.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def choice_mark(self) -> bytes:
        """What `set_choice_mark` wrote last; empty where nothing did, or what it wrote cannot be read."""
        try:
            with os.fdopen(self.open_file(_CHOICE)) as file:
                return bytes.fromhex(file.read(64).strip())
        except ValueError:
            return b""
        except OSError as error:
            if is_passing(error):
                raise
            return b""

    def set_choice_mark(self, mark: bytes) -> None:
        """Have the directory know of a choice (`folder/choice.py`), durably. Raises OSError."""
        made = f"{TMP}/{secrets.token_hex(8)}"
        descriptor = self.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            write_all(descriptor, mark.hex().encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with self.parent(made) as (directory, name), self.parent(_CHOICE) as (ours, target):
            os.rename(name, target, src_dir_fd=directory, dst_dir_fd=ours)
        sync_file_system(self.descriptor)

    def make_own_directories(self) -> list[str]:
        """Make what is missing of `.yp2p/`; gives what stood in the way, as it is called now. Raises OSError."""
        moved = []
        for directory in (OURS, TMP, TRASH):
            with self.parent(directory) as (parent, name):
                try:
                    os.mkdir(name, 0o700, dir_fd=parent)
                except FileExistsError:
                    if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                        continue
                    moved.append(f"{directory}.aside-{time.time_ns()}")
                    os.rename(name, moved[-1].rpartition("/")[2], src_dir_fd=parent, dst_dir_fd=parent)
                    os.mkdir(name, 0o700, dir_fd=parent)
        return moved

    def probe(self) -> None:
        """Find out what the file system can do. Raises OSError."""
        descriptor = self.open(TMP, os.O_DIRECTORY | os.O_RDONLY)
        try:
            self.capabilities = probe(descriptor)
        finally:
            os.close(descriptor)

    def why_not(self, path: str, reason: str) -> str:
        """Why a file cannot be put at a path, of which an error says no more than `reason`."""
        if not may_be_of_a_name(reason):
            return reason
        try:
            descriptor = self.open(TMP, os.O_DIRECTORY | os.O_RDONLY)
        except OSError:
            return reason
        try:
            name = refused_name(descriptor, path)
        except OSError:
            return reason
        finally:
            os.close(descriptor)
        return reason if name is None else f"the disk here cannot store the name {name!r}; rename it on another device"

    def temporaries(self) -> list[str]:
        """The files in `.yp2p/tmp`, as paths from the root."""
        descriptor = self.open(TMP, os.O_DIRECTORY | os.O_RDONLY)
        try:
            return [f"{TMP}/{name}" for name in os.listdir(descriptor)]
        finally:
            os.close(descriptor)

    def marker(self) -> FolderID | None:
        """Which folder this root says it is, or None without a whole marker (a crash may have cut it off).

        Raises:
            OSError: the machine does not let us look now: that is no lost marker.
        """
        try:
            with os.fdopen(self.open_file(_MARKER)) as file:
                folder = bytes.fromhex(file.read(64).strip())
        except ValueError:
            return None
        except OSError as error:
            if is_passing(error):
                raise
            return None
        return FolderID(folder) if len(folder) == ID_BYTES else None
