"""Paths whose meaning is not decided yet: new ones, vanished ones, busy ones, and when each may be decided."""

from __future__ import annotations

from dataclasses import dataclass, field

from yp2p.files.inspect import Finding

GRACE_S = 1.0
SETTLE_S = 0.2
EMPTY_S = 2.0
BUSY_RETRY_S = 0.25


@dataclass(slots=True)
class Fresh:
    """A file that no entry has yet."""

    finding: Finding
    seen_at: float
    settled: bool


@dataclass(slots=True)
class Unsettled:
    """Paths whose meaning is not decided yet."""

    fresh: dict[str, Fresh] = field(default_factory=dict)
    missing: dict[str, float] = field(default_factory=dict)  # path of a known file: since when
    busy: dict[str, float] = field(default_factory=dict)  # path: when to look again
    held: set[str] = field(default_factory=set)  # new paths that wait until a vanished one is given up

    def next_deadline(self) -> float:
        """When something of this may be decided."""
        times = [since + GRACE_S for since in self.missing.values()]
        times += self.busy.values()
        times += [decided_at(fresh) for path, fresh in self.fresh.items() if path not in self.held]
        return min(times, default=float("inf"))

    def __bool__(self) -> bool:
        return bool(self.fresh or self.missing or self.busy)


def decided_at(fresh: Fresh) -> float:
    if fresh.finding.stamp.size == 0:
        return fresh.seen_at + EMPTY_S
    return fresh.seen_at if fresh.settled else fresh.seen_at + SETTLE_S
