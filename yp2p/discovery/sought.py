"""Services that were announced by name and are to be looked up: a bounded set that a flood cannot take from others.

Anybody can announce thousands of names that nobody answers for, each of which takes seconds to look up. So only a few
are looked up at a time: first those whose hints match known devices, and in each group the newest, as an honest device
that has just arrived is new. When there are too many, the oldest of a stranger is dropped. Pure.
"""

from __future__ import annotations

# A room has a few dozen devices, whose records come together with their names: most are never looked up.
MAX_SOUGHT = 256


class Sought:
    """The names, each wanted once however often it is announced."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}  # the newest last
        self._strangers: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._known) + len(self._strangers)

    def add(self, name: str, *, is_known: bool) -> None:
        """Look a name up; `is_known` where its hints are of a device that we know."""
        is_known = is_known or name in self._known
        self.discard(name)
        (self._known if is_known else self._strangers)[name] = None
        if len(self) > MAX_SOUGHT:
            fullest = self._strangers or self._known
            del fullest[next(iter(fullest))]

    def discard(self, name: str) -> None:
        """Nobody has to look this up any more."""
        self._known.pop(name, None)
        self._strangers.pop(name, None)

    def take(self) -> str | None:
        """The next one to be looked up, which is wanted no longer then."""
        for names in (self._known, self._strangers):
            if names:
                return names.popitem()[0]
        return None
