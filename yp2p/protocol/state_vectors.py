"""State vectors: of each client how many of its operations somebody has.

A document that has one operation of a client has all that client made before it, so one number a client says what a
document holds, apart from what was deleted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from yp2p.errors import InvalidUpdate
from yp2p.protocol.cursor import MAX_CLIENT, Cursor
from yp2p.protocol.wire import write_varint

# Clocks of honest documents count UTF-16 units ever written; beyond 2**31 the library's arithmetic wraps.
MAX_CLOCK = (1 << 31) - 1

# Each start of a device is another client, and so is a scan that found a change: ten a day make as many in 9 years.
MAX_VECTOR_CLIENTS = 1 << 15

StateVector = Mapping[int, int]


def read_state_vector(data: bytes, most: float = math.inf) -> dict[int, int]:
    """Decode a state vector of at most so many clients. Raises InvalidUpdate."""
    cursor = Cursor(data)
    vector = vector_at(cursor, most)
    cursor.finish()
    return vector


def vector_at(cursor: Cursor, most: float = math.inf) -> dict[int, int]:
    """Read a state vector of at most so many clients. Raises InvalidUpdate."""
    count = cursor.count(2)
    if count > most:
        raise InvalidUpdate(f"a state vector of more than {most} clients", 0)
    if not count:
        return {}
    numbers = cursor.varints(2 * count)
    vector = dict(zip(numbers[::2], numbers[1::2], strict=True))
    if len(vector) < count or max(vector) > MAX_CLIENT or max(vector.values()) > MAX_CLOCK:
        raise InvalidUpdate("a client is twice in a state vector, or a number in it is too large", cursor.at)
    return vector


def encode_state_vector(vector: StateVector) -> bytes:
    """The bytes of a state vector."""
    out = [write_varint(len(vector))]
    out += [write_varint(number) for item in vector.items() for number in item]
    return b"".join(out)


def contains(outer: StateVector, inner: StateVector) -> bool:
    """Whether everything in `inner` is in `outer`."""
    return all(outer.get(client, 0) >= clock for client, clock in inner.items())
