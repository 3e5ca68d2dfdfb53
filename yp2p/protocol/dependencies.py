"""The second half of the wall (`ysync.py`): whether a document has what an update builds on.

An item stands beside others, and a deletion names others. What builds on something that is not there the CRDT library
keeps as pending, and its queue of pending items is not safe. So an update reaches the library only when

    * there is no gap between what the document has of a client and what the update brings of it;
    * what it builds on is there or in the update itself, and all can be put in place one after the other;
    * it divides no surrogate pair, of the document or of its own;
    * the document has not too many clients afterwards (`crowds.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from heapq import heappop, heappush

from yp2p.errors import HistoriesDiffer, InvalidUpdate, MissingDependency
from yp2p.protocol.crowds import check_crowd
from yp2p.protocol.state_vectors import MAX_CLOCK, StateVector, contains
from yp2p.protocol.ysync import SLICE_BLOCKS, Checked, Parsed, Shape, check


def check_update(
    data: bytes,
    shape: Shape,
    known: StateVector,
    halves: Set[tuple[int, int]] = frozenset(),
) -> Checked:
    """Raise unless `data` may be given to a document whose state vector is `known`.

    Args:
        halves: client and clock of the second halves of surrogate pairs in the document.

    Raises:
        InvalidUpdate: the bytes are not an update that an honest device can have made.
        MissingDependency: something it builds on is not here yet.
    """
    checked = check(data, shape)
    check_dependencies(checked.parsed, known, halves)
    return checked


def check_dependencies(parsed: Parsed, known: StateVector, halves: Set[tuple[int, int]] = frozenset()) -> None:
    """The part of `check_update` that depends on the document. Raises as that does."""
    if halves or parsed.halves:
        _check_cuts(parsed, known, halves)
    check_crowd(parsed.sections, known)
    reached = dict(known)
    for client, (start, stop) in parsed.sections.items():
        have = known.get(client, 0)
        if start > have:
            raise MissingDependency(f"client {client} jumps from {have} to {start}")
        reached[client] = max(have, stop)
    for dependencies in (parsed.origins, parsed.deletes):
        for client, need in dependencies.items():
            if reached.get(client, 0) < need:
                raise MissingDependency(f"client {client} is needed up to {need}")
    if len(parsed.sections) > 1 and (parsed.ordered_on is None or not contains(known, parsed.ordered_on)):
        for _ in ordering(parsed, known):
            pass


def written_beyond(parsed: Parsed, known: StateVector, clients: Set[int]) -> set[int]:
    """Which of these clients an update has operations of that a holder of `known` lacks."""
    return {
        client for client, (_, stop) in parsed.sections.items() if client in clients and stop > known.get(client, 0)
    }


def _check_cuts(parsed: Parsed, known: StateVector, halves: Set[tuple[int, int]]) -> None:
    """Raise when something would divide a surrogate pair, which no device that counts whole characters does.

    Where that shows in the update alone, whoever sent it is to blame. Where it takes what is here, somebody told the
    sender something else than us, and nobody can say who lied.
    """
    for client, clock in parsed.dividing():
        if (client, clock) in parsed.halves:
            raise InvalidUpdate(f"clock {clock} of client {client} is in the middle of a character")
        if (client, clock) in halves:
            raise HistoriesDiffer(f"clock {clock} of client {client} is in the middle of a character here")
    for client in parsed.sections:
        # What is known already is cut off from the front of a section.
        if (client, known.get(client, 0)) in parsed.halves:
            raise HistoriesDiffer(f"client {client} writes another character where half of one is known")


def ordering(parsed: Parsed, known: StateVector) -> Iterator[None]:
    """Raise unless the items can be put in place one after the other: none may wait for one that waits for it.

    The library would keep such a circle as pending forever, and its queue of pending items is not safe. It is gone
    through in slices of some milliseconds; `parsed.ordered_on` says afterwards that it was.
    """
    reached = {client: max(start, known.get(client, 0)) for client, (start, _) in parsed.sections.items()}
    needs: dict[int, list[tuple[int, int, int]]] = {}
    for number, (client, clock, origin_client, origin_clock) in enumerate(parsed.crossings()):
        if clock >= reached[client] and origin_clock >= reached.get(origin_client, MAX_CLOCK):
            needs.setdefault(client, []).append((clock, origin_client, origin_clock))
        if number % SLICE_BLOCKS == SLICE_BLOCKS - 1:
            yield
    for client, (_, stop) in parsed.sections.items():
        if client not in needs:
            reached[client] = max(reached[client], stop)
    yield
    yield from _place_all(parsed, needs, reached)
    parsed.ordered_on = dict(known)


def _place_all(parsed: Parsed, needs: dict[int, list[tuple[int, int, int]]], reached: dict[int, int]) -> Iterator[None]:
    """Go on with each client as far as what it needs is there; who is reached wakes those that wait for it.

    Args:
        needs: of a client, which of its clocks needs which client up to which clock; sorted here.
        reached: up to where the operations of each client are there.
    """
    waiting: dict[int, list[tuple[int, int]]] = {}  # by the client that is needed: clock and who waits
    ready = list(needs)
    for items in needs.values():
        items.sort(reverse=True)
    turns = 0
    while ready:
        client = ready.pop()
        items = needs[client]
        while items and reached[items[-1][1]] > items[-1][2]:
            items.pop()
        if items:
            clock, origin_client, origin_clock = items[-1]
            heappush(waiting.setdefault(origin_client, []), (origin_clock, client))
        else:
            clock = parsed.sections[client][1]
        reached[client] = max(reached[client], clock)
        heap = waiting.get(client, [])
        while heap and heap[0][0] < reached[client]:
            ready.append(heappop(heap)[1])
        turns += 1
        if turns % SLICE_BLOCKS == 0:
            yield
    for client, items in needs.items():
        if items:
            clock, origin_client, origin_clock = items[-1]
            raise InvalidUpdate(
                f"item {clock} of client {client} waits for {origin_clock} of {origin_client}, which waits for it"
            )
