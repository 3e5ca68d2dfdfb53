"""The files that editors put beside a file while they have it open: evidence that it is open, and since when.

| program | file beside `dir/f` | while |
| --- | --- | --- |
| vim, neovim, nano with `set locking` | `dir/.f.swp` (vim also `.swo`, `.swn`) | the file is open |
| emacs | `dir/.#f`, a symlink | the buffer has changes that are not saved |
| LibreOffice | `dir/.~lock.f#` | the file is open |
| kate | `dir/.f.kate-swp` | the buffer has changes that are not saved |

A lock whose program has ended without removing it (a crash, a power cut) is no evidence: vim's swap file and the
lock of emacs name their process, which then is not there any more. Locks that are kept in another directory (vim's
option `directory`) are not seen.

Everything here is a few calls on cached metadata.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

from yp2p.files.root import Root

_VIM = (".swp", ".swo", ".swn")
_LOCKED = re.compile(
    r"\.(?P<vim>.+)\.sw[pon]|\.#(?P<emacs>.+)|\.~lock\.(?P<office>.+)#|\.(?P<kate>.+)\.kate-swp", re.DOTALL
)
# The head of vim's swap file (memline.c, struct block0): two bytes "b0", a version, and at 24 the process ID, in the
# byte order of the machine that wrote it; nano writes the same with the process ID in the same place.
_VIM_MAGIC, _VIM_PID_AT, _VIM_HEAD_BYTES = b"b0", 24, 28
_EMACS_PID = re.compile(rb"\.(\d+)(?::\d+)?$")


@dataclass(frozen=True, slots=True)
class EditorLock:
    """The lock of one run of an editor."""

    name: str
    inode: int


def locked_names(name: str) -> tuple[str, ...]:
    """The names of the files that a file of this name may be the lock of; none when it is no lock.

    vim adds no dot where the file's name begins with one: `.f.swp` may be of `f` and of `.f`.
    """
    found = _LOCKED.fullmatch(name) if name.startswith(".") else None
    if found is None:
        return ()
    locked = next(filter(None, found.groups()), "")
    return (locked, f".{locked}") if found["vim"] else (locked,)


def _names(name: str) -> list[str]:
    vim = name if name.startswith(".") else f".{name}"
    return [*(vim + ending for ending in _VIM), f".#{name}", f".~lock.{name}#", f".{name}.kate-swp"]


def lock_of(root: Root, path: str) -> EditorLock | None:
    """The editor's lock of the file at `path`, if there is one whose program runs. Blocks for some 10 us."""
    try:
        with root.parent(path) as (directory, name):
            for lock in _names(name):
                try:
                    status = os.stat(lock, dir_fd=directory, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if _is_alive(root, lock, directory, f"{path[: len(path) - len(name)]}{lock}"):
                    return EditorLock(lock, status.st_ino)
    except OSError:
        return None  # the directory is gone, or not ours to look at
    return None


def is_standing(root: Root, path: str, lock: EditorLock) -> bool:
    """Whether a lock of the file at `path` is still there. Blocks for some 10 us."""
    try:
        with root.parent(path) as (directory, _):
            return os.stat(lock.name, dir_fd=directory, follow_symlinks=False).st_ino == lock.inode
    except OSError:
        return False


def _is_alive(root: Root, lock: str, directory: int, path: str) -> bool:
    """Whether the program that made a lock runs, as far as the lock tells."""
    try:
        if lock.startswith(".#"):
            found = _EMACS_PID.search(os.fsencode(os.readlink(lock, dir_fd=directory)))
            return found is None or _is_running(int(found[1]))
        if not lock.endswith(_VIM):
            return True
        descriptor = root.open_file(path)
        try:
            head = os.read(descriptor, _VIM_HEAD_BYTES)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return True  # another user's: it cannot be told
    if not head.startswith(_VIM_MAGIC) or len(head) < _VIM_HEAD_BYTES:
        return True
    return _is_running(int.from_bytes(head[_VIM_PID_AT:], "little"))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    except OverflowError:
        return True
    return True
