"""A disk that takes its time, now and then, with anything: in a daemon that is started with `SLOW_DISK_MS` set.

What is two steps for a program is then long enough for another program's step in between. One call in `_ONE_IN` takes
up to so many milliseconds longer, half of that before and half after; those that force something to the disk all do.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any

_ONE_IN = 12
_CALLS = (
    "open",
    "stat",
    "lstat",
    "fstat",
    "pread",
    "read",
    "rename",
    "unlink",
    "link",
    "mkdir",
    "utime",
    "fchmod",
    "listdir",
)
_DURABLE = ("fsync", "fdatasync")


def begin(most_s: float) -> None:
    """From now on the disk is slow for this process."""
    from yp2p.files import syscalls

    for name in _CALLS:
        setattr(os, name, _slow(getattr(os, name), most_s, _ONE_IN))
    for name in _DURABLE:
        setattr(os, name, _slow(getattr(os, name), most_s, 1))
    libc: Any = syscalls._libc
    libc.renameat2 = _slow(libc.renameat2, most_s, 2)
    libc.syncfs = _slow(libc.syncfs, most_s, 1)
    libc.syscall = _slow(libc.syscall, most_s, _ONE_IN)


def _slow(real: Callable[..., Any], most_s: float, one_in: int) -> Callable[..., Any]:
    def slow(*arguments: Any, **named: Any) -> Any:
        if random.randrange(one_in):
            return real(*arguments, **named)
        time.sleep(random.random() * most_s / 2)
        try:
            return real(*arguments, **named)
        finally:
            time.sleep(random.random() * most_s / 2)

    return slow
