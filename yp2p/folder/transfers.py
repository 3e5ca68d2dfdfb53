"""What is on its way between this device and others in one folder, a line a file and device: for people.

Theory of operation
    Whoever asks for files says so for as long as it does (`begin`, `end`). Whoever answers does not know whether more
    will be asked for: what it sends is on its way until it has sent nothing of it for `_IDLE_S`, or all. Files of one
    chunk, and texts, go many in a message: these are one line, which has no path.

Invariants
    * Lines are bounded by `MAX_LINES`: what comes beyond is sent and received, and not shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from yp2p.folder.progress import Rate
from yp2p.identity import DeviceID

# A device can ask for as many files as it likes.
MAX_LINES = 64
_IDLE_S = 3.0
_MIN_RATE = 1.0
# What goes together, many in a message.
TEXTS, FILES = b"texts", b"files"


class Way(Enum):
    """To the other device, or from it."""

    SENDING = "sending"
    RECEIVING = "receiving"


class Key(NamedTuple):
    """What a line is about: a blob, or `TEXTS`, or `FILES`."""

    way: Way
    device: DeviceID
    what: bytes


@dataclass(slots=True)
class Transfer:
    """One line. `total` is None where nobody knows; `at` is when something of it went last."""

    path: str
    files: int
    total: int | None
    at: float
    done: int = 0
    rate: Rate = field(default_factory=Rate)


@dataclass(frozen=True, slots=True)
class Line:
    """One line, at a time."""

    key: Key
    path: str
    files: int
    done: int
    total: int | None
    bytes_per_s: float
    seconds_left: float | None


class Transfers:
    """Those of one folder. Times are trio's."""

    def __init__(self) -> None:
        self._of: dict[Key, Transfer] = {}

    def begin(self, key: Key, transfer: Transfer) -> None:
        """Something is on its way from now on."""
        if len(self._of) >= MAX_LINES:
            self._of = {key: one for key, one in self._of.items() if not _is_over(key, one, transfer.at)}
        if len(self._of) < MAX_LINES:
            self._of[key] = transfer

    def moved(self, key: Key, size: int, now: float, *, done: int | None = None) -> None:
        """So many bytes of it went; of the whole so many have by now."""
        transfer = self._of.get(key)
        if transfer is not None:
            transfer.rate.add(size, now)
            transfer.at = now
            transfer.done = transfer.done + size if done is None else max(done, transfer.done)

    def end(self, key: Key) -> None:
        """It is not on its way any more."""
        self._of.pop(key, None)

    def sent(self, key: Key, size: int, now: float, of: Transfer, *, done: int | None = None) -> None:
        """So many bytes were sent of what is described by `of`, whose files are added to those of its line."""
        known = self._of.get(key)
        if known is None or _is_over(key, known, now):
            self.end(key)
            self.begin(key, of)
        elif not of.path:
            known.files += of.files
        self.moved(key, size, now, done=done)

    def lines(self, now: float) -> list[Line]:
        """What is on its way."""
        self._of = {key: one for key, one in self._of.items() if not _is_over(key, one, now)}
        return [self._line(key, transfer, now) for key, transfer in self._of.items()]

    def _line(self, key: Key, transfer: Transfer, now: float) -> Line:
        rate = transfer.rate.per_second(now)
        left: float | None = None
        if transfer.total is not None:
            # A file that comes from several devices is done when all of them together have sent it.
            together = [one for other, one in self._of.items() if (other.way, other.what) == (key.way, key.what)]
            whole = sum(one.rate.per_second(now) for one in together) if key.way is Way.RECEIVING else rate
            if whole >= _MIN_RATE:
                left = max(0, transfer.total - transfer.done) / whole
        return Line(key, transfer.path, transfer.files, transfer.done, transfer.total, rate, left)


def _is_over(key: Key, transfer: Transfer, now: float) -> bool:
    """Whether nothing more of it is expected; whoever receives says so itself."""
    return key.way is Way.SENDING and now - transfer.at > _IDLE_S
