"""Files in `.yp2p/tmp` with what is to be put in place: made, filled, and forced to the disk (`replace.py`, step 1)."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from yp2p.files.copies import copy_file
from yp2p.files.inspect import Stamp
from yp2p.files.new_files import NewFiles
from yp2p.files.permissions import open_own, set_permissions
from yp2p.files.root import TMP, Root, write_all
from yp2p.files.syscalls import sync_file_system
from yp2p.files.temporary_names import Purpose, Temporary, purpose_name
from yp2p.protocol.entries import Mode

# From this many files on, one syncfs is cheaper than a fdatasync each.
BULK = 8


@dataclass(frozen=True, slots=True)
class Filling:
    """What goes into a temporary file.

    Args:
        like: the path whose owner, permissions and attributes are kept; None for a new file.
        data: the content; None when it is in the file already, or copied.
        copy_of: a file to copy, which must have this stamp before and after, and hold this blob, if one is named.
        is_link: a symlink, which is whole already.
        mtime_ns: when it was changed, nanoseconds since 1970; None for now.
    """

    temporary: Temporary
    like: str | None
    data: bytes | None
    mode: Mode
    mtime_ns: int | None = None
    copy_of: tuple[str, Stamp, bytes] | None = None
    is_link: bool = False


def create_temporary(
    root: Root, path: str, purpose: Purpose | None = None, *, new_files: NewFiles | None = None
) -> Temporary:
    """An empty file under a fresh name in `.yp2p/tmp`, to be put at `path`.

    Args:
        purpose: of a replacement; it goes into the name.
        new_files: that of a batch.

    Raises:
        OSError: it cannot be made.
    """
    name = f"{TMP}/{secrets.token_hex(8)}"
    mode = 0o666 if purpose is None else 0o600  # what is replaced has a mode
    descriptor = (new_files or NewFiles(root)).make(name, path, os.O_RDONLY, mode)
    try:
        inode = os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)
    return _named_for(root, Temporary(name, inode), purpose)


def create_filled(
    root: Root,
    path: str,
    purpose: Purpose | None,
    filling: Callable[[Temporary], Filling],
    *,
    new_files: NewFiles,
    sync: bool,
) -> Temporary:
    """A temporary file to be put at `path`, with its content, which is forced to the disk if `sync`.

    What fails leaves nothing behind. Raises OSError.
    """
    name = f"{TMP}/{secrets.token_hex(8)}"
    descriptor = new_files.make(name, path, os.O_WRONLY, 0o666 if purpose is None else 0o600)
    try:
        temporary = Temporary(name, os.fstat(descriptor).st_ino)
        _write(root, descriptor, filling(temporary), sync=sync)
        return _named_for(root, temporary, purpose)
    except OSError:
        discard(root, name)
        raise
    finally:
        os.close(descriptor)


def make_symlink(
    root: Root, path: str, target: bytes, purpose: Purpose | None = None, *, new_files: NewFiles | None = None
) -> Temporary:
    """A symlink under a fresh name in `.yp2p/tmp`, to be put at `path` like a file. Raises OSError."""
    made = f"{TMP}/{secrets.token_hex(8)}"
    with root.parent(made) as (directory, name):
        os.symlink(target, name, dir_fd=directory)
        inode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino
    (new_files or NewFiles(root)).give_group(made, path)
    return _named_for(root, Temporary(made, inode), purpose)


def take_over(root: Root, name: str, purpose: Purpose | None = None) -> Temporary:
    """A file in `.yp2p/tmp` that is whole already, to be put in place. Raises OSError."""
    status = root.lstat(name)
    if status is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    return _named_for(root, Temporary(name, status.st_ino), purpose)


def _named_for(root: Root, temporary: Temporary, purpose: Purpose | None) -> Temporary:
    """Give a temporary file the name that tells what it is for."""
    if purpose is None:
        return temporary
    telling = purpose_name(purpose, temporary.inode)
    with root.parent(temporary.name) as (directory, old):
        os.rename(old, telling.rpartition("/")[2], src_dir_fd=directory, dst_dir_fd=directory)
    return Temporary(telling, temporary.inode)


def fill_temporaries(root: Root, items: Sequence[Filling]) -> list[OSError | None]:
    """Write contents into temporary files and force them to the disk; gives what went wrong, one by one."""
    bulk = len(items) >= BULK
    results: list[OSError | None] = []
    for item in items:
        try:
            fill_temporary(root, item, sync=not bulk)
            results.append(None)
        except OSError as error:
            results.append(error)
    if bulk:
        sync_file_system(root.descriptor)
    return results


def fill_temporary(root: Root, item: Filling, *, sync: bool) -> None:
    """Write what goes into a temporary file that is there, and force it to the disk if `sync`. Raises OSError."""
    if item.is_link:
        return
    descriptor = open_own(root, item.temporary.name, os.O_WRONLY)
    try:
        _write(root, descriptor, item, sync=sync)
    finally:
        os.close(descriptor)


def _write(root: Root, descriptor: int, item: Filling, *, sync: bool) -> None:
    write_all(descriptor, item.data or b"")
    if item.copy_of is not None:
        path, stamp, blob = item.copy_of
        copy_file(root, path, stamp, descriptor, blob)
    set_permissions(root, descriptor, item.like, item.mode)
    if item.mtime_ns is not None:
        os.utime(descriptor, ns=(item.mtime_ns, item.mtime_ns))
    if sync:
        os.fdatasync(descriptor)


def force_temporaries(root: Root, items: Sequence[Temporary]) -> list[OSError | None]:
    """Force temporary files to the disk that were filled without that; gives what went wrong, one by one.

    Where many are forced together and that fails, it is not known of which: none of them counts as forced.
    """
    if len(items) >= BULK:
        try:
            sync_file_system(root.descriptor)
        except OSError as error:
            return [error] * len(items)
        return [None] * len(items)
    results: list[OSError | None] = []
    for item in items:
        try:
            _force(root, item)
            results.append(None)
        except OSError as error:
            results.append(error)
    return results


def _force(root: Root, item: Temporary) -> None:
    try:
        descriptor = root.open(item.name, os.O_RDONLY)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return  # a symlink is on the disk with its name
        if error.errno != errno.EACCES:
            raise
        sync_file_system(root.descriptor)  # it has the permissions of a file that nobody may read
        return
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def rename_own(root: Root, name: str, new: str) -> bool:
    """Rename a file in `.yp2p/tmp`; tells whether that worked."""
    try:
        with root.parent(name) as (directory, base):
            os.rename(base, new.rpartition("/")[2], src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        return False
    return True


def discard(root: Root, name: str) -> None:
    """Remove a file below `.yp2p`, if it is there."""
    try:
        with root.parent(name) as (directory, base):
            os.unlink(base, dir_fd=directory)
    except OSError:
        pass
