"""What waits to be sent to one peer: live updates of this device, and those of others that it is thought to have.

Invariants
    * It is bounded. What is too much is dropped, and all of it: then the peer has to be told what it lacks by the last
      state vector that it said (`is_overrun`).
    * Nothing overtakes: what is held goes in front of the next update of this device.
"""

from __future__ import annotations

from dataclasses import dataclass

# Updates that wait for a slow peer; beyond them one step 2 says the same in fewer bytes.
MAX_WAITING_UPDATES = 256
# A message of a link can have 64 MiB; a few large saves are more than what the peer lacks in the end.
MAX_WAITING_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Update:
    """A live update, and the state vector right after it where it is no keystroke."""

    data: bytes
    vector: bytes | None


class _Queue:
    """Updates that wait, in order."""

    def __init__(self) -> None:
        self._updates: list[Update] = []
        self.size = 0  # in bytes

    def __len__(self) -> int:
        return len(self._updates)

    def add(self, *updates: Update) -> None:
        self._updates += updates
        for update in updates:
            self.size += len(update.data)

    def take(self) -> tuple[Update, ...]:
        """All of them; none waits then."""
        updates, self._updates, self.size = tuple(self._updates), [], 0
        return updates

    def is_too_long(self) -> bool:
        return len(self._updates) > MAX_WAITING_UPDATES or self.size > MAX_WAITING_BYTES


class Outgoing:
    """The updates that go to one peer later.

    Attributes:
        is_overrun: whether some were dropped: an answer to the peer's last state vector says them.
    """

    def __init__(self, *, is_overrun: bool) -> None:
        self._held = _Queue()
        self._waiting = _Queue()
        self.is_overrun = is_overrun

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits; what is held does not."""
        return not self._waiting and not self.is_overrun

    def hold(self, update: Update) -> None:
        """Keep an update that the peer is thought to have from somebody else, for the case that it has not."""
        self._held.add(update)

    def with_held(self, update: Update) -> tuple[tuple[Update, ...], int]:
        """An update of this device, behind what is held, which it may depend on; and how many bytes these are."""
        size = self._held.size + len(update.data)
        return (*self._held.take(), update), size

    def add(self, *updates: Update) -> None:
        """These are to be sent."""
        self._waiting.add(*updates)

    def take(self) -> tuple[Update, ...]:
        """What is to be sent now."""
        return self._waiting.take()

    def agreed(self) -> None:
        """The peer has what is held."""
        self._held.take()

    def is_too_long(self) -> bool:
        """Whether it has to be dropped."""
        return self._waiting.is_too_long() or self._held.is_too_long()

    def clear(self, *, is_overrun: bool) -> None:
        """Drop all, or an answer says all."""
        self._waiting.take()
        self._held.take()
        self.is_overrun = is_overrun
