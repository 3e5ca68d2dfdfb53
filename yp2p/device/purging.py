"""`yp2p purge` on this device: who may, what is deleted first, what others are asked, and what a person has to know.

`history/purge.py` says how the past of files is removed. With `with_file` the files are deleted first, as others'
changes delete files: on all devices, counted by the guard of mass deletions, into the trash; and that is purged then.
"""

from __future__ import annotations

import secrets
from typing import Any

import trio

from yp2p.device.folders import Folders
from yp2p.documents.registers import Change, Deletion
from yp2p.errors import FolderError, UsageError
from yp2p.folder import lookup
from yp2p.folder.folder import Folder
from yp2p.folder.standing import administrator
from yp2p.history import purge
from yp2p.history.purge import Purged
from yp2p.history.purge_scope import Scope, scope_of
from yp2p.identity import DeviceID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.protocol.state_vectors import encode_state_vector
from yp2p.store import tables, upgrade
from yp2p.store.database import Database
from yp2p.store.salvage import kept_stores
from yp2p.trust.purges import Seen

# Deletions are carried out together when no more come; more of them than the guard allows wait for a person.
_DELETED_LIMIT_S = 60.0


class Purging:
    """Purges, one path at a time."""

    def __init__(self, own: DeviceID, folders: Folders, database: Database) -> None:
        self._own = own
        self._folders = folders
        self._database = database
        self.alone = trio.Lock()  # held while the past of something is removed

    async def run(self) -> None:
        """After a start: erase what was removed and not erased by then."""
        if tables.purge.is_any_unerased(self._database.rows):
            await purge.erase(self._database)

    def listed(self) -> list[dict[str, Any]]:
        """What was purged here, the oldest first of each folder."""
        return [dict(one) for folder in self._folders.by_id.values() for one in purge.listed(folder)]

    async def preview(self, path: str, *, with_file: bool) -> dict[str, Any]:
        """What purging would do. Raises as `purge`."""
        folder, inside = self._find(path)
        found = await purge.preview(folder, inside)
        return self._shown(folder, found) | {"deleted": len(found.scope.stays) if with_file else 0}

    async def purge(self, path: str, *, with_file: bool, here: bool = False) -> dict[str, Any]:
        """Remove the past of a file, or of what is beneath a directory, and ask the other devices to; gives what
        `preview` does, and what is left.

        Args:
            path: absolute, on this device.
            with_file: whether what is there is deleted first.
            here: only on this device.

        Raises:
            UsageError: there is and was nothing there, or it is in no folder.
            FolderError: this device may not, or it cannot be done now.
        """
        async with self.alone:
            folder, inside = self._find(path)
            deleted = await self._delete(folder, inside) if with_file else 0
            try:
                found = await purge.purge(folder, inside, self._folders.disks[folder.id].forget_versions)
            finally:  # what was removed by then is not to be read any more
                with trio.CancelScope(shield=True):
                    unerased = await purge.erase(self._database)
            asked = [] if here else self._ask(folder, found.scope)
            await self._database.pending().wait()
            return self._shown(folder, found) | {"deleted": deleted, "unerased": unerased, "asked": asked}

    def _ask(self, folder: Folder, scope: Scope) -> list[int]:
        """Ask the other devices for the same, of what this one has seen; gives the numbers of the requests."""
        if not folder.membership.devices.keys() - {self._own}:
            return []
        seen: dict[EntryID, Seen] = {}
        for entry in sorted(scope.entries):
            found = folder.catalogue.entries.get(entry)
            if found is None or found.kind is Kind.DIRECTORY:
                continue
            if found.kind is not Kind.TEXT:
                seen[entry] = Seen(False, found.content.hash)
            elif found.deletion is not None and found.deletion.document == found.document and entry in scope.gone:
                seen[entry] = Seen(True, found.deletion.seen)
            else:
                seen[entry] = Seen(True, encode_state_vector(folder.texts.clocks(found.document)))
        return [asked.number for asked in folder.observers.purges.ask(seen, secrets.token_bytes)]

    def _find(self, path: str) -> tuple[Folder, str]:
        folder, inside = lookup.find(self._folders.by_id.values(), path)
        administrator(folder.membership, "purge")
        return folder, inside

    async def _delete(self, folder: Folder, path: str) -> int:
        """Delete what is meant, and wait until it is in the trash; gives how many files that are."""
        scope = await scope_of(folder, path)
        if not path:
            raise UsageError("--with-file is for a file or a directory in a folder, not for all of a folder")
        changes: list[Change] = []
        for entry in sorted(scope.stays):
            found = folder.catalogue.entries[entry]
            clocks = folder.texts.clocks(found.document) if found.kind is Kind.TEXT else {}
            changes.append(Change(entry, deletion=Deletion(found.document, encode_state_vector(clocks))))
        if not changes:
            return 0
        await folder.catalogue.write(changes).wait()
        with trio.move_on_after(_DELETED_LIMIT_S):
            while not folder.state.pause_reason and scope.stays & folder.files.keys():
                await folder.state.changed.wait()
        if scope.stays & folder.files.keys():
            why = folder.state.pause_reason or "`yp2p status` says what they wait for"
            raise FolderError(f"the files are not deleted yet ({why}); purge again when they are")
        return len(changes)

    def _shown(self, folder: Folder, found: Purged) -> dict[str, Any]:
        others = sorted(folder.name_of(device) for device in folder.membership.devices.keys() - {self._own})
        trash = found.files.in_trash
        kept = [*kept_stores(self._database.path), *upgrade.copies(self._database.path)]
        return {
            "label": folder.label,
            "path": found.scope.path,
            "texts": found.texts + found.forgotten,
            "versions": found.versions,
            "trash": {"files": len(trash), "bytes": sum(item.size for item in trash)},
            "copies": sorted(item.path for item in found.files.copies),
            "kept_trash": sorted(item.path for item in found.files.kept),
            "temporary": len(found.files.temporary),
            "unchanged": found.unchanged,
            "held": found.held,
            "unknown": len(found.scope.unknown),
            "set_aside": found.set_aside,
            "kept_stores": [str(path) for path in kept],
            "devices": others,
        }
