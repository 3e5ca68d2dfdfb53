"""The tree on disk as a pure function of the manifest: alike on every device, and it writes nothing back.

Two entries may want one path, and a file may stand where another entry needs a directory. At a contested path the
entry with the smallest ID keeps the name; every other is shown beside it under a name computed from its own ID, and
from what its registers say of who made it and when, once they do (`origins.py`). Where that name is taken, the ID alone
has to do.
Directories are there for all who need them: a directory entry, whose directory may be empty, never contests a path with
another one and always wins it from a file.
"""

from __future__ import annotations

import heapq
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
    """The layout of entries that come and go, kept up to date: it never differs from what `layout` gives.

    Theory of operation
        Who has a path that it wants follows from who wants it, and from whether it is a directory; so a change touches
        the paths that it is about, and those above. The others (`_losers`) stand beside: each has the first of its
        names that neither of those has, nor a loser with a smaller ID. Which names a loser has looked at is remembered.
        When one of them is taken, or becomes free, that loser looks again, and after it those that looked at the names
        that it leaves or takes; in the order of IDs, so that none has to look twice.

    Invariants
        * `path_of` and `entry_at` have all but the losers in `_to_place`; `get` places these.
        * `_waiting` has the losers by the path that they want, and `_lost` those paths by the losers; what all others
          want is where they are. `_looked_at` has the losers by the names that they looked at.
    """

    def __init__(self) -> None:
        self._lost: dict[EntryID, str] = {}
        self._directories: set[EntryID] = set()  # those of them that are directories
        self._origins: dict[EntryID, str] = {}  # of those of them of which that is known
        self._needed: Counter[str] = Counter()  # directories, by how many entries beneath or at them there are
        self._alike: dict[str, set[EntryID]] = {}  # directory entries at one path, where there are several
        self._waiting: dict[str, set[EntryID]] = {}
        self._losers = _Losers()
        self._layout = Layout()
        self._moved: set[EntryID] = set()

    def want(self, entry: EntryID, wanted: tuple[str, bool] | None, origin: str = "") -> None:
        """The entry wants this path, and whether it is a directory; None: it wants none any more.

        Args:
            origin: who made it and when, where that is known.
        """
        self._has_origin(entry, origin if wanted is not None else "")
        old = self._lost.get(entry) or self._layout.path_of.get(entry)
        was_directory = entry in self._directories
        if wanted == (None if old is None else (old, was_directory)):
            return
        if old is not None:
            self._remove(entry, old, was_directory)
        if wanted is not None:
            self._add(entry, *wanted)
        self._moved.add(entry)

    def _has_origin(self, entry: EntryID, origin: str) -> None:
        if origin == self._origins.get(entry, ""):
            return
        if origin:
            self._origins[entry] = origin
        else:
            del self._origins[entry]
        self._losers.look_again(entry)

    # --- who wants a path, and has it ---------------------------------------------------------------------------

    def _add(self, entry: EntryID, path: str, is_directory: bool) -> None:
        for directory in _directories(path, is_directory):
            self._needed[directory] += 1
            if self._needed[directory] == 1:
                self._directory_comes(directory)
        if is_directory:
            self._add_directory(entry, path)
            return
        holder = self._holder(path)
        if path in self._needed or (holder is not None and holder < entry):
            self._lose(entry, path)
            return
        if holder is not None:
            self._lose(holder, path)
        self._win(entry, path)

    def _add_directory(self, entry: EntryID, path: str) -> None:
        entry_at, first = self._layout.entry_at, self._layout.entry_at.get(path)
        self._directories.add(entry)
        self._layout.path_of[entry] = path
        if first is None or first not in self._directories:
            entry_at[path] = entry
        else:
            self._alike.setdefault(path, {first}).add(entry)
            entry_at[path] = min(first, entry)

    def _remove(self, entry: EntryID, path: str, is_directory: bool) -> None:
        if is_directory:
            self._remove_directory(entry, path)
        elif entry in self._losers:
            self._no_loser(entry, path)
        else:
            del self._layout.path_of[entry], self._layout.entry_at[path]
            self._losers.name_changed(path)
            self._give(path)
        for directory in _directories(path, is_directory):
            self._needed[directory] -= 1
            if not self._needed[directory]:
                del self._needed[directory]
                self._losers.name_changed(directory)
                self._give(directory)

    def _remove_directory(self, entry: EntryID, path: str) -> None:
        self._directories.discard(entry)
        del self._layout.path_of[entry]
        alike = self._alike.get(path, set())
        alike.discard(entry)
        if alike:
            self._layout.entry_at[path] = min(alike)
        else:
            self._layout.entry_at.pop(path, None)
        if len(alike) == 1:
            self._alike.pop(path, None)

    def _directory_comes(self, path: str) -> None:
        """A path is a directory from now on: no file can have it."""
        holder = self._holder(path)
        if holder is not None:
            self._lose(holder, path)
        self._losers.name_changed(path)

    def _holder(self, path: str) -> EntryID | None:
        """The file that has a path because it wants it."""
        found = self._layout.entry_at.get(path)
        return found if found is not None and found not in self._losers else None

    def _give(self, path: str) -> None:
        """A path is free: the first of those that want it has it."""
        waiting = self._waiting.get(path)
        if waiting and path not in self._needed:
            first = min(waiting)
            self._no_loser(first, path)
            self._win(first, path)

    def _win(self, entry: EntryID, path: str) -> None:
        self._layout.path_of[entry] = path
        self._layout.entry_at[path] = entry
        self._moved.add(entry)
        self._losers.name_changed(path)

    def _lose(self, entry: EntryID, path: str) -> None:
        if self._layout.entry_at.get(path) == entry:
            del self._layout.entry_at[path]
        self._layout.path_of.pop(entry, None)
        self._waiting.setdefault(path, set()).add(entry)
        self._lost[entry] = path
        self._losers.add(entry)
        self._moved.add(entry)

    def _no_loser(self, entry: EntryID, path: str) -> None:
        self._waiting[path].discard(entry)
        if not self._waiting[path]:
            del self._waiting[path]
        name = self._layout.path_of.pop(entry, None)
        del self._lost[entry]
        self._losers.remove(entry)
        if name is not None and self._layout.entry_at.get(name) == entry:
            del self._layout.entry_at[name]
            self._losers.name_changed(name)

    # --- those that stand beside --------------------------------------------------------------------------------

    def get(self) -> Layout:
        """The layout now; it changes with the index."""
        while (entry := self._losers.next()) is not None:
            self._place(entry)
        if self._losers.are_others:
            self._losers.are_others = False
            self._layout = Layout(self._layout.path_of, self._layout.entry_at, frozenset(self._losers.entries))
        return self._layout

    def _place(self, entry: EntryID) -> None:
        """Give a loser the first of its names that is free, or that a later one has."""
        path_of, entry_at = self._layout.path_of, self._layout.entry_at
        before = path_of.pop(entry, None)
        if before is not None and entry_at.get(before) == entry:
            del entry_at[before]
        for name in _names_beside(self._lost[entry], entry, self._origins.get(entry, "")):
            self._losers.looks_at(entry, name)
            has_it = entry_at.get(name)
            is_later = has_it is not None and has_it in self._losers and has_it > entry
            if name not in self._needed and (has_it is None or is_later):
                break
        path_of[entry] = name
        entry_at[name] = entry
        if name != before:
            self._moved.add(entry)
            self._losers.name_changed(name, after=entry)
            if before is not None:
                self._losers.name_changed(before, after=entry)

    def take_moved(self) -> set[EntryID]:
        """Entries that are elsewhere, or gone, or new, since this was asked last."""
        moved, self._moved = self._moved, set()
        return moved


class _Losers:
    """The entries that stand beside the path that they want: which names they looked at, and which have to look again.

    Attributes:
        are_others: whether some came or went since this was set to False.
    """

    def __init__(self) -> None:
        self.entries: set[EntryID] = set()
        self.are_others = False
        self._looked_at: dict[str, set[EntryID]] = {}
        self._names: dict[EntryID, list[str]] = {}
        self._to_place: list[EntryID] = []  # a heap
        self._is_to_be_placed: set[EntryID] = set()

    def __contains__(self, entry: EntryID) -> bool:
        return entry in self.entries

    def add(self, entry: EntryID) -> None:
        self.entries.add(entry)
        self.are_others = True
        self.look_again(entry)

    def remove(self, entry: EntryID) -> None:
        self.entries.discard(entry)
        self.are_others = True
        self._is_to_be_placed.discard(entry)
        self._forget_names(entry)

    def look_again(self, entry: EntryID) -> None:
        """It may have another name by now."""
        if entry in self.entries and entry not in self._is_to_be_placed:
            self._is_to_be_placed.add(entry)
            heapq.heappush(self._to_place, entry)

    def name_changed(self, name: str, *, after: EntryID | None = None) -> None:
        """A name was taken, or is free: whoever looked at it looks again. Args: `after`: only those behind that one."""
        for entry in self._looked_at.get(name, ()):
            if after is None or entry > after:
                self.look_again(entry)

    def looks_at(self, entry: EntryID, name: str) -> None:
        self._looked_at.setdefault(name, set()).add(entry)
        self._names.setdefault(entry, []).append(name)

    def next(self) -> EntryID | None:
        """The first that has to look again, which has looked at nothing then."""
        while self._to_place:
            entry = heapq.heappop(self._to_place)
            if entry in self._is_to_be_placed:
                self._is_to_be_placed.discard(entry)
                self._forget_names(entry)
                return entry
        return None

    def _forget_names(self, entry: EntryID) -> None:
        for name in self._names.pop(entry, ()):
            looked = self._looked_at.get(name)
            if looked is not None:
                looked.discard(entry)
                if not looked:
                    del self._looked_at[name]


def _directories(path: str, is_directory: bool) -> Iterator[str]:
    """The directories that an entry needs."""
    if is_directory:
        yield path
    cut = path.rfind("/")
    while cut > 0:
        yield path[:cut]
        cut = path.rfind("/", 0, cut)
