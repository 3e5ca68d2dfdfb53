"""Updates on their way into and out of a document: checked, cut into parts, and weighed, without holding up the loop.

What a peer sends may be large and of many clients. It is parsed in slices, and cut into parts of which each is applied
quickly; what people type is small, and goes before whatever a sender owes (`budget.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from yp2p.errors import InvalidUpdate
from yp2p.folder.budget import is_free
from yp2p.folder.turns import turn
from yp2p.protocol.dependencies import ordering  # fmt: skip
from yp2p.protocol.state_vectors import StateVector  # fmt: skip
from yp2p.protocol.update_parts import in_parts, to_send
from yp2p.protocol.ysync import MANY_CLIENTS, Checked, Sender, Shape, check, checking  # fmt: skip

# Smaller updates are parsed in a few milliseconds.
SLICED_BYTES = 16 << 10
# What an update costs beside its bytes: one that says nothing has two of them, and takes a tenth of a millisecond. And
# what each client of it does: 256 are a part of a large update (`protocol/update_parts.py`).
_PART_BYTES, _CLIENT_BYTES = 256, 64


def is_large(updates: Sequence[bytes]) -> bool:
    """Whether these are too much for one step of the loop."""
    return sum(_PART_BYTES + len(update) for update in updates) >= SLICED_BYTES


def price(update: Checked) -> int:
    """What an update costs to apply: bytes, and what counts as some."""
    return _PART_BYTES + len(update.data) + _CLIENT_BYTES * len(update.parsed.sections)


def weigh_nothing(updates: Sequence[bytes], shape: Shape) -> bool:
    """Whether these need not wait whatever their sender owes: they are small and few, as what people type."""
    if is_large(updates):
        return False
    try:
        return is_free([check(update, shape) for update in updates], shape)
    except InvalidUpdate:
        return True  # as will be told at once


async def check_in_slices(
    data: bytes, shape: Shape, known: StateVector | None = None, sender: Sender = Sender.PEER
) -> Checked:  # fmt: skip
    """`check`, without holding up the loop where the update is large. Raises InvalidUpdate.

    Args:
        known: the state vector of the document that it is for, where that is here: so much less is left to be done in
            the step that applies it.
    """
    if len(data) < SLICED_BYTES:
        return check(data, shape, sender)
    steps = checking(data, shape, sender)
    while True:
        await turn()
        try:
            next(steps)
        except StopIteration as done:
            found: Checked = done.value
            break
    for _ in ordering(found.parsed, known or {}):
        await turn()
    return found


async def checked_parts(data: bytes, shape: Shape, known: StateVector) -> list[Checked]:
    """A peer's update as parts of which each is applied quickly, one after the other. Raises InvalidUpdate.

    Args:
        known: as for `check_in_slices`; empty for a document that is not here.
    """
    parts: list[Checked] = []
    for part in in_parts(await check_in_slices(data, shape, known), known, shape):
        if part is None or parts:
            await turn()
        parts += [part] if part is not None else []
    return parts


async def parts_to_send(updates: Iterable[bytes], shape: Shape) -> tuple[bytes, ...]:
    """Our own updates as a peer takes them, in order: of a document of many years each is within the caps."""
    found: list[bytes] = []
    for update in updates:
        for part in to_send(update, shape):
            if part is None:
                await turn()
            else:
                found.append(part)
    return tuple(found)


async def check_all(updates: Sequence[bytes], known: StateVector, shape: Shape) -> list[Checked]:
    """A peer's updates, checked, in order; those of many clients in parts, so that who merges has parts as well.

    Args:
        known: the state vector of the document that they are for.

    Raises:
        InvalidUpdate: one of them is none.
    """
    checked: list[Checked] = []
    for update in updates:
        whole = await check_in_slices(update, shape, known)
        if len(whole.parsed.sections) <= MANY_CLIENTS:
            checked.append(whole)
            continue
        for part in in_parts(whole, known, shape):
            checked += [part] if part is not None else []
            await turn()
    return checked
