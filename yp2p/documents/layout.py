"""The tree on disk as a pure function of the manifest: alike on every device, and it writes nothing back.

Two entries may want one path, and a file may stand where another entry needs a directory. At a contested path the
entry with the smallest ID keeps the name; every other is shown beside it under a name computed from its own ID, and
from what its registers say of who made it and when, once they do (`origins.py`). Where that name is taken, the ID alone
has to do.
Directories are there for all who need them: a directory entry, whose directory may be empty, never contests a path with
another one and always wins it from a file.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from yp2p.identity import EntryID
from yp2p.protocol.names import MAX_NAME_BYTES, MAX_PATH_BYTES, encode_path

# What follows the last dot is an ending only when it is short.
_LONGEST_SUFFIX = 20
CONFLICT = ".conflict-"
_MARK = re.compile(r"\.conflict-(?:(?:[^./]{1,64}-)?[0-9]{4}-[0-9]{2}-[0-9]{2}-)?([0-9a-f]{8,})(?=\.|$)")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where every live entry is on disk."""

    path_of: dict[EntryID, str] = field(default_factory=dict)
    entry_at: dict[str, EntryID] = field(default_factory=dict)
    conflicts: frozenset[EntryID] = frozenset()


def conflict_path(path: str, entry: EntryID, origin: str = "", digits: int = 8) -> str:
    """The name beside `path` for an entry that may not have it.

    `a.txt` gives `a.conflict-desk-2026-11-29-1f2e3d4c.txt`, and `a.conflict-1f2e3d4c.txt` without an origin.

    Args:
        origin: who made it and when (`origins.py`); empty where that is not known. It is left out where the path gets
            too long by it.
    """
    parent, slash, name = path.rpartition("/")
    name = _MARK.sub("", name)  # a copy of a copy is one of the same file
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > _LONGEST_SUFFIX:
        stem, dot, suffix = name, "", ""
    made = f"{origin}-" if origin else ""
    mark = f".conflict-{made}{entry.hex()[:digits]}{dot}{suffix}"
    room = min(MAX_NAME_BYTES, MAX_PATH_BYTES - len(encode_path(parent + slash)))
    if origin and len(encode_path(mark)) >= room:
        return conflict_path(path, entry, digits=digits)
    while stem and len(encode_path(stem + mark)) > room:
        stem = stem[:-1]
    return f"{parent}{slash}{stem}{mark}"


def is_conflict_name(path: str) -> bool:
    """Whether a file stands beside another one because its name was taken."""
    return _MARK.search(path.rpartition("/")[2]) is not None


def conflict_digits(path: str) -> str:
    """The beginning of the ID of the entry that a file beside another one is; empty for all others."""
    found = _MARK.search(path.rpartition("/")[2])
    return found[1] if found is not None else ""


def plain_name(path: str) -> str:
    """The path that a file beside another one would have."""
    parent, slash, name = path.rpartition("/")
    return parent + slash + _MARK.sub("", name)


def _names_beside(path: str, entry: EntryID, origin: str) -> Iterator[str]:
    """The names that an entry may have beside `path`, the best one first. There is no end of them."""
    if origin:
        yield conflict_path(path, entry, origin)
    yield conflict_path(path, entry)
    for number in itertools.count():
        # The whole ID, behind a number of two bytes or more: somebody took the first name on purpose.
        numbered = number.to_bytes(max(2, (number.bit_length() + 7) // 8), "big") + entry
        yield conflict_path(path, EntryID(numbered), digits=2 * len(numbered))


def layout(
    entries: Iterable[tuple[EntryID, str]],
    directory_entries: Iterable[tuple[EntryID, str]] = (),
    origins: Mapping[EntryID, str] | None = None,
) -> Layout:
    """Lay out live entries.

    Args:
        entries: entry ID and wanted path of every live entry that is no directory, in any order.
        directory_entries: the same of those that are.
        origins: who made entries and when, of those of which that is known.
    """
    ordered = sorted(entries)
    own_directories = sorted(directory_entries)
    directories = {path for _, path in own_directories}
    for _, path in (*ordered, *own_directories):
        cut = path.rfind("/")
        while cut > 0 and path[:cut] not in directories:
            directories.add(path[:cut])
            cut = path.rfind("/", 0, cut)
    result = Layout()
    for entry, path in own_directories:
        result.path_of[entry] = path
        result.entry_at.setdefault(path, entry)
    losers: list[tuple[EntryID, str]] = []
    for entry, path in ordered:
        if path in directories or path in result.entry_at:
            losers.append((entry, path))
        else:
            result.path_of[entry] = path
            result.entry_at[path] = entry
    for entry, path in losers:
        names = _names_beside(path, entry, (origins or {}).get(entry, ""))
        beside = next(name for name in names if name not in result.entry_at and name not in directories)
        result.path_of[entry] = beside
        result.entry_at[beside] = entry
    return Layout(result.path_of, result.entry_at, frozenset(entry for entry, _ in losers))


class LayoutIndex:
    """The layout of entries that come and go, kept up to date.

    As long as nothing contests anything, a change touches nothing but its own entry. Where it does, everything is laid
    out anew by `layout`, until nothing is contested any more: the two never differ.
    """

    def __init__(self) -> None:
        self._wanted: dict[EntryID, str] = {}
        self._directories: set[EntryID] = set()  # those of them that are directories
        self._origins: dict[EntryID, str] = {}  # of those of them of which that is known
        self._needed: Counter[str] = Counter()  # directories, by how many entries beneath or at them there are
        self._layout = Layout()
        self._is_contested = False
        self._is_stale = False  # whether something changed since everything was laid out anew
        self._moved: set[EntryID] = set()

    def want(self, entry: EntryID, wanted: tuple[str, bool] | None, origin: str = "") -> None:
        """The entry wants this path, and whether it is a directory; None: it wants none any more.

        Args:
            origin: who made it and when, where that is known.
        """
        self._has_origin(entry, origin if wanted is not None else "")
        old = self._wanted.get(entry)
        was_directory = entry in self._directories
        if wanted == (None if old is None else (old, was_directory)):
            return
        if old is not None:
            self._remove(entry, old, was_directory)
        if wanted is not None:
            self._add(entry, *wanted)
        self._moved.add(entry)
        self._is_stale = True

    def _has_origin(self, entry: EntryID, origin: str) -> None:
        if origin == self._origins.get(entry, ""):
            return
        self._is_stale = True
        if origin:
            self._origins[entry] = origin
        else:
            del self._origins[entry]

    def _remove(self, entry: EntryID, path: str, is_directory: bool) -> None:
        del self._wanted[entry]
        self._directories.discard(entry)
        for directory in _directories(path, is_directory):
            self._needed[directory] -= 1
            if not self._needed[directory]:
                del self._needed[directory]
        if not self._is_contested:
            del self._layout.path_of[entry]
            del self._layout.entry_at[path]

    def _add(self, entry: EntryID, path: str, is_directory: bool) -> None:
        entry_at = self._layout.entry_at
        # While something is contested the layout is of a moment ago, and says nothing.
        is_free = not self._is_contested and path not in entry_at and (is_directory or path not in self._needed)
        self._wanted[entry] = path
        if is_directory:
            self._directories.add(entry)
        for directory in _directories(path, is_directory):
            above = entry_at.get(directory) if is_free and directory != path else None
            is_free = is_free and (above is None or above in self._directories)
            self._needed[directory] += 1
        self._is_contested = self._is_contested or not is_free
        if not self._is_contested:
            self._layout.path_of[entry] = path
            entry_at[path] = entry

    def get(self) -> Layout:
        """The layout now; it changes with the index."""
        if self._is_contested and self._is_stale:
            self._is_stale = False
            before = self._layout.path_of
            self._layout = layout(
                ((entry, path) for entry, path in self._wanted.items() if entry not in self._directories),
                ((entry, self._wanted[entry]) for entry in self._directories),
                self._origins,
            )
            after = self._layout.path_of
            self._moved |= {entry for entry in before.keys() | after if before.get(entry) != after.get(entry)}
            self._is_contested = len(self._layout.entry_at) < len(after) or bool(self._layout.conflicts)
        return self._layout

    def take_moved(self) -> set[EntryID]:
        """Entries that are elsewhere, or gone, or new, since this was asked last."""
        moved, self._moved = self._moved, set()
        return moved


def _directories(path: str, is_directory: bool) -> Iterator[str]:
    """The directories that an entry needs."""
    if is_directory:
        yield path
    cut = path.rfind("/")
    while cut > 0:
        yield path[:cut]
        cut = path.rfind("/", 0, cut)
