"""When git is at work in a folder: it holds `index.lock` in its directory while it changes files of the work tree.

`git checkout`, `restore`, `reset --hard`, `stash pop`, `merge`, `rebase`, `pull` and `am` do; `git apply` without
`--index` does not. The repository is the folder, a directory in it, or one that the folder is in; the work tree of
`git worktree` and of a submodule says in a file `.git` where its directory is.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from inotify_simple import INotify, flags

from yp2p.files.root import reopen_file

GIT = ".git"
_LOCK = "index.lock"
_MASK = flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.ONLYDIR
# A file `.git` holds one line with a path.
_MAX_GITDIR_BYTES = 4096 + 16


def _read_named(path: Path) -> bytes:
    """What a file `.git` says. Raises OSError."""
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with os.fdopen(reopen_file(found, str(path), os.O_RDONLY), "rb") as file:
            return file.read(_MAX_GITDIR_BYTES)
    finally:
        os.close(found)


class GitLocks:
    """The repositories of one folder.

    Args:
        inotify: the watcher's, so that a lock and what is written under it are told in order.
    """

    def __init__(self, inotify: INotify) -> None:
        self._inotify = inotify
        self._tree_of: dict[int, str] = {}  # watch of a git directory: where its work tree is in the folder
        self._locked: set[str] = set()

    def watch(self, path: str, descriptor: int) -> None:
        """Watch the repository whose work tree is the open directory `path` of the folder, if it is one."""
        self._watch(path, Path(f"/proc/self/fd/{descriptor}"))

    def watch_above(self, root: Path) -> None:
        """Watch the repository that the folder is in, if there is one."""
        for above in root.parents:
            if self._watch("", above):
                return

    def _watch(self, path: str, tree: Path) -> bool:
        git = tree / GIT
        try:
            watch = self._inotify.add_watch(str(git), _MASK)
        except NotADirectoryError:
            return self._watch_named(path, tree)
        except OSError:
            return False
        self._add(watch, path, git)
        return True

    def _watch_named(self, path: str, tree: Path) -> bool:
        try:
            line = _read_named(tree / GIT)
            git = tree / os.fsdecode(line.removeprefix(b"gitdir:").strip())
            watch = self._inotify.add_watch(str(git), _MASK)
        except (OSError, ValueError):
            return False
        self._add(watch, path, git)
        return True

    def _add(self, watch: int, path: str, git: Path) -> None:
        self._tree_of[watch] = path
        try:
            (git / _LOCK).lstat()
        except OSError as error:
            if error.errno != errno.ENOENT:
                return
            self._locked.discard(path)
        else:
            self._locked.add(path)

    def take(self, watch: int, mask: int, name: str) -> bool:
        """Take an event of a directory that is none of the folder; gives whether a git command let go of its lock."""
        tree = self._tree_of.get(watch)
        if tree is None:
            return False
        was_locked = tree in self._locked
        if mask & flags.IGNORED:
            del self._tree_of[watch]
            self._locked.discard(tree)
        elif name == _LOCK and mask & flags.CREATE:
            self._locked.add(tree)
        elif name == _LOCK:
            self._locked.discard(tree)
        return was_locked and tree not in self._locked

    def forget(self) -> None:
        """Events were lost: nothing is known of any lock."""
        self._locked.clear()

    def covers(self, path: str) -> bool:
        """Whether a git command is at work where this path is."""
        return any(not tree or path.startswith(f"{tree}/") for tree in self._locked)
