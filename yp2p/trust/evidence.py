"""By what a device is out: the statements that it is told, when it asks for a folder that it was removed from.

These are its removals and all that they follow. Who says that it removed others as well, which its removals do not
name, is told besides who heard first of its own removal, and what these had then: that decides which of two removals
stands (`conflict.py`), and both sides have to know it to agree. Nobody else is told more of a folder than how it left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from yp2p.identity import DeviceID
from yp2p.trust.ancestry import Ancestry, bits
from yp2p.trust.statements import Kind, Statement


def of_removals(statements: Iterable[Statement], removals: Iterable[Statement], device: DeviceID) -> list[Statement]:
    """What a device is told of these removals of it, each statement behind those that it names."""
    ancestry = Ancestry(statements)
    told = 0
    for removal in removals:
        told |= ancestry.up_to(removal.hash)
    if _says_more(ancestry, told, device):
        for removal in removals:
            told |= _first_to_hear(ancestry, removal)
    return [ancestry.statements[number] for number in bits(told)]


def _says_more(ancestry: Ancestry, told: int, device: DeviceID) -> bool:
    """Whether a device removed others, and what it is told does not know of that."""
    return any(
        one.kind is Kind.REMOVAL and one.issuer_id == device != one.subject_id and not told >> number & 1
        for number, one in enumerate(ancestry.statements)
    )


def _first_to_hear(ancestry: Ancestry, removal: Statement) -> int:
    """What third members said first when they had a removal, with its past; of one that forks all that are first."""
    found, told = defaultdict[DeviceID, int](int), 0
    (bit,) = bits(ancestry.mask([removal.hash]))
    for number, one in enumerate(ancestry.statements):
        past = ancestry.past[number]
        is_third = one.issuer_id not in (removal.issuer_id, removal.subject_id)
        if is_third and past >> bit & 1 and not past & found[one.issuer_id]:
            found[one.issuer_id] |= 1 << number
            told |= past | 1 << number
    return told
