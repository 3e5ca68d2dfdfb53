"""Looking before joining: what would become of the files in a directory.

The one who shares lists what the folder has, with content hashes; the one who may join compares that with its
directory, and writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trio

from yp2p.config import Files
from yp2p.errors import FolderError
from yp2p.files.ignore_file import read_rules
from yp2p.files.inspect import Found, inspect
from yp2p.files.root import Root
from yp2p.files.walk import walk
from yp2p.folder.choice import Chosen
from yp2p.folder.folder import Folder
from yp2p.machine import free_bytes, reason
from yp2p.pairing.exchange import Listed
from yp2p.printable import size_text
from yp2p.protocol.entries import Kind

_NO_TEXT = hashlib.sha256(b"").digest()


def list_entries(folder: Folder) -> list[Listed]:
    """Everything that stands in a folder here, as far as its content is known."""
    found: list[Listed] = []
    for entry, path in folder.catalogue.layout().path_of.items():
        leaf = folder.leaf(entry)
        if leaf is not None:
            register = folder.catalogue.entries[entry]
            record = folder.files.get(entry)
            size = record.stamp.size if record is not None else register.content.size
            found.append(Listed(path, register.kind, leaf.content, size))
    return found


def _is_of_unknown_size(entry: Listed) -> bool:
    """Whether nobody says how long a text is: who shares has its history alone, not the file (`yp2p folder choose`)."""
    return entry.kind is Kind.TEXT and not entry.size and entry.content != _NO_TEXT


@dataclass(slots=True)
class Preview:
    """What joining would do with a directory: paths, but counts where they may be many.

    `bytes_to_come` is the size of what is only there.
    """

    equal: int = 0
    different: list[str] = field(default_factory=list)
    only_here: int = 0
    only_there: int = 0
    bytes_to_come: int = 0
    not_synced: int = 0
    not_chosen: int = 0


def compare(directory: Path, entries: Iterable[Listed], settings: Files, chosen: Chosen) -> Preview:
    """Compare a directory with what a folder has, of which this is chosen. Blocks; raises OSError."""
    result = Preview()
    root = Root(directory)
    try:
        there = {entry.path: entry for entry in entries}
        needed = {parent for path in there for parent in _parents(path)}
        rules = read_rules(root, settings)[0]
        here = set(walk(root, lambda: rules))
        for path in here:
            entry = there.get(path)
            base = (entry.kind, entry.content) if entry is not None else None
            found = inspect(root, path, None, settings.max_text_bytes, trust_stamp=False, base=base)
            if found.kind is None:
                result.not_synced += 1
            elif entry is None and found.found is Found.DIRECTORY and path in needed:
                pass  # an empty directory is no news where the folder has files in it
            elif entry is None:
                result.only_here += 1
            elif entry is not None and found.kind is entry.kind and found.content == entry.content:
                result.equal += 1
            elif entry is not None:
                result.different.append(path)
        for path, entry in there.items():
            if path in here or rules.ignores(path, directory=entry.kind is Kind.DIRECTORY):
                continue
            status = root.lstat(path)
            if status is None and not chosen.covers(path):
                result.not_chosen += 1
            elif status is None:
                result.only_there += 1
                result.bytes_to_come += entry.size
            elif entry.kind is Kind.DIRECTORY:
                result.equal += 1
            else:
                result.different.append(path)  # a directory stands where the folder has a file
    finally:
        root.close()
    result.different.sort()
    return result


def _parents(path: str) -> Iterator[str]:
    while cut := path.rfind("/") + 1:
        path = path[: cut - 1]
        yield path


def summary(shown: Sequence[Listed], preview: Preview) -> dict[str, object]:
    """What `yp2p join --dry-run --json` prints of it."""
    return {
        "entries": len(shown),
        "equal": preview.equal,
        "different": preview.different,
        "only_here": preview.only_here,
        "only_there": preview.only_there,
        "bytes_to_come": preview.bytes_to_come,
        "not_synced": preview.not_synced,
        "not_chosen": preview.not_chosen,
    }


def room(
    directory: Path,
    entries: Iterable[Listed],
    settings: Files,
    chosen: Chosen,
    different: Collection[str] | None = None,
) -> dict[str, object]:
    """Whether the files of a folder find room in a directory. Blocks; raises OSError.

    `bytes_free` is what others may fill of the disk, None where nobody can say; `no_room` says that it is too little,
    as a person is told. `of_unknown_size` are the files that come besides, and that nobody says the size of.

    Args:
        different: the files that are not the same here, where that is known. Else a file of the same size as there is
            taken for the same, and is read only where it decides whether there is room.
    """
    root, needed, unknown, alike = Root(directory), 0, 0, list[Listed]()
    free = free_bytes(directory)
    try:
        rules = read_rules(root, settings)[0]
        for entry in entries:
            if not chosen.covers(entry.path) or rules.ignores(entry.path, directory=entry.kind is Kind.DIRECTORY):
                continue
            status = root.lstat(entry.path)
            if _is_of_unknown_size(entry):
                unknown += status is None or entry.path in (different or ())
            elif status is None or status.st_size != entry.size:
                needed += entry.size
            elif entry.size and entry.kind is not Kind.DIRECTORY:
                alike.append(entry)
        if different is not None:
            needed += sum(entry.size for entry in alike if entry.path in different)
        elif free is not None and needed <= free < needed + sum(entry.size for entry in alike):
            needed += sum(entry.size for entry in alike if not _is_same(root, entry, settings))
    finally:
        root.close()
    if free is None:
        return {"bytes_needed": needed, "of_unknown_size": unknown, "bytes_free": None, "no_room": ""}
    no_room = (
        f"{directory} has room for {size_text(free)}, and the files that would come take {size_text(needed)}; make room"
        " there, choose less of the folder (--choose PATH), or go on with --force"
    )
    return {
        "bytes_needed": needed, "of_unknown_size": unknown, "bytes_free": free,
        "no_room": no_room if needed > free else "",
    }  # fmt: skip


def _is_same(root: Root, entry: Listed, settings: Files) -> bool:
    base = (entry.kind, entry.content)
    found = inspect(root, entry.path, None, settings.max_text_bytes, trust_stamp=False, base=base)
    return found.kind is entry.kind and found.content == entry.content


async def look_at(
    directory: Path, entries: list[Listed], settings: Files, chosen: Chosen, *, only_room: bool
) -> dict[str, object]:
    """What becomes of a directory, and whether there is room, or only that. Raises FolderError: it cannot be read."""

    def look() -> dict[str, object]:
        if only_room:
            return room(directory, entries, settings, chosen)
        preview = compare(directory, entries, settings, chosen)
        return summary(entries, preview) | room(directory, entries, settings, chosen, set(preview.different))

    try:
        return await trio.to_thread.run_sync(look)
    except OSError as error:
        raise FolderError(f"{directory} cannot be read: {reason(error)}") from error
