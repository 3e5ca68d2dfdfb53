"""Which folder, and which entry of it, a path or a name of a user's means."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Protocol

from yp2p.documents.registers import Entry
from yp2p.errors import UsageError
from yp2p.folder.folder import Folder
from yp2p.identity import DocumentID, EntryID
from yp2p.protocol.entries import Kind
from yp2p.store import tables

# A beginning of an ID that is shorter is more likely a word.
_LEAST_ID = 4
_FIRST = "`yp2p share DIR` shares one, `yp2p join DIR` takes part in one"


class _Labelled(Protocol):
    """A folder here, also as the store alone tells it."""

    @property
    def label(self) -> str: ...


def choose(folders: Iterable[Folder], name: str | None) -> Folder:
    """The folder that is meant by a label, a directory or the beginning of an ID; the only one without a name.

    DIR/./WORD, where DIR has no "/./" in it, means the directory WORD in DIR, or, if that is no folder, the folder of
    that label or ID; what cannot be found is called WORD.

    Raises:
        UsageError: none or several are meant.
    """
    every = list(folders)
    if name is None:
        if len(every) == 1:
            return every[0]
        if not every:
            raise UsageError(f"this device has no folder yet; {_FIRST}")
        raise UsageError(f"say which folder you mean, by its label or directory: {_labels(every)}")
    directory, word = words_of(name)
    found = [f for f in every if str(f.path) == directory] or _called(every, word)
    if len(found) == 1:
        return found[0]
    raise not_one(word, every, is_several=bool(found))


def not_one(word: str, folders: Sequence[_Labelled], *, is_several: bool = False) -> UsageError:
    """That a word means none of the folders, or several."""
    if not folders:
        return UsageError(f"no folder is called {word!r}, for this device has no folder yet; {_FIRST}")
    many = "several folders are" if is_several else "no folder is"
    return UsageError(f"{many} called {word!r}; the folders here are {_labels(folders)}")


def _labels(folders: Iterable[_Labelled]) -> str:
    return ", ".join(repr(folder.label) for folder in folders)


def words_of(name: str) -> tuple[str | None, str]:
    """The directory that a name can mean, and the label or ID that it can be: what was typed (cli/options.py)."""
    if not os.path.isabs(name):
        return None, name
    return os.path.realpath(name), name.partition("/./")[2] or name


def _called(folders: Iterable[Folder], name: str) -> list[Folder]:
    """Those that a name can mean. A whole ID means its folder, whatever others call theirs."""
    found = [f for f in folders if f.label == name or _is_id(f, name)]
    return [f for f in found if f.id.hex() == name] or found


def _is_id(folder: Folder, name: str) -> bool:
    return len(name) >= _LEAST_ID and folder.id.hex().startswith(name)


def find(folders: Iterable[Folder], path: str) -> tuple[Folder, str]:
    """The folder that an absolute path is in, and the path in it. Raises UsageError: it is in none."""
    if "\x00" in path:
        raise UsageError(f"{path!r} is no path: it has a byte 0 in it")
    for candidate in (path, os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))):
        for folder in folders:
            root = str(folder.path)
            if candidate == root or candidate.startswith(root.rstrip("/") + "/"):
                return folder, candidate[len(root.rstrip("/")) + 1 :]
    raise UsageError(f"{path} is in no folder of this device; `yp2p status` shows them")


def find_in_room(folders: Iterable[Folder], room: str) -> tuple[Folder, str]:
    """The folder that FOLDER/PATH is in, and the path in it; FOLDER is a label or the beginning of an ID.

    A label may have slashes: the longest one that fits is meant. One that begins as another folder's ID captures
    nothing: what can be either is not guessed, and a whole ID always means its folder.

    Raises:
        UsageError: no folder, or several, are meant.
    """
    every = list(folders)
    fitting = [f for f in every if f"{room}/".startswith(f"{f.label}/")]
    label = max((folder.label for folder in fitting), key=len, default=None)
    by_label = [(f, room[len(f.label) + 1 :]) for f in every if f.label == label]
    name, _, inside = room.partition("/")
    by_id = [(f, inside) for f in every if _is_id(f, name)]
    found = [one for one in by_id if one[0].id.hex() == name]
    found = found or [*by_label, *(one for one in by_id if one not in by_label)]
    if len(found) == 1:
        return found[0]
    why = not_one(label or name, every, is_several=bool(found))
    raise UsageError(f"{why}, and each can be named by its ID as well" if every else str(why))


def entry_at(folder: Folder, path: str) -> Entry:
    """The text that is at a path, or was there last. Raises UsageError: there never was one."""
    found = folder.catalogue.entries.get(folder.catalogue.layout().entry_at.get(path, EntryID(b"")))
    if found is None:
        dead = [
            entry
            for entry in folder.catalogue.entries.values()
            if entry.path == path and not folder.catalogue.is_alive(entry)
        ]
        found = max(dead, key=lambda entry: _last_row(folder, entry.document), default=None)
    if found is None:
        raise UsageError(
            f"there is no file {path!r} in {folder.path}, and none of that name was deleted; a renamed file has its "
            "history under its new name"
        )
    if found.kind is not Kind.TEXT:
        raise UsageError(
            f"{path} is not a text file, and has no versions; `yp2p trash list` shows what was replaced of it"
        )
    return found


def _last_row(folder: Folder, document: DocumentID) -> int:
    found = tables.log.last_row(folder.database.rows, folder.id, document)
    return found[0] if found is not None else 0
