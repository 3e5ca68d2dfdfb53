"""How many statements of a folder are kept: a function of the set, so that all devices keep the same.

Theory of operation
    Statements of issuers that no chain of grants leads to are of strangers, and are not kept; nor is what was said
    before the first grant of its issuer, what somebody who was never an administrator said of others, and what names
    such a statement: none of it can ever count, no honest device names it, and a member could name any number, or have
    all others acknowledge it. Of each issuer the first
    ones of each kind are, with all that they name; so what others have acknowledged cannot be pushed out by what its
    issuer dates back. Acknowledgements are counted in turns, one for each remover that is answered: all others answer
    whoever removes much, and that must not use up what they need to answer other removals. If all are too many, those
    of issuers nearer to the founder go first, and of equally near ones as many of each, so that who fills its share
    takes it from those alone that it let in. Removals go before grants, and grants before acknowledgements: a removal
    always fits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from yp2p.identity import DeviceID
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.statements import MAX_PREDECESSORS, Kind, Role, Statement, StatementHash

# A room has dozens of devices; each is let in by one statement, and that is acknowledged by some dozen others. Without
# a cap one member could make every other one store and check statements forever; without one for each issuer it could
# take the places of all others.
MAX_STATEMENTS = 4096
MAX_STATEMENTS_OF_ONE = 256  # of each kind
_ORDER = (Kind.REMOVAL, Kind.GRANT, Kind.ACKNOWLEDGEMENT)


def kept(founder: DeviceID, statements: Iterable[Statement]) -> dict[StatementHash, Statement]:
    """The statements that are kept; what names an unknown one is not."""
    ancestry = Ancestry(statements)
    share = _shares(ancestry, _granted(founder, ancestry))
    taken = 0
    room = MAX_STATEMENTS
    for level in _levels(founder, ancestry, share):
        for kind in _ORDER:
            ranked = sorted((rank, number) for one in level for rank, number in enumerate(share[one][kind]))
            for _, number in ranked[:room]:
                taken |= 1 << number | ancestry.past[number]
            room -= min(room, len(ranked))
    return {ancestry.statements[number].hash: ancestry.statements[number] for number in bits(taken)}


def _granted(founder: DeviceID, ancestry: Ancestry) -> Iterable[int]:
    """The statements that follow, as all in their past do, a grant of the role that they take; and the founder's first.

    Who removes or lets in others needs an administrator's.
    """
    found = 0
    grants: dict[DeviceID, int] = defaultdict(int)
    of_administrators: dict[DeviceID, int] = defaultdict(int)
    for number, statement in enumerate(ancestry.statements):
        issuer, past = statement.issuer_id, ancestry.past[number]
        is_about_itself, is_grant = issuer == statement.subject_id, statement.kind is Kind.GRANT
        is_first = is_grant and is_about_itself and issuer == founder and not statement.previous
        needed = grants if is_about_itself and not is_grant else of_administrators
        if is_first or (past & needed[issuer] and not past & ~found):
            found |= 1 << number
            if is_grant:
                grants[statement.subject_id] |= 1 << number
                if statement.role is Role.ADMINISTRATOR:
                    of_administrators[statement.subject_id] |= 1 << number
    return bits(found)


def _shares(ancestry: Ancestry, granted: Iterable[int]) -> dict[DeviceID, dict[Kind, list[int]]]:
    """By issuer and kind, the statements that are kept if there is room, those first that go first."""
    own: dict[DeviceID, list[int]] = defaultdict(list)
    for number in granted:
        own[ancestry.statements[number].issuer_id].append(number)
    removals = sum(1 << number for number, one in enumerate(ancestry.statements) if one.kind is Kind.REMOVAL)
    share: dict[DeviceID, dict[Kind, list[int]]] = {}
    for device, numbers in own.items():
        of_kind = {kind: [number for number in numbers if ancestry.statements[number].kind is kind] for kind in Kind}
        of_kind[Kind.ACKNOWLEDGEMENT] = _in_turns(ancestry, numbers, removals)
        share[device] = {kind: found[:MAX_STATEMENTS_OF_ONE] for kind, found in of_kind.items()}
    return share


def _in_turns(ancestry: Ancestry, own: list[int], removals: int) -> list[int]:
    """The acknowledgements among an issuer's statements: of those that answer each remover the first, then the second.

    Which one a statement answers does not depend on what else there is: who made the last removal that is in its past,
    and in that of no statement of its issuer before it. Honest issuers have one last statement, and who forks has as
    many as are looked at.
    """
    mask = sum(1 << number for number in own)
    turns: dict[DeviceID | None, int] = defaultdict(int)
    ranked: list[tuple[int, int]] = []
    for number in own:
        if ancestry.statements[number].kind is not Kind.ACKNOWLEDGEMENT:
            continue
        earlier, new = ancestry.past[number] & mask, ancestry.past[number] & removals
        for _ in range(MAX_PREDECESSORS):
            if not earlier or not new:
                break
            last = earlier.bit_length() - 1
            earlier &= ~(ancestry.past[last] | 1 << last)
            new &= ~ancestry.past[last]
        remover = ancestry.statements[new.bit_length() - 1].issuer_id if new else None
        ranked.append((turns[remover], number))
        turns[remover] += 1
    return [number for _, number in sorted(ranked)]


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
