"""What a file said in this process while no daemon was there (`folder/shown_texts.py` says what for)."""

from __future__ import annotations

import hashlib
from collections import deque

# Of a program that writes on for hours, the last ones.
_MOST_TEXTS = 4096


class AwayTexts:
    """Hashes of the texts that a file had since the daemon went. While one is there, nothing is noted."""

    def __init__(self) -> None:
        self._hashes: deque[bytes] = deque(maxlen=_MOST_TEXTS)
        self._last: str | None = None
        self.is_away = False

    def note(self, text: str) -> None:
        """The file says this, and may be saved so."""
        if self.is_away and text is not self._last:
            self._last = text
            self._hashes.append(hashlib.sha256(text.encode()).digest())

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The oldest first."""
        return tuple(self._hashes)

    def forget(self) -> None:
        """The daemon has stored all that was written meanwhile."""
        self._hashes.clear()
        self._last = None
