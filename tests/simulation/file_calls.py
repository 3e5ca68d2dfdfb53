"""What is put in the place of the calls that change the disk: before each of them, the task's device may end.

Bytes are written in two halves, and the device may end between them as well. What the calls do to the page cache is
told to the simulated disk: contents are not on it before they are forced there; names, modes, owners, times and
attributes come to it in the order of the calls. `test_file_calls.py` finds a call of the daemon that is not here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any

from simulation.disk import PAGE_BYTES, REAL

from yp2p.disk.ingest import departures, exchanged_names, occupied_paths, opaque_entries
from yp2p.disk.render import directory_moves, moves, unchosen
from yp2p.files import capabilities, directories, inspect, replace, root, syscalls, temporary_files

if TYPE_CHECKING:
    from simulation.host import Host

current_host: ContextVar[Host | None] = ContextVar("current_host", default=None)


def _on_host(call: Callable[..., Any], simulated: Callable[..., Any]) -> Callable[..., Any]:
    """`simulated` with the host as its first argument where a device runs; the call itself elsewhere."""

    @wraps(call)
    def hooked(*args: Any, **options: Any) -> Any:
        host = current_host.get()
        return call(*args, **options) if host is None else simulated(host, *args, **options)

    return hooked


# --- names, modes, owners, times, attributes ------------------------------------------------------------------------


def _comes_in_order(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def simulated(host: Host, *args: Any, **options: Any) -> Any:
        host.point(name)
        try:
            return call(*args, **options)
        finally:
            host.disk.changed()

    return _on_host(call, simulated)


def _then_reads_are_told(call: Callable[..., None]) -> Callable[..., None]:
    """Whether a file was read since it came to a name is told by its access time; the kernel's is later than all of
    ours, so that it is set to the time of the renaming."""

    def rename(*args: Any) -> None:
        call(*args)
        host = current_host.get()
        for directory, name in (args[:2], args[2:4]) if host is not None else ():
            try:
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_atime_ns > host.now_ns():
                times = (host.now_ns(), status.st_mtime_ns)
                REAL.utime(name, ns=times, dir_fd=directory, follow_symlinks=False)

    return rename


def _opens(call: Callable[..., int], flags_at: int) -> Callable[..., Any]:
    """To open a file may make or empty it."""

    def simulated(host: Host, *args: Any, **options: Any) -> int:
        if not args[flags_at] & (os.O_CREAT | os.O_TRUNC):
            return call(*args, **options)
        host.point("open")
        descriptor = call(*args, **options)
        if not os.fstat(descriptor).st_size:
            host.stamp(descriptor)
        host.disk.changed()
        return descriptor

    return _on_host(call, simulated)


# --- contents -------------------------------------------------------------------------------------------------------


def _half(size: int) -> int:
    """Where a device may end: of more than a page between two of them, as O_DIRECT wants it."""
    half = size // 2
    return half if size < PAGE_BYTES else half - half % PAGE_BYTES


def _write(host: Host, descriptor: int, data: Any) -> int:
    def write(first: int, end: int) -> int:
        return int(REAL.write(descriptor, view[first:end]))

    view = memoryview(data)
    return _in_halves(host, "write", descriptor, len(view), write)


def _pwrite(host: Host, descriptor: int, data: Any, at: int) -> int:
    def write(first: int, end: int) -> int:
        return int(REAL.pwrite(descriptor, view[first:end], at + first))

    view = memoryview(data)
    return _in_halves(host, "pwrite", descriptor, len(view), write)


def _copy_file_range(host: Host, source: int, target: int, count: int) -> int:
    def copy(first: int, end: int) -> int:
        return int(REAL.copy_file_range(source, target, end - first))

    left = os.fstat(source).st_size - os.lseek(source, 0, os.SEEK_CUR)
    return _in_halves(host, "copy_file_range", target, max(0, min(count, left)), copy)


def _in_halves(host: Host, name: str, descriptor: int, size: int, write: Callable[[int, int], int]) -> int:
    """`write` takes where a part begins and ends, and gives how much of it was written."""
    host.point(name)
    half = _half(size)
    done = write(0, half) if half else 0
    if half:
        host.stamp(descriptor)
        host.point(f"in a {name}")
    if done == half:
        done += write(half, size)
    host.stamp(descriptor)
    return done


def _ftruncate(host: Host, descriptor: int, size: int) -> None:
    host.point("ftruncate")
    REAL.ftruncate(descriptor, size)
    host.stamp(descriptor)


# --- what is on the disk for good -----------------------------------------------------------------------------------


def _fdatasync(host: Host, descriptor: int) -> None:
    host.point("fdatasync")
    host.disk.forced(descriptor)


def _sync_file_system(host: Host, descriptor: int) -> None:
    host.point("syncfs")
    host.disk.synchronised()


def _has_other_names(host: Host, status: os.stat_result) -> bool:
    return host.disk.has_other_names(status)


def _birth_time_ns(host: Host, directory: int, name: str) -> int | None:
    """When the file was first seen: the kernel's own times are later than all of ours."""
    inode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino
    return min((at for (seen, _), at in host.first_seen_ns.items() if seen == inode), default=None)


_IN_ORDER = (
    "rename", "unlink", "link", "symlink", "mkdir", "rmdir", "chmod", "fchmod", "fchown", "chown", "utime", "setxattr",
    "removexattr",
)  # fmt: skip

# By their names in `os`.
OF_OS: dict[str, Callable[..., Any]] = {
    "open": _opens(REAL.open, 1),
    "write": _on_host(REAL.write, _write),
    "pwrite": _on_host(REAL.pwrite, _pwrite),
    "copy_file_range": _on_host(REAL.copy_file_range, _copy_file_range),
    "ftruncate": _on_host(REAL.ftruncate, _ftruncate),
    "fdatasync": _on_host(REAL.fdatasync, _fdatasync),
    "fsync": _on_host(REAL.fsync, _fdatasync),
    **{name: _comes_in_order(name, getattr(REAL, name)) for name in _IN_ORDER},
}
_open_beneath = _opens(syscalls.open_beneath, 2)
_rename = _comes_in_order("rename", _then_reads_are_told(syscalls.rename))
_other_names = _on_host(root.has_other_names, _has_other_names)
_syncfs = _on_host(syscalls.sync_file_system, _sync_file_system)
# What Python lacks, in each module that calls it.
OF_MODULES: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
    (root, "open_beneath", _open_beneath),
    *((module, "has_other_names", _other_names) for module in (root, inspect, replace)),
    *((module, "rename", _rename) for module in (replace, capabilities, directories)),
    (root, "birth_time_ns", _on_host(syscalls.birth_time_ns, _birth_time_ns)),
    *(
        (module, "sync_file_system", _syncfs)
        for module in (
            temporary_files,
            root,
            departures,
            exchanged_names,
            moves,
            directory_moves,
            opaque_entries,
            occupied_paths,
            unchosen,
        )
    ),
)
