"""What is mounted below a directory: its files come and go without an event, and without anybody deleting them."""

from __future__ import annotations

import os
import select
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
# How proc(5) writes these in a path.
_ESCAPED = {" ": "\\040", "\t": "\\011", "\n": "\\012", "\\": "\\134"}
_MOUNT_ID, _MOUNT_POINT = 0, 4


def mounts_below(path: Path) -> frozenset[str]:
    """The mounts below a directory, each with its ID: another one at the same place differs.

    Empty where nobody says.
    """
    prefix = "".join(_ESCAPED.get(character, character) for character in os.path.realpath(path)) + "/"
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    mounts = (line.split(" ", _MOUNT_POINT + 1) for line in lines)
    return frozenset(
        f"{mount[_MOUNT_ID]} {mount[_MOUNT_POINT]}"
        for mount in mounts
        if len(mount) > _MOUNT_POINT and mount[_MOUNT_POINT].startswith(prefix)
    )


class MountWatch:
    """Whether anything was mounted or unmounted, for one system call (proc(5): /proc/PID/mountinfo can be polled).

    Where there is no /proc, it always may have been. A context manager.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        try:
            self._file: int | None = os.open(_MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = None
            return
        self._poll.register(self._file, select.POLLPRI)

    def __enter__(self) -> MountWatch:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def has_changed(self) -> bool:
        """Whether it did since this was asked last, or since the beginning."""
        return self._file is None or bool(self._poll.poll(0))
