"""Checks whether the root of a folder may be used: only the directory that has the folder's marker is that folder.

An unmounted disk must not look like a deleted folder.
"""

from __future__ import annotations

import shlex

import structlog
import trio

from yp2p.errors import RootGone
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.records import Sight

log = structlog.get_logger()


def check_marker(folder: Folder, root: Root) -> None:
    """Raises RootGone: the root is not the folder's."""
    if root.marker() != folder.id:
        raise RootGone(
            f"{folder.path} has lost its marker .yp2p/marker; put the folder's disk back, or take it up as it is now: "
            f"`yp2p share {shlex.quote(str(folder.path))}`"
        )


def check_still_in_place(folder: Folder, root: Root) -> None:
    """Raises RootGone: another directory, or none, stands where the root was opened, or it is not the folder's."""
    if not root.is_in_place():
        raise moved(folder)
    check_marker(folder, root)


async def check_choice(folder: Folder, root: Root) -> None:
    """Where the directory knows of another choice than the store, one of them came back from a backup: what is missing
    was not deleted, but is not here by choice. Raises OSError."""
    mark = folder.files.choice.mark
    if await trio.to_thread.run_sync(root.choice_mark) != mark:
        await folder.files.lose_sight(list(folder.files), Sight.LOST).wait()
        await trio.to_thread.run_sync(root.set_choice_mark, mark)
        log.info("choice_settled", folder=folder.label)


def moved(folder: Folder) -> RootGone:
    """The root is not where it was."""
    return RootGone(f"{folder.path} was moved or removed")
