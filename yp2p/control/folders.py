"""The local API of a folder's label and place.

======  ====================  =============================================
POST    /v1/folder/rename     {folder, label}          -> {label}
POST    /v1/folder/move       {folder, path}           -> {path}
======  ====================  =============================================
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
import trio
from starlette.routing import Route

from yp2p.control.members import check_running
from yp2p.control.requests import FileName
from yp2p.control.routes import post_route


class Changes(Protocol):
    """What changes folders that are here."""

    async def rename(self, name: str, label: str) -> None: ...

    async def move(self, name: str, directory: str) -> Path: ...


class RenameRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName
    label: str


class MoveRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName
    path: FileName


class _FolderChanges:
    def __init__(self, changes: Callable[[], Changes], stop: trio.Event) -> None:
        self._changes = changes
        self._stop = stop

    async def rename(self, wanted: RenameRequest) -> Any:
        await self._changes().rename(wanted.folder, wanted.label)
        return {"label": wanted.label}

    async def move(self, wanted: MoveRequest) -> Any:
        check_running(self._stop)
        return {"path": str(await self._changes().move(wanted.folder, wanted.path))}


def folder_routes(changes: Callable[[], Changes], stop: trio.Event) -> list[Route]:
    """The routes of what changes folders that are here."""
    answers = _FolderChanges(changes, stop)
    return [
        post_route("/v1/folder/rename", RenameRequest, answers.rename),
        post_route("/v1/folder/move", MoveRequest, answers.move),
    ]
