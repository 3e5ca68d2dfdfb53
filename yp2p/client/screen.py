"""What is shown of a file by whoever has it open here: the daemon asks that when it finds a save (`folder/screens.py`).

A program that shows the text later than it is here, as an editor behind a protocol does, says what it shows
(`Screen.shows`). Of any other one it is what the file says. What was shown a moment ago counts as well: whoever saves
goes on meanwhile, and the daemon may find the file later.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence

# Slow disks, and a daemon that had much to do.
_LATELY_S = 10.0
# Whoever types makes one with each key. All of them are hashed to answer: that is to take milliseconds.
_MOST_TEXTS, _MOST_CHARS = 256, 4 << 20


class Screen:
    """Of one file.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._texts: deque[tuple[float, str]] = deque()
        self._chars = 0

    @property
    def is_told(self) -> bool:
        """Whether somebody says what is shown."""
        return bool(self._texts)

    def shows(self, text: str) -> None:
        """This is what is shown from now on, as the bytes of a file are decoded."""
        now = self._clock()
        if self._texts and self._texts[-1][1] is text:
            return
        self._texts.append((now, text))
        self._chars += len(text)
        while len(self._texts) > 1 and (
            self._texts[1][0] < now - _LATELY_S or len(self._texts) > _MOST_TEXTS or self._chars > _MOST_CHARS
        ):
            self._chars -= len(self._texts.popleft()[1])

    def number_of(self, contents: Sequence[bytes], text: str) -> int:
        """Which of the texts with these hashes was shown lately, from 1; 0: none. `text` is what the file says."""
        earliest = self._clock() - _LATELY_S
        lately = [one for number, (_, one) in enumerate(self._texts) if self._until(number) >= earliest]
        for one in [*reversed(lately), *([] if self._texts else [text])]:
            content = hashlib.sha256(one.encode()).digest()
            if content in contents:
                return contents.index(content) + 1
        return 0

    def _until(self, number: int) -> float:
        """Until when one of the texts was shown."""
        return self._texts[number + 1][0] if number + 1 < len(self._texts) else self._clock()
