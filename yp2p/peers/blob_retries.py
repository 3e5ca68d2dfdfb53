"""When a peer is asked again for blobs that did not come, or that could not be written. Times are trio's."""

from __future__ import annotations

import math
from collections.abc import Iterable

RETRY_S = 5.0
# What cannot be written is not asked for every few seconds.
_LONGEST_RETRY_S = 20.0


class BlobRetries:
    """The blobs that one peer is not asked for now."""

    def __init__(self) -> None:
        self._not_before: dict[bytes, float] = {}
        self._unwritable: dict[bytes, int] = {}  # how often they could not be written

    @property
    def next_at(self) -> float:
        """When some blob may be asked for again; infinite where none waits."""
        return min(self._not_before.values(), default=math.inf)

    def is_due(self, blob: bytes, now: float) -> bool:
        """Whether it may be asked for."""
        return self._not_before.get(blob, 0.0) <= now

    def forget_due(self, now: float) -> None:
        """Nothing has to be known of those whose time has come."""
        self._not_before = {blob: at for blob, at in self._not_before.items() if at > now}

    def expect_missing(self) -> None:
        """The peer may have what it did not have before."""
        self._not_before = {blob: at for blob, at in self._not_before.items() if blob in self._unwritable}

    def expect(self, blobs: Iterable[bytes]) -> None:
        """The peer has these now."""
        for blob in blobs:
            if blob not in self._unwritable:
                self._not_before.pop(blob, None)

    def retry_later(self, blobs: Iterable[bytes], now: float, pause_s: float = RETRY_S) -> None:
        """They did not come."""
        self._not_before.update(dict.fromkeys(blobs, now + pause_s))

    def not_before(self, blob: bytes, at: float) -> None:
        """Others were asked for what is left of it, until then."""
        self._not_before[blob] = at

    def cannot_write(self, blobs: Iterable[bytes], now: float) -> None:
        """They could not be written: each time longer."""
        for blob in blobs:
            failures = self._unwritable[blob] = self._unwritable.get(blob, 0) + 1
            self._not_before[blob] = now + min(_LONGEST_RETRY_S, RETRY_S * 2.0 ** min(failures - 1, 16))

    def written(self, blob: bytes) -> None:
        """It is here."""
        self._unwritable.pop(blob, None)
