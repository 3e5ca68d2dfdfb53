"""Which paths a folder leaves out.

A path is left out that any of these leaves out, each in gitignore syntax, and none lifts what another one says: the
device's own rules (what editors write beside a file while they save, and `files.ignore`); what a person here has
ignored in this folder (`yp2p folder ignore`); the folder's `.yp2pignore`; what that said when people here last agreed
to it (`disk/ingest/agreed_rules.py`); and the reserved names. So nobody can lift from elsewhere what this device leaves
out.

What a folder leaves out stays as it is on every device: it is not read, not written, not fetched and not removed,
whoever made it, and whether or not it was an entry of the folder before.

What was left out once may be a secret. So an invalid line of `.yp2pignore` does not make the others invalid; `problem`
says what is wrong with it.
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


def _lines(text: str) -> list[str]:
    """The patterns of a text, without comments and empty lines."""
    return [line for line in map(str.rstrip, text.splitlines()) if line and not line.startswith("#")]


def loosened(agreed: str, text: str) -> list[str]:
    """The lines by which `text` may leave out less than `agreed` did: patterns that it lacks, exceptions that it adds.

    Patterns that are added and exceptions that are gone leave out more. Patterns in another order count as lacking,
    because the last one that matches decides.
    """
    expected, found = _lines(agreed), _lines(text)
    if all(line.startswith("!") for line in expected):
        return []
    exceptions: list[str] = []
    at = 0
    for line in found:
        following = next((n for n in range(at, len(expected)) if not expected[n].startswith("!")), len(expected))
        if line in expected[at : following + 1]:
            at = expected.index(line, at) + 1
        elif line.startswith("!"):
            exceptions.append(line)
    return [line for line in expected[at:] if not line.startswith("!")] + exceptions


def _pattern_list(lines: list[str]) -> list[str]:
    """The same lines. Raises ValueError where there are too many, or one is no pattern."""
    if len(lines) > MAX_PATTERNS:
        raise ValueError(f"there are {len(lines)} patterns, more than {MAX_PATTERNS}")
    for line in lines:
        try:
            Pattern.parse(line)
        except ValueError as error:
            raise ValueError(f"the pattern {line!r:.80} cannot be used: {error}") from None
    return lines


class IgnoreRules:
    """Decides for one folder. Raises ValueError for a pattern that is not gitignore syntax.

    Args:
        local: patterns from the settings.
        here: those that a person here gave for this folder.
        synced, agreed: those of the folder's own file, as it is and as people here agreed to it.
    """

    def __init__(self, local: Iterable[str] = (), synced: str = "", agreed: str = "", here: Iterable[str] = ()) -> None:
        self._directories: dict[str, bool] = {}
        self._layers = [Patterns([*SCRATCH_PATTERNS, *_pattern_list(list(local))])]
        if own := _pattern_list(list(here)):
            self._layers.append(Patterns(own))
        for text in dict.fromkeys((synced, agreed)):
            if text:
                self._layers.append(Patterns(_pattern_list(text.splitlines())))

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
        return any(layer.decide(path, directory=directory) for layer in self._layers)

    def _is_directory_ignored(self, path: str) -> bool:
        known = self._directories.get(path)
        if known is None:
            if len(self._directories) >= _MAX_REMEMBERED:
                self._directories.clear()
            known = self._directories[path] = self.ignores(path, directory=True)
        return known
