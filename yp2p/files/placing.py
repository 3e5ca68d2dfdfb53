"""The stamp of a file that we put in place: of what we wrote, and of nothing that was written to it since.

Theory of operation
    From the moment a file has its public name, any program may write to it. A stamp that is taken of it then would be
    that of the program's version, recorded for ours; the program's save would never be looked at. Renaming changes the
    time of the last change (ctime), so the stamp cannot be taken before either.

    So the file is opened, and its status taken, while it is still ours alone. A read lease (fcntl(2), F_SETLEASE) keeps
    others from opening it for writing until the stamp is taken; that is a few microseconds. The stamp is then that of
    the open file, not of what is at the path by now, which may be another file with the same inode number.

    Where no lease is to be had, size and time of the content must be what they were, and old enough that a second write
    would show (`RACY_NS`). The mode must be what it was in either case: leases say nothing about chmod(2).

Invariant
    A stamp that is given here is one that the file had while its content and mode were those that we gave it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from yp2p.files.inspect import RACY_NS, Stamp


@contextmanager
def placing(directory: int, name: str) -> Iterator[Callable[[], Stamp | None]]:
    """The file `name` in an open directory is put in place in here.

    Gives a function to be called once it is, which gives the stamp; None where somebody may have changed it since.

    Raises:
        OSError: it cannot be opened.
    """
    descriptor = _open(directory, name)
    try:
        before = os.fstat(descriptor)
        is_leased = _lease(descriptor)
        is_certain = is_leased or stat.S_ISLNK(before.st_mode) or abs(time.time_ns() - before.st_mtime_ns) >= RACY_NS

        def stamp() -> Stamp | None:
            after = os.fstat(descriptor)
            return Stamp.of(after) if is_certain and _content_of(after) == _content_of(before) else None

        yield stamp
    finally:
        os.close(descriptor)  # which gives up the lease


def _open(directory: int, name: str) -> int:
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, os.O_RDONLY | flags, dir_fd=directory)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EACCES):
            raise
        return os.open(name, os.O_PATH | flags, dir_fd=directory)  # a symlink, or a file that nobody may read


def _lease(descriptor: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return False
    return True


def _content_of(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_mode
