"""What one program is told of the others, as the awareness of y-protocols.

Each person or program is an awareness client of its own. Stock clients forget whoever is not renewed for 30 seconds,
and close a connection on which no message came for so long: so everything is said again every 10 seconds, and something
is also said where nobody is there.

A state counts for a stock client when its clock is higher than the last one that it heard of that client, also over an
earlier connection or from an earlier daemon. So the clock is the time in milliseconds, and never stands still.
"""

from __future__ import annotations

from collections.abc import Mapping

from yp2p.protocol import awareness

RENEWED_S = 10.0


class AwarenessFeed:
    """Compares what is with what was told."""

    def __init__(self) -> None:
        self._told: dict[int, str] = {}
        self._clock = 0

    def news(self, states: Mapping[int, str], now_ms: int, *, renew: bool) -> bytes | None:
        """The awareness update that makes it so; None where there is nothing to say.

        Args:
            states: by client ID, as JSON.
            now_ms: since 1970.
            renew: whether to say everything again.
        """
        changed = {client: state for client, state in states.items() if renew or self._told.get(client) != state}
        changed |= dict.fromkeys(self._told.keys() - states.keys(), "null")
        if not (changed or renew):
            return None
        self._told = dict(states)
        self._clock = max(self._clock + 1, now_ms)
        return awareness.encode_texts((client, self._clock, state) for client, state in changed.items())
