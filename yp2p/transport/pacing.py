"""Limits of bandwidth: how fast what is large may be sent and received.

Theory of operation
    A person limits the bytes a second, each way, for all devices together and for one of them. Each limit is a bucket
    (the generic cell rate algorithm): it knows when all that was granted will have been paid for at its rate. Whoever
    wants to send asks for a time, and is given the one behind all that was granted before; so links that share a limit
    take turns, each with what it asks for at once.

    Sending is paced where frames are made (`link.py`): a frame of the bulk lane is given a time, and until then the
    writer sleeps, or sends what comes into the interactive lane. So what is typed, digests, and texts of a few
    kilobytes wait for no limit, and are not counted.

    Receiving is paced by who asks: a stream that is not read would hold up what is typed as well. The next chunks of
    files are asked for when what was asked for before is paid for; how many at a time follows from the rate
    (`asked_at_once`). What is large and was not asked for by its size (large changes), and the texts of a first sync,
    are read as they come, and paid for afterwards: the next question waits for as long.

    Files can be held altogether (`holds_files`, on a connection that costs by the byte): none are asked for, and
    nobody who asks gets any. Texts go on.

Invariants
    * No limit: no clock is read, and nothing waits.
    * What others send unasked holds up no question for longer than `MOST_OWED_S`.
    * What was granted before a limit changed is forgotten; whoever waits asks again within `LOOK_S`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from yp2p.identity import DeviceID

# Whoever was idle for this long may send what that would have allowed; timers are late by some milliseconds.
BURST_S = 0.1
# Whoever sends what nobody asked for keeps this device no longer than so from asking others.
MOST_OWED_S = 20.0
# How long it takes at most until a change of limits is noticed.
LOOK_S = 1.0
# So many texts are what somebody has just made: they wait for no limit, and people are not shown that they come.
FEW_TEXTS = 16
# What is asked for at a time takes this long.
_ASK_S = 0.25
_MIN_ASKED, _MAX_ASKED = 64 << 10, 4 << 20


class Rates(NamedTuple):
    """Bytes a second each way; 0 is no limit."""

    upload: int = 0
    download: int = 0


class Bucket:
    """One limit, one way. Times are of any steady clock, in seconds."""

    __slots__ = ("_paid_at", "rate")

    def __init__(self) -> None:
        self.rate = 0
        self._paid_at = -math.inf  # when all that was granted is paid for

    def limit(self, rate: int) -> None:
        """From now on so many bytes a second; 0 is no limit. Debts are forgotten."""
        self.rate = rate
        self._paid_at = -math.inf

    @property
    def due_at(self) -> float:
        """When all that was granted is paid for."""
        return self._paid_at if self.rate else -math.inf

    def grant(self, size: int, now: float) -> float:
        """When so many bytes may go."""
        if not self.rate:
            return now
        at = max(self._paid_at, now - BURST_S)
        self._paid_at = at + size / self.rate
        return max(at, now)

    def owe(self, size: int, now: float) -> None:
        """So many bytes went already; they are paid for before more go, though not for long."""
        if self.rate:
            paid_at = max(self._paid_at, now) + size / self.rate
            self._paid_at = max(self._paid_at, min(paid_at, now + MOST_OWED_S))

    def give_back(self, size: int) -> None:
        """So many bytes that were granted do not go."""
        if self.rate:
            self._paid_at -= size / self.rate


@dataclass(frozen=True, slots=True)
class _Pair:
    upload: Bucket
    download: Bucket

    def limit(self, rates: Rates) -> bool:
        """Tells whether that is another limit."""
        if rates == (self.upload.rate, self.download.rate):
            return False
        self.upload.limit(rates.upload)
        self.download.limit(rates.download)
        return True


def _new_pair() -> _Pair:
    return _Pair(Bucket(), Bucket())


class Pacing:
    """The limits of this device, and the pace of each of its links.

    Attributes:
        holds_files: whether the contents of files wait.
        changes: how often the limits were changed.
    """

    def __init__(self) -> None:
        self._all = _new_pair()
        self._by_device: dict[DeviceID, _Pair] = {}
        self.holds_files = False
        self.changes = 0

    def _of(self, device: DeviceID) -> _Pair:
        return self._by_device.setdefault(device, _new_pair())

    def limit(self, rates: Rates, device: DeviceID | None = None) -> None:
        """Limit all devices together, or one."""
        pair = self._all if device is None else self._of(device)
        self.changes += pair.limit(rates)

    @property
    def limited(self) -> set[DeviceID]:
        """The devices that have a limit of their own."""
        return {device for device, pair in self._by_device.items() if pair.upload.rate or pair.download.rate}

    def hold_files(self, *, hold: bool) -> None:
        """Have the contents of files wait, or go on."""
        self.changes += hold != self.holds_files
        self.holds_files = hold

    def pace_of(self, device: DeviceID) -> Pace:
        """What a link with a device asks."""
        own = self._of(device)
        return Pace(self, (self._all.upload, own.upload), (self._all.download, own.download))


class Pace:
    """When one link may send what is large, and ask for it."""

    def __init__(self, pacing: Pacing, up: tuple[Bucket, ...] = (), down: tuple[Bucket, ...] = ()) -> None:
        self.pacing = pacing
        self._up, self._down = up, down
        self._frame: tuple[int, float] | None = None  # the limits by which the next frame was given a time, and that

    @property
    def limits_upload(self) -> bool:
        return any(bucket.rate for bucket in self._up)

    @property
    def limits_download(self) -> bool:
        return self.pacing.holds_files or any(bucket.rate for bucket in self._down)

    def frame_at(self, size: int, now: float) -> float:
        """When the next frame of the bulk lane may go, which has so many bytes. It is given a time once."""
        if self._frame is None or self._frame[0] != self.pacing.changes:
            self._frame = self.pacing.changes, max(bucket.grant(size, now) for bucket in self._up)
        return self._frame[1]

    def frame_went(self) -> None:
        """It was made; the next one has no time yet."""
        self._frame = None

    @property
    def due_at(self) -> float:
        """When what was received and asked for is paid for."""
        return max((bucket.due_at for bucket in self._down), default=-math.inf)

    def ask_at(self, size: int, now: float) -> float:
        """When so many bytes may be asked for; infinite, and not granted, while files are held."""
        if self.pacing.holds_files:
            return math.inf
        return max((bucket.grant(size, now) for bucket in self._down), default=now)

    def not_asked(self, size: int) -> None:
        """So many bytes that were granted are not asked for."""
        for bucket in self._down:
            bucket.give_back(size)

    def received(self, size: int, now: float) -> None:
        """So many bytes came that nobody had asked for by their number."""
        for bucket in self._down:
            bucket.owe(size, now)

    def _at_once(self, buckets: tuple[Bucket, ...], most: int) -> int:
        rate = min((bucket.rate for bucket in buckets if bucket.rate), default=0)
        return min(most, max(_MIN_ASKED, round(rate * _ASK_S))) if rate else most

    @property
    def asked_at_once(self) -> int:
        """How many bytes to ask for at a time."""
        return self._at_once(self._down, _MAX_ASKED)

    def sent_at_once(self, most: int) -> int:
        """How many bytes of files to put into a message, so that whoever waits hears of us in time."""
        return self._at_once(self._up, most)
