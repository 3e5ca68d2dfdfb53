"""The tree on disk as a pure function of the manifest: alike on every device, and it writes nothing back.

Two entries may want one path, and a file may stand where another entry needs a directory. At a contested path the
entry with the smallest ID keeps the name; every other is shown beside it under a name computed from its own ID.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from yp2p.identity import EntryID
from yp2p.protocol.names import MAX_NAME_BYTES, encode_path

# What follows the last dot is an ending only when it is short.
_LONGEST_SUFFIX = 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Where every live entry is on disk."""

    path_of: dict[EntryID, str] = field(default_factory=dict)
    entry_at: dict[str, EntryID] = field(default_factory=dict)
    conflicts: frozenset[EntryID] = frozenset()


def conflict_path(path: str, entry: EntryID, digits: int = 8) -> str:
    """The name beside `path` for an entry that may not have it: `a.txt` gives `a.conflict-1f2e3d4c.txt`."""
    parent, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > _LONGEST_SUFFIX:
        stem, dot, suffix = name, "", ""
    mark = f".conflict-{entry.hex()[:digits]}{dot}{suffix}"
    while stem and len(encode_path(stem + mark)) > MAX_NAME_BYTES:
        stem = stem[:-1]
    return f"{parent}{slash}{stem}{mark}"


def layout(entries: Iterable[tuple[EntryID, str]]) -> Layout:
    """Lay out live entries.

    Args:
        entries: entry ID and wanted path of every live entry, in any order.
    """
    ordered = sorted(entries)
    directories = {path[:cut] for _, path in ordered for cut in range(len(path)) if path[cut] == "/"}
    result = Layout()
    losers: list[tuple[EntryID, str]] = []
    for entry, path in ordered:
        if path in directories or path in result.entry_at:
            losers.append((entry, path))
        else:
            result.path_of[entry] = path
            result.entry_at[path] = entry
    for entry, path in losers:
        beside = conflict_path(path, entry)
        for number in itertools.count():
            if beside not in result.entry_at and beside not in directories:
                break
            # The whole ID, then a number in it: somebody took the first name on purpose.
            numbered = EntryID(number.to_bytes(2, "big") + entry)
            beside = conflict_path(path, numbered, 4 + 2 * len(entry))
        result.path_of[entry] = beside
        result.entry_at[beside] = entry
    return Layout(result.path_of, result.entry_at, frozenset(entry for entry, _ in losers))
