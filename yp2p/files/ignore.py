"""Which paths a folder leaves out.

Four layers, the later one wins: the defaults below (what editors write beside a file while they save), the
device's own `files.ignore`, and the folder's `.yp2pignore`, all in gitignore syntax; and above all of them the
reserved names, which nothing lifts.

What a folder leaves out stays as it is on every device: it is not read, not written, not fetched and not removed,
whoever made it, and whether or not it was an entry of the folder before.

What was left out once may be a secret. So a pattern of `.yp2pignore` that would take too long leaves out more than it
says, and one that cannot be read takes nothing with it; `problem` tells of both.
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


def _is_slow(pattern: str) -> bool:
    return any(part.count("*") > MAX_STARS for part in pattern.replace("**", "").split("/"))


def _check(patterns: list[str]) -> None:
    """Raises ValueError for what would take too long."""
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"there are {len(patterns)} patterns, more than {MAX_PATTERNS}")
    for pattern in patterns:
        if _is_slow(pattern):
            raise ValueError(f"the pattern {pattern!r} has more than {MAX_STARS} stars in one name")


def _wider(pattern: str) -> str:
    """A pattern that takes no time and leaves out all that this one does; of an exception, none."""
    if pattern.startswith("!"):
        return ""
    return "/".join(_wider_name(name) for name in pattern.split("/"))


def _wider_name(name: str) -> str:
    if name == "**" or "*" not in name:
        return name
    if "[" in name or "\\" in name:
        return "*"  # not every star in it stands for something else
    return f"{name[: name.index('*')]}*{name[name.rindex('*') + 1 :]}"


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
            _check([line])
            GitIgnoreSpec.from_lines([line])
        except (ValueError, re.error) as error:
            too_long = _wider(line) if _is_slow(line) else ""
            what = f"{too_long!r} is used for it" if too_long else "it is not used"
            problem = problem or f"{line!r:.80} cannot be used as it is ({error}); {what}"
            line = too_long
        patterns.append(line)
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
