"""Which paths a folder leaves out.

Four layers, the later one wins: the defaults below (what editors write beside a file while they save), the
device's own `files.ignore`, and the folder's `.yp2pignore`, all in gitignore syntax; and above all of them the
reserved names, which nothing lifts.

What a folder leaves out stays as it is on every device: it is not read, not written, not fetched and not removed,
whoever made it, and whether or not it was an entry of the folder before.

What was left out once may be a secret. So a line of `.yp2pignore` that stands for nothing takes none of the others with
it; `problem` tells of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from yp2p.files.gitignore import Pattern, Patterns
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


# Each is tried for each path: with so many a path takes a tenth of a millisecond, most of them in one expression.
MAX_PATTERNS = 2000
_MAX_REMEMBERED = 10_000


def readable(text: str) -> tuple[list[str], str]:
    """The patterns of a `.yp2pignore` that can be used, and what is to be told of the others.

    Raises:
        ValueError: there are too many.
    """
    patterns: list[str] = []
    problem = ""
    lines = text.splitlines()
    if len(lines) > MAX_PATTERNS:
        raise ValueError(f"there are {len(lines)} patterns, more than {MAX_PATTERNS}")
    for line in lines:
        try:
            Pattern.parse(line)
        except ValueError as error:
            problem = problem or f"{line!r:.80} cannot be used: {error}"
        else:
            patterns.append(line)
    Patterns(patterns)
    return patterns, problem


class IgnoreRules:
    """Decides for one folder. Raises ValueError for a pattern that is not gitignore syntax.

    Args:
        local: patterns from the settings.
        synced: the text of the folder's own file.
    """

    def __init__(self, local: Iterable[str] = (), synced: str = "") -> None:
        self._directories: dict[str, bool] = {}
        own = [*local, *synced.splitlines()]
        if len(own) > MAX_PATTERNS:
            raise ValueError(f"there are {len(own)} patterns, more than {MAX_PATTERNS}")
        for line in own:
            try:
                Pattern.parse(line)
            except ValueError as error:
                raise ValueError(f"the pattern {line!r:.80} cannot be used: {error}") from None
        self._patterns = Patterns([*SCRATCH_PATTERNS, *own])

    def ignores(self, path: str, *, directory: bool = False) -> bool:
        """Whether `path` (relative to the root) is left out."""
        if path_problem(path) is not None:
            return True
        if path == IGNORE_FILE:
            return False
        # As in git, nothing beneath a directory that is left out comes back in.
        above = path.rpartition("/")[0]
        if above and self._is_directory_ignored(above):
            return True
        return bool(self._patterns.decide(path, directory=directory))

    def _is_directory_ignored(self, path: str) -> bool:
        known = self._directories.get(path)
        if known is None:
            if len(self._directories) >= _MAX_REMEMBERED:
                self._directories.clear()
            known = self._directories[path] = self.ignores(path, directory=True)
        return known
