"""The local API of the life of a folder on this device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import trio

from yp2p.control.members import check_running
from yp2p.control.requests import FileName
from yp2p.control.routes import Route, post_route


class Changes(Protocol):
    """What changes folders that are here."""

    async def rename(self, name: str, label: str) -> None: ...

    async def move(self, name: str, directory: str) -> tuple[Path, bool]: ...

    async def ignore(self, name: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> dict[str, Any]: ...

    async def pause(self, name: str | None, for_s: float | None = None) -> tuple[str, float | None]: ...

    def unpause(self, name: str | None) -> str: ...

    def place(self, text: str, *, make: bool) -> tuple[Path, bool]: ...

    def decide(self, name: str | None, *, accept: bool) -> str: ...


class Counter(Protocol):
    """What knows how much room folders take."""

    async def show(self, name: str | None) -> dict[str, Any]: ...


class Leaver(Protocol):
    """What leaves folders."""

    async def preview(self, name: str, *, with_files: bool) -> dict[str, Any]: ...

    async def leave(self, name: str, *, with_files: bool) -> dict[str, Any]: ...


class Device(Protocol):
    """What these requests need of the device."""

    @property
    def changes(self) -> Changes: ...

    @property
    def usage(self) -> Counter: ...

    @property
    def leaving(self) -> Leaver: ...


class PlaceRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    make: bool = False


class RenameRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName
    label: str


class MoveRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName
    path: FileName


class WhichRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None


class PauseRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    for_s: float | None = None


class IgnoreRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName
    add: list[str] = []
    remove: list[str] = []


class LeaveRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName
    delete_files: bool = False
    dry_run: bool = False


class _Folders:
    def __init__(self, device: Device, stop: trio.Event) -> None:
        self._device = device
        self._stop = stop

    async def rename(self, wanted: RenameRequest) -> Any:
        """Call a folder otherwise on this device.

        Answer: `{label}`.
        """
        await self._device.changes.rename(wanted.folder, wanted.label)
        return {"label": wanted.label}

    async def move(self, wanted: MoveRequest) -> Any:
        """Move the directory of a folder.

        Answer: `{path, was_there}`; the directory is renamed, or was there already: its marker says that it is this
        folder's.
        """
        check_running(self._stop)
        path, was_there = await self._device.changes.move(wanted.folder, wanted.path)
        return {"path": str(path), "was_there": was_there}

    async def place(self, wanted: PlaceRequest) -> Any:
        """Where a directory for a folder would be, and whether it is there; with `make` it is made.

        `path` is a whole path, or begins with `~/`: the home of the user that the daemon runs as.

        Answer: `{path, exists}`; an error where it is not there, and no folder can be at that path.
        """
        path, exists = self._device.changes.place(wanted.path, make=wanted.make)
        return {"path": str(path), "exists": exists}

    async def pause(self, wanted: PauseRequest) -> Any:
        """Leave a folder's directory alone, for `for_s` seconds or until it is unpaused.

        Answer: `{label, until}`, when nothing of the folder's directory is open any more; `until` is when it goes on
        by itself (seconds since 1970), null where it does not.
        """
        label, until = await self._device.changes.pause(wanted.folder, wanted.for_s)
        return {"label": label, "until": until}

    async def unpause(self, wanted: WhichRequest) -> Any:
        """Sync a paused folder again.

        Answer: `{label}`.
        """
        return {"label": self._device.changes.unpause(wanted.folder)}

    async def confirm(self, wanted: WhichRequest) -> Any:
        """Say that a mass deletion was meant: it is done, on all devices.

        Answer: `{label}`.
        """
        return {"label": self._device.changes.decide(wanted.folder, accept=True)}

    async def restore(self, wanted: WhichRequest) -> Any:
        """Undo a mass deletion, on all devices.

        Answer: `{label}`.
        """
        return {"label": self._device.changes.decide(wanted.folder, accept=False)}

    async def ignore(self, wanted: IgnoreRequest) -> Any:
        """Change what is ignored on this device only, or list it.

        Answer: `{label, here, settings}`: the patterns that a person here has ignored on this device only, of
        which some are added or removed first, and those of the settings; when it answers they are in force,
        unless the folder is paused.
        """
        return await self._device.changes.ignore(wanted.folder, wanted.add, wanted.remove)

    async def usage(self, wanted: WhichRequest) -> Any:
        """How much room folders take.

        Answer: `{folders: [{label, path, entries: {texts, other_files, symlinks, empty_directories},
        file_bytes, not_here: {files, bytes}, history: {changes, bytes}, trash: {files, bytes, problem}}],
        store: {path, bytes}}`; `entries` are those on this disk, `not_here` those that are not by choice, `bytes`
        without texts; `files` and `bytes` of the trash are null where the directory is away.
        """
        return await self._device.usage.show(wanted.folder)

    async def leave(self, wanted: LeaveRequest) -> Any:
        """Leave a folder.

        Answer: `{label, path, name, devices, connected, only_here, trash, problem, deleted, stays}`, and where
        it is done `told` and `unknown`: the other devices, those that are connected and those that are known to
        have heard; `{files, bytes}` that no connected device is known to have, and in the trash; why the
        directory is not touched; with `delete_files` what goes (`{files, bytes, only_here}`), what stays with
        the reason, and how many files stay that the folder does not know.
        """
        check_running(self._stop)
        do = self._device.leaving.preview if wanted.dry_run else self._device.leaving.leave
        return await do(wanted.folder, with_files=wanted.delete_files)


def folder_routes(device: Device, stop: trio.Event) -> list[Route]:
    """The routes of what becomes of folders that are here."""
    answers = _Folders(device, stop)
    return [
        post_route("/v1/folder/rename", RenameRequest, answers.rename),
        post_route("/v1/folder/move", MoveRequest, answers.move),
        post_route("/v1/folder/place", PlaceRequest, answers.place),
        post_route("/v1/folder/pause", PauseRequest, answers.pause),
        post_route("/v1/folder/unpause", WhichRequest, answers.unpause),
        post_route("/v1/folder/confirm", WhichRequest, answers.confirm),
        post_route("/v1/folder/restore", WhichRequest, answers.restore),
        post_route("/v1/folder/ignore", IgnoreRequest, answers.ignore),
        post_route("/v1/folder/usage", WhichRequest, answers.usage),
        post_route("/v1/folder/leave", LeaveRequest, answers.leave),
    ]
