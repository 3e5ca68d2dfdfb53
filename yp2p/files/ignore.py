"""Which paths a folder leaves out.

Four layers, the later one wins: the defaults below (what editors write beside a file while they save), the
device's own `files.ignore`, and the folder's `.yp2pignore`, all in gitignore syntax; and above all of them the
reserved names, which nothing lifts.
"""

from __future__ import annotations

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


class IgnoreRules:
    """Decides for one folder. Raises ValueError for a pattern that is not gitignore syntax."""

    def __init__(self, local: Iterable[str] = (), synced: str = "") -> None:
        try:
            self._spec = GitIgnoreSpec.from_lines([*SCRATCH_PATTERNS, *local, *synced.splitlines()])
        except re.error as error:
            raise ValueError(f"a pattern cannot be read: {error}") from error

    def ignores(self, path: str, *, directory: bool = False) -> bool:
        """Whether `path` (relative to the root) is left out."""
        if path_problem(path) is not None:
            return True
        return self._spec.match_file(path + "/" if directory else path)
