"""The trash of a folder: what lies there unlisted, what cannot be read, and what is not any more what it was.

Nothing says what a file in the trash held. So its hash is remembered when it is read first (table `trashed`), and
nobody writes there: another hash later is damage.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import trio

from yp2p.check.findings import Finding, Kind
from yp2p.files import trash
from yp2p.files.inspect import Stamp
from yp2p.files.root import TRASH, Root
from yp2p.files.verify import Look, held
from yp2p.folder.folder import Folder
from yp2p.machine import reason as reason_of
from yp2p.protocol.entries import Kind as EntryKind
from yp2p.protocol.names import encode_path
from yp2p.store import tables

# What is read of it at a stretch.
_FILES_AT_ONCE, _BYTES_AT_ONCE = 64, 16 << 20
_PLACE = re.compile(r"\d{4}-\d\d-\d\dT\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Seen:
    """What lies in the trash: names directly in it that are no place of it, places that cannot be looked at, and the
    hashes of the files, None where one cannot be read."""

    stray: tuple[str, ...]
    closed: tuple[str, ...]
    contents: Mapping[str, bytes | None]


def look(root: Root) -> Seen:
    """Look at the trash; nothing is read. Blocks. Raises OSError."""
    stray: list[str] = []
    closed: list[str] = []
    descriptor = root.open(TRASH, os.O_DIRECTORY | os.O_RDONLY)
    try:
        for name in os.listdir(descriptor):
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode) or not _PLACE.fullmatch(name):
                stray.append(name)
            else:
                closed += _closed(root, name)
    finally:
        os.close(descriptor)
    return Seen(tuple(stray), tuple(closed), {})


def contents(root: Root) -> Iterator[dict[str, bytes | None]]:
    """The hashes of the files in the trash, some at a time. Blocks."""
    found: dict[str, bytes | None] = {}
    size = 0
    for item in trash.items(root):
        found[item.name] = _content(root, item.name)
        size += item.room
        if size >= _BYTES_AT_ONCE or len(found) >= _FILES_AT_ONCE:
            yield found
            found, size = {}, 0
    yield found


def _closed(root: Root, below: str) -> Iterator[str]:
    """The directories in a place that cannot be looked at."""
    try:
        descriptor = root.open(f"{TRASH}/{below}", os.O_DIRECTORY | os.O_RDONLY)
    except OSError:
        yield below
        return
    try:
        for name in os.listdir(descriptor):
            with suppress(FileNotFoundError):
                if stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                    yield from _closed(root, f"{below}/{name}")
    except PermissionError:
        yield below
    finally:
        os.close(descriptor)


def _content(root: Root, name: str) -> bytes | None:
    path = f"{TRASH}/{name}"
    status = root.lstat(path)
    if status is None or not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        return None
    kind = EntryKind.SYMLINK if stat.S_ISLNK(status.st_mode) else EntryKind.BLOB
    found = held(root, path, Stamp.of(status), kind)
    return found.content if found.look is Look.READ else None


def of_trash(folder: str, seen: Seen, known: Mapping[str, bytes]) -> Iterator[Finding]:
    """What is wrong with it. Args: `known` are the hashes that were remembered."""
    for name in seen.stray:
        text = "it lies in the trash where nothing lists it"
        yield Finding(Kind.STRAY_TRASH, folder, f"{TRASH}/{name}", text, os.fsencode(name))
    for name in seen.closed:
        yield Finding(Kind.UNREADABLE_TRASH, folder, f"{TRASH}/{name}", "this directory of the trash cannot be read")
    for name, content in seen.contents.items():
        if content is None:
            yield Finding(Kind.UNREADABLE_TRASH, folder, f"{TRASH}/{name}", "this file in the trash cannot be read")
        elif known.get(name, content) != content:
            text = "the bytes of this file in the trash are others than they were"
            yield Finding(Kind.DAMAGED_TRASH, folder, f"{TRASH}/{name}", text)


async def of_folder(folder: Folder, root: Root, *, read: bool) -> list[Finding]:
    """The same for one folder; what was read for the first time is remembered."""
    rows = tables.trashed.read_all(folder.database.rows, folder.id)
    known = {name.decode("utf-8", "surrogateescape"): content for name, content in rows.items()}
    try:
        seen = await trio.to_thread.run_sync(look, root)
    except OSError as error:
        return [Finding(Kind.UNREADABLE_TRASH, folder.label, TRASH, f"the trash cannot be read: {reason_of(error)}")]
    if read:
        held_now: dict[str, bytes | None] = {}
        parts = contents(root)
        while (some := await trio.to_thread.run_sync(next, parts, None)) is not None:
            held_now |= some
        seen = replace(seen, contents=held_now)
        new = {name: content for name, content in seen.contents.items() if content is not None and name not in known}
        gone = known.keys() - seen.contents.keys()
        folder.database.submit(
            [
                *(tables.trashed.save(folder.id, encode_path(name), content) for name, content in new.items()),
                *(tables.trashed.forget(folder.id, encode_path(name)) for name in gone),
            ]
        )
    return list(of_trash(folder.label, seen, known))
