"""What a file said in this process while no daemon was there (`folder/shown_texts.py` says what for)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

from yp2p.protocol.channel import MAX_SHOWN


class AwayTexts:
    """Hashes of the texts that a file had since the daemon went, and since when. While one is there, nothing is noted.

    What it said when the daemon went is none of them, if the daemon had all of it: a save of that holds nothing that
    was written here, so whoever saved it may have put it back.

    Args:
        clock: gives the seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._hashes: list[bytes] = []
        self._since_ms: list[int] = []  # never earlier than the one before, whatever the clock says
        self._last: str | None = None
        self._first: bytes | None = None  # what the daemon had
        self.is_away = False

    def begin(self, text: str, *, is_stored: bool) -> None:
        """The daemon is gone.

        Args:
            text: what the file says.
            is_stored: whether the daemon is known to have all that was written here.
        """
        self.is_away = True
        if is_stored and not self._hashes:
            self._last, self._first = text, _hash(text)
        self.note(text)

    def note(self, text: str) -> None:
        """The file says this, and may be saved so."""
        if self.is_away and text is not self._last:
            self._last, content = text, _hash(text)
            if content != self._first:
                self._hashes.append(content)
                self._since_ms.append(max(round(self._clock() * 1000), *self._since_ms[-1:], 0))
            if len(self._hashes) > MAX_SHOWN:
                # Of a program that writes on for hours, all of the last ones, and of those before some.
                for noted in (self._hashes, self._since_ms):
                    del noted[: MAX_SHOWN // 2 : 2]

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The oldest first."""
        return tuple(self._hashes)

    @property
    def since_ms(self) -> tuple[int, ...]:
        """When each came, in milliseconds since 1970."""
        return tuple(self._since_ms)

    def forget(self) -> None:
        """The daemon has stored all that was written meanwhile."""
        self._hashes.clear()
        self._since_ms.clear()
        self._last = self._first = None


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
