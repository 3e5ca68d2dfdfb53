"""How many statements of a folder are kept: a function of the set, so that all devices keep the same.

Theory of operation
    Statements of issuers that no chain of grants leads to are of strangers, and are not kept. Of each issuer the first
    ones of each kind are, with all that they name; so what others have acknowledged cannot be pushed out by what its
    issuer dates back. If all are too many, those of issuers nearer to the founder go first, and of equally near ones
    as many of each, so that who fills its share takes it from those alone that it let in. Removals go before grants,
    and grants before acknowledgements: a removal always fits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from yp2p.identity import DeviceID
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.statements import Kind, Statement, StatementHash

# A room has dozens of devices; each is let in by one statement, and that is acknowledged by some dozen others. Without
# a cap one member could make every other one store and check statements forever; without one for each issuer it could
# take the places of all others.
MAX_STATEMENTS = 4096
MAX_STATEMENTS_OF_ONE = 256  # of each kind
_ORDER = (Kind.REMOVAL, Kind.GRANT, Kind.ACKNOWLEDGEMENT)


def kept(founder: DeviceID, statements: Iterable[Statement]) -> dict[StatementHash, Statement]:
    """The statements that are kept; what names an unknown one is not."""
    ancestry = Ancestry(statements)
    share: dict[DeviceID, dict[Kind, list[int]]] = defaultdict(lambda: {kind: [] for kind in Kind})
    for number, statement in enumerate(ancestry.statements):
        of_kind = share[statement.issuer_id][statement.kind]
        if len(of_kind) < MAX_STATEMENTS_OF_ONE:
            of_kind.append(number)
    taken = 0
    room = MAX_STATEMENTS
    for level in _levels(founder, ancestry, share):
        for kind in _ORDER:
            ranked = sorted((rank, number) for one in level for rank, number in enumerate(share[one][kind]))
            for _, number in ranked[:room]:
                taken |= 1 << number | ancestry.past[number]
            room -= min(room, len(ranked))
    return {ancestry.statements[number].hash: ancestry.statements[number] for number in bits(taken)}


def _levels(
    founder: DeviceID, ancestry: Ancestry, share: dict[DeviceID, dict[Kind, list[int]]]
) -> Iterable[list[DeviceID]]:
    """The issuers by how many grants lead to them."""
    known, nearest = {founder}, {founder}
    while nearest:
        level = sorted(device for device in nearest if device in share)
        yield level
        granted = {ancestry.statements[number].subject_id for device in level for number in share[device][Kind.GRANT]}
        nearest = granted - known
        known |= nearest
