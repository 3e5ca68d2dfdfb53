"""What the file system of a folder can do, tried out once when the folder is opened.

Where something is missing, `replace` takes the next best way, which loses nothing either:

=============  ==============================================================================
exchange       else the old file moves to the side and the new one takes the name: for a moment, some ten
               microseconds on a local disk, nothing stands at the path
no_replace     else the new file gets its name by a hard link, which fails where something is
leases         else a file counts as whole when its status is the same before and after it was read; what is
               written to a replaced file later is found by looking at it again
=============  ==============================================================================
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass

from yp2p.files.syscalls import RENAME_EXCHANGE, RENAME_NOREPLACE, rename


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one file system can do."""

    exchange: bool = True
    no_replace: bool = True
    leases: bool = True

    def as_dict(self) -> dict[str, bool]:
        return asdict(self)


def probe(directory: int) -> Capabilities:
    """Try everything out on two small files in `directory`, a descriptor. Raises OSError when none can be made."""
    names = [f"probe-{secrets.token_hex(6)}" for _ in range(3)]
    try:
        for name in names[:2]:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o600, dir_fd=directory))
        return Capabilities(
            exchange=_works(lambda: rename(directory, names[0], directory, names[1], RENAME_EXCHANGE)),
            no_replace=_works(lambda: rename(directory, names[1], directory, names[2], RENAME_NOREPLACE)),
            leases=_works(lambda: _lease(directory, names[0])),
        )
    finally:
        for name in names:
            try:
                os.unlink(name, dir_fd=directory)
            except OSError:
                pass


def _works(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _lease(directory: int, name: str) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    finally:
        os.close(descriptor)
