"""How many clients a document may have, and how alike they may be.

Theory of operation
    The CRDT library keeps the clients of a document in a hash table, and the hash of a client is its ID: so whoever
    writes chooses where in the table a client stands. To find one of 4096 that all belong at one place takes 4096
    comparisons, and each change of the document finds all of them: 80 ms each time, for ever. Of 1024 it is 5 ms, of
    32,768 at random places 20.

    So what a document has is limited by what it costs: clients that have their lower bits in common count as the square
    of their number. That is done twice: for those at one place of a table for a thousand, and for those near each other
    in a large one, since who finds his place taken goes to one of the next. At the limits an edit takes 50 ms. IDs that
    are drawn, or derived of a digest, come to half of either limit when there are 32,768 of them.

    The limit is on the document together with the update, and whoever brings the update may have it from somebody else:
    so exceeding it is no fault. The two histories cannot be joined, and that peer is kept off the document for a while.

Invariants
    * Every subset of an allowed set of clients is allowed: so it does not matter in which order, and in how many
      updates, they come. (A limit that grows with their number would break that.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from yp2p.errors import HistoriesDiffer

# As many as a state vector may have (`state_vectors.MAX_VECTOR_CLIENTS`).
MAX_DOCUMENT_CLIENTS = 1 << 15
# Fewer need not be looked at, however alike they are.
_FEW = 512
# Which bits are looked at: how many of the lowest are left out, the mask of the others; and what the squares may be.
_CROWDS = ((0, (1 << 11) - 1, 1 << 20), (8, (1 << 8) - 1, 1 << 23))


def check_crowd(fresh: Iterable[int], known: Mapping[int, int]) -> None:
    """Look at the clients that an update adds to a document. Raises HistoriesDiffer: they would be too many."""
    new = [client for client in fresh if client not in known]
    count = len(known) + len(new)
    if not new or count <= _FEW:
        return
    if count > MAX_DOCUMENT_CLIENTS:
        raise HistoriesDiffer(f"the document would have {count} clients, more than {MAX_DOCUMENT_CLIENTS}")
    for skipped, mask, most in _CROWDS:
        places = Counter(client >> skipped & mask for client in known)
        places.update(client >> skipped & mask for client in new)
        if sum(number * number for number in places.values()) > most:
            raise HistoriesDiffer(f"the document would have {count} clients with too many bits of their IDs in common")
