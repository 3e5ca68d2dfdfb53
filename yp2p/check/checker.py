"""`yp2p check`, as the daemon does it: look, look again, repair, and look what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
import trio

from yp2p.check import documents, files, gather, home, others, records, repairs, trash
from yp2p.check.findings import Finding, Kind, Mends, Result, Told
from yp2p.check.repairs import Place
from yp2p.disk.actor import Disk
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID, Identity
from yp2p.peers.peers import Peers
from yp2p.peers.session import FolderSession
from yp2p.protocol.entries import Kind as EntryKind
from yp2p.store.database import Database

# What was found is looked for again after this.
_AGAIN_S = 1.0
# How long a folder may take to settle before it is looked at, and after it was repaired.
_SETTLE_LIMIT_S, _MENDED_LIMIT_S = 10.0, 30.0

_DAMAGED = (Kind.DAMAGED_FILE, Kind.SWAPPED_FILE)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be looked at. `read`: the bytes of files as well, of all or of those of some entries; `peers`: what
    other devices have."""

    read: bool = False
    peers: bool = False
    repair: bool = False
    only: frozenset[bytes] | None = None


class Checker:
    """Checks the folders of one device, one check at a time.

    Args:
        key: the file of the device's key; None where it comes from outside.

    Attributes:
        restart: set when a repair asks for a start of the daemon.
    """

    def __init__(
        self,
        identity: Identity,
        database: Database,
        disks: Mapping[FolderID, Disk],
        peers: Peers,
        called: Callable[[DeviceID], str],
    ) -> None:
        self._identity = identity
        self._database = database
        self._disks = disks
        self._peers = peers
        self._called = called
        self.key: Path | None = None
        self.restart = trio.Event()
        self._checking = trio.Lock()

    async def check(self, folders: Sequence[Folder], wanted: Wanted) -> dict[str, Any]:
        """Look at these folders, and at the device; gives what was found and what became of it."""
        async with self._checking:
            found = await self._sure(folders, wanted)
            told = [Told(one, Result.FOUND) for one in found]
            if wanted.repair:
                done = await self._repair(folders, found)
                left = await self._left(folders, _only(wanted, found), found)
                told = [_told(one, index in done, one.key in left) for index, one in enumerate(found)]
        if wanted.repair and any(one.kind is Kind.DAMAGED_STORE for one in found):
            self.restart.set()
        if found:
            log.info("check_ended", found=len(found), repaired=sum(one.result is Result.REPAIRED for one in told))
        return {
            "findings": [one.as_dict() for one in told],
            "checked": [await self._counted(folder) for folder in folders],
            "restarts": self.restart.is_set(),
        }

    async def _counted(self, folder: Folder) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        return {
            "folder": folder.label,
            "files": len(folder.files),
            "bytes": sum(record.stamp.size for record in folder.files.values()),
            "texts": len(folder.texts.digests.documents()),
            "devices": len(self._sessions(folder)),
        }

    # --- looking --------------------------------------------------------------------------------------------------

    async def _sure(self, folders: Sequence[Folder], wanted: Wanted) -> list[Finding]:
        """What is found twice."""
        first = await self._look(folders, wanted)
        if not first:
            return []
        await trio.sleep(_AGAIN_S)
        second = {found.key for found in await self._look(folders, _only(wanted, first))}
        return [found for found in first if found.key in second]

    async def _look(self, folders: Sequence[Folder], wanted: Wanted) -> list[Finding]:
        found = await home.of_device(self._database.path, self.key, self._identity, read=wanted.read)
        if any(one.kind is Kind.DAMAGED_STORE for one in found):
            return found  # whatever else is read of it may be wrong
        paths = {r.content: r.path for f in folders for r in f.files.values() if r.kind is EntryKind.BLOB}
        found += await records.wrong_chunks(self._database, paths)
        for folder in folders:
            await _settled(folder, _SETTLE_LIMIT_S)
            found += await self._look_at(folder, wanted)
        return list({one.key: one for one in found}.values())

    async def _look_at(self, folder: Folder, wanted: Wanted) -> list[Finding]:
        found = await records.of_folder(folder)
        async for some in gather.documents(folder):
            found += [one for facts in some for one in documents.of_document(folder.label, facts)]
        found += await self._look_at_files(folder, wanted)
        for session in self._sessions(folder) if wanted.peers else ():
            found += await self._look_at_peer(folder, session, wanted)
        return found

    async def _look_at_files(self, folder: Folder, wanted: Wanted) -> list[Finding]:
        disk = self._disks[folder.id]
        at = disk.open_root
        if at is None:
            text = folder.state.problem or "its directory is not open"
            return [Finding(Kind.LOST_MARKER, folder.label, "", text)]
        found: list[Finding] = []
        everything = []
        async for some in gather.files(folder, at.root):
            found += [one for facts in some for one in files.of_file(folder.label, facts)]
            everything += some
        found += await trio.to_thread.run_sync(lambda: list(files.of_inodes(folder.label, everything)))
        text = "this file is there, and nobody has seen it"
        found += [
            Finding(Kind.UNSEEN_CHANGE, folder.label, path, text) for path in await gather.unknown_files(folder, at)
        ]
        found = files.said_once(found)
        found += await records.downloads(folder, at.root)
        found += await trash.of_folder(folder, at.root, read=wanted.read)
        found += _known_damage(folder, disk)
        if wanted.read:
            odd = await gather.contents(folder, at, wanted.only)
            owners = {record.content: folder.shown_path(record) for record in folder.files.values()} if odd else {}
            found += files.of_contents(folder.label, odd, owners)
        return found

    async def _look_at_peer(self, folder: Folder, session: FolderSession, wanted: Wanted) -> list[Finding]:
        name = self._called(session.peer)
        if not session.compared or not session.agreement.announcements.is_settled_there:
            return [others.silent(folder.label, name, "it is at work; check again when it is at rest")]
        audit = await session.audit(read=wanted.read)
        if audit is None:
            return [others.silent(folder.label, name, "it did not answer as it should")]
        return list(others.of_audit(folder.label, name, audit, folder.catalogue.layout().path_of))

    def _sessions(self, folder: Folder) -> list[FolderSession]:
        found = (self._peers.session(device, folder.id) for device in sorted(folder.membership.devices))
        return [session for session in found if session is not None]

    # --- repairing ------------------------------------------------------------------------------------------------

    async def _repair(self, folders: Sequence[Folder], found: Sequence[Finding]) -> set[int]:
        """Do what has one right answer; gives which of the findings something was done about. What is begun is done in
        full; whoever waits for all of it can be cancelled between two."""
        places = {f.label: Place(f, self._disks[f.id], tuple(self._sessions(f))) for f in folders}
        done: set[int] = set()
        for index, one in sorted(enumerate(found), key=lambda item: repairs.in_order(item[1])):
            if one.kind is Kind.DAMAGED_STORE:
                done.add(index)
                continue
            if one.about.mends is Mends.NOBODY or one.kind in _DAMAGED:
                continue
            await trio.lowlevel.checkpoint_if_cancelled()
            with trio.CancelScope(shield=True):
                if one.folder:
                    is_done = await repairs.of_folder(places[one.folder], one)
                else:
                    is_done = await repairs.of_device(self._database, self.key, self._identity, one)
            if is_done:
                done.add(index)
        for label, place in places.items():
            damaged = [index for index, one in enumerate(found) if one.kind in _DAMAGED and one.folder == label]
            results = await repairs.restore(place, [found[index] for index in damaged]) if damaged else []
            done |= {index for index, is_done in zip(damaged, results, strict=True) if is_done}
        return done

    async def _left(self, folders: Sequence[Folder], wanted: Wanted, found: Iterable[Finding]) -> set[object]:
        """What is found still, once what was begun had time to come to its end."""
        if any(one.kind is Kind.DAMAGED_STORE for one in found):
            return {one.key for one in found}
        with trio.move_on_after(_MENDED_LIMIT_S):
            for folder in folders:
                await _settled(folder, _MENDED_LIMIT_S)
                while _is_fetching(folder):
                    with trio.move_on_after(_AGAIN_S):
                        await folder.state.changed.wait()
                await _settled(folder, _MENDED_LIMIT_S)
        return {one.key for one in await self._look(folders, wanted)}


def _only(wanted: Wanted, found: Iterable[Finding]) -> Wanted:
    """The same, but of the files only those are read again that something was found of."""
    return replace(wanted, only=frozenset(one.subject for one in found))


def _told(found: Finding, is_done: bool, is_left: bool) -> Told:
    """What became of a finding: of one that is gone, whichever repair did it, that it is mended."""
    if not is_left:
        return Told(found, Result.REPAIRED)
    if is_done:
        return Told(found, Result.STARTED)
    return Told(found, Result.FOUND if found.about.mends is Mends.NOBODY else Result.LEFT)


def _is_fetching(folder: Folder) -> bool:
    """Whether something is still to come from the devices that are connected."""
    sessions, blobs = folder.observers.sessions, folder.files.blobs
    given_by_none = blobs.given_by_none(sessions.keys())
    is_wanted = any(content.hash not in given_by_none for content in blobs.wanted.values())
    return bool(sessions) and (is_wanted or not folder.catalogue.named.is_complete())


def _known_damage(folder: Folder, disk: Disk) -> list[Finding]:
    """The files that are known to be damaged: nobody has given their content yet."""
    text = "its bytes changed on the disk, nobody wrote to it, and no device that is connected has the right ones"
    return [
        Finding(Kind.DAMAGED_FILE, folder.label, one.path, text, folder.files.at.get(one.path, b""))
        for one in disk.scrub.damaged.known()
    ]


async def _settled(folder: Folder, limit_s: float) -> None:
    """Wait until a folder has settled, or for so long."""
    with trio.move_on_after(limit_s):
        while not folder.state.settled and not folder.state.pause_reason:
            await folder.state.changed.wait()
