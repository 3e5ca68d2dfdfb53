"""What the store had of a folder that cannot be read: set aside when the store was opened (`store/soundness.py`).

A person is told, once for each kind of it. Where rows of the log are among it, the manifest may have lost entries:
nothing says of such a file that it was deleted, so what is known of it is forgotten, and it is one that came.
"""

from __future__ import annotations

from collections.abc import Container

from yp2p.folder.file_index import FileIndex
from yp2p.folder.notices import NoticeKind, Notices
from yp2p.identity import ID_BYTES, EntryID, FolderID
from yp2p.store.database import Database


def tell_set_aside(
    folder: FolderID, database: Database, notices: Notices, files: FileIndex, entries: Container[EntryID]
) -> None:
    """Tell what was set aside of a folder, and forget the files of which it may have lost the entries.

    Args:
        entries: those of its manifest; they and the files have to be loaded.
    """
    aside = [found for found in database.aside if found.folder == folder]
    for found in aside:
        notices.add(NoticeKind.SET_ASIDE, "", str(found), EntryID(bytes(ID_BYTES)))
    salvaged = database.salvaged
    if salvaged is not None:
        notices.add(NoticeKind.SET_ASIDE, "", salvaged.in_short(), EntryID(bytes(ID_BYTES)))
    if any(found.table == "log" for found in aside) or (salvaged is not None and "log" in salvaged.lost):
        for entry in [entry for entry in files if entry not in entries]:
            database.submit([files[entry].delete(folder)])
            files.drop(entry)
