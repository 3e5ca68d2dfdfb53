"""Settling by files, and by a text that a person made of both versions.

Where a file stands beside another one, what is done is what a person would do by hand: one of them goes into the trash,
its content comes into the other one, or it gets a name of its own. The disk actor sees it as it sees any change, and
tells the other devices. Nothing is removed before it is in the trash.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from yp2p.documents.diff import hunks
from yp2p.documents.layout import plain_name
from yp2p.errors import UsageError
from yp2p.files.inspect import NO_STAMP, Stamp, mode_of
from yp2p.files.replace import Outcome, Result, exchange, move_away, was_exchanged
from yp2p.files.root import TRASH, Root
from yp2p.files.temporary_files import Filling, create_temporary, discard, fill_temporaries
from yp2p.files.temporary_names import Temporary
from yp2p.files.trash import new_place
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import entry_at
from yp2p.history.conflicts import KEEP, conflict_files, marked, resolve
from yp2p.history.trash import on_root
from yp2p.history.undo import settle

# Names like that of a file which are tried.
_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class _Settled:
    """What was done with a copy: what is in the trash now, and under which paths what was kept stands."""

    trash: list[str]
    stands: list[str]


async def settle_files(folder: Folder, path: str, keep: str) -> dict[str, Any] | None:
    """Settle the files that stand beside another one; None: none does here.

    Args:
        path: of the file with the plain name, or of one that stands beside it.
        keep: `this` (the one with the plain name), `other`, or `both`.

    Raises:
        UsageError: it cannot be done so; nothing was lost. FolderError: the folder cannot be used now.
    """
    copies = [one for one in conflict_files(folder) if path in (one, plain_name(one))]
    if not copies:
        return None
    if keep not in KEEP:
        raise UsageError(f"{keep!r} is nothing to keep; it is one of {', '.join(KEEP)}")
    if keep == "now":
        raise UsageError("two files stand side by side, so there is no text that stands now; keep this, other or both")
    if len(copies) > 1 and keep == "other":
        raise UsageError(f"several files stand beside it: {', '.join(copies)}; name the one to keep as FILE")

    def work(root: Root) -> list[_Settled]:
        return [_settled(root, copy, plain_name(copy), keep) for copy in copies]

    gone = [folder.files.at[copy] for copy in copies if copy in folder.files.at]
    done = await on_root(folder, work)
    if keep != "both":
        folder.state.guard.let(gone)
    await settle(folder)
    return {
        "path": path, "settled": len(copies), "changed": True, "is_edit": False,
        "trash": [item for one in done for item in one.trash],
        "stands": list(dict.fromkeys(stands for one in done for stands in one.stands)),
    }  # fmt: skip


def _settled(root: Root, copy: str, named: str, keep: str) -> _Settled:
    """Settle one of them. Raises UsageError, OSError. Blocks."""
    found, other = root.lstat(named), root.lstat(copy)
    if other is None or (found is None and keep == "this"):
        gone = copy if other is None else named
        raise UsageError(f"{gone} is not on this disk any more; nothing was done")
    if keep == "this":
        return _Settled([_to_trash(root, copy, copy)], [named])
    if keep == "both":
        target = _free_name(root, named)
        _move(root, copy, target)
        return _Settled([], [target] if found is None else [named, target])
    if found is None:
        _move(root, copy, named)
        return _Settled([], [named])
    if not (stat.S_ISREG(found.st_mode) and stat.S_ISREG(other.st_mode)):
        item = _to_trash(root, named, _free_name(root, named))
        _move(root, copy, named)
        return _Settled([item], [named])
    # Under a name that is free: something stands under its own when it comes back.
    item = _replaced(root, named, found, copy, other)
    _to_trash(root, copy, copy, Stamp.of(other))
    return _Settled([item], [named])


def _replaced(root: Root, named: str, found: os.stat_result, copy: str, other: os.stat_result) -> str:
    """Have a copy of one file stand in the place of another one, which goes into the trash in the same step.

    The copy is whole and on the disk before it is put there, so whatever fails leaves both files as they were.

    Raises:
        UsageError: one of them was changed meanwhile, or is being written. OSError: it cannot be copied.
    """
    made = create_temporary(root, named)
    place = f"{new_place()}/{_free_name(root, named)}"
    try:
        filling = Filling(made, named, None, mode_of(found), copy_of=(copy, Stamp.of(other), b""))
        [failure] = fill_temporaries(root, [filling])
        if failure is not None:
            raise failure
        root.make_parents(place)
        _rename(root, made.name, place)
    except OSError as error:
        discard(root, made.name)
        if error.errno == errno.ESTALE:
            raise UsageError(f"{copy} was changed meanwhile; nothing was done") from error
        raise
    placed = Temporary(place, made.inode)
    result = exchange(root, placed, named, b"", Stamp.of(found))
    if result.outcome is not Outcome.DONE:
        if not was_exchanged(root, placed):
            discard(root, place)
        raise UsageError(
            f"{named}: {result.reason or 'it was changed meanwhile'}; nothing was lost, and it stays there"
        )
    # What has other names may be written to under those: what is in the trash may not.
    return _to_trash(root, place, _in_trash(place)) if result.is_linked else place.removeprefix(f"{TRASH}/")


def _rename(root: Root, path: str, target: str) -> None:
    """Rename a file of ours. Raises OSError."""
    with root.parent(path) as (directory, name), root.parent(target) as (into, new):
        os.rename(name, new, src_dir_fd=directory, dst_dir_fd=into)


def _in_trash(place: str) -> str:
    """The path that what is in the trash there came from."""
    return place.removeprefix(f"{TRASH}/").partition("/")[2]


def _to_trash(root: Root, path: str, name: str, stamp: Stamp | None = None) -> str:
    """Have a file in the trash, as if it had this path; gives the item. Raises UsageError.

    Args:
        stamp: it goes only if it still has this one.
    """
    place = f"{new_place()}/{name}"
    _move(root, path, place, stamp)
    return place.removeprefix(f"{TRASH}/")


def _move(root: Root, path: str, target: str, stamp: Stamp | None = None) -> None:
    """Raises UsageError: something stands there, or it was changed meanwhile."""
    result = move_away(root, path, target, None if stamp is None else b"", stamp or NO_STAMP)
    if result.outcome is not Outcome.DONE:
        raise _stays(path, result)


def _stays(path: str, result: Result) -> UsageError:
    return UsageError(f"{path}: {result.reason or 'it was changed meanwhile'}; nothing was lost, and it stays there")


def _free_name(root: Root, path: str) -> str:
    """A name beside a file that nobody has: `a 2.txt` beside `a.txt`. Raises UsageError."""
    named = PurePath(path)
    for number in range(2, _MOST_NAMES):
        found = str(named.with_name(f"{named.stem} {number}{named.suffix}"))
        if root.lstat(found) is None:
            return found
    raise UsageError(f"there are a thousand files with names like {path}; rename the one to keep by hand")


async def merge(folder: Folder, path: str, number: int | None, before: str, text: str) -> dict[str, Any]:
    """Have the text stand that a person made of both versions; they are settled then.

    Args:
        before: what the text was that both versions were put into (`conflicts.marked`).

    Raises:
        UsageError: it was changed since, a marker is left, or there is nothing to merge; nothing was changed.
        CrdtPanic: the library panicked; nothing was changed.
    """
    found = await marked(folder, path, number)
    if found.before != before:
        raise UsageError(f"{found.path} was changed meanwhile, so it stays as it is; merge what stands there now")
    if {line.rstrip("\r") for line in text.split("\n")} & set(found.markers):
        raise UsageError(f"both versions still stand in the text for {found.path}, with their markers")
    if "\0" in text:
        raise UsageError(f"the text for {found.path} has a NUL: a file with one is no text")
    trash: list[str] = []
    if found.copy is not None:
        copy = found.copy
        gone = [folder.files.at[copy]] if copy in folder.files.at else []
        trash = await on_root(folder, lambda root: [_to_trash(root, copy, copy)])
        folder.state.guard.let(gone)
    await _write(folder, found.path, before, text)
    if found.copy is None:
        await resolve(folder, found.path, "now", number)
    return {
        "path": found.path, "settled": 1, "changed": text != before, "is_edit": text != before, "trash": trash,
        "stands": [found.path],
    }  # fmt: skip


async def _write(folder: Folder, path: str, before: str, text: str) -> None:
    """Edit a text, as one step of undo. Raises UsageError: it was changed meanwhile."""
    entry = entry_at(folder, path)
    live = folder.texts.open(entry.document)
    if live.text.text() != before:
        raise UsageError(f"{path} was changed meanwhile; what was beside it is in the trash, and the rest is as it was")
    # no await since the text was read, and until the change is recorded
    folder.membership.check_may_write()
    folder.edits.end_undo_group(entry.document)
    with folder.texts.reloading(live):
        update = live.text.edit(hunks(before, text)) if text != before else None
    if update is not None:
        commit = folder.edits.record(live, update, None, undo_gap_s=0.0)
        folder.render_queue.want(entry.id)
        folder.edits.end_undo_group(entry.document)
        await commit.wait()
