"""What several messages have: lists of fixed size are read by layout.

Item by item a message at its cap would hold up the loop for half a second.
"""

from __future__ import annotations

from struct import Struct

from yp2p.identity import DEVICE_ID_BYTES, ID_BYTES, DocumentID, EntryID
from yp2p.protocol.reconcile import HASH_BYTES, Leaf
from yp2p.protocol.wire import Reader, Writer

# Entries per list: 4096 leaves are 450 KiB, within one interactive message.
MAX_LEAVES = 4096
# And so many are sent in one: they are read, and taken, at a stretch of a few milliseconds.
SENT_LEAVES = 512
# The year 5138. A later time is no time that a float has to the millisecond.
MAX_TIME_MS = 10**14
ID, DEVICE, HASH = Struct(f">{ID_BYTES}s"), Struct(f">{DEVICE_ID_BYTES}s"), Struct(f">{HASH_BYTES}s")
LEAF = Struct(f">{ID_BYTES}s{ID_BYTES}s{HASH_BYTES}s{HASH_BYTES}s")


def write_leaves(out: Writer, leaves: tuple[tuple[EntryID, Leaf], ...]) -> None:
    out.u32(len(leaves))
    for entry, leaf in leaves:
        out.raw(entry).raw(leaf.document).raw(leaf.version).raw(leaf.content)


def read_leaves(data: Reader) -> tuple[tuple[EntryID, Leaf], ...]:
    return tuple(
        (EntryID(entry), Leaf(DocumentID(document), version, content))
        for entry, document, version, content in data.counted(LEAF, MAX_LEAVES, "leaves")
    )
