"""The local API of what is chosen of a folder.

======  ====================  ====================================================================================
POST    /v1/folder/choose     {folder?, paths?}  -> {label, everything, paths, made_here, not_here, leaving}
POST    /v1/folder/names      {folder?, beneath?}  -> [PATH]
======  ====================  ====================================================================================

Without `paths` nothing is changed; an empty list chooses everything. The names are those of
files and directories in a directory of the folder, whether they are on this disk or not; directories end with a slash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import trio
from starlette.routing import Route

from yp2p.control.members import check_running
from yp2p.control.requests import FileName
from yp2p.control.routes import post_route


class Choosing(Protocol):
    """What chooses."""

    def describe(self, name: str | None) -> dict[str, Any]: ...

    def names(self, name: str | None, beneath: str) -> list[str]: ...

    async def choose(self, name: str | None, paths: Sequence[str]) -> dict[str, Any]: ...


class ChooseRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    paths: list[FileName] | None = None


class NamesRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    beneath: FileName = ""


def choosing_routes(choosing: Callable[[], Choosing], stop: trio.Event) -> list[Route]:
    """The routes of what is chosen."""

    async def choose(wanted: ChooseRequest) -> Any:
        if wanted.paths is None:
            return choosing().describe(wanted.folder)
        check_running(stop)
        return await choosing().choose(wanted.folder, wanted.paths)

    async def names(wanted: NamesRequest) -> Any:
        return choosing().names(wanted.folder, wanted.beneath)

    return [
        post_route("/v1/folder/choose", ChooseRequest, choose),
        post_route("/v1/folder/names", NamesRequest, names),
    ]
