"""Which paths a folder leaves out.

Four layers, the later one wins: the defaults below (what editors write beside a file while they save), the
device's own `files.ignore`, and the folder's `.yp2pignore`, all in gitignore syntax; and above all of them the
reserved names, which nothing lifts.

What a folder leaves out stays as it is on every device: it is not read, not written, not fetched and not removed,
whoever made it, and whether or not it was an entry of the folder before.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from pathspec import GitIgnoreSpec

from yp2p.protocol.names import path_problem

IGNORE_FILE = ".yp2pignore"
# Names that programs make for a moment while they save, or for their own use beside a file.
SCRATCH_PATTERNS = (
    "*~",  # backup copies of vim, emacs, nano, gedit
    ".*.sw[a-p]",  # vim's swap files
    ".*.swpx",
    "4913",  # vim, trying whether it may create files here
    ".#*",  # emacs locks
    "\\#*\\#",  # emacs auto-save
    ".~lock.*#",  # LibreOffice
    ".goutputstream-*",  # GLib
    ".*.kate-swp",
    "*___jb_tmp___",  # JetBrains
    "*___jb_old___",
    ".nfs*",  # open files that were removed, on NFS
    ".fuse_hidden*",
    ".DS_Store",
)


_SCRATCH = re.compile("|".join(fnmatch.translate(pattern.replace("\\", "")) for pattern in SCRATCH_PATTERNS))


# Regular expressions try every way to place the stars of a name: with four of them one long name takes seconds.
MAX_STARS = 3
MAX_PATTERNS = 2000
_MAX_REMEMBERED = 10_000


def _check(patterns: list[str]) -> None:
    """Raises ValueError for what would take too long."""
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"there are {len(patterns)} patterns, more than {MAX_PATTERNS}")
    for pattern in patterns:
        if any(part.count("*") > MAX_STARS for part in pattern.replace("**", "").split("/")):
            raise ValueError(f"the pattern {pattern!r} has more than {MAX_STARS} stars in one name")


class IgnoreRules:
    """Decides for one folder. Raises ValueError for a pattern that is not gitignore syntax."""

    def __init__(self, local: Iterable[str] = (), synced: str = "") -> None:
        self._directories: dict[str, bool] = {}
        own = [*local, *synced.splitlines()]
        _check(own)
        try:
            self._spec = GitIgnoreSpec.from_lines([*SCRATCH_PATTERNS, *own]) if any(own) else None
        except re.error as error:
            raise ValueError(f"a pattern cannot be read: {error}") from error

    def ignores(self, path: str, *, directory: bool = False) -> bool:
        """Whether `path` (relative to the root) is left out."""
        if path_problem(path) is not None:
            return True
        if path == IGNORE_FILE:
            return False
        if self._spec is None:
            return any(_SCRATCH.match(name) for name in path.split("/"))
        # As in git, nothing beneath a directory that is left out comes back in.
        above = path.rpartition("/")[0]
        return (bool(above) and self._is_directory_ignored(above)) or self._spec.match_file(
            path + "/" if directory else path
        )

    def _is_directory_ignored(self, path: str) -> bool:
        known = self._directories.get(path)
        if known is None:
            if len(self._directories) >= _MAX_REMEMBERED:
                self._directories.clear()
            known = self._directories[path] = self.ignores(path, directory=True)
        return known
