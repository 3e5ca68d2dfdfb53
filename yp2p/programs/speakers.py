"""Which program speaks for which awareness client.

A stock client passes on what it hears of others, also of what it did not hear from this device: two tabs of a browser,
or two providers in one process, tell each other of their cursors directly. What is passed on may be older than what
the client itself says, and may come after the client has left; whoever believes it shows a cursor of somebody who is
not there. So a client that has a connection of its own is believed on that connection alone, and for a while after it
ended nobody else is.

A client's own ID is the one it named when it connected, or the only one in its first message: the providers of
y-protocols begin with a message about themselves. One that says nothing of itself, as somebody who only looks on does,
begins with what it was told of others: what was told of a client that has a connection makes nobody that client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from yp2p.protocol.awareness import Presence

# Stock clients forget whoever was not renewed for 30 seconds, and pass nothing on of them afterwards.
GONE_S = 60.0


class Speakers:
    """Who is believed about whom, for the connections of one folder; each has a number of its own."""

    def __init__(self) -> None:
        self._speaker: dict[int, int] = {}  # the connection that a client has of its own
        self._silent: set[int] = set()  # connections that have said nothing yet
        self._gone: dict[int, float] = {}  # clients whose own connection ended, and when

    def begin(self, connection: int, client: int | None) -> None:
        """A connection, and the client that it says is its own."""
        if client is None:
            self._silent.add(connection)
        else:
            self._make_own(connection, client)

    def end(self, connection: int, now: float) -> None:
        self._silent.discard(connection)
        ended = [client for client, speaker in self._speaker.items() if speaker == connection]
        for client in ended:
            del self._speaker[client]
        self._gone = {client: at for client, at in self._gone.items() if now - at < GONE_S} | dict.fromkeys(ended, now)

    def believed(
        self, connection: int, presences: Sequence[Presence], now: float, was_told: Callable[[Presence], bool]
    ) -> list[Presence]:
        """What of this is taken from that connection; `now` by any steady clock.

        Args:
            was_told: whether programs were told of a client in these words.
        """
        if connection in self._silent and not all(one.client in self._speaker and was_told(one) for one in presences):
            self._silent.discard(connection)
            if len(presences) == 1:
                self._make_own(connection, presences[0].client)
        return [
            presence
            for presence in presences
            if self._speaker.get(presence.client, connection) == connection
            and now - self._gone.get(presence.client, -GONE_S) >= GONE_S
        ]

    def has_own_connection(self, client: int) -> bool:
        return client in self._speaker

    def is_own(self, connection: int, client: int) -> bool:
        """Whether this connection is the client's own."""
        return self._speaker.get(client) == connection

    def _make_own(self, connection: int, client: int) -> None:
        self._speaker[client] = connection
        self._gone.pop(client, None)
