"""Leaving a folder: the other devices are told, and this one knows nothing of it any more. The person's files stay.

Theory of operation
    1. This device says in a signed statement that it takes part no more. Its sessions of the folder end with that, and
       whoever is connected acknowledges it, as every removal. That is waited for, but not for long.
    2. The folder is paused: nothing of its directory is open.
    3. The directory becomes one like any other (`disk/leaving.py`): first the marker goes, then what else is ours, with
       the trash; and the files, as far as that is wished.
    4. The tasks end, and the folder goes from the store and from all that has something of it.

    A crash before the fourth step leaves the folder, paused, and the same command goes on with it. Without its marker
    nothing that is missing in the directory counts as deleted, whoever takes it up again. In the fourth step the row of
    the folder goes with one commit; a start removes what is left of its history.

    Without a connected device nobody hears of it: for the others this device is one that is away until an administrator
    removes it. That is told.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import structlog
import trio

from yp2p.device.folders import Folders, open_root
from yp2p.device.keepers import kept_by
from yp2p.disk import leaving
from yp2p.errors import FolderError
from yp2p.files.root import is_ours
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import choose
from yp2p.folder.own_statements import OwnStatements
from yp2p.folder.records import FileRecord
from yp2p.identity import DeviceID, EntryID
from yp2p.machine import reason
from yp2p.peers.peers import Peers
from yp2p.protocol.entries import Kind

# A device that is connected acknowledges in a moment.
_HEARD_LIMIT_S = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Found:
    """What is in the directory; `problem` says why nobody can look into it, or it is not the folder's."""

    problem: str = ""
    has_marker: bool = True
    trash: tuple[int, int] = (0, 0)
    sorted: leaving.Sorted | None = None


class Leaving:
    """Leaves folders.

    Args:
        forgotten: are told of each folder that was left.
    """

    def __init__(
        self, own: DeviceID, folders: Folders, peers: Peers, forgotten: Sequence[Callable[[Folder], None]]
    ) -> None:
        self._own = own
        self._folders = folders
        self._peers = peers
        self._forgotten = forgotten
        self._one_at_a_time = trio.Lock()

    async def preview(self, name: str, *, with_files: bool) -> dict[str, Any]:
        """What leaving would do. Raises as `leave`."""
        folder = choose(self._folders.by_id.values(), name)
        self._check(folder)
        found = await self._look(folder, with_files=with_files)
        return self._shown(folder, found, await self._only_here(folder))

    async def leave(self, name: str, *, with_files: bool) -> dict[str, Any]:
        """Leave a folder; gives what `preview` does, with what was done.

        Raises:
            UsageError: there is no such folder.
            FolderError: it cannot be left; or not all of it could be done, and the same again does the rest.
        """
        async with self._one_at_a_time:
            folder = choose(self._folders.by_id.values(), name)
            self._check(folder)
            found = await self._look(folder, with_files=with_files)
            only_here = await self._only_here(folder)
            shown = self._shown(folder, found, only_here) | {"unknown": 0}
            shown["told"] = await self._tell(folder)
            await self._folders.disks[folder.id].pause.begin()
            if not found.problem:
                shown |= await self._clear(folder, only_here, with_files=with_files)
            await self._folders.forget(folder)
            for forget in self._forgotten:
                forget(folder)
            folder.state.touch()  # who has a file of it open is told
            log.info("folder_left", folder=folder.label, told=len(shown["told"]))
            return shown

    # --- what there is ------------------------------------------------------------------------------------------

    def _others(self, folder: Folder) -> list[DeviceID]:
        return sorted(folder.membership.devices.keys() - {self._own})

    def _check(self, folder: Folder) -> None:
        """Raises FolderError: others would be left without anybody who may let devices in."""
        if self._own not in folder.membership.members or not self._others(folder):
            return
        try:
            OwnStatements(folder.membership).check_can_remove(self._own)
        except FolderError as error:
            others = [folder.name_of(device) for device in self._others(folder)]
            command = f"yp2p device role {shlex.quote(others[0])} admin --folder {shlex.quote(folder.label)}"
            raise FolderError(
                f"this device is the only administrator of {folder.label!r}: make another device one first, for"
                f" instance with `{command}`, and leave then"
            ) from error

    async def _look(self, folder: Folder, *, with_files: bool) -> _Found:
        """Raises FolderError: files are to go, and nobody can say whether these are the folder's."""
        records, ignored = list(folder.files.values()), frozenset(folder.files.ignored.entries)

        def look() -> _Found:
            with open_root(folder.path) as root:
                marker = root.marker()
                if marker not in (folder.id, None):
                    return _Found(f"{folder.path} is another folder's directory now")
                found = leaving.sort(root, records, ignored) if with_files else None
                return _Found("", marker is not None, leaving.trash_size(root), found)

        try:
            found = await trio.to_thread.run_sync(look)
        except FolderError as error:
            found = _Found(str(error))
        if with_files and (found.problem or not found.has_marker):
            why = found.problem or f"{folder.path} has lost its marker, so its files may be another copy"
            raise FolderError(f"{why}: leave without --delete-files, and remove the files yourself")
        return found

    async def _only_here(self, folder: Folder) -> set[EntryID]:
        """The files that no device which is connected now is known to have as they are here."""
        found = [self._peers.session(device, folder.id) for device in self._others(folder)]
        sessions = [one for one in found if one is not None and one.compared]
        behind = [one.agreement.behind for one in sessions]
        files = {entry: record.kind for entry, record in folder.files.items() if record.kind is not Kind.DIRECTORY}
        alone = {entry for entry in files if all(entry in one for one in behind)}
        # Who is in sync may have left a file out; a text is in its documents all the same.
        blobs = {entry for entry, kind in files.items() if kind is Kind.BLOB and folder.leaf(entry) is not None} - alone
        kept = await kept_by(folder, sessions, blobs)
        return alone | {entry for entry, kind in files.items() if kind is Kind.BLOB and entry not in kept}

    def _shown(self, folder: Folder, found: _Found, only_here: Set[EntryID]) -> dict[str, Any]:
        known = found.sorted.known if found.sorted is not None else None
        connected = [device for device in self._others(folder) if self._peers.session(device, folder.id)]
        files, size = found.trash
        return {
            "label": folder.label,
            "name": folder.name_of(self._own),
            "path": str(folder.path),
            "devices": [folder.name_of(device) for device in self._others(folder)],
            "connected": [folder.name_of(device) for device in connected],
            "only_here": _count(folder.files[entry] for entry in only_here),
            "trash": {"files": files, "bytes": size},
            "problem": found.problem,
            "deleted": _deleted(known, only_here) if known is not None else None,
            "stays": _listed(found.sorted.changed) if found.sorted is not None else [],
        }

    # --- the steps ----------------------------------------------------------------------------------------------

    async def _tell(self, folder: Folder) -> list[str]:
        """Say that this device takes part no more; gives the names of those that are known to have heard."""
        membership = folder.membership
        if self._own in membership.members and self._others(folder):
            await OwnStatements(membership).remove(self._own)
            with trio.move_on_after(_HEARD_LIMIT_S):
                while self._peers_linked(folder):
                    changed = self._peers.members_changed
                    if membership.heard_of_departure():
                        break
                    await changed.wait()
        with trio.move_on_after(_HEARD_LIMIT_S):
            while folder.observers.sessions:
                await folder.state.changed.wait()
        heard = membership.heard_of_departure() & membership.devices.keys()
        return sorted(folder.name_of(device) for device in heard)

    def _peers_linked(self, folder: Folder) -> bool:
        return any(self._peers.is_linked(device) for device in self._others(folder))

    async def _clear(self, folder: Folder, only_here: Set[EntryID], *, with_files: bool) -> dict[str, Any]:
        """Raises FolderError: the directory could not be cleared."""
        files = folder.files
        records, ignored = list(files.values()), frozenset(files.ignored.entries)
        parked = [(record.path, folder.shown_path(record)) for record in records if is_ours(record.path)]

        def clear() -> tuple[leaving.Cleared, int]:
            with open_root(folder.path) as root:
                done = leaving.clear(root, records, ignored, parked, with_files=with_files)
                known = {record.path for record in records}
                return done, leaving.others(root, known) if with_files else 0

        try:
            async with files.writing:
                done, unknown = await trio.to_thread.run_sync(clear)
        except (OSError, FolderError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            raise FolderError(f"{folder.path} could not be cleared: {why}; then leave again") from error
        deleted = _deleted(done.removed, only_here) if with_files else None
        return {"deleted": deleted, "stays": _listed(done.stays), "unknown": unknown}


def _count(records: Iterable[FileRecord]) -> dict[str, int]:
    found = list(records)
    return {"files": len(found), "bytes": sum(record.stamp.size for record in found)}


def _deleted(records: Iterable[FileRecord], only_here: Set[EntryID]) -> dict[str, Any]:
    files = [record for record in records if record.kind is not Kind.DIRECTORY]
    return {**_count(files), "only_here": _count(record for record in files if record.entry in only_here)}


def _listed(reasons: dict[str, str]) -> list[dict[str, str]]:
    return [{"path": path, "reason": why} for path, why in sorted(reasons.items())]
