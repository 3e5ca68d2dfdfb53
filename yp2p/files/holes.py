"""Holes in files (lseek(2), SEEK_DATA): stretches of NUL bytes that take no room on the disk."""

from __future__ import annotations

import errno
import os


def next_data(descriptor: int, at: int, size: int) -> int:
    """Where the next bytes are from there on that are in no hole; the size where only a hole follows."""
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size
