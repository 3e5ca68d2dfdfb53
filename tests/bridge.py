"""One folder's bridge between disk and documents, step by step: the real store, files, ingest and render.

Nothing runs by itself. The test says when the disk is looked at, when something is rendered, when a peer's update
arrives, and when everything stops (with or without a last look) and starts again from the store.
"""

from __future__ import annotations

import os
import select
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import trio
import trio.testing
from scenes import Test, as_test
from tallies import miscounted

from yp2p.disk.ingest.ignored import apply_rules, is_ignored_entry
from yp2p.disk.ingest.ingest import Ingest
from yp2p.disk.render.crash_recovery import CrashRecovery
from yp2p.disk.render.render import Render
from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.files.ignore import IgnoreRules
from yp2p.files.root import Root
from yp2p.files.watch import Watcher, open_watcher
from yp2p.folder.client_ids import ClientIDs
from yp2p.folder.folder import Folder
from yp2p.folder.live_document import LiveDocument
from yp2p.identity import DeviceID, FolderID, Identity
from yp2p.protocol.clients import Writer
from yp2p.store.database import open_database

FOLDER = FolderID(bytes(range(16)))
PEER = DeviceID(b"p" * 32)
SIGNER = Identity(b"o" * 32)
OWN = SIGNER.device_id


class Bridge:
    """See above. Use `open_bridge`."""

    def __init__(self, folder: Folder, root: Root, ingest: Ingest, render: Render, watcher: Watcher) -> None:
        self.folder = folder
        self.root = root
        self.ingest = ingest
        self.render_actor = render
        self.dirty: set[str] = set()
        self.watcher = watcher

    async def scan(self) -> None:
        """The first scan after a start."""
        paths = {*self.watcher.scan(), *self.folder.files.at}
        paths = {path for path in paths if not is_ignored_entry(self.folder, path)}
        await self.ingest.inspect(sorted(paths), is_scan=True, is_first=True)
        await self._decide()

    async def leave_out(self, *patterns: str) -> None:
        """The settings of this device leave these paths out from now on, and no others."""
        self.watcher.ignore = IgnoreRules(patterns)
        await apply_rules(self.folder, self.watcher.ignore)

    async def take_events(self) -> None:
        """Whatever inotify has to say by now."""
        while select.select([self.watcher.fileno()], [], [], 0)[0]:
            batch = await self.watcher.next_batch()
            self.dirty |= batch.finished
            self.ingest.readers.take(batch)
            self.render_actor.displaced.written(batch.kept)
            self.render_actor.retries.retry_at_paths(batch.finished, batch.changed_directories)

    async def look(self) -> None:
        """Ingest what changed on the disk."""
        await self.take_events()
        paths, self.dirty = self.dirty | set(self.ingest.pending.take_due(trio.current_time())), set()
        await self.ingest.inspect(sorted(paths))
        await self._decide()

    async def _decide(self) -> None:
        if self.ingest.pending:
            clock().jump(2.5)
            await self.ingest.decide()

    async def render(self) -> None:
        """Put on the disk what the documents say, as the disk actor does: ingest first."""
        await self.look()
        clock().jump(0.2)
        await self.render_actor.run()
        await self.take_events()

    def document(self, path: str) -> LiveDocument:
        record = self.folder.files.by_path(path)
        assert record is not None
        return self.folder.texts.open(record.document)


def clock() -> trio.testing.MockClock:
    found = trio.lowlevel.current_clock()
    assert isinstance(found, trio.testing.MockClock)
    return found


@asynccontextmanager
async def open_bridge(
    base: Path, *, clean_end: bool = True, after_power_cut: bool = False, scan: bool = True
) -> AsyncIterator[Bridge]:
    """A bridge over `base/dir` with the store `base/store`, as after a start; `clean_end` is a stop, else a crash."""
    path = base / "dir"
    path.mkdir(exist_ok=True)
    async with open_database(base / "store", make_room=False) as database:
        clients = ClientIDs.fresh(OWN)
        folder = Folder(FOLDER, "test", path, DeviceID(bytes(32)), database=database, clients=clients, adopted=True)
        folder.catalogue.authorship.identity = SIGNER
        await folder.load()
        root = Root(path)
        try:
            root.prepare(FOLDER)
            root.probe()
            async with open_watcher(root, IgnoreRules()) as watcher:
                ingest = Ingest(folder, root, 4 << 20, watcher)
                ingest.damage.is_expected = after_power_cut
                render = Render(folder, root, ingest, lambda name: bridge.dirty.add(name))
                watcher.watch_kept()
                await CrashRecovery(folder, root, ingest).recover()
                bridge = Bridge(folder, root, ingest, render, watcher)
                if scan:
                    await bridge.scan()
                ingest.damage.end()
                yield bridge
                assert not miscounted(folder)
                if clean_end:
                    await render.displaced.finish()
        finally:
            root.close()


# Where files cost no disk.
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def run_with_directory(test: Callable[[Path], Awaitable[None]], *, in_memory: bool = False) -> None:
    """Run a test of a bridge over a new directory that has an empty `dir`, on a clock that stands still."""
    with tempfile.TemporaryDirectory(dir=FAST if in_memory else None) as base:
        (Path(base) / "dir").mkdir()
        trio.run(test, Path(base), clock=trio.testing.MockClock())


def over_directory(test: Test) -> Callable[..., None]:
    """Makes a test of a coroutine that takes such a directory."""
    return as_test(test, 1, run_with_directory)


def long_ago(base: Path) -> None:
    """What is stored now of a bridge that has ended came an hour before."""
    with closing(sqlite3.connect(base / "store")) as store, store:
        store.execute("UPDATE log SET received = received - 3600")


async def arrive(bridge: Bridge, path: str, text: str) -> None:
    """Another device has changed a text to this, and that is rendered."""
    peer = replica_like(bridge, path, 77)
    update = peer.edit(hunks(peer.text(), text))
    assert update is not None
    await bridge.document(path).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
    await bridge.render()


async def settle(bridge: Bridge) -> None:
    """Look and render until nothing is left to be done."""
    for _ in range(3):
        await bridge.look()
        await bridge.render()


def replica_like(bridge: Bridge, path: str, client: int, writer: Writer = Writer.SAVED) -> TextReplica:
    """Another device's replica of a file's document."""
    return TextReplica.from_updates(writer.client_id(client), [bridge.document(path).replica.state()])


@asynccontextmanager
async def open_folder(base: Path, folder_id: FolderID) -> AsyncIterator[Folder]:
    """The folder at `base / "dir"` with its store, shared here; who wants a disk actor starts one."""
    path = base / "dir"
    root = Root(path)
    root.prepare(folder_id)
    root.close()
    async with open_database(base / "store", make_room=False) as database:
        clients = ClientIDs.fresh(DeviceID(b"o" * 32))
        folder = Folder(folder_id, "test", path, DeviceID(bytes(32)), database=database, clients=clients, adopted=True)
        await folder.load()
        yield folder
