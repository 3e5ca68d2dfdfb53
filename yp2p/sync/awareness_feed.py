"""What one program is told of the others, as the awareness of y-protocols.

Each person or program is an awareness client of its own. Stock clients forget whoever is not renewed for 30 seconds,
and close a connection on which no message came for so long: so everything is said again every 10 seconds, and something
is also said where nobody is there.

A state counts for a stock client when its clock is higher than the last one that it heard of that client, also over an
earlier connection or from an earlier daemon. So the clock is the time in milliseconds, and never stands still.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yp2p.protocol import awareness
from yp2p.protocol.awareness import Presence

RENEWED_S = 10.0


class AwarenessFeed:
    """Compares what is with what was told."""

    def __init__(self) -> None:
        self._told: dict[int, Mapping[str, Any]] = {}
        self._clock = 0

    def news(self, states: Mapping[int, Mapping[str, Any]], now_ms: int, *, renew: bool) -> bytes | None:
        """The awareness update that makes it so; None where there is nothing to say.

        Args:
            states: by client ID.
            now_ms: since 1970.
            renew: whether to say everything again.
        """
        changed: dict[int, dict[str, Any] | None] = {
            client: dict(state) for client, state in states.items() if renew or self._told.get(client) != state
        }
        changed |= dict.fromkeys(self._told.keys() - states.keys())
        if not (changed or renew):
            return None
        self._told = dict(states)
        self._clock = max(self._clock + 1, now_ms)
        return awareness.encode(Presence(client, self._clock, state) for client, state in changed.items())
