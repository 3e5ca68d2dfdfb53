"""`yp2p folder revert`: on a device that only reads, puts back what all have where the disk has something else.

A file that was changed here goes to the trash, and the answer says where it is. A file that was only added is in
nobody's way, and may be older than the folder: it goes only if it is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio

from yp2p.disk.open_root import OpenRoot
from yp2p.errors import FolderError, UsageError
from yp2p.files.inspect import NO_STAMP
from yp2p.files.replace import Outcome, move_away
from yp2p.files.trash import new_place
from yp2p.folder.folder import Folder
from yp2p.folder.local_changes import LocalChange
from yp2p.trust.statements import Role


async def revert(folder: Folder, at: OpenRoot, names: Sequence[str]) -> dict[str, Any]:
    """Bring back what all have at these paths, or at all where something was changed or removed here.

    Args:
        names: paths in the folder, or directories of it.

    Returns:
        `reverted` with the place of what was here, if it was a file, and `skipped` with the reason.

    Raises:
        UsageError: nothing is otherwise at one of these paths.
    """
    reverted: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    async with folder.files.writing:
        for path in _chosen(folder, names):
            kept = None
            if folder.files.local.paths[path] in (LocalChange.CHANGED, LocalChange.ADDED):
                kept = f"{new_place()}/{path}"
                result = await trio.to_thread.run_sync(move_away, at.root, path, kept, None, NO_STAMP)
                if result.outcome is not Outcome.DONE:
                    skipped.append({"path": path, "reason": result.reason or "it was changed just now"})
                    continue
            record = folder.files.by_path(path)
            if record is not None:
                at.ingest.damage.recreate(record)
            folder.files.local.done(path)
            reverted.append({"path": path, "kept": kept})
    folder.render_queue.wake()
    return {"reverted": reverted, "skipped": skipped}


def _chosen(folder: Folder, names: Sequence[str]) -> list[str]:
    membership = folder.membership
    if membership.members and not membership.may(Role.READER):
        raise FolderError(
            f"this device is no member of {folder.label!r} any more, so nothing is brought back; `yp2p status` says why"
            " and what lets it in again"
        )
    if not membership.is_reader:
        raise FolderError(
            f"this device may change {folder.label!r}, so there is nothing to revert: its changes go to every device;"
            " `yp2p undo FILE` takes one back"
        )
    changes = folder.files.local.paths
    if not names:
        return sorted(path for path, change in changes.items() if change is not LocalChange.ADDED)
    chosen: set[str] = set()
    for name in names:
        plain = name.rstrip("/")
        found = {path for path in changes if path == plain or path.startswith(plain + "/")}
        if not found:
            raise UsageError(f"nothing was changed here at {name!r}; `yp2p status` lists what was")
        chosen |= found
    return sorted(chosen)
