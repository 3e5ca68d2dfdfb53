"""What one program is told of the others, as the awareness of y-protocols.

Each person or program is an awareness client of its own. Stock clients forget whoever is not renewed for 30 seconds,
and close a connection on which no message came for so long: so everything is said again every 10 seconds, and something
is also said where nobody is there.

Clocks
    A state counts for a stock client when its clock is higher than the last one that it heard of that client, also over
    an earlier connection or from an earlier daemon. So the first clock of a client here is the time in milliseconds;
    who connects hears of everybody, and everybody of them, under clocks that were not given before.

    Stock clients pass on what they hear. A client that so hears of itself, under a higher clock than its own, takes
    that for its own state: what it said meanwhile is lost, in the client as well. So a word (one state that a client
    said of itself) has one clock, whoever is told of it, and no lower one than the client itself gave it. Once a client
    has heard of itself the two count on together, and its next word has no lower clock than what can still come round
    to it. Before that, an older word may come round: it is known by `Clocks.gave`, and `programs.py` gives the client
    its last word back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from yp2p.protocol import awareness
from yp2p.protocol.awareness import Presence, as_json

RENEWED_S = 10.0
# So many words of a client are known again: what comes round does so within a moment.
_MAX_WORDS = 8
# Twice as many clients as a program is told of; who is forgotten begins with the time again.
_MAX_CLIENTS = 2 * awareness.MAX_CLIENTS


@dataclass(frozen=True, slots=True)
class Word:
    """A state of a client, as JSON, with its clock; `number` counts the words of all clients."""

    clock: int
    state: str
    number: int


class Clocks:
    """The clocks of awareness clients, for all programs that have one file open.

    Attributes:
        given: how many words have been given a clock.
    """

    def __init__(self) -> None:
        self.given = 0
        self._words: dict[int, deque[Word]] = {}
        self._own: dict[int, tuple[int, int]] = {}  # by client, the last clock of its own, and `given` when it came

    def heard(self, client: int, clock: int, *, comes: bool) -> None:
        """Note a clock of a client's own; it comes with the first one over a connection."""
        _, came = self._own.pop(client, (0, 0))
        self._own[client] = clock, self.given if comes else came
        if len(self._own) > _MAX_CLIENTS:
            del self._own[next(iter(self._own))]

    def came(self, client: int) -> int:
        """How many words had been given a clock when the client came: others may have let go of it before."""
        return self._own.get(client, (0, 0))[1]

    def word(self, client: int, state: str, now_ms: int, known: int) -> Word:
        """A client's state with its clock: a new one where the state is new, or its number one that is known already.

        Args:
            now_ms: since 1970.
            known: the number of the last word that counts as known to whoever is told.
        """
        words = self._words.get(client)
        if words is None or words[-1].state != state or words[-1].number <= known:
            return self._give(client, state, now_ms)
        return words[-1]

    def gave(self, presence: Presence) -> bool:
        """Whether programs were told, of late, of a client in this state and with this clock."""
        words = [word for word in self._words.get(presence.client, ()) if word.clock == presence.clock]
        return bool(words) and words[-1].state == as_json(presence.state)

    def _give(self, client: int, state: str, now_ms: int) -> Word:
        words = self._words.pop(client, None) or deque(maxlen=_MAX_WORDS)
        self.given += 1
        clock = max(words[-1].clock + 1 if words else now_ms, self._own.get(client, (0, 0))[0])
        words.append(Word(clock, state, self.given))
        self._words[client] = words
        if len(self._words) > _MAX_CLIENTS:
            del self._words[next(iter(self._words))]
        return words[-1]


class AwarenessFeed:
    """Compares what is with what was told."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._began = clocks.given  # what was given before, the program may have heard over an earlier connection
        self._told: dict[int, Word] = {}

    def news(self, states: Mapping[int, str], now_ms: int, *, renew: bool) -> bytes | None:
        """The awareness update that makes it so; None where there is nothing to say.

        Args:
            states: by client ID, as JSON.
            now_ms: since 1970.
            renew: whether to say everything again.
        """
        gone = dict.fromkeys(sorted(self._told.keys() - states.keys()), "null")
        news: dict[int, Word] = {}
        for client, state in (*states.items(), *gone.items()):
            told = self._told.get(client)
            if renew or told is None or told.state != state or told.number <= self._clocks.came(client):
                news[client] = self._clocks.word(client, state, now_ms, told.number if told else self._began)
        if not (news or renew):
            return None
        self._told = {client: word for client, word in (self._told | news).items() if client in states}
        return awareness.encode_texts((client, word.clock, word.state) for client, word in news.items())
