"""The local API of what is chosen of a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import trio

from yp2p.control.members import check_running
from yp2p.control.requests import FileName
from yp2p.control.routes import Route, post_route


class Choosing(Protocol):
    """What chooses."""

    def describe(self, name: str | None) -> dict[str, Any]: ...

    def names(self, name: str | None, beneath: str) -> list[str]: ...

    async def files(
        self, name: str | None, search: str, beneath: str, *, offset: int, limit: int
    ) -> dict[str, Any]: ...

    async def choose(self, name: str | None, paths: Sequence[str]) -> dict[str, Any]: ...


class ChooseRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    paths: list[FileName] | None = None


class NamesRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    beneath: FileName = ""


class FilesRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    search: str = ""
    beneath: FileName = ""
    offset: int = 0
    limit: int = 500


def choosing_routes(choosing: Callable[[], Choosing], stop: trio.Event) -> list[Route]:
    """The routes of what is chosen."""

    async def choose(wanted: ChooseRequest) -> Any:
        """What of a folder is on this disk, or choose that.

        With `paths` these are chosen (paths in the folder, or absolute ones), with an empty list everything; without
        `paths` nothing is changed.

        Answer: `{label, everything, paths, made_here, not_here, leaving}`.
        """
        if wanted.paths is None:
            return choosing().describe(wanted.folder)
        check_running(stop)
        return await choosing().choose(wanted.folder, wanted.paths)

    async def names(wanted: NamesRequest) -> Any:
        """What is in a directory of a folder, on this disk or not.

        Answer: `[path]`, the first 1000; directories end with a slash.
        """
        return choosing().names(wanted.folder, wanted.beneath)

    async def files(wanted: FilesRequest) -> Any:
        """What is in a folder, in the order of the paths, a part at a time.

        `search` is a part of the path, `beneath` a directory, at any depth. `limit` is from 1 to 1000.

        Answer: `{total, entries: [{path, type, bytes, changed_at, here, conflict, reason}]}`: `total` is how many
        there are; `type` is "text", "file", "symlink" or "directory" (where a directory is empty, or has permissions
        of its own); `bytes` and `changed_at` are null where that is not known here; `here` says whether it is on this
        disk, `conflict` whether it stands beside another one of its name, `reason` why it is not as it is to be.
        """
        return await choosing().files(
            wanted.folder, wanted.search, wanted.beneath, offset=wanted.offset, limit=wanted.limit
        )

    return [
        post_route("/v1/folder/files", FilesRequest, files),
        post_route("/v1/folder/choose", ChooseRequest, choose),
        post_route("/v1/folder/names", NamesRequest, names),
    ]
