"""How many clients a document may have, and how alike they may be.

Theory of operation
    The CRDT library keeps the clients of a document in a hash table, and the hash of a client is its ID: so whoever
    writes chooses where in the table a client stands. To find one of 4096 that all belong at one place takes 4096
    comparisons, and each change of the document finds all of them: 80 ms each time, for ever. Of 1024 it is 5 ms, of
    32,768 at random places 20.

    So what a document has is limited by what it costs: the table is looked at in windows of some places, and the
    clients that belong in a window count as the square of their number. IDs that are drawn, or derived of a digest, are
    far below the limit.

    The limit is one of the document with the update, and whoever brings it may have it from somebody else: so it is
    no fault of his. His history and ours cannot be joined, and he is kept off that document for a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from yp2p.errors import HistoriesDiffer

# As many as a state vector may have (`ysync.MAX_VECTOR_CLIENTS`).
MAX_DOCUMENT_CLIENTS = 1 << 15
# Fewer need not be looked at, however alike they are.
_FEW = 512
# Places that are looked at together, and what all windows may come to, beside what as many clients anywhere come to.
_WINDOW_BITS = 6
_MAX_CROWD, _CROWD_OF_EACH = 1 << 20, 2 << _WINDOW_BITS


def check_crowd(fresh: Iterable[int], known: Mapping[int, int]) -> None:
    """Look at the clients that an update adds to a document. Raises HistoriesDiffer: they would be too many."""
    new = [client for client in fresh if client not in known]
    count = len(known) + len(new)
    if not new or count <= _FEW:
        return
    if count > MAX_DOCUMENT_CLIENTS:
        raise HistoriesDiffer(f"the document would have {count} clients, more than {MAX_DOCUMENT_CLIENTS}")
    places = 1 << (count * 8 // 7).bit_length()  # of a table that is at most seven eighths full
    windows: Counter[int] = Counter()
    for clients in (known, new):
        windows.update((client & places - 1) >> _WINDOW_BITS for client in clients)
    crowd = sum(number * number for number in windows.values())
    if crowd > _MAX_CROWD + _CROWD_OF_EACH * count:
        raise HistoriesDiffer(f"the document would have {count} clients that have too many bits of their IDs in common")
