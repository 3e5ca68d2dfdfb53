"""Finding in an older file what a blob has in common with it, wherever it stands there.

Theory of operation
    Most changes of a long file insert or remove something, and all behind that has moved by as much. The chunks of the
    new content are known by their hashes only, and these say nothing of where they are in the older file. A sample
    (`protocol/blobs.py`) does: where its bytes are found the chunk may stand around them, and its hash says whether
    it does. From there the same distance is tried for the chunks before and behind, as far as it holds.

    What is missing is a set of runs of chunks. The longest run is taken, and a chunk in its middle looked for: at the
    distances that held before and those of both ends of the files, near these, and then in the whole older file, if
    the run is long enough to be worth that. What was found parts the run, and so does what was not; both parts are
    runs again. A change inside a chunk leaves that chunk missing.

    What comes from a peer here are samples: those that are wrong cost time, and `_Effort` bounds it. What is found is
    read once, hashed, and written from memory; the older file may change meanwhile. Its holes are neither read nor
    counted: no sample stands in one (`read_samples`).

Everything here blocks and belongs in a worker thread.
"""

from __future__ import annotations

import heapq
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Protocol

from yp2p.files.holes import next_data
from yp2p.protocol.blobs import CHUNK_BYTES, SAMPLE_BYTES

# Edits move what stands behind them by little.
_NEAR_BYTES = 512 << 10
# Read and looked through at a time: a fraction of a millisecond in which no other thread runs.
_WINDOW_BYTES = 1 << 20
# Places where a sample stands that are tried: what stands more often says little.
_PLACES = 4
# Distances that held, and are tried first.
_DISTANCES = 4
# A run this much shorter than what the older file holds is not worth looking through all of that.
_WORTH = 8
# What is looked at in vain at most, beside once and a half what the older file holds.
_LEEWAY_BYTES = 64 << 20


class Wanted(Protocol):
    """The blob that is being put together (`Assembly`)."""

    missing: set[int]

    def size_of(self, index: int) -> int: ...

    def put(self, index: int, data: bytes) -> bool:
        """Write a chunk; False when it is not the one that belongs there."""
        ...


class _Effort:
    """How many bytes may still be looked at in vain, and whether anybody waits for it: what is found does not count."""

    def __init__(self, older_bytes: int, may_go_on: Callable[[], bool]) -> None:
        self._left = older_bytes * 3 // 2 + _LEEWAY_BYTES
        self._may_go_on = may_go_on

    def spend(self, size: int) -> None:
        self._left -= size

    def is_spent(self) -> bool:
        return self._left <= 0 or not self._may_go_on()


class Shifted:
    """Looks for the missing chunks of one blob in one older file. `find` does the work.

    Args:
        descriptor: of the older file.
        size: of the new content.
        samples: by chunk, the place in it and the bytes there.
        may_go_on: asked before each piece of work.
    """

    def __init__(
        self, descriptor: int, wanted: Wanted, size: int, samples: Mapping[int, tuple[int, bytes]],
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        self._descriptor = descriptor
        self._wanted = wanted
        self._samples = samples
        self._sampled = sorted(samples)
        status = os.fstat(descriptor)
        self._older_bytes = status.st_size
        self._held_bytes = min(status.st_size, status.st_blocks * 512)  # without its holes
        self._effort = _Effort(self._held_bytes, may_go_on)
        self._distances = [self._older_bytes - size, 0]

    def find(self) -> None:
        """Put what is found into its place. Raises OSError when it cannot be written."""
        runs = [(first - last, first, last) for first, last in _runs(sorted(self._wanted.missing))]
        heapq.heapify(runs)
        while runs and not self._effort.is_spent():
            _, first, last = heapq.heappop(runs)
            index = self._sampled_in(first, last)
            if index is None:
                continue
            before = behind = index
            is_long = (last - first + 1) * CHUNK_BYTES * _WORTH >= self._held_bytes
            is_missing = index in self._wanted.missing  # else it came with those of another run
            distance = self._distance_of(index, is_long=is_long) if is_missing else None
            if distance is not None:
                before, behind = self._extend(index, distance)
                self._effort.spend(-(behind - before + 1) * CHUNK_BYTES)
                self._distances = [distance, *(one for one in self._distances if one != distance)][:_DISTANCES]
            for start, end in ((first, before - 1), (behind + 1, last)):
                if start <= end:
                    heapq.heappush(runs, (start - end, start, end))

    def _sampled_in(self, first: int, last: int) -> int | None:
        """A chunk of a run that has a sample: the next one from the middle on, else the last one before it."""
        at = bisect_left(self._sampled, (first + last) // 2)
        beside = self._sampled[max(0, at - 1) : at + 1]
        return next((index for index in reversed(beside) if first <= index <= last), None)

    def _distance_of(self, index: int, *, is_long: bool) -> int | None:
        """How far from its place in the new content a chunk stands in the older file; it is written if it is found."""
        place, sample = self._samples[index]
        at = index * CHUNK_BYTES + place
        for distance in self._distances:
            if self._take(index, distance):
                return distance
        for distance in self._distances:
            start = at + distance - _NEAR_BYTES
            found = self._distance_between(index, sample, at, start, start + 2 * _NEAR_BYTES)
            if found is not None:
                return found
        return self._distance_between(index, sample, at, 0, self._older_bytes) if is_long else None

    def _distance_between(self, index: int, sample: bytes, at: int, start: int, end: int) -> int | None:
        """Look for a chunk between two places of the older file; `at`: where its sample stands in the new content."""
        places = self._places(sample, max(0, start), min(end, self._older_bytes))
        distances = (found - at for found in islice(places, _PLACES))
        return next((distance for distance in distances if self._take(index, distance)), None)

    def _places(self, sample: bytes, start: int, end: int) -> Iterator[int]:
        """Where the bytes of a sample begin, between two places of the older file, as long as the effort lasts."""
        at = start
        while (at := max(at, self._data_from(at) - SAMPLE_BYTES + 1)) < end and not self._effort.is_spent():
            data = self._read(at, min(_WINDOW_BYTES, end - at) + SAMPLE_BYTES - 1)
            self._effort.spend(len(data))
            found = data.find(sample)
            while found >= 0:
                yield at + found
                found = data.find(sample, found + 1)
            at += _WINDOW_BYTES

    def _extend(self, index: int, distance: int) -> tuple[int, int]:
        """Take the chunks before and behind one that stand at the same distance; gives the first and the last."""
        first = last = index
        while first - 1 in self._wanted.missing and self._take(first - 1, distance):
            first -= 1
        while last + 1 in self._wanted.missing and self._take(last + 1, distance):
            last += 1
        return first, last

    def _take(self, index: int, distance: int) -> bool:
        """Write a chunk if it stands so far from its place."""
        at, size = index * CHUNK_BYTES + distance, self._wanted.size_of(index)
        if at < 0 or at + size > self._older_bytes or self._data_from(at) >= at + size or self._effort.is_spent():
            return False
        self._effort.spend(size)
        data = self._read(at, size)
        return len(data) == size and self._wanted.put(index, data)

    def _data_from(self, at: int) -> int:
        """Where the next bytes are that are in no hole."""
        with suppress(OSError):
            return next_data(self._descriptor, at, self._older_bytes)
        return at

    def _read(self, at: int, size: int) -> bytes:
        """What stands there, or less; nothing where it cannot be read."""
        with suppress(OSError):
            return os.pread(self._descriptor, size, at)
        return b""


def _runs(indices: list[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of neighbours."""
    start = 0
    for at in range(1, len(indices) + 1):
        if at == len(indices) or indices[at] != indices[at - 1] + 1:
            yield indices[start], indices[at - 1]
            start = at
