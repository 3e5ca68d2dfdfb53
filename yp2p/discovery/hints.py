"""What a device says of itself over mDNS: recognisable for paired devices, random for everyone else.

For each device it is paired with, a daemon announces the first 4 bytes of HMAC-SHA256(pairwise secret, instance name).
The instance name is random per start. Hints are padded to a multiple of 16, so that their number says little, and stand
in an order that says nothing; above 64 devices they take turns, 64 at a time.

Padding and order are a function of the start, like the instance name: drawn anew for each announcement, they would show
the real hints to anybody who compares two of them.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from yp2p.identity import DeviceID

HINT_BYTES = 4
PAD_TO = 16
# 64 hints are one TXT record of 260 bytes; a larger one does not fit a packet beside the other records.
MAX_HINTS = 64
_PER_STRING = 48  # 192 bytes: a TXT string has at most 255


def hint(secret: bytes, instance: str) -> bytes:
    return hmac.digest(secret, instance.encode(), "sha256")[:HINT_BYTES]


def make_hints(secrets: Iterable[bytes], instance: str, start: bytes, turn: int = 0) -> list[bytes]:
    """The hints to announce: a multiple of 16, at most 64.

    Args:
        start: 32 secret bytes that are the same as long as the instance name is. They give the padding and the order.
        turn: which 64 of more than 64.
    """
    own = {hint(secret, instance) for secret in secrets}
    places = PAD_TO * max(1, -(-len(own) // PAD_TO))
    padding = () if len(own) > MAX_HINTS else (hint(start, f"padding {place}") for place in range(len(own), places))
    hints = sorted([*own, *padding], key=lambda shown: hmac.digest(start, b"order" + shown, "sha256"))
    first = turn * MAX_HINTS % len(hints) if len(hints) > MAX_HINTS else 0
    return (hints + hints)[first : first + min(MAX_HINTS, len(hints))]


def to_properties(hints: list[bytes]) -> dict[str, bytes]:
    """TXT record keys `h0`, `h1`... with the hints one after the other."""
    return {
        f"h{number}": b"".join(hints[start : start + _PER_STRING])
        for number, start in enumerate(range(0, len(hints), _PER_STRING))
    }


def from_properties(properties: Mapping[bytes, bytes | None]) -> set[bytes]:
    """The hints in a TXT record; anything else in it is passed over."""
    found: set[bytes] = set()
    for number in range(-(-MAX_HINTS // _PER_STRING)):
        data = properties.get(f"h{number}".encode()) or b""
        found.update(data[at : at + HINT_BYTES] for at in range(0, len(data) - HINT_BYTES + 1, HINT_BYTES))
    return found


def recognise(hints: set[bytes], instance: str, secrets: Mapping[DeviceID, bytes]) -> list[DeviceID]:
    """Which of the devices we are paired with may stand behind a service."""
    return [device for device, secret in secrets.items() if hint(secret, instance) in hints]
