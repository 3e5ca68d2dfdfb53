"""Faults that are planted in a folder at work in this process, each with what a check has to say of it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import trio
from bridge import PEER, SIGNER, open_folder

from yp2p.check.checker import Checker
from yp2p.check.findings import Kind
from yp2p.config import Files, Scrub, Trash
from yp2p.disk.actor import Disk
from yp2p.files.inspect import RACY_NS, Stamp
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import Digest, FileRecord
from yp2p.identity import DeviceID, EntryID, FolderID
from yp2p.store import tables

FOLDER = FolderID(bytes(range(16)))
BLOB = bytes(range(256)) * 1500  # of two chunks
# What is in the folder at the beginning: a file for each fault, and some that are left alone.
TEXTS = {name: f"the text of {name}\nin two lines\n" for name in (
    "rotten.txt", "lost.txt", "unseen.txt", "stray.txt", "stale.txt", "one.txt", "other.txt", "unstored.txt",
    "digest.txt", "pack.txt", "step.txt", "fine.txt",
)}  # fmt: skip
BLOBS = {
    "here.bin": BLOB, "copy.bin": BLOB, "nobody.bin": BLOB[:-1] + b"!", "swap-a.bin": BLOB[:3000],
    "swap-b.bin": BLOB[3000:7000], "chunks.bin": BLOB + b"x", "index.bin": BLOB[:500],
}  # fmt: skip


@dataclass
class Place:
    """A folder at work, and its check."""

    folder: Folder
    disk: Disk
    checker: Checker
    home: Path
    others: Others

    def connect(self, session: object = None) -> None:
        """A device is connected from now on, or none."""
        self.others.connected = session
        self.folder.membership.devices = {PEER: object()} if session is not None else {}  # type: ignore[dict-item]

    async def settled(self) -> None:
        """Wait until all that is to be done was done."""
        with trio.fail_after(20):
            while not self.folder.state.settled or self.folder.render_queue:
                await self.folder.state.changed.wait()

    def path(self, name: str) -> Path:
        return self.folder.path / name

    def record(self, name: str) -> FileRecord:
        record = self.folder.files.by_path(name)
        assert record is not None, name
        return record

    def keep(self, record: FileRecord) -> None:
        self.folder.files.set(record)
        self.folder.database.submit([record.save(self.folder.id)])

    def same_stamp(self, *names: str) -> None:
        """Nobody can set the time at which a file was changed: the records go along with it."""
        for name in names:
            self.keep(replace(self.record(name), stamp=Stamp.of(os.lstat(self.path(name)))))

    def rot(self, name: str) -> None:
        with self.path(name).open("r+b") as file:
            first = file.read(1)
            file.seek(0)
            file.write(bytes([first[0] ^ 4]))

    def sql(self, statement: str, *values: Any) -> None:
        with closing(sqlite3.connect(self.home / "store", timeout=10)) as store, store:
            store.execute(statement, values)

    async def plant(self, *faults: Fault) -> None:
        """Plant them between two batches of the disk actor. What was written a moment ago is read whatever its stamp
        says, so that moment passes first."""
        async with self.folder.files.writing:
            await self.folder.database.pending().wait()
            for fault in faults:
                fault.plant(self)
            await trio.sleep(2 * RACY_NS / 1e9)

    async def check(self, **wanted: bool) -> list[dict[str, Any]]:
        from yp2p.check.checker import Wanted

        answer = await self.checker.check([self.folder], Wanted(**wanted))
        found: list[dict[str, Any]] = answer["findings"]
        return found


class Others:
    """The other devices: none is connected, or one that a test made."""

    def __init__(self) -> None:
        self.connected: Any = None

    def session(self, device: DeviceID, folder: FolderID) -> Any:
        return self.connected


@asynccontextmanager
async def open_place(base: Path, scrub: Scrub | None = None) -> AsyncIterator[Place]:
    """A folder with all these files, at rest, and no other device."""
    (base / "dir").mkdir()
    for name, data in {**{name: text.encode() for name, text in TEXTS.items()}, **BLOBS}.items():
        (base / "dir" / name).write_bytes(data)
    async with open_folder(base, FOLDER) as folder:
        disk = Disk(folder, Files(), Trash(), scrub or Scrub(percent=0))
        peers: Any = Others()
        checker = Checker(SIGNER, folder.database, {folder.id: disk}, peers, lambda device: "somebody")
        checker.key = base / "device.key"
        from yp2p.trust.keyfile import text_of, write_new

        write_new(checker.key, text_of(SIGNER))
        async with trio.open_nursery() as nursery:
            await nursery.start(disk.run)
            with trio.fail_after(20):
                while len(folder.files) < len(TEXTS) + len(BLOBS) or not folder.state.settled:
                    await folder.state.changed.wait()
            await folder.database.pending().wait()
            yield Place(folder, disk, checker, base, peers)
            nursery.cancel_scope.cancel()


@dataclass(frozen=True)
class Fault:
    """A fault: how it is planted, what a check calls it, about which files, and whether a repair mends it."""

    plant: Callable[[Place], None]
    kind: Kind
    paths: tuple[str, ...]
    is_mended: bool = True


def _quietly(place: Place, change: Callable[[], object]) -> None:
    """Change files while the kernel tells nobody: what it says of them is thrown away."""
    at = place.disk.open_root
    assert at is not None
    change()
    at.watcher._inotify.read(timeout=0)  # type: ignore[attr-defined]


def rotten_text(place: Place) -> None:
    place.rot("rotten.txt")
    place.same_stamp("rotten.txt")


def rotten_blob(place: Place) -> None:
    place.rot("here.bin")
    place.same_stamp("here.bin")


def rotten_everywhere(place: Place) -> None:
    place.rot("nobody.bin")
    place.same_stamp("nobody.bin")


def swapped(place: Place) -> None:
    one, other = place.path("swap-a.bin"), place.path("swap-b.bin")
    data = one.read_bytes(), other.read_bytes()
    one.write_bytes(data[1])
    other.write_bytes(data[0])
    place.same_stamp("swap-a.bin", "swap-b.bin")


def lost_file(place: Place) -> None:
    record = place.record("lost.txt")
    place.folder.files.drop(record.entry)
    place.folder.database.submit([record.delete(place.folder.id)])
    place.path("lost.txt").unlink()


def unseen_change(place: Place) -> None:
    place.keep(replace(place.record("unseen.txt"), stamp=replace(place.record("unseen.txt").stamp, mtime_ns=5)))


def stray_row(place: Place) -> None:
    place.keep(replace(place.record("stray.txt"), entry=EntryID(b"nobody's entry!!")))
    place.folder.render_queue.take(place.folder.catalogue.layout().entry_at["stray.txt"])


def stale_row(place: Place) -> None:
    place.keep(replace(place.record("index.bin"), document=place.record("fine.txt").document))


def shared_inode(place: Place) -> None:
    stamp = replace(place.record("other.txt").stamp, inode=place.record("one.txt").stamp.inode)
    place.keep(replace(place.record("other.txt"), stamp=stamp))


def unstored_row(place: Place) -> None:
    place.sql("DELETE FROM file WHERE path = ?", b"unstored.txt")


def wrong_digest(place: Place) -> None:
    document = place.record("digest.txt").document
    digests = place.folder.texts.digests
    digest = digests.get(document)
    assert digest is not None
    digests.learn(document, Digest(bytes(32), digest.content, digest.clocks))


def damaged_pack(place: Place) -> None:
    record = place.record("pack.txt")
    row = tables.log.last_row(place.folder.database.rows, place.folder.id, record.document)
    assert row is not None
    values = (row[0], place.folder.id, record.document, max(1, row[0] - 1), row[1], 1, b"", b"no pack")
    place.sql("INSERT INTO pack VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)


def stray_step(place: Place) -> None:
    document = place.record("step.txt").document
    place.sql("INSERT INTO step VALUES (99999, ?, ?, 99999, 1.5, 0)", place.folder.id, document)


def stray_notice(place: Place) -> None:
    place.folder.notices.add(NoticeKind.CONFLICT_COPY, "gone.txt", "a notice of nothing", EntryID(b"no such entry..."))


def wrong_chunks(place: Place) -> None:
    blob = place.record("chunks.bin").content
    place.sql("UPDATE chunks SET hashes = zeroblob(length(hashes)) WHERE hash = ?", blob)


def unlisted_blob(place: Place) -> None:
    record = place.record("copy.bin")
    place.folder.files.blobs.remove_file(record.content, record.entry)


def stray_trash(place: Place) -> None:
    place.path(".yp2p/trash/kept.txt").write_text("put here by hand\n")


def bad_statement(place: Place) -> None:
    place.sql("INSERT INTO statement VALUES (?, ?)", place.folder.id, b"nobody signed this")


def unsound_row(place: Place) -> None:
    place.sql("INSERT INTO served VALUES (?, ?, ?)", place.folder.id, b"../outside", bytes(16))


def open_key(place: Place) -> None:
    assert place.checker.key is not None
    place.checker.key.chmod(0o644)


FAULTS: dict[str, Fault] = {
    "a bit of a text": Fault(rotten_text, Kind.DAMAGED_FILE, ("rotten.txt",)),
    "a bit of a file that is here twice": Fault(rotten_blob, Kind.DAMAGED_FILE, ("here.bin",)),
    "a bit of a file that nobody has": Fault(rotten_everywhere, Kind.DAMAGED_FILE, ("nobody.bin",), is_mended=False),
    "two files that hold each other's bytes": Fault(swapped, Kind.SWAPPED_FILE, ("swap-a.bin", "swap-b.bin")),
    "a file that was never written": Fault(lost_file, Kind.LOST_FILE, ("lost.txt",)),
    "a change that was not seen": Fault(unseen_change, Kind.UNSEEN_CHANGE, ("unseen.txt",)),
    "a row of an entry that there is not": Fault(stray_row, Kind.STRAY_ROW, ("stray.txt",)),
    "a row of another version": Fault(stale_row, Kind.STALE_ROW, ("index.bin",)),
    "two rows of one inode": Fault(shared_inode, Kind.SHARED_INODE, ("one.txt", "other.txt")),
    "a row that the store lost": Fault(unstored_row, Kind.UNSTORED_ROW, ("unstored.txt",)),
    "a digest that is wrong": Fault(wrong_digest, Kind.WRONG_DIGEST, ("digest.txt",)),
    "a pack that cannot be read": Fault(damaged_pack, Kind.DAMAGED_PACK, ("pack.txt",)),
    "an undo step without its row": Fault(stray_step, Kind.STRAY_STEP, ("step.txt",)),
    "a notice of no entry": Fault(stray_notice, Kind.STRAY_NOTICE, ("gone.txt",)),
    "a list of chunks that is wrong": Fault(wrong_chunks, Kind.WRONG_CHUNKS, ("chunks.bin",)),
    "a blob that is not listed": Fault(unlisted_blob, Kind.LOST_BLOB, ("copy.bin",)),
    "a file that nothing lists in the trash": Fault(stray_trash, Kind.STRAY_TRASH, (".yp2p/trash/kept.txt",)),
    "a statement that nobody signed": Fault(bad_statement, Kind.BAD_STATEMENT, ("",)),
    "a row that no version wrote": Fault(unsound_row, Kind.UNSOUND_ROWS, ("STORE",)),
    "a key that others can read": Fault(open_key, Kind.OPEN_KEY, ("KEY",)),
}
