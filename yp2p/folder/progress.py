"""How fast a folder comes in, and what is still to come."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

# What happened this long ago counts for a third of what happens now.
_MEMORY_S = 3.0
# Below this there is no telling when it will be done.
_MIN_RATE = 0.01


@dataclass(slots=True)
class Rate:
    """How much of something comes in a second, the newest counting most."""

    _sum: float = 0.0
    _at: float = 0.0

    def add(self, amount: float, now: float) -> None:
        """`now` is any steady clock, in seconds."""
        self._sum = self._faded(now) + amount
        self._at = now

    def per_second(self, now: float) -> float:
        return self._faded(now) / _MEMORY_S

    def _faded(self, now: float) -> float:
        return self._sum * math.exp((self._at - now) / _MEMORY_S)


@dataclass(slots=True)
class Progress:
    """What came into one folder.

    `arrived` has the bytes that are here of blobs on their way.
    """

    files: Rate = field(default_factory=Rate)
    traffic: Rate = field(default_factory=Rate)
    arrived: dict[bytes, int] = field(default_factory=dict)

    def chunks_came(self, blob: bytes, size: int, now: float) -> None:
        self.traffic.add(size, now)
        self.arrived[blob] = self.arrived.get(blob, 0) + size

    def describe(self, files_to_go: int, bytes_to_go: int, now: float) -> dict[str, int | float | None]:
        """What `status` tells of it.

        Args:
            bytes_to_go: the sizes of all blobs that are not whole here.
        """
        bytes_to_go = max(0, bytes_to_go - sum(self.arrived.values()))
        files_per_s, bytes_per_s = self.files.per_second(now), self.traffic.per_second(now)
        times: list[float | None] = []
        for to_go, rate in ((files_to_go, files_per_s), (bytes_to_go, bytes_per_s)):
            if to_go:
                times.append(to_go / rate if rate > _MIN_RATE else None)
        known = [time for time in times if time is not None]
        return {
            "files_to_go": files_to_go,
            "bytes_to_go": bytes_to_go,
            "files_per_s": round(files_per_s, 1),
            "bytes_per_s": round(bytes_per_s),
            "seconds_left": round(max(known), 1) if known and len(known) == len(times) else None,
        }
