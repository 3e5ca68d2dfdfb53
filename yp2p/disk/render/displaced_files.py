"""Files that were replaced are kept for a while, because a program may still write into them.

A program that had a file open, or was opening it, when it was exchanged for a new version (`files/replace.py`) writes
into the old one. The old file is inspected when the program closes it, and once more before it is removed. What was
written is merged as a save that was made on the version which the file held. What cannot be merged goes to the trash,
and so does a file that got a second name (a hard link) meanwhile: nobody can tell under which name it was written.
"""

from __future__ import annotations

import math
from collections.abc import Set
from dataclasses import dataclass, replace

import trio

from yp2p.disk.ingest.local_edits import LocalEdits
from yp2p.files import replace as disk
from yp2p.files import temporary_files
from yp2p.files.inspect import NO_STAMP, Found, Stamp
from yp2p.files.root import Root
from yp2p.files.temporary_names import ASIDE, read_parked, read_purpose
from yp2p.files.trash import new_place
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.records import FileRecord
from yp2p.identity import EntryID

KEEP_S = 60.0
# When one is looked at, so are those whose time comes this soon: a folder at work is not woken for each of them.
_TOGETHER_S = 5.0
_AT_ONCE = -math.inf


@dataclass(frozen=True, slots=True)
class DisplacedFile:
    """A file that was replaced, kept for a while."""

    name: str
    stamp: Stamp
    base: FileRecord
    until: float


class DisplacedFiles:
    """The replaced files of one folder."""

    def __init__(self, folder: Folder, root: Root, saves: LocalEdits) -> None:
        self._folder = folder
        self._root = root
        self._saves = saves
        self._displaced: list[DisplacedFile] = []
        self._merging: list[FileRecord] = []  # the base of what is being merged
        self._closed: set[str] = set()  # files in `.yp2p/tmp` that were closed since that began

    def add(self, name: str, stamp: Stamp, base: FileRecord) -> None:
        """A replaced file is under this name in `.yp2p/tmp`. What was told of it until now nobody has looked at."""
        self._keep(DisplacedFile(name, stamp, base, trio.current_time() + KEEP_S))

    def _keep(self, out: DisplacedFile, *, is_closed: bool = True) -> None:
        """Look at it when its time is up; at once, where it is closed and another already."""
        if is_closed and self._is_another(out):
            self._displaced.insert(0, replace(out, until=_AT_ONCE))
        else:
            self._displaced.append(out)

    def bases(self) -> list[FileRecord]:
        """What these files held."""
        return [*self._merging, *(out.base for out in self._displaced)]

    @property
    def is_written(self) -> bool:
        """Whether somebody wrote into one of them, and that is not merged."""
        return self.next_deadline() == _AT_ONCE

    def next_deadline(self) -> float:
        return self._displaced[0].until if self._displaced else float("inf")

    def written(self, names: Set[str]) -> None:
        """Somebody closed these files in `.yp2p/tmp`: look now at those that came out and are another since."""
        if self._merging:
            self._closed |= names
        late = [out for out in self._displaced if out.name in names and self._is_another(out)]
        rest = [out for out in self._displaced if out not in late]
        self._displaced = [*(replace(out, until=_AT_ONCE) for out in late), *rest]

    def _is_another(self, out: DisplacedFile) -> bool:
        try:
            status = self._root.lstat(out.name)
        except OSError:
            return False
        return status is not None and (status.st_size, status.st_mtime_ns) != (out.stamp.size, out.stamp.mtime_ns)

    async def inspect(self) -> None:
        """Look at those whose time is up."""
        if self.next_deadline() > trio.current_time():
            return
        soon = trio.current_time() + _TOGETHER_S
        while self._displaced and self._displaced[0].until <= soon:
            await self._merge_displaced(self._displaced.pop(0))

    async def _merge_displaced(self, out: DisplacedFile) -> None:
        self._merging = [out.base]
        self._closed.clear()
        await self._folder.database.pending().wait()
        late = await trio.to_thread.run_sync(disk.read_displaced, self._root, out.name, out.stamp)
        if late is not None and late.found is Found.BUSY:
            self._keep(replace(out, until=trio.current_time() + KEEP_S), is_closed=out.name in self._closed)
        elif late is not None and (late.found is not Found.TEXT or late.is_linked):
            await keep_in_trash(self._folder, self._root, out.name)
        elif late is not None and self._folder.membership.is_reader:
            await keep_late_save(self._folder, self._root, out.name, out.base)
        else:
            if late is not None:
                await self._saves.merge_late_save(out.base, late)
            temporary_files.discard(self._root, out.name)
        self._merging = []

    async def end(self, entries: Set[EntryID]) -> list[str]:
        """Do with those of these entries what is done when their time is up; gives the paths of those that a program
        has open for writing."""
        for name in [out.name for out in self._displaced if out.base.entry in entries]:
            out = next((out for out in self._displaced if out.name == name), None)
            if out is not None:  # `written` put another object in its place while the one before was merged
                self._displaced.remove(out)
                await self._merge_displaced(out)
        return [out.base.path for out in self._displaced if out.base.entry in entries]

    async def finish(self) -> None:
        """Before stopping: look once more at everything that is kept."""
        for _ in range(len(self._displaced)):
            await self._merge_displaced(self._displaced.pop(0))  # what is busy stays in `.yp2p/tmp`, for the next start


async def keep_late_save(folder: Folder, root: Root, name: str, base: FileRecord) -> None:
    """Into the trash with what was saved here while others' version was put in place, where this device only reads."""
    await keep_in_trash(folder, root, name)
    text = "others' version came while it was saved here; what was saved is in the trash, as this device only reads"
    folder.notices.add(NoticeKind.CONFLICT_COPY, base.path, text, base.entry)


async def keep_in_trash(folder: Folder, root: Root, name: str) -> None:
    """Into the trash with a file in `.yp2p/tmp` that cannot be merged."""
    purpose = read_purpose(name.removesuffix(ASIDE))
    entry = purpose[0].entry if purpose is not None else read_parked(name)
    record = folder.files.get(EntryID(entry)) if entry is not None else None
    target = f"{new_place()}/{folder.shown_path(record) if record is not None else name.rpartition('/')[2]}"
    await trio.to_thread.run_sync(disk.move_away, root, name, target, None, NO_STAMP)
