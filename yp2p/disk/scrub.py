"""The scrub: every file is read again now and then, at a rate that nobody notices, to find bit rot.

Theory of operation
    A round reads all files by their paths, some small ones or a piece of a long one at a time (`files/verify.py`).
    After each piece it rests, so long that reading was `scrub.percent` of the time, of the disk's as of the
    processor's. Where the machine is busy the same piece takes longer, and so does the rest.

    A round begins `scrub.interval_days` after the last one ended. What was read is in the store: each minute, and when
    the root is closed; a restart goes on behind the last file of which that is known. Nothing is read while the folder
    has work to do.

    A file that holds something else is looked at once more, and looked after, by `damaged_files.py`.

Invariants
    * What we read is not taken for a person's reading (`disk/ingest/read_tracker.py`), and its time of access stays.
    * A clock that jumps begins a round at most: the age of the last one is not trusted where it is in the future.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import structlog
import trio

from yp2p.config import Scrub
from yp2p.disk.damaged_files import DamagedFiles, Outcome, is_odd, reading_all
from yp2p.disk.open_root import OpenRoot
from yp2p.files.verify import STEP_BYTES
from yp2p.folder.folder import Folder
from yp2p.folder.records import FileRecord
from yp2p.protocol.names import encode_path
from yp2p.store import tables

# A folder that was just opened has other work first; a round that is not due is looked at again after this.
_FIRST_S, _LOOK_S = 60.0, 600.0
# While there is other work, it is tried again after this.
_BUSY_S = 5.0
_SAVE_S = 60.0
# Small files that are read at a stretch.
_FILES_AT_ONCE = 64
_DAY_S = 86400.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: as the columns of the table `scrub`."""

    path: str = ""
    began: float = 0.0
    ended: float = 0.0
    files: int = 0
    bytes: int = 0
    found: int = 0
    rounds: int = 0

    @property
    def is_on(self) -> bool:
        """Whether a round has begun and not ended."""
        return self.began > 0


def is_due(progress: Progress, now: float, interval_s: float) -> bool:
    """Whether a round is to go on, or to begin; `now` in seconds since 1970."""
    return progress.is_on or not progress.ended <= now < progress.ended + interval_s


def rest_s(spent_s: float, percent: float) -> float:
    """How long to rest after reading for so long, so that reading is that part of the time."""
    return spent_s * (100 / percent - 1)


class Scrubber:
    """The scrub of one folder.

    Attributes:
        damaged: the files that are known to be damaged.
    """

    def __init__(self, folder: Folder, settings: Scrub) -> None:
        self._folder = folder
        self._percent = settings.percent
        self._interval_s = settings.interval_days * _DAY_S
        self.damaged = DamagedFiles(folder)
        self._saved_at = 0.0
        row = tables.scrub.read_row(folder.database.rows, folder.id)
        # What has just come here was checked as it came.
        self._progress = Progress(ended=time.time()) if row is None else _progress_of(row)
        if row is None:
            self._save()

    def describe(self) -> dict[str, Any]:
        """What `status` says of it."""
        progress = self._progress
        return {
            "percent": self._percent,
            "last_round": progress.ended if progress.rounds else None,
            "round_began": progress.began or None,
            "files": progress.files,
            "bytes": progress.bytes,
            "found": progress.found,
            "damaged": [{"path": one.path, "at": one.at} for one in self.damaged.known()],
        }

    async def run(self, at: OpenRoot) -> None:
        """Work until cancelled; what was read by then is remembered."""
        if not self._percent:
            return
        try:
            await trio.sleep(_FIRST_S)
            while True:
                if is_due(self._progress, time.time(), self._interval_s):
                    await self._round(at)
                await trio.sleep(_LOOK_S)
        finally:
            self._save()

    async def _round(self, at: OpenRoot) -> None:
        """Read what is left of a round."""
        if not self._progress.is_on:
            self._progress = Progress(began=time.time(), ended=self._progress.ended, rounds=self._progress.rounds)
        listed = list(self._folder.files.at)
        paths = await trio.to_thread.run_sync(sorted, listed)
        start = bisect_right(paths, self._progress.path) if self._progress.path else 0
        while start < len(paths):
            while not self._folder.state.settled or not self._folder.state.is_scanned:
                with trio.move_on_after(_BUSY_S):
                    await self._folder.state.changed.wait()
            records = self._next(paths, start)
            start += max(1, len(records))
            await self._read([record for record in records if self.damaged.may_be_read(record)], at)
            self._progress = replace(self._progress, path=paths[start - 1])
            if trio.current_time() >= self._saved_at + _SAVE_S:
                self._save()
        progress = self._progress
        log.info("scrub_round_ended", folder=self._folder.label, files=progress.files, bytes=progress.bytes,
                 damaged=progress.found)  # fmt: skip
        self._progress = replace(progress, path="", began=0.0, ended=time.time(), rounds=progress.rounds + 1)
        self._save()
        self._folder.state.touch()

    def _next(self, paths: list[str], start: int) -> list[FileRecord]:
        """What is read at a stretch: some small files, or one."""
        found: list[FileRecord] = []
        size = 0
        for path in paths[start : start + _FILES_AT_ONCE]:
            record = self._folder.files.by_path(path)
            if record is None:
                if found:
                    break
                return []
            size += record.stamp.size
            if found and size > STEP_BYTES:
                break
            found.append(record)
        return found

    async def _read(self, records: list[FileRecord], at: OpenRoot) -> None:
        """Read these files, and rest as long as that asks for."""
        if not records:
            await trio.lowlevel.checkpoint()
            return
        work = reading_all(at.root, records)
        with closing(work):
            while True:
                began = time.perf_counter()
                with at.ingest.readers.reading_beside(records):
                    found = await trio.to_thread.run_sync(next, work)
                await trio.sleep(rest_s(time.perf_counter() - began, self._percent))
                if isinstance(found, list):
                    break
        progress = self._progress
        size = sum(record.stamp.size for record in records)
        self._progress = replace(progress, files=progress.files + len(records), bytes=progress.bytes + size)
        odd = [record for record, now in found if is_odd(record, now)]
        outcomes = await self.damaged.take(at, *odd) if odd else []
        count = sum(outcome is not Outcome.SOUND for outcome in outcomes)
        self._progress = replace(self._progress, found=self._progress.found + count)

    def _save(self) -> None:
        self._saved_at = trio.current_time()
        one = self._progress
        self._folder.database.submit(
            [
                tables.scrub.save(
                    self._folder.id, encode_path(one.path), (one.began, one.ended), one.files, one.bytes,
                    found=one.found, rounds=one.rounds,
                )
            ]
        )  # fmt: skip


def _progress_of(row: tuple[Any, ...]) -> Progress:
    path, *rest = row
    return Progress(path.decode("utf-8", "surrogateescape"), *rest)
