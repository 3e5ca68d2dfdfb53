"""What a folder counts as it changes, counted once more by looking at all of its entries."""

from __future__ import annotations

from yp2p.documents.layout import is_conflict_name
from yp2p.folder.folder import Folder
from yp2p.protocol.entries import Kind


def miscounted(folder: Folder) -> list[str]:
    """Which counts are wrong."""
    files, entries, path_of = folder.files, folder.catalogue.entries, folder.catalogue.layout().path_of
    absent = path_of.keys() - files.keys()
    left_alone = files.ignored.entries | files.choice.unchosen
    unchosen = {entry for entry in files.choice.unchosen if entries[entry].kind is not Kind.DIRECTORY}
    right = {
        "absent": absent,
        "to_come": (absent - left_alone) | (files.blobs.wanted.keys() & files.keys()),
        "not_here": unchosen - files.keys(),
        "leaving": unchosen & files.keys(),
        "beside": {entry: path for entry, path in path_of.items() if is_conflict_name(path)},
    }
    return [name for name, found in right.items() if getattr(files.tally, name) != found]
