"""The trash of a folder: what other devices deleted or replaced, and unexpected content that must not be lost.

Everything is a plain file beneath `.yp2p/trash/<UTC time>-<random>/`, under the path it had, so that a person can also
take it back by hand. Restoring is a rename to a name where nothing is; the watcher sees a new file and the deleted
entry lives again, on every device.

The age of an item is the number of days on which a daemon ran since, so a clock that jumps deletes nothing. What came
within the last day goes only when a person says so (`yp2p trash empty`), however much it is: otherwise a member could
replace a file, and then push the old content out of the trash by replacing more.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from yp2p.files.copies import copy_to
from yp2p.files.inspect import MAX_TEXT_BYTES, NO_STAMP, inspect
from yp2p.files.replace import Outcome, Result, move_away
from yp2p.files.root import TRASH, Root
from yp2p.protocol.entries import Kind

_DAY = len("2026-01-31")
# So many days old, and an item is surely older than a day: the day on which it came is not over yet at first.
_SAFE_DAYS = 1


@dataclass(frozen=True, slots=True)
class Item:
    """One file in the trash: `name` is where it lies beneath the trash, `path` where it came from.

    `room` is what it takes on the disk, in bytes, where that is less than its size: it may have holes.
    """

    name: str
    path: str
    size: int
    room: int

    @property
    def removed_at(self) -> str:
        """UTC, as `2026-01-31T120000`."""
        return self.name[: _DAY + 7]

    @property
    def day(self) -> str:
        return self.name[:_DAY]


def new_place() -> str:
    """A fresh directory beneath the trash, as a path from the root."""
    return f"{TRASH}/{time.strftime('%Y-%m-%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def items(root: Root) -> list[Item]:
    """Everything in the trash, the oldest first."""
    return sorted(_walk(root, ""), key=lambda item: item.name)


def copies_of(root: Root, wanted: Mapping[bytes, int], name_of: Callable[[bytes], str]) -> dict[bytes, str]:
    """Copy blobs that are in the trash; gives the names of the copies. Blocks.

    Args:
        wanted: the blobs, with their sizes in bytes.
        name_of: where the copy of a blob is to be; what is there already stays.
    """
    sizes = set(wanted.values())
    found: dict[bytes, str] = {}
    for item in reversed(items(root)):
        if item.size not in sizes:
            continue
        path = f"{TRASH}/{item.name}"
        held = inspect(root, path, None, MAX_TEXT_BYTES, trust_stamp=False, base=(Kind.BLOB, b""))
        if held.content not in wanted or held.content in found:
            continue
        try:
            copy_to(root, path, held.stamp, name_of(held.content))
        except OSError:
            continue  # it is being fetched after all, or there is no room
        found[held.content] = name_of(held.content)
    return found


def _walk(root: Root, below: str) -> Iterator[Item]:
    directory = f"{TRASH}/{below}" if below else TRASH
    try:
        descriptor = root.open(directory, os.O_DIRECTORY | os.O_RDONLY)
    except OSError:
        return
    try:
        for name in os.listdir(descriptor):
            path = f"{below}/{name}" if below else name
            try:
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(root, path)
            elif below:
                room = min(status.st_size, status.st_blocks * 512)
                yield Item(path, path.partition("/")[2], status.st_size, room)
    finally:
        os.close(descriptor)


def restore(root: Root, item: Item) -> Result:
    """Put a file back where it was, if nothing is there."""
    result = move_away(root, f"{TRASH}/{item.name}", item.path, None, NO_STAMP)
    if result.outcome is Outcome.DONE:
        root.remove_empty_parents(f"{TRASH}/{item.name}", keep=TRASH)
    return result


def remove(root: Root, item: Item) -> None:
    """Remove a file from the trash for good. Raises OSError."""
    path = f"{TRASH}/{item.name}"
    with root.parent(path) as (directory, name):
        os.unlink(name, dir_fd=directory)
    root.remove_empty_parents(path, keep=TRASH)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, and how many bytes are left."""

    removed: list[Item]
    bytes_left: int


def prune(root: Root, days_seen: Collection[str], max_age_days: int, max_bytes: int) -> Pruned:
    """Remove what is too old, and the oldest of what is too much; nothing that came within the last day.

    What came last stays, and no item counts for more than half of what there may be: one large file that was replaced
    must not cost everything else that is here.
    """
    removed: list[Item] = []
    left = items(root)
    counted = {item.name: min(item.room, (max_bytes + 1) // 2) for item in left}
    total = sum(counted.values())
    newest = left[-1].name if left else ""
    for item in left:
        age = sum(1 for day in days_seen if day > item.day)
        if age <= _SAFE_DAYS or (age <= max_age_days and (total <= max_bytes or item.name == newest)):
            continue
        try:
            remove(root, item)
        except OSError:
            continue
        total -= counted[item.name]
        removed.append(item)
    return Pruned(removed, sum(item.room for item in left) - sum(item.room for item in removed))
