"""The log: every update of every document; and the log together with its packs."""

from __future__ import annotations

import zlib
from typing import Any

from yp2p.identity import DeviceID, DocumentID, FolderID
from yp2p.store.sql import LAST, Read, Statement

# Which packs are read with their rows, as an SQL condition and its parameters.
ALL: Statement = ("1", ())
NOTHING: Statement = ("0", ())

# What every row is that this version wrote (`store/soundness.py`).
SOUND = (
    f"seq BETWEEN 1 AND {LAST} AND length(folder) = 16 AND length(document) = 16 AND length(origin) IN (0, 32) "
    "AND (crc = -1 OR crc = crc_of(data))"
)

# What the IDs of the documents of a manifest begin with.
MANIFEST_PREFIX = b"yp2p-manifest"

# What speaks of rows of the log, and means nothing without them.
NEED_ROWS = ("pack", "digest", "step", "base", "former", "file")


def crc_of(data: bytes) -> int:
    """The checksum of an update."""
    return zlib.crc32(data)


def follows_damaged(damaged: str) -> str:
    """Which rows are set aside where some fulfil a condition: the whole text, or what follows in a manifest."""
    same = "d.folder = log.folder AND d.document = log.document"
    first = f"SELECT min(seq) FROM log d WHERE {same} AND d.seq IN (SELECT seq FROM log WHERE {damaged})"
    of_manifest = f"hex(document) LIKE '{MANIFEST_PREFIX.hex().upper()}%'"
    return f"coalesce(CASE WHEN {of_manifest} THEN seq >= ({first}) ELSE ({first}) IS NOT NULL END, 0)"


def without_rows(table: str) -> str:
    """Forget what a table says of documents that the log has not any more."""
    missing = f"SELECT 1 FROM log l WHERE l.folder = {table}.folder AND l.document = {table}.document"
    only_texts = "kind = 1 AND " if table in ("file", "former") else ""
    return f"DELETE FROM {table} WHERE {only_texts}NOT EXISTS ({missing})"


def around(seq: int) -> Statement:
    """The pack that a row is in, unless it is the last one there."""
    return ("p.first <= ? AND l.seq > ?", (seq, seq))


def at_moment(at: float) -> Statement:
    """The packs that were being written at a moment (seconds since 1970)."""
    return ("p.since <= ? AND l.received > ?", (at, at))


def behind(seq: int) -> Statement:
    """The packs with that row or later ones."""
    return ("l.seq >= ?", (seq,))


# Of a row that is the sum of a pack, also what the pack says of itself.
_WITH_PACK = "SELECT l.seq, l.received, l.origin, l.data, p.first, p.since, p.alike, p.removers"


def last_seq(read: Read) -> int:
    """The last row of all; 0 where there is none."""
    return int(read("SELECT coalesce(max(seq), 0) FROM log", ())[0][0])


def insert(seq: int, folder: FolderID, document: DocumentID, origin: bytes, received: float, data: bytes) -> Statement:
    row = (seq, folder, document, origin, received, data, crc_of(data))
    return ("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def join(folder: FolderID, document: DocumentID, first: int, last: int, data: bytes, origin: bytes) -> list[Statement]:
    """The row `last` becomes the sum of itself and those from `first` on."""
    return [
        ("DELETE FROM log WHERE folder = ? AND document = ? AND seq >= ? AND seq < ?", (folder, document, first, last)),
        ("UPDATE log SET data = ?, origin = ?, crc = ? WHERE seq = ?", (data, origin, crc_of(data), last)),
    ]


def overwrite(seq: int, data: bytes) -> Statement:
    return ("UPDATE log SET data = ?, crc = ? WHERE seq = ?", (data, crc_of(data), seq))


def delete(seq: int) -> Statement:
    return ("DELETE FROM log WHERE seq = ?", (seq,))


def forget(folder: FolderID, document: DocumentID) -> Statement:
    return ("DELETE FROM log WHERE folder = ? AND document = ?", (folder, document))


def total(read: Read, folder: FolderID) -> tuple[int, int]:
    """How many rows of a folder there are, and how many bytes they have."""
    count, size = read("SELECT count(*), coalesce(sum(length(data)), 0) FROM log WHERE folder = ?", (folder,))[0]
    return count, size


def has_any(read: Read, folder: FolderID) -> bool:
    """Whether there are rows of a folder."""
    return bool(read("SELECT 1 FROM log WHERE folder = ? LIMIT 1", (folder,)))


def forget_some(folder: FolderID, count: int) -> Statement:
    """Remove so many rows of a folder."""
    return ("DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE folder = ? LIMIT ?)", (folder, count))


def documents(read: Read) -> list[tuple[FolderID, DocumentID]]:
    """The folder and the ID of every document, where they are IDs."""
    query = "SELECT DISTINCT folder, document FROM log WHERE typeof(folder) = 'blob' AND typeof(document) = 'blob'"
    return [(FolderID(folder), DocumentID(document)) for folder, document in read(query, ())]


def documents_of(read: Read, folder: FolderID) -> set[DocumentID]:
    """Every document of a folder, those of the manifest as well."""
    rows = read("SELECT DISTINCT document FROM log WHERE folder = ?", (folder,))
    return {DocumentID(document) for (document,) in rows}


def newest_documents(read: Read, folder: FolderID) -> list[tuple[DocumentID, int]]:
    """Each document of a folder and its last row, the one that changed last first."""
    query = "SELECT document, max(seq) FROM log WHERE folder = ? GROUP BY document ORDER BY max(seq) DESC"
    return [(DocumentID(document), seq) for document, seq in read(query, (folder,))]


def documents_from(read: Read, folder: FolderID, device: DeviceID, first: int) -> list[DocumentID]:
    """The documents with rows from this device among those from `first` on, or with packs of several devices."""
    query = (
        "SELECT DISTINCT l.document FROM log l LEFT JOIN pack p ON p.seq = l.seq WHERE l.folder = ? AND l.seq >= ?"
        " AND (l.origin = ? OR p.alike = 0)"
    )
    return [DocumentID(document) for (document,) in read(query, (folder, first, device))]


def from_others(read: Read, folder: FolderID, after: int, limit: int) -> list[tuple[Any, ...]]:
    """Number, document and update of the first rows behind `after` that came from others, in order."""
    query = "SELECT seq, document, data FROM log WHERE folder = ? AND seq > ? AND origin != x'' ORDER BY seq LIMIT ?"
    return read(query, (folder, after, limit))


def stored_at(read: Read, folder: FolderID, document: DocumentID, seq: int) -> float:
    """When the last row of a document up to that one was stored (seconds since 1970); 0.0 where there is none."""
    query = "SELECT received FROM log WHERE folder = ? AND document = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
    rows = read(query, (folder, document, seq))
    return float(rows[0][0]) if rows else 0.0


def last_before(read: Read, folder: FolderID, document: DocumentID, at: float) -> int:
    """The last row of a document that was stored before a moment (seconds since 1970); 0 where there is none."""
    query = "SELECT coalesce(max(seq), 0) FROM log WHERE folder = ? AND document = ? AND received < ?"
    return int(read(query, (folder, document, at))[0][0])


def last_named(read: Read, folder: FolderID, document: DocumentID) -> int:
    """The last row of a document that a file or a digest speaks of; 0 where none does."""
    query = (
        "SELECT coalesce(max(seq), 0) FROM (SELECT base_seq AS seq FROM file WHERE folder = ?1 AND document = ?2"
        " UNION ALL SELECT seq FROM digest WHERE folder = ?1 AND document = ?2)"
    )
    return int(read(query, (folder, document))[0][0])


def rows_from(folder: FolderID, document: DocumentID, first: int) -> str:
    """Which rows are those of a document from that one on, as an SQL condition."""
    return f"folder = x'{folder.hex()}' AND document = x'{document.hex()}' AND seq >= {first}"


def updates(read: Read, folder: FolderID, document: DocumentID) -> list[tuple[int, bytes]]:
    """Number and update of each row of a document, in order."""
    rows = read("SELECT seq, data FROM log WHERE folder = ? AND document = ? ORDER BY seq", (folder, document))
    return [(seq, data) for seq, data in rows]


def first_broken(read: Read, folder: FolderID, document: DocumentID) -> int:
    """The first row of a document that is not what was written; 0: there is none."""
    query = "SELECT seq, data, crc FROM log WHERE folder = ? AND document = ? ORDER BY seq"
    return next((seq for seq, data, crc in read(query, (folder, document)) if crc not in (-1, crc_of(data))), 0)


def rows(read: Read, folder: FolderID, document: DocumentID) -> list[tuple[Any, ...]]:
    """Number, time, origin and update of each row of a document, in order."""
    query = "SELECT seq, received, origin, data FROM log WHERE folder = ? AND document = ? ORDER BY seq"
    return read(query, (folder, document))


def first_row(read: Read, folder: FolderID, document: DocumentID) -> tuple[int, float, bytes] | None:
    """Number, time and update."""
    query = "SELECT seq, received, data FROM log WHERE folder = ? AND document = ? ORDER BY seq LIMIT 1"
    found = read(query, (folder, document))
    return (found[0][0], found[0][1], found[0][2]) if found else None


def received_at(read: Read, folder: FolderID, document: DocumentID, seq: int) -> float | None:
    """The time of the last row of a document up to that one."""
    query = "SELECT received FROM log WHERE folder = ? AND document = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
    found = read(query, (folder, document, seq))
    return float(found[0][0]) if found else None


def last_until(read: Read, folder: FolderID, document: DocumentID, seq: int) -> int:
    """The last row of a document up to that one; 0 where there is none."""
    query = "SELECT coalesce(max(seq), 0) FROM log WHERE folder = ? AND document = ? AND seq <= ?"
    return int(read(query, (folder, document, seq))[0][0])


def last_row(read: Read, folder: FolderID, document: DocumentID) -> tuple[int, float] | None:
    """Number and time."""
    query = "SELECT seq, received FROM log WHERE folder = ? AND document = ? ORDER BY seq DESC LIMIT 1"
    found = read(query, (folder, document))
    return (found[0][0], found[0][1]) if found else None


def numbers_from(read: Read, first: int) -> set[int]:
    """The rows of all documents from that one on."""
    return {seq for (seq,) in read("SELECT seq FROM log WHERE seq >= ?", (first,))}


def counts_after(read: Read, folder: FolderID, seq: int) -> list[tuple[Any, ...]]:
    """Documents, and how many rows each has behind that one."""
    query = "SELECT document, count(*) FROM log WHERE seq > ? AND folder = ? GROUP BY document"
    return read(query, (seq, folder))


def counts_of_at_least(read: Read, folder: FolderID, count: int) -> list[tuple[Any, ...]]:
    """The documents with so many rows, and how many they have."""
    query = "SELECT document, count(*) FROM log WHERE folder = ? GROUP BY document HAVING count(*) >= ?"
    return read(query, (folder, count))


def sizes(read: Read, folder: FolderID, seq: int, row_bytes: int) -> list[tuple[Any, ...]]:
    """Documents, how many rows each has up to `seq`, and their bytes, where a row itself takes `row_bytes`."""
    query = (
        "SELECT document, count(*) FILTER (WHERE seq <= ?), sum(length(data) + ?) FROM log"
        " WHERE folder = ? GROUP BY document"
    )
    return read(query, (seq, row_bytes, folder))


def unpacked_rows(read: Read, folder: FolderID, document: DocumentID, after: int, limit: int) -> list[tuple[Any, ...]]:
    """Number, time, origin, group of the undo step (0: none) and update of the rows that are in no pack, behind `after`
    and behind the first row of the document."""
    where = (folder, document)
    packed = read("SELECT max(seq) FROM pack WHERE folder = ? AND document = ?", where)[0][0] or 0
    first = read("SELECT min(seq) FROM log WHERE folder = ? AND document = ?", where)[0][0] or 0
    query = (
        "SELECT l.seq, l.received, l.origin, coalesce(s.grp, 0), l.data FROM log l LEFT JOIN step s ON s.seq = l.seq"
        " WHERE l.folder = ? AND l.document = ? AND l.seq > ? ORDER BY l.seq LIMIT ?"
    )
    return read(query, (*where, max(after, packed, first), limit))


def pack_sizes(read: Read, folder: FolderID, document: DocumentID) -> list[tuple[Any, ...]]:
    """Of each row of a document: number, time, the first row that it is the sum of, and the bytes of its pack."""
    query = (
        "SELECT l.seq, l.received, coalesce(p.first, l.seq), coalesce(length(p.rows), 0) FROM log l"
        " LEFT JOIN pack p ON p.seq = l.seq WHERE l.folder = ? AND l.document = ? ORDER BY l.seq"
    )
    return read(query, (folder, document))


def rows_with_packs(
    read: Read, folder: FolderID, document: DocumentID, unpack: Statement, *, after: int = 0, limit: int = -1
) -> list[tuple[Any, ...]]:
    """Number, time, origin, update, and the columns first, since, alike, removers, rows of the pack, in order.

    Args:
        unpack: the packs of which `rows` is read; it is None for all others.
        after, limit: at most so many rows behind that one; a negative limit is none.
    """
    condition, parameters = unpack
    query = (
        f"{_WITH_PACK}, CASE WHEN {condition} THEN p.rows END FROM log l LEFT JOIN pack p ON p.seq = l.seq"
        " WHERE l.folder = ? AND l.document = ? AND l.seq > ? ORDER BY l.seq LIMIT ?"
    )
    return read(query, (*parameters, folder, document, after, limit))


def rows_since(
    read: Read, folder: FolderID, document: DocumentID, since: float, after: int, limit: int
) -> list[tuple[Any, ...]]:
    """The same of what came after `since` (seconds since 1970), but for the document's first row; with the rows of
    packs in which several devices wrote. At most `limit` of them, behind the row `after`."""
    query = (
        f"{_WITH_PACK}, CASE WHEN p.alike = 0 THEN p.rows END FROM log l LEFT JOIN pack p ON p.seq = l.seq"
        " WHERE l.folder = ? AND l.document = ? AND l.received > ? AND l.seq > ?"
        " AND l.seq > (SELECT min(seq) FROM log WHERE folder = ? AND document = ?) ORDER BY l.seq LIMIT ?"
    )
    return read(query, (folder, document, since, after, folder, document, limit))
