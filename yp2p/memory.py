"""Keeping an idle daemon small: what it imports, and what the C library does with memory that was freed.

structlog imports rich where that is installed, to draw tracebacks, which is not used here: it would cost 3 MiB.

glibc gives every thread an arena of its own and keeps what was freed in it. The store's writer, the worker threads and
zeroconf would have one each, and after a first sync most of them are empty. On other C libraries nothing here happens.
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_M_ARENA_MAX = -8  # mallopt(3)
_M_MMAP_THRESHOLD = -3
_M_TRIM_THRESHOLD = -1
# Messages of a large file are a mebibyte. With a mapping of its own each is made of fresh pages, which takes longer
# than filling them; so they come from what was freed before, of which so much is kept until `trim`.
_MAPPED_BYTES = 8 << 20
_KEPT_BYTES = 32 << 20
_MUCH_FREE_BYTES = 1 << 20
_MANY_FILES = 500
# What is kept is looked at again at rest, for at most this part of the time; and after so many times in any case.
_RARELY = 1000
_MOST_TIMES = 64
# Whoever gave many files may get or send some the next moment.
_AT_REST_S = 60.0
# So long after its end a link has let go of what it held.
_ENDING_S = 2.0
_libc = ctypes.CDLL(None)


class _Use(ctypes.Structure):
    """What the C library says of its memory (mallinfo2(3))."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


if hasattr(_libc, "mallinfo2"):
    _libc.mallinfo2.restype = _Use


@contextmanager
def without_rich() -> Iterator[None]:
    """What is imported in here finds no rich, unless that is there already."""
    hidden: dict[str, object] = {} if "rich" in sys.modules else {"rich": None}
    sys.modules.update(hidden)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def without_collector() -> Iterator[None]:
    """What is made in here stays: the collector does not look at it again and again while it becomes more."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def share_one_arena() -> None:
    """Call before there are threads. They seldom allocate at the same time: Python's lock keeps them from it."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, 1)
        _libc.mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)
        _libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def keep_imports_from_the_collector() -> None:
    """Call when everything is imported: the collector looks at what is made from now on.

    What is imported are 65,000 objects that stay. To look at them took 40 ms of the loop, again and again where much is
    made and thrown away: an eighth of all its work under an attack. The 2,600 that could go are not worth the 70 ms of
    a start that it takes to find them.
    """
    gc.freeze()


class _Kept:
    """What is known of files, which the collector does not look at."""

    def __init__(self) -> None:
        self.times = 0  # since all of it was looked at
        self._not_before = 0.0  # by the monotonic clock

    def add(self) -> None:
        self.times += 1
        self._not_before = max(self._not_before, time.monotonic() + _AT_REST_S)
        if self.times < _MOST_TIMES:
            gc.freeze()
        else:
            self.collect()

    def collect_if_due(self) -> None:
        if self.times and time.monotonic() >= self._not_before:
            self.collect()

    def collect(self) -> None:
        began = time.monotonic()
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self.times, self._not_before = 0, time.monotonic() + _RARELY * (time.monotonic() - began)


class _Ended:
    """What has ended and refers to itself."""

    def __init__(self) -> None:
        self._since = math.inf  # by the monotonic clock, when there was some first
        self._not_before = 0.0

    def add(self) -> None:
        self._since = min(self._since, time.monotonic())

    def collect_if_due(self) -> None:
        began = time.monotonic()
        if began >= max(self._since + _ENDING_S, self._not_before):
            gc.collect()
            self._since, self._not_before = math.inf, time.monotonic() + _RARELY * (time.monotonic() - began)


_kept, _ended = _Kept(), _Ended()


def keep_loaded_from_the_collector(files: int) -> None:
    """Call after what is known of so many files was read from the store, once a folder: it is not counted."""
    if files >= _MANY_FILES:
        gc.freeze()


def keep_from_the_collector(files: int) -> None:
    """Call after what is known of so many files was made: where they are many, the collector looks at none of it.

    While the files of a first sync come in it would look at all that is known again and again, each time at more: for
    100,000 of them tenths of a second in one stretch. They are values, which need no collector to go. Whatever else is
    there at the time is kept as well: a link and all that hangs on it refers to itself, and would stay when it has
    ended, one more each time. So all is looked at now and then (`collect_what_was_kept`).
    """
    if files >= _MANY_FILES:
        _kept.add()


def link_has_ended() -> None:
    """Call when a link has: what it leaves is looked for soon (`collect_what_has_ended`).

    Its tasks were cancelled, and what cancels a task refers to it: with all channels of a link, their texts, and where
    each of them was, 26,000 objects of five mebibytes are left, which the collector would find minutes later.
    """
    _ended.add()


def collect_what_has_ended() -> None:
    """Call now and then: has the collector find what links have left. Blocks for some 10 ms, and rarely."""
    _ended.collect_if_due()


def collect_what_was_kept() -> None:
    """Call at rest: what was kept from the collector and is in use no more goes. Blocks.

    That takes 50 ms, and 5 for each 1,000 files; it is done where something was kept since, a minute after the last
    time, and rarely.
    """
    _kept.collect_if_due()


def free_bytes() -> int:
    """What was given back and is kept by the C library, all over its memory; 0 where it does not say."""
    return int(_libc.mallinfo2().fordblks) if hasattr(_libc, "mallinfo2") else 0


def resident_bytes() -> int:
    """What this process has of the memory; 0 where the kernel does not say."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


class _Given:
    """What the kernel got back.

    Of what is free the C library does not say how much the kernel has already: what is used and freed between two looks
    is free each time. So it counts that the process has more than after the last time.
    """

    def __init__(self) -> None:
        self.resident = 0  # the least that the process had since

    def is_much_free(self) -> bool:
        resident = resident_bytes()
        self.resident = min(self.resident, resident)
        if min(free_bytes(), resident - self.resident) < _MUCH_FREE_BYTES:
            return False
        self.resident = resident  # whoever else asks meanwhile has nothing to do
        return True


_given = _Given()


def is_much_free() -> bool:
    """Whether the kernel would get much by `trim`; said once, and again when there is more."""
    return _given.is_much_free()


def trim() -> None:
    """Return free memory to the kernel (malloc_trim(3)). Blocks for some milliseconds."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
        _given.resident = resident_bytes()
