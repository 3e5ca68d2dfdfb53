"""Keeping a daemon that does nothing small: what the C library does with memory that Python gave back.

glibc gives every thread an arena of its own and keeps what was freed in it. The store's writer, the worker threads and
zeroconf would have one each, and after a first sync most of them are empty. On other C libraries nothing here happens.
"""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # mallopt(3)
_libc = ctypes.CDLL(None)


def share_one_arena() -> None:
    """Call before there are threads. They seldom allocate at the same time: Python's lock keeps them from it."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Return free memory to the kernel (malloc_trim(3)). Blocks for some milliseconds."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
