"""Linux calls that Python does not have: openat2, renameat2, syncfs and statx.

Through ctypes, which works under MemoryDenyWriteExecute and the unit's system call filter.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

_libc = ctypes.CDLL(None, use_errno=True)

_SYS_OPENAT2 = 437  # the same number on every architecture (Linux 5.6)
_RESOLVE_NO_XDEV = 0x01
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _check(result: int, path: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result


def open_beneath(directory: int, path: str, flags: int, mode: int = 0) -> int:
    """Open `path` beneath the directory descriptor, never through a symlink or onto another mount (openat2(2)).

    Raises:
        OSError: ELOOP for a symlink anywhere in the path, EXDEV where it leaves the directory or its mount.
    """
    flags |= os.O_CLOEXEC
    how = _OpenHow(flags, mode, _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_XDEV)
    result = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2), ctypes.c_int(directory), ctypes.c_char_p(os.fsencode(path)),
        ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how)),
    )  # fmt: skip
    if result < 0 and ctypes.get_errno() == errno.ENOSYS:
        return _walk_beneath(directory, path, flags, mode)
    return _check(result, path)


def _walk_beneath(directory: int, path: str, flags: int, mode: int) -> int:
    """The same, component by component, for kernels before 5.6."""
    *parents, name = path.split("/")
    current = os.dup(directory)
    try:
        for parent in parents:
            below = os.open(parent, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_PATH | os.O_CLOEXEC, dir_fd=current)
            os.close(current)
            current = below
        return os.open(name, flags | os.O_NOFOLLOW, mode, dir_fd=current)
    finally:
        os.close(current)


def rename(source_directory: int, source: str, target_directory: int, target: str, flags: int) -> None:
    """renameat2(2) with RENAME_NOREPLACE or RENAME_EXCHANGE."""
    result = _libc.renameat2(
        ctypes.c_int(source_directory), ctypes.c_char_p(os.fsencode(source)),
        ctypes.c_int(target_directory), ctypes.c_char_p(os.fsencode(target)), ctypes.c_uint(flags),
    )  # fmt: skip
    _check(result, target)


def sync_file_system(descriptor: int) -> None:
    """syncfs(2): everything written to the file system of `descriptor` is on the disk."""
    _check(_libc.syncfs(ctypes.c_int(descriptor)), "")


_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_BTIME = 0x800
_STATX_BYTES, _MASK_AT, _BTIME_AT = 256, 0, 80


def birth_time_ns(directory: int, name: str) -> int | None:
    """When the file of this name was made, in nanoseconds since 1970 (statx(2)); None where nobody can say.

    An inode that is used again has a later one.
    """
    if not hasattr(_libc, "statx"):
        return None
    status = ctypes.create_string_buffer(_STATX_BYTES)
    failed = _libc.statx(
        ctypes.c_int(directory), ctypes.c_char_p(os.fsencode(name)), ctypes.c_int(_AT_SYMLINK_NOFOLLOW),
        ctypes.c_uint(_STATX_BTIME), status,
    )  # fmt: skip
    mask = int.from_bytes(status.raw[_MASK_AT : _MASK_AT + 4], sys.byteorder)
    if failed or not mask & _STATX_BTIME:
        return None
    seconds = int.from_bytes(status.raw[_BTIME_AT : _BTIME_AT + 8], sys.byteorder, signed=True)
    nanoseconds = int.from_bytes(status.raw[_BTIME_AT + 8 : _BTIME_AT + 12], sys.byteorder)
    return seconds * 10**9 + nanoseconds
