"""Whether a directory may become a folder's root, and why not."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable
from pathlib import Path

from yp2p.errors import FolderError
from yp2p.machine import reason
from yp2p.protocol.names import is_reserved

# Not places for a person's files, and full of what changes when it is read.
_SYSTEM = tuple(map(Path, ("/dev", "/proc", "/sys", "/run")))


def check_directory(text: str, taken: Iterable[tuple[str, Path]], own: Iterable[Path] = ()) -> Path:
    """The absolute path of a directory that may be shared.

    Args:
        taken: label and root of the folders there are.
        own: where this device keeps its key, store and settings: they must never travel.

    Raises:
        FolderError: it does not exist, is no directory, is not writable, or overlaps another folder.
    """
    if not os.path.isabs(text):
        raise FolderError(f"{text!r} is no whole path: that of a directory begins with /")
    path = Path(os.path.realpath(text))
    check_place(path, taken, own)  # first: nobody should make a directory that may not be shared
    mode = mode_of(path)
    if mode is None:
        raise FolderError(f"{path} does not exist; make it first (mkdir -p {shlex.quote(str(path))})")
    if not stat.S_ISDIR(mode):
        raise FolderError(f"{path} is a file; a folder to share is a directory")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise FolderError(f"{path} is not writable for this user; yp2p has to read and write in it")
    return path


def mode_of(path: Path) -> int | None:
    """What kind of thing is at a path, as `stat` says; None: nothing is. Raises FolderError: that cannot be told."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FolderError(f"{path} cannot be used: {reason(error)}") from error


def check_place(path: Path, taken: Iterable[tuple[str, Path]], own: Iterable[Path] = ()) -> None:
    """Whether a folder may be at an absolute path, whatever there is. Args and raises as `check_directory`."""
    if any(is_reserved(part) for part in path.parts):
        raise FolderError(f"{path} is inside a directory that yp2p never synchronises")
    if path == Path(path.anchor):
        raise FolderError("the root of the file system cannot be shared; choose a directory in it")
    if any(path == system or system in path.parents for system in _SYSTEM):
        raise FolderError(f"{path} belongs to the system and cannot be shared")
    for place in map(Path, map(os.path.realpath, own)):
        if path == place or path in place.parents or place in path.parents:
            raise FolderError(
                f"{path} overlaps {place}, where yp2p keeps this device's secret key and store; choose a directory "
                "beside it"
            )
    for label, root in taken:
        _check_beside(path, label, root)


def _check_beside(path: Path, label: str, root: Path) -> None:
    if root in path.parents:
        raise FolderError(f"{path} is inside the folder {label!r} ({root}), which is shared already")
    if path in root.parents:
        raise FolderError(f"{path} contains the folder {label!r} ({root}), which is shared already")
