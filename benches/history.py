"""What the past costs: a month of work on 1,000 files, one file rewritten 200 times, and a text of 260,000 keystrokes.

The month passes in the store, by the daemon's own parts and another clock: every day some files are saved some times
each, and once a day the log is thinned. The keystrokes come one an update, five a second, as a program makes them, in
words at one place and then at another; three of ten are deletions. Then a daemon starts on it, and the commands that
look back are measured from outside.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import report
import trio
import trio.testing

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from lab import Device, devices, eventually

from yp2p.config import History
from yp2p.documents.diff import Hunk, hunks
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.folder import Folder
from yp2p.folder.records import day_begins
from yp2p.history.ages import DAY_S
from yp2p.history.packing import Packing
from yp2p.history.retention import Retention
from yp2p.identity import DeviceID, DocumentID, FolderID
from yp2p.programs.corrections import CAPTURE_S
from yp2p.store.database import Database, open_database

BARS = {
    "log_ms": 200.0, "times_the_files": 4.0, "rewritten_kib": 1100.0,
    "typed_store_mib": 20.0, "typed_log_ms": 1000.0, "typed_undo_ms": 1000.0, "typed_redo_ms": 1000.0,
    "typed_show_ms": 1000.0, "typed_diff_ms": 1000.0, "typed_blame_ms": 1000.0, "typed_bookmark_ms": 1000.0,
    "typed_restore_ms": 1000.0,
}  # fmt: skip
_WORDS = ("a", "line", "of", "some", "words", "that", "people", "write", "into", "notes", "every", "day", "later")
_SAVES = 6
_KEY_S = 0.2
_SHARE = 0.2


def _line(rng: random.Random) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(rng.randint(4, 14))) + "\n"


def _edited(rng: random.Random, text: str) -> str:
    """What somebody does between two saves: two places, some lines each."""
    lines = text.splitlines(keepends=True)
    for _ in range(2):
        at = rng.randrange(len(lines))
        lines[at : at + rng.randint(0, 3)] = [_line(rng) for _ in range(rng.randint(0, 3))]
    return "".join(lines) or _line(rng)


@contextmanager
def _clock_on_the_wall(now: list[float]) -> Iterator[None]:
    with patch.object(time, "time", lambda: now[0]):
        yield


class Store:
    """The store of a device whose daemon does not run."""

    def __init__(self, database: Database, now: list[float]) -> None:
        self.database = database
        self.now = now
        row = database.rows("SELECT id, label, root, founder FROM folder")[0]
        device = DeviceID(database.rows("SELECT device FROM owner")[0][0])
        self.folder = Folder(
            FolderID(row[0]), row[1], Path(row[2]), DeviceID(row[3]),
            database=database, clients=ClientIDs.fresh(device), adopted=True,
        )  # fmt: skip
        self.retention = Retention(self.folder, History(), list)
        self.written = 0

    async def load(self) -> Store:
        """As at a start, and as if its files had been looked at."""
        await self.folder.load()
        self.folder.state.settled = self.folder.state.is_scanned = True
        return self

    def save(self, document: DocumentID, text: str) -> None:
        live = self.folder.texts.open(document)
        update = live.text.edit(hunks(live.text.text(), text))
        if update is not None:
            self.folder.edits.record(live, update, None, undo_gap_s=0.0)
            self.written += len(update)

    async def thin(self) -> None:
        """As once a day."""
        await self.database.submit([day_begins(self.database, self.now[0])]).wait()
        self.retention.mark()
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(DAY_S)
        await self.retention.thin(self.now[0])
        await self.database.pending().wait()

    def used_bytes(self) -> int:
        """What the store needs on the disk: its pages but the free ones."""
        ((pages,),), ((free,),) = self.database.rows("PRAGMA page_count"), self.database.rows("PRAGMA freelist_count")
        return int(pages - free) * 4096

    def sizes(self) -> int:
        return sum(len(self.folder.texts.head(document)[1].encode()) for document in self.folder.catalogue.entry_of)


async def _month(path: Path, rng: random.Random, days: int) -> dict[str, float]:
    now = [time.time() - days * DAY_S]
    with _clock_on_the_wall(now):
        async with open_database(path, make_room=False) as database:
            store = await Store(database, now).load()
            documents = list(store.folder.catalogue.entry_of)
            start_bytes = store.used_bytes()
            morning = now[0]
            for day in range(days):
                chosen = rng.sample(documents, int(len(documents) * _SHARE))
                moments = sorted((rng.uniform(0, 9 * 3600), document) for document in chosen for _ in range(_SAVES))
                for number, (at, document) in enumerate(moments):
                    now[0] = morning + day * DAY_S + at
                    store.save(document, _edited(rng, store.folder.texts.open(document).text.text()))
                    if number % 100 == 0:
                        await database.pending().wait()
                now[0] = morning + (day + 1) * DAY_S - 1
                await store.thin()
            used, files = store.used_bytes(), store.sizes()
            return {
                "files": len(documents),
                "files_mib": round(files / 2**20, 2),
                "written_mib": round(store.written / 2**20, 2),
                "store_before_mib": round(start_bytes / 2**20, 2),
                "store_after_mib": round(used / 2**20, 2),
                "times_the_files": round(used / files, 2),
            }


async def _rewrites(path: Path, rng: random.Random) -> dict[str, float]:
    now = [time.time() - 3 * DAY_S]
    with _clock_on_the_wall(now):
        async with open_database(path, make_room=False) as database:
            store = await Store(database, now).load()
            document = next(iter(store.folder.catalogue.entry_of))
            await store.thin()
            before = store.used_bytes()
            for _ in range(200):
                now[0] += 60
                store.save(document, "".join(_line(rng) for _ in range(1000))[:10_240])
            await database.pending().wait()
            at_once = store.used_bytes()
            now[0] += 3600
            await store.thin()
            thinned = store.used_bytes()
            now[0] += 2 * DAY_S
            for _ in range(2):
                await store.thin()
            return {
                "rewritten_at_once_kib": (at_once - before) // 1024,
                "rewritten_kib": (thinned - before) // 1024,
                "rewritten_two_days_later_kib": (store.used_bytes() - before) // 1024,
            }


class Typist:
    """Somebody who writes a text in a program, with a cursor that goes on for a while and then is elsewhere."""

    def __init__(self, rng: random.Random, text: str) -> None:
        self._rng = rng
        self._size = self._at = len(text)
        self._left = 0
        self._deletes = False

    def next_key(self) -> Hunk:
        rng = self._rng
        if not self._left:
            self._left = rng.randint(5, 60)
            near = min(self._size, max(0, self._at + int(rng.gauss(0, 80))))
            self._at = near if rng.random() < 0.75 else rng.randint(0, self._size)
            self._deletes = rng.random() < 0.3
        self._left -= 1
        if self._deletes and self._at:
            self._at -= 1
            self._size -= 1
            return Hunk(self._at, self._at + 1, "")
        self._at += 1
        self._size += 1
        return Hunk(self._at - 1, self._at - 1, rng.choice("abcdefghijklmnopqrstuvwxyz      \n"))


async def _typed(path: Path, rng: random.Random, keys: int) -> dict[str, float]:
    now = [time.time() - keys * _KEY_S]
    with _clock_on_the_wall(now):
        async with open_database(path, make_room=False) as database:
            store = await Store(database, now).load()
            folder = store.folder
            [document] = folder.catalogue.entry_of
            live, packing, program = folder.texts.open(document), Packing(folder), object()
            typist, before = Typist(rng, live.text.text()), store.used_bytes()
            seconds = 0.0
            for number in range(1, keys + 1):
                now[0] += _KEY_S
                update = live.text.edit([typist.next_key()])
                assert update is not None
                folder.edits.record(live, update, program, undo_gap_s=CAPTURE_S)
                if number % 1000 == 0:
                    await database.pending().wait()
                    started = time.perf_counter()
                    await packing.pack()
                    seconds += time.perf_counter() - started
            await database.pending().wait()
            rows = database.rows("SELECT count(*) FROM log WHERE document = ?", (document,))[0][0]
            return {
                "typed_keys": keys,
                "typed_text_kib": live.text.size() // 1024,
                "typed_rows": rows,
                "typed_packing_s": round(seconds, 1),
                "typed_store_mib": round((store.used_bytes() - before) / 2**20, 2),
            }


def _looking_back(device: Device, runs: int) -> dict[str, float]:
    """How long each command takes on the text that was typed, the median of some runs."""
    path = str(device.dir / "0.txt")
    version = json.loads(device.cli("log", path, "--json"))["versions"][-1]["version"]
    device.cli("bookmark", path, "here", "--line", "5")
    commands = {
        "log": [["log", path]],
        "show": [["show", path]],
        "diff": [["diff", path, str(version - 1000)]],
        "blame": [["blame", path]],
        "undo": [["undo", path]],
        "redo": [["redo", path]],
        "bookmark": [["bookmark", path]],
        "restore": [["restore", f"{path}@{version - 1000}"], ["undo", path]],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, (command, *after) in commands.items():
            started = time.perf_counter()
            device.cli(*command)
            times[name].append((time.perf_counter() - started) * 1000)
            for one in after:
                device.cli(*one)
    return {f"typed_{name}_ms": round(statistics.median(found), 1) for name, found in times.items()}


def _log_ms(device: Device, runs: int) -> dict[str, float]:
    """How long the history of the file with the longest one takes."""
    names = sorted(path.name for path in device.dir.iterdir() if path.suffix == ".txt")
    versions = {
        name: len(json.loads(device.cli("log", str(device.dir / name), "--json"))["versions"]) for name in names[:50]
    }
    name = max(versions, key=lambda one: versions[one])
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        device.cli("log", str(device.dir / name))
        times.append((time.perf_counter() - started) * 1000)
    return {"log_versions": versions[name], "log_ms": round(statistics.median(times), 1)}


def _imported(device: Device, files: int, rng: random.Random) -> None:
    for number in range(files):
        (device.dir / f"{number}.txt").write_text("".join(_line(rng) for _ in range(rng.randint(50, 300))))
    device.cli("share", str(device.dir))
    eventually(lambda: device.status()["folders"][0]["entries"]["here"] == files, 120)
    device.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--keys", type=int, default=260_000)
    parser.add_argument("--runs", type=int, default=15)
    options = report.parse(parser)
    rng = random.Random(1)
    with (
        tempfile.TemporaryDirectory() as base,
        devices(Path(base), "one", YP2P_LOG__LEVEL="warning") as (one,),
        devices(Path(base), "two", YP2P_LOG__LEVEL="warning") as (two,),
        devices(Path(base), "three", YP2P_LOG__LEVEL="warning") as (three,),
    ):
        _imported(one, options.files, rng)
        _imported(two, 1, rng)
        _imported(three, 1, rng)
        for device in (one, two, three):
            device.stop()
        clock = partial(trio.testing.MockClock, autojump_threshold=0.01)
        result = trio.run(_month, one.home / "store.db", rng, options.days, clock=clock())
        one.start()
        one.wait(120)
        result |= _log_ms(one, options.runs)
        result |= trio.run(_rewrites, two.home / "store.db", rng, clock=clock())
        two.start()
        result |= trio.run(_typed, three.home / "store.db", rng, options.keys, clock=clock())
        three.start()
        three.wait(120)
        result |= _looking_back(three, options.runs)
    report.publish(options, result, BARS)


if __name__ == "__main__":
    main()
