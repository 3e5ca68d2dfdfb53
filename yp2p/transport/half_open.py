"""Connections that have not proved anything yet, within limits that nobody can hold against others.

A connection counts from its acceptance until a link is proved, or a pairing is over. Their number is limited, in all
and for each source; at the limit the oldest connection that has said nothing is closed, and then the oldest one of the
source that has most. So whoever only holds connections loses them to those who talk. Addresses at which known devices
were have places of their own. Pure: whoever calls cancels.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

# A connection that says nothing holds a task and a socket. A room has a few dozen devices; more half-open connections
# than these are an attack.
MAX_HALF_OPEN = 32
MAX_HALF_OPEN_PER_SOURCE = 4
# Beside them, for addresses at which known devices were: so many strangers there may be, these find a place.
MAX_HALF_OPEN_KNOWN = 16
_IPV6_NETWORK_BITS = 64


def source_of(host: str) -> str:
    """What counts as one: an IPv4 address, or an IPv6 network of 64 bits, all of which one machine may have."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_NETWORK_BITS), strict=False))


@dataclass(slots=True, eq=False)
class Place:
    """One connection's. `has_spoken` once its first message is here whole."""

    source: str
    is_known: bool
    end: Callable[[], None]
    has_spoken: bool = False


class HalfOpen:
    """The places. Those that are taken are in the order in which they were."""

    def __init__(self) -> None:
        self._taken: list[Place] = []

    def take(self, host: str, end: Callable[[], None], *, is_known: bool) -> Place | None:
        """A place for a connection from `host`; None when all are taken by others that have said something.

        Args:
            end: ends the connection; called when its place goes to another one.
            is_known: whether a known device was at this address.
        """
        place = Place(source_of(host), is_known, end)
        pool = [other for other in self._taken if other.is_known == is_known]
        if not is_known:
            same = [other for other in pool if other.source == place.source]
            if len(same) >= MAX_HALF_OPEN_PER_SOURCE and not self._evict(_silent(same)):
                return None
            pool = [other for other in self._taken if not other.is_known]
        limit = MAX_HALF_OPEN_KNOWN if is_known else MAX_HALF_OPEN
        if len(pool) >= limit and not self._evict(_silent(pool) or _of_fullest(pool)):
            return None
        self._taken.append(place)
        return place

    def leave(self, place: Place) -> None:
        """The connection has ended or proved itself; it may have lost its place before."""
        if place in self._taken:
            self._taken.remove(place)

    def _evict(self, candidates: list[Place]) -> bool:
        if not candidates:
            return False
        self._taken.remove(candidates[0])
        candidates[0].end()
        return True


def _silent(places: list[Place]) -> list[Place]:
    return [place for place in places if not place.has_spoken]


def _of_fullest(places: list[Place]) -> list[Place]:
    """Those of the source that has most; none where no source has more than one."""
    counts = Counter(place.source for place in places)
    most = max(counts.values(), default=0)
    return [place for place in places if counts[place.source] == most] if most > 1 else []
