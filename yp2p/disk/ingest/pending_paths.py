"""Paths whose meaning is not decided yet: new ones, vanished ones, busy ones, and when each may be decided or is
inspected again."""

from __future__ import annotations

from dataclasses import dataclass, field

from yp2p.files.inspect import Finding

GRACE_S = 1.0
SETTLE_S = 0.2
# Files that keep going missing are decided after this long anyway.
FLOOD_S = 10.0
EMPTY_S = 2.0
BUSY_RETRY_S = 0.25


@dataclass(slots=True)
class Fresh:
    """A file that no entry has yet."""

    finding: Finding
    seen_at: float
    settled: bool


@dataclass(slots=True)
class PendingPaths:
    """Paths whose meaning is not decided yet."""

    fresh: dict[str, Fresh] = field(default_factory=dict)
    missing: dict[str, float] = field(default_factory=dict)  # path of a known file: since when
    busy: dict[str, float] = field(default_factory=dict)  # path: when to look again
    awaiting_rename: set[str] = field(default_factory=set)  # new paths that wait until a vanished one is given up
    reading: set[str] = field(default_factory=set)  # long files that are being read: one may be what vanished
    requeued: set[str] = field(default_factory=set)  # paths that are to be inspected again

    def requeue(self, path: str) -> None:
        """Have a path inspected again."""
        self.requeued.add(path)

    def take_due(self, now: float) -> list[str]:
        """Paths that are to be inspected again now."""
        again, self.requeued = self.requeued, set()
        return [*again, *(path for path, at in self.busy.items() if at <= now)]

    def next_deadline(self) -> float:
        """When something of this may be decided."""
        times = [self.deletes_at()]
        times += self.busy.values()
        times += [due_at(fresh) for path, fresh in self.fresh.items() if path not in self.awaiting_rename]
        return min(times, default=float("inf"))

    def deletes_at(self) -> float:
        """When what is missing is given up: all together, when no more goes missing, so that a flood is seen as one."""
        if not self.missing or self.reading:
            return float("inf")
        since = self.missing.values()
        return min(max(since) + GRACE_S, min(since) + FLOOD_S)

    def gone(self, now: float) -> list[str]:
        """The paths that were missing for long enough to be deleted, once it is time to decide."""
        if self.deletes_at() > now:
            return []
        return [path for path, since in self.missing.items() if since + GRACE_S <= now]

    def __bool__(self) -> bool:
        return bool(self.fresh or self.missing or self.busy or self.reading)


def due_at(fresh: Fresh) -> float:
    if fresh.finding.stamp.size == 0:
        return fresh.seen_at + EMPTY_S
    return fresh.seen_at if fresh.settled else fresh.seen_at + SETTLE_S
