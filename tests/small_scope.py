"""Every history of a few statements on three devices: who made which, and what of the others each had seen by then.

What goes wrong with many statements on many devices mostly goes wrong with few, and few can all be tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

DEVICES = 3
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Statement:
    """One of a history: who made it, and which of those before (by their numbers) its author had seen."""

    device: int
    saw: frozenset[int]


History = tuple[Statement, ...]


def histories(count: int, devices: int = DEVICES) -> Iterator[History]:
    """All of so many statements. A device has seen its own, and of what it has seen all that came before."""
    yield from _longer((), count, devices)


def _longer(begun: History, count: int, devices: int) -> Iterator[History]:
    if not count:
        yield begun
        return
    for device in range(devices):
        for saw in _views(begun, device):
            yield from _longer((*begun, Statement(device, saw)), count - 1, devices)


def _views(begun: History, device: int) -> Iterator[frozenset[int]]:
    own = {number for number, made in enumerate(begun) if made.device == device}
    others = [number for number, made in enumerate(begun) if made.device != device]
    seen: set[frozenset[int]] = set()
    for size in range(len(others) + 1):
        for chosen in itertools.combinations(others, size):
            view = {*own, *chosen}
            closed = frozenset(view.union(*(begun[number].saw for number in view)))
            if closed not in seen:
                seen.add(closed)
                yield closed


def orders(history: History) -> Iterator[tuple[int, ...]]:
    """All orders in which the statements can come to a device: none before what its author had seen."""
    yield from _orders(history, ())


def _orders(history: History, came: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if len(came) == len(history):
        yield came
        return
    for number, statement in enumerate(history):
        if number not in came and statement.saw <= set(came):
            yield from _orders(history, (*came, number))


def newest(history: History, among: Sequence[int]) -> list[int]:
    """Those of which no other one had been made knowingly."""
    return [number for number in among if not any(number in history[other].saw for other in among)]


def every(items: Iterator[T], step: int) -> Iterator[T]:
    """All of them, or one in so many: not always the same place of what changes fastest."""
    return (item for at, item in enumerate(items) if step == 1 or (at * 2_654_435_761 >> 7) % step == 0)
