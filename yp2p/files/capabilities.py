"""What the file system of a folder can do, tried out once when the folder is opened.

Where something is missing, `replace` takes the next best way, which loses nothing either:

=============  ==============================================================================
exchange       else the old file moves to the side and the new one takes the name: for a moment, some ten
               microseconds on a local disk, nothing stands at the path
no_replace     else the new file gets its name by a hard link, which fails where something is
links          hard links; without them and `no_replace` the new file gets its name when nothing was there a moment
               before: what comes into being in some microseconds between would be overwritten
leases         else a file counts as whole when its status is the same before and after it was read; what is
               written to a replaced file later is found by looking at it again
folds_names    it takes names for one that others hold apart (`Case` and `case`, two forms of an umlaut): what cannot
               be put beside its twin waits, and is never taken for it
=============  ==============================================================================
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import asdict, dataclass

from yp2p.files.syscalls import RENAME_EXCHANGE, RENAME_NOREPLACE, rename


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one file system can do."""

    exchange: bool = True
    no_replace: bool = True
    links: bool = True
    leases: bool = True
    folds_names: bool = False

    def as_dict(self) -> dict[str, bool]:
        return asdict(self)


def probe(directory: int) -> Capabilities:
    """Try everything out on two small files in `directory`, a descriptor. Raises OSError when none can be made."""
    names = [f"probe-{secrets.token_hex(6)}" for _ in range(4)]
    try:
        for name in names[:2]:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o600, dir_fd=directory))
        return Capabilities(
            exchange=_works(lambda: rename(directory, names[0], directory, names[1], RENAME_EXCHANGE)),
            no_replace=_works(lambda: rename(directory, names[1], directory, names[2], RENAME_NOREPLACE)),
            links=_works(lambda: os.link(names[0], names[3], src_dir_fd=directory, dst_dir_fd=directory)),
            leases=_works(lambda: _lease(directory, names[0])),
            folds_names=_folds_names(directory),
        )
    finally:
        for name in names:
            try:
                os.unlink(name, dir_fd=directory)
            except OSError:
                pass


# What file systems say of a name that they cannot hold: exFAT through FUSE, vfat and NTFS, names that are no UTF-8.
_OF_A_NAME = (errno.ENOENT, errno.EINVAL, errno.EILSEQ)
# The name of a trial is longer than the one that is tried.
_TRIED_CHARACTERS = 50


def refused_name(directory: int, path: str) -> str | None:
    """The first name of a path that the file system does not take; it is tried in `directory`, a descriptor."""
    for name in path.split("/"):
        trial = f"probe-{secrets.token_hex(6)}-{name[:_TRIED_CHARACTERS]}{name[-_TRIED_CHARACTERS:]}"
        try:
            os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory))
        except OSError as error:
            return name if error.errno in _OF_A_NAME else None
        os.unlink(trial, dir_fd=directory)
    return None


def may_be_of_a_name(reason: str) -> bool:
    """Whether the words of an error may be those that a file system has for a name which it does not take."""
    return reason in map(os.strerror, _OF_A_NAME)


def folded(path: str) -> str:
    """What names have in common that some file systems take for one."""
    return unicodedata.normalize("NFC", path).casefold()


def _folds_names(directory: int) -> bool:
    name = f"probe-{secrets.token_hex(6)}-\u00e9"
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory))
    except OSError:
        return False  # no name but ASCII, then
    try:
        twins = (name.upper(), unicodedata.normalize("NFD", name))
        return any(_works(lambda twin=twin: os.stat(twin, dir_fd=directory)) for twin in twins)  # type: ignore[misc]
    finally:
        os.unlink(name, dir_fd=directory)


def _works(attempt: Callable[[], object]) -> bool:
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
