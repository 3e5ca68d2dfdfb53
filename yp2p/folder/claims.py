"""Claims: which peer was asked for what, so that no two are asked for the same. They expire.

Theory of operation
    A session that asks its peer for documents, blobs or chunks claims them. The other sessions do not ask for them as
    long as it makes progress: for `PATIENCE_S` after it asked, or received something. Then the next session asks its
    own peer as well, and the first answer is taken; the first session goes on waiting, but holds up nobody. A claim
    expires also if something arrives all the time, so that a peer that sends a little now and then cannot hold up much.

    A peer that let a claim expire is late, until it has answered a whole request in time. A late peer is asked last:
    after the others had `PATIENCE_S` to claim what is left.

Times are trio's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from yp2p.identity import DeviceID

PATIENCE_S = 3.0
# What is asked for may take as long as a slow network needs for it, as long as some of it comes.
_SLOW_BYTES_PER_S = 1 << 20


@dataclass(slots=True)
class _Claim:
    holder: DeviceID
    at: float
    ends_at: float


class Claims:
    """The claims of one folder's sessions, by what is claimed: IDs of documents, hashes of blobs, chunks."""

    def __init__(self) -> None:
        self._claims: dict[bytes, _Claim] = {}
        self._heard: dict[DeviceID, float] = {}  # when a peer sent something that it was asked for
        self._late: set[DeviceID] = set()

    def take(self, items: Iterable[bytes], peer: DeviceID, now: float, *, size: int = 0) -> None:
        """This peer is being asked for these, of so many bytes together."""
        ends_at = now + 2 * PATIENCE_S + size / _SLOW_BYTES_PER_S
        for item in items:
            self._claims[item] = _Claim(peer, now, ends_at)

    def is_held(self, item: bytes, peer: DeviceID, now: float) -> bool:
        """Whether something is left to whoever was asked for it; also to this peer itself, which was."""
        claim = self._claims.get(item)
        if claim is None:
            return False
        if claim.holder == peer or now < self._lapses_at(claim):
            return True
        self._late.add(claim.holder)
        return False

    def _lapses_at(self, claim: _Claim) -> float:
        return min(max(claim.at, self._heard.get(claim.holder, claim.at)) + PATIENCE_S, claim.ends_at)

    def heard(self, peer: DeviceID, now: float) -> None:
        """A peer sent something that it was asked for."""
        self._heard[peer] = now

    def answered(self, peer: DeviceID) -> None:
        """A peer has answered a whole request; it is not late any more if that was in time."""
        self._late.discard(peer)

    def release(self, items: Iterable[bytes], peer: DeviceID) -> None:
        """This peer is not waited for any more."""
        for item in items:
            claim = self._claims.get(item)
            if claim is not None and claim.holder == peer:
                del self._claims[item]

    def next_lapse(self, peer: DeviceID, now: float) -> float:
        """When something that another peer was asked for may be asked of this one; infinite: nothing is."""
        times = (self._lapses_at(claim) for claim in self._claims.values() if claim.holder != peer)
        return min((at for at in times if at > now), default=math.inf)

    def is_late(self, peer: DeviceID) -> bool:
        """Whether others are to be asked before this peer."""
        return peer in self._late
