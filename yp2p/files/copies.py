"""Copying a file on this device, whole: its holes stay holes, and what the file system can share is shared.

Everything here blocks and belongs in a worker thread.
"""

from __future__ import annotations

import errno
import os

from yp2p.files.holes import next_data
from yp2p.files.inspect import Stamp, mode_of, read_chunk_hashes
from yp2p.files.permissions import set_permissions
from yp2p.files.root import Root, write_all
from yp2p.protocol.blobs import blob_hash

_AT_ONCE_BYTES = 1 << 20
# Between some file systems the kernel copies nothing.
_CANNOT_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def copy_file(root: Root, path: str, stamp: Stamp, target: int, blob: bytes = b"") -> None:
    """Copy a file that must have this stamp before and after into an empty one, a descriptor.

    Args:
        blob: the hash of what it must hold, as a blob; empty where it may hold anything. Its stamp does not tell of bit
            rot, nor that what is known of it is of another file.

    Raises:
        OSError: ESTALE: it is another one by now.
    """
    source = root.open_file(path)
    try:
        is_same = Stamp.of(os.fstat(source)) == stamp
        if is_same:
            _copy_data(source, target, stamp.size)
            is_same = not blob or blob_hash(stamp.size, list(read_chunk_hashes(source))) == blob
        if not is_same or Stamp.of(os.fstat(source)) != stamp:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
    finally:
        os.close(source)


def copy_to(root: Root, path: str, stamp: Stamp, target: str) -> Stamp:
    """Make a durable copy of a file at a path where nothing is, with owner, permissions, attributes and time.

    Raises:
        OSError: ESTALE: it is another one by now.
    """
    status = root.lstat(path)
    if status is None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
    descriptor = root.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        copy_file(root, path, stamp, descriptor)
        set_permissions(root, descriptor, path, mode_of(status))
        os.utime(descriptor, ns=(stamp.mtime_ns, stamp.mtime_ns))
        os.fdatasync(descriptor)
        return Stamp.of(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _copy_data(source: int, target: int, size: int) -> None:
    at = 0
    while (at := next_data(source, at, size)) < size:
        end = os.lseek(source, at, os.SEEK_HOLE)
        os.lseek(source, at, os.SEEK_SET)
        os.lseek(target, at, os.SEEK_SET)
        at += _copy_range(source, target, end - at)
    os.ftruncate(target, size)


def _copy_range(source: int, target: int, size: int) -> int:
    """Copy as many bytes from where one descriptor is at to where the other one is."""
    left = size
    try:
        while left and (done := os.copy_file_range(source, target, left)):
            left -= done
    except OSError as error:
        if error.errno not in _CANNOT_COPY:
            raise
        while left and (data := os.read(source, min(left, _AT_ONCE_BYTES))):
            write_all(target, data)
            left -= len(data)
    return size
