"""The local API of removing the past of files. `path` is an absolute path on this device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import trio

from yp2p.control.members import check_running
from yp2p.control.requests import FileName, Request
from yp2p.control.routes import Route, get_route, post_route


class Purging(Protocol):
    """What purges."""

    def listed(self) -> list[dict[str, Any]]: ...

    async def preview(self, path: str, *, with_file: bool) -> dict[str, Any]: ...

    async def purge(self, path: str, *, with_file: bool) -> dict[str, Any]: ...


class PurgeRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    with_file: bool = False
    dry_run: bool = False


def purge_routes(purging: Callable[[], Purging], stop: trio.Event) -> list[Route]:
    """The routes of purging."""

    async def listed(request: Request) -> Any:
        """What was purged on this device. `yp2p purge --json` prints it.

        Answer: `[{folder, path, at, device, erased}]`; `erased` says whether it is out of the store's file.
        """
        return purging().listed()

    async def purge(wanted: PurgeRequest) -> Any:
        """Remove the past of a file, or of all in a directory, from this device; `dry_run` tells what that would be.

        Answer: `{label, path, texts, versions, trash: {files, bytes}, copies, temporary, deleted, unchanged, held,
        unknown, set_aside, kept_stores, devices}`, and where it is done `unerased`: of how many texts how many versions
        go, files of the trash, those under other names, files in `.yp2p/tmp`, files that are deleted first; texts of
        which nothing was ever removed, other files that hold what a version held, how many texts nobody knows whose
        they were, rows that cannot be read, copies of the store, the other devices; why what was removed may still be
        in the store's file, or nothing.
        """
        if wanted.dry_run:
            return await purging().preview(wanted.path, with_file=wanted.with_file)
        check_running(stop)
        return await purging().purge(wanted.path, with_file=wanted.with_file)

    return [
        get_route("/v1/purges", listed),
        post_route("/v1/purge", PurgeRequest, purge),
    ]
