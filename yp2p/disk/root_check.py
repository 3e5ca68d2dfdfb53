"""Checks whether the root of a folder may be used: only the directory that has the folder's marker is that folder.

An unmounted disk must not look like a deleted folder.
"""

from __future__ import annotations

from yp2p.errors import RootGone
from yp2p.files.root import Root
from yp2p.folder.folder import Folder


def check_marker(folder: Folder, root: Root) -> None:
    """Raises RootGone: the root is not the folder's."""
    if root.marker() != folder.id:
        raise RootGone(
            f"{folder.path} has lost its marker .yp2p/marker; put the folder's disk back, or take it up as it is now: "
            f"`yp2p share {folder.path}`"
        )


def check_still_in_place(folder: Folder, root: Root) -> None:
    """Raises RootGone: another directory, or none, stands where the root was opened, or it is not the folder's."""
    if not root.is_in_place():
        raise moved(folder)
    check_marker(folder, root)


def moved(folder: Folder) -> RootGone:
    """The root is not where it was."""
    return RootGone(f"{folder.path} was moved or removed")
