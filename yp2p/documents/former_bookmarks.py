"""The names of bookmarks that are no more, in the log of a manifest document.

A row of the log has the register of a bookmark as it was written then, with its name. Who removes or renames a bookmark
writes another register, and the row stays. Here the name in it is written over with as many letters: to everybody it is
deleted content, of which no document keeps anything, so no document becomes another one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.thinning import LogRow
from yp2p.identity import EntryID

# In the register of a bookmark: its format, and the length of the name in front of it.
_NAME_AT = 2


def without_names(rows: Sequence[LogRow], entries: Collection[EntryID]) -> list[LogRow]:
    """The rows of a manifest document's log that have to be others.

    Args:
        entries: whose bookmarks are meant. What they have now stays.
    """
    replica = ManifestReplica(1)
    written: set[bytes] = set()
    for _, data in rows:
        replica.apply(data)
        written |= _values(replica, entries)
    gone = written - _values(replica, entries) - {b""}
    return [(seq, changed) for seq, data in rows if (changed := _written_over(data, gone)) != data]


def _values(replica: ManifestReplica, entries: Collection[EntryID]) -> set[bytes]:
    return {value for entry in entries for value in replica.bookmark_values(entry).values()}


def _written_over(data: bytes, values: Collection[bytes]) -> bytes:
    for value in values:
        length = value[1] if len(value) > 1 else 0
        name = b"x" * len(value[_NAME_AT : _NAME_AT + length])
        data = data.replace(value, value[:_NAME_AT] + name + value[_NAME_AT + length :])
    return data
