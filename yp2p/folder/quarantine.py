"""Documents that panicked on what a peer sent: that peer is kept away from them for a while.

A panic of the CRDT library is no proof that the peer lies, but the same bytes would do it again. So the document is
loaded anew from the store, and this peer's channel for it stays closed: ten seconds, then twice as long each time, an
hour at most. Other peers and other documents go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from yp2p.identity import DeviceID, DocumentID

_FIRST_WAIT_S = 10.0
_LONGEST_WAIT_S = 3600.0
# A peer that makes more documents panic than this loses the oldest entries, and with them a wait of at most an hour.
_MAX_ENTRIES = 1024


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One document and one peer; `until` by the loop's clock, in seconds."""

    peer: DeviceID
    document: DocumentID
    failures: int
    until: float


class Quarantine:
    """Which peers may not touch which documents of one folder now."""

    def __init__(self) -> None:
        self._entries: dict[tuple[DeviceID, DocumentID], Quarantined] = {}

    def add(self, peer: DeviceID, document: DocumentID, now: float) -> Quarantined:
        """The document panicked on what the peer sent."""
        old = self._entries.pop((peer, document), None)
        is_fresh = old is not None and now < old.until + _LONGEST_WAIT_S
        failures = old.failures + 1 if old is not None and is_fresh else 1
        wait = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(failures - 1, 16))
        entry = Quarantined(peer, document, failures, now + wait)
        self._entries[peer, document] = entry
        while len(self._entries) > _MAX_ENTRIES:
            del self._entries[next(iter(self._entries))]
        return entry

    def is_quarantined(self, peer: DeviceID, document: DocumentID, now: float) -> bool:
        """Whether this peer has to wait for this document."""
        entry = self._entries.get((peer, document))
        return entry is not None and now < entry.until

    def current(self, now: float) -> Iterator[Quarantined]:
        """Those that have to wait now."""
        return iter([entry for entry in self._entries.values() if now < entry.until])
