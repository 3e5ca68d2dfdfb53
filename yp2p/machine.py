"""States of a machine that pass: what they are called, and what a person can do about each.

A disk that is full, a file system that became read-only, a limit that is reached: nothing is wrong with what is stored,
and work goes on by itself once the state has passed. Code that meets one says so, in the words given here, and
tries again with longer and longer pauses. Any other error of the kernel is about one file, or is a fault.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import time
from collections.abc import Callable
from pathlib import Path

_LARGEST_FLOOR_BYTES = 256 << 20
# Settings, keys and tokens are some kilobytes.
_MOST_BYTES = 4 << 20
# More than a thousand devices and programs need.
_OPEN_FILES = 65536

# Whether a time is over is looked at so often: the clock that a timer goes by stands while the machine sleeps.
LOOK_S = 15.0

_REMEDIES = {
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "make room, or have the quota raised",
    errno.EFBIG: "the file is larger than the file system or `ulimit -f` allows",
    errno.EROFS: "make its file system writable (mount -o remount,rw)",
    errno.EIO: "look at the disk: `dmesg` says what is wrong with it",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`, or LimitNOFILE= of the unit)",
    errno.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
    errno.ENOMEM: "make memory free, or raise the limit of it",
    errno.ENOBUFS: "make memory free",
    errno.ESTALE: "mount it again",
    errno.ENOTCONN: "mount it again",
}


_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def is_shortage(error: OSError) -> bool:
    """Whether an error says that this process or the system has too little of something: it says nothing of what was
    looked at, and nobody tells when there is more again."""
    return error.errno in _SHORTAGES


def is_passing(error: OSError) -> bool:
    """Whether an error tells a state of the machine, and nothing of a single file."""
    return error.errno in _REMEDIES


def reason(error: OSError) -> str:
    """What happened, in the system's words, and what helps where that is known."""
    words = error.strerror or (os.strerror(error.errno) if error.errno is not None else str(error))
    remedy = _REMEDIES.get(error.errno) if error.errno is not None else None
    return f"{words}; {remedy}" if remedy is not None else words


def raise_file_limit() -> None:
    """Let this process open as many files as it may: of the usual 1024 each link, program and read takes some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            pass  # what is open then is what there is


def floor_bytes(status: os.statvfs_result) -> int:
    """How much of a file system is left free for what people save here: a hundredth of it, 256 MiB at most."""
    return min(_LARGEST_FLOOR_BYTES, status.f_blocks * status.f_frsize // 100)


def free_bytes(directory: Path) -> int | None:
    """How much may come in from others to this file system; None where it does not say: whoever writes there sees."""
    try:
        status = os.statvfs(directory)
    except OSError:
        return None
    return max(0, status.f_bavail * status.f_frsize - floor_bytes(status))


def low_room(directory: Path, wanted_bytes: int = 0) -> str:
    """Why so many bytes more may not come in from others to this file system; empty when they may."""
    try:
        status = os.statvfs(directory)
    except OSError:
        return ""  # whoever writes there will see
    free, floor = status.f_bavail * status.f_frsize, floor_bytes(status)
    if free - wanted_bytes >= floor:
        return ""
    return f"{os.strerror(errno.ENOSPC)}: of {free >> 20} MiB free {floor >> 20} MiB are kept for what is saved here"


def read_regular(path: Path) -> str:
    """The text of a file, and of nothing else (`read_regular_bytes`). Raises OSError, UnicodeDecodeError."""
    return read_regular_bytes(path).decode("utf-8-sig")


def read_regular_bytes(path: Path, most: int = _MOST_BYTES) -> bytes:
    """What a file holds whose path a person has set, or chosen, and which may be anything.

    A FIFO would be waited for, and some files of /proc as well; others have no end.

    Raises:
        OSError: it cannot be read, is no regular file, or has more bytes than that.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        data: bytes | None = file.read(most + 1)
    if data is None:
        raise OSError(errno.EAGAIN, "it gives nothing now", str(path))
    if len(data) > most:
        raise OSError(errno.EINVAL, f"it has more than {most >> 20} MiB", str(path))
    return data


def put_aside(path: Path, kind: Callable[[int], bool] = lambda mode: False) -> Path | None:
    """Rename what stands at a path, unless it is of a kind (of `stat`); gives what it is called now. Raises OSError."""
    try:
        if kind(path.lstat().st_mode):
            return None
        return path.rename(f"{path}.aside-{time.time_ns()}")
    except FileNotFoundError:
        return None


class Patience:
    """How long to wait before the next try: twice as long each time, up to a limit.

    Args:
        first_s: before the second try.
        longest_s: at most.
    """

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._next_s = first_s

    def next_s(self) -> float:
        """Seconds until the next try."""
        pause_s, self._next_s = self._next_s, min(self._longest_s, 2 * self._next_s)
        return pause_s

    def reset(self) -> None:
        """It worked: the next failure begins anew."""
        self._next_s = self._first_s


class Until:
    """When something ends that a person wanted for a time. `at` is in seconds since 1970.

    The clock on the wall decides, so that a machine that slept or was off does not begin anew; where that clock is set
    back meanwhile, it is over after as long as was said.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self._latest = time.monotonic() + at - time.time()

    @property
    def left_s(self) -> float:
        """How long it still is; 0: it is over."""
        return max(0.0, min(self.at - time.time(), self._latest - time.monotonic()))
