"""What a person changes about a folder that is here: what it is called, where its directory is, what is ignored.

Theory of operation
    A label is this device's own: the others keep theirs. It names one folder here, so that commands can take it.

    A move pauses the folder first, so that nothing of the old directory is open; then the directory is renamed, in one
    step, and the store is told; then the folder goes on. A directory that somebody has moved or restored already is
    known by its marker. That one may be of another age: what is missing in it is no deletion, but is held for a person
    (`Folders.take_up`). A crash between the rename and the store leaves a folder that says its directory is gone, and
    the same command finishes it.
"""

from __future__ import annotations

import errno
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from yp2p.device.folders import Folders, open_root
from yp2p.errors import FolderError, UsageError
from yp2p.folder.folder import Folder
from yp2p.folder.lookup import choose
from yp2p.folder.roots import mode_of
from yp2p.machine import Until, reason
from yp2p.store import tables
from yp2p.store.database import Database

_MAX_LABEL = 100
_LONGEST_PAUSE_S = 30 * 86400

log = structlog.get_logger()


def check_label(label: str) -> None:
    """Raises UsageError: a folder cannot be called so."""
    if not (0 < len(label) <= _MAX_LABEL and label.isprintable() and label.strip()):
        raise UsageError(f"the label {label!r} cannot be used: a label has 1 to {_MAX_LABEL} printable characters")


def pause_end(for_s: float | None) -> Until | None:
    """When a pause of so many seconds ends; None: when a person says so. Raises UsageError."""
    if for_s is None:
        return None
    if not 1 <= for_s <= _LONGEST_PAUSE_S:
        raise UsageError(
            f"a pause cannot last for {_long(for_s)}: it is from a second to {_LONGEST_PAUSE_S // 86400} days, "
            "or without a time until it is taken back"
        )
    return Until(time.time() + for_s)


def _long(seconds: float) -> str:
    return f"{seconds / 86400:,.0f} days" if seconds >= 86400 else f"{seconds:g} seconds"


def _checked(pattern: str, root: Path) -> str:
    """Raises UsageError: it is none, or could match nothing."""
    for start in (f"{root}/", "./"):
        if pattern.startswith(start):
            inside = pattern.removeprefix(start)
            raise UsageError(f"{pattern!r} matches nothing: a path in the folder is written as '/{inside}'")
    if not pattern.strip() or pattern.startswith("#") or len(pattern.splitlines()) > 1:
        raise UsageError(f"{pattern!r} is no pattern: write one as in .gitignore, for instance '*.log' or 'build/'")
    return pattern


def _check_given(pattern: str, here: Sequence[str], settings: Sequence[str]) -> None:
    """Raises UsageError: a person here did not have it ignored."""
    if pattern in here:
        return
    if pattern in settings:
        raise UsageError(f"{pattern!r} is ignored by the settings, [files] ignore: change it there, and start again")
    listed = ", ".join(map(repr, here)) or "none"
    raise UsageError(f"{pattern!r} is none of the patterns that `yp2p folder ignore` gave here; those are: {listed}")


def _is_free(path: Path) -> bool:
    """Whether a directory can be renamed to this: nothing is there, or an empty directory. Raises FolderError."""
    try:
        return not os.listdir(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise FolderError(f"{path} cannot be used: {reason(error)}") from error


class FolderChanges:
    """Renames, moves and pauses folders, has files ignored, and gives a person's answers."""

    def __init__(self, folders: Folders, database: Database) -> None:
        self._folders = folders
        self._database = database

    def place(self, text: str, *, make: bool) -> tuple[Path, bool]:
        """The whole path of a directory for a folder, `~/` being the home of who runs this, and whether it is there.

        Args:
            make: it is made where there is none.

        Raises:
            FolderError: it is not there, and no folder can be at that path, or whether it is there cannot be told.
        """
        wanted = os.path.expanduser(text)
        if not os.path.isabs(wanted):
            raise FolderError(f"{text!r} is no whole path: it has to begin with / or with ~/")
        path = Path(os.path.realpath(wanted))
        if mode_of(path) is not None:
            return path, True
        self._folders.check_place(path)
        if make:
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FolderError(f"{path} cannot be made: {reason(error)}") from error
        return path, make

    async def rename(self, name: str, label: str) -> None:
        """Give a folder another label here. Raises UsageError: there is no such folder, or the label is taken."""
        folder = choose(self._folders.by_id.values(), name)
        check_label(label)
        taken = next((one for one in self._folders.by_id.values() if one.label == label and one is not folder), None)
        if taken is not None:
            raise UsageError(f"the folder at {taken.path} is called {label!r} already; choose another label")
        log.info("folder_renamed", folder=folder.label, label=label)
        folder.label = label
        folder.state.rename(label)
        await self._database.submit([tables.folder.set_label(folder.id, label)]).wait()

    async def pause(self, name: str | None, for_s: float | None = None) -> tuple[str, float | None]:
        """Leave a folder's directory alone, with nothing of it open; gives the label, and when it goes on by itself.

        Raises UsageError: that is no time to pause for.
        """
        folder = choose(self._folders.by_id.values(), name)
        until = pause_end(for_s)
        await self._folders.disks[folder.id].pause.begin(until)
        return folder.label, until.at if until is not None else None

    def unpause(self, name: str | None) -> str:
        """Go on with a folder that a person paused; gives the label. Raises FolderError: nobody did."""
        folder = choose(self._folders.by_id.values(), name)
        pause = self._folders.disks[folder.id].pause
        if not pause.is_wanted:
            is_asking = bool(folder.state.question.reason)
            raise FolderError(
                f"the folder {folder.label!r} is not paused by you, but waits for your decision: `yp2p folder restore`"
                " undoes what `yp2p status` shows, `yp2p folder confirm` does it"
                if is_asking
                else f"the folder {folder.label!r} is not paused; it is {folder.state.activity.value}"
            )
        pause.end()
        return folder.label

    def decide(self, name: str | None, *, accept: bool) -> str:
        """Say of the many changes that a folder waits with whether they were meant; gives the label.

        Raises:
            FolderError: it waits for no decision.
        """
        folder = choose(self._folders.by_id.values(), name)
        if not folder.state.question.reason:
            raise FolderError(
                f"the folder {folder.label!r} does not wait for a decision; it is {folder.state.activity.value}"
            )
        self._folders.disks[folder.id].decide(accept=accept)
        return folder.label

    async def ignore(self, name: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> dict[str, Any]:
        """Ignore more, or less, of a folder on this device; gives its label and what is ignored here.

        Raises:
            UsageError: there is no such folder, one of `add` is no pattern, or one of `remove` was not given.
        """
        folder = choose(self._folders.by_id.values(), name)
        disk = self._folders.disks[folder.id]
        if add or remove:
            before = disk.rules.here
            for pattern in remove:
                _check_given(pattern, before, disk.rules.of_settings)
            wanted = dict.fromkeys(
                one for one in (*before, *(_checked(one, folder.path) for one in add)) if one not in remove
            )
            try:
                await disk.ignore_here(tuple(wanted))
            except ValueError as error:
                raise UsageError(f"nothing was changed: {error}") from None
            log.info("ignored_here", folder=folder.label, patterns=len(wanted))
        return {"label": folder.label, "here": list(disk.rules.here), "settings": disk.rules.of_settings}

    async def move(self, name: str, directory: str) -> tuple[Path, bool]:
        """Have the directory of a folder elsewhere; gives where it is, and whether somebody had put it there already.

        Raises:
            UsageError: there is no such folder. FolderError: it cannot be moved there; nothing has changed then.
        """
        folder = choose(self._folders.by_id.values(), name)
        target = Path(os.path.realpath(directory))  # noqa: ASYNC240
        if target == folder.path:
            raise FolderError(f"{folder.label!r} is at {target} already")
        if folder.path in target.parents:
            raise FolderError(f"{target} is inside {folder.path}, which would be moved; name a directory elsewhere")
        was_there = not _is_free(target)
        await (self._find_again(folder, target) if was_there else self._rename(folder, target))
        log.info("folder_moved", folder=folder.label, path=str(folder.path))
        return folder.path, was_there

    async def _rename(self, folder: Folder, target: Path) -> None:
        if mode_of(target.parent) is None:
            raise FolderError(
                f"{target.parent} does not exist; make it first (mkdir -p {shlex.quote(str(target.parent))})"
            )
        source = folder.path
        if mode_of(source) is None:
            raise FolderError(
                f"{folder.label!r} is not at {source} any more, and {target} is not its directory either; find where it"
                " is now, and name that"
            )
        with open_root(source) as root:
            if root.marker() != folder.id:
                raise FolderError(f"{source} is not the directory of {folder.label!r} any more; move it by hand first")
        self._folders.check_place(target, besides=folder)
        async with self._paused(folder):
            try:
                os.rename(source, target)
            except OSError as error:
                if error.errno == errno.EXDEV:
                    how = (
                        f"copy it there (`{shlex.join(['cp', '-a', str(source), str(target)])}`) and run the same again"
                    )
                    raise FolderError(f"{target} is on another file system than {source}: {how}") from error
                raise FolderError(f"{source} cannot be moved to {target}: {reason(error)}") from error
            await self._settle(folder, target)

    async def _find_again(self, folder: Folder, target: Path) -> None:
        path = self._folders.check(str(target), besides=folder)
        with open_root(path) as root:
            if root.marker() != folder.id:
                raise FolderError(
                    f"{path} is not the directory of {folder.label!r}: its .yp2p/marker does not say so. To take part "
                    f"with other files there, leave the folder and join it again with {path}"
                )
        async with self._paused(folder):
            await self._settle(folder, path)
            await self._folders.lose_sight(folder)

    async def _settle(self, folder: Folder, path: Path) -> None:
        await self._database.submit([tables.folder.set_root(folder.id, str(path))]).wait()
        folder.path = path
        folder.state.touch()

    def _paused(self, folder: Folder) -> _Paused:
        return _Paused(self._folders, folder)


class _Paused:
    """A folder of which nothing is open; afterwards it goes on, unless a person had paused it."""

    def __init__(self, folders: Folders, folder: Folder) -> None:
        self._pause = folders.disks[folder.id].pause
        self._was_wanted, self._until = self._pause.is_wanted, self._pause.until

    async def __aenter__(self) -> None:
        await self._pause.begin()

    async def __aexit__(self, *_: object) -> None:
        if not self._was_wanted:
            self._pause.end()
        elif self._until is not None:
            self._pause.last(self._until)
