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

    async def purge(self, path: str, *, with_file: bool, here: bool = False) -> dict[str, Any]: ...


class AskedPurges(Protocol):
    """What other devices are asked to do, and ask for."""

    def listed(self) -> list[dict[str, Any]]: ...

    async def decide(self, number: int, *, agree: bool) -> dict[str, Any]: ...


class PurgeRequest(msgspec.Struct, forbid_unknown_fields=True):
    path: FileName
    with_file: bool = False
    dry_run: bool = False
    here: bool = False


class AnswerRequest(msgspec.Struct, forbid_unknown_fields=True):
    number: int
    agree: bool


def purge_routes(
    purging: Callable[[], Purging], asked: Callable[[], AskedPurges], stop: trio.Event
) -> list[Route]:  # fmt: skip
    """The routes of purging."""

    async def listed(request: Request) -> Any:
        """What was purged on this device, and who asks whom to purge. `yp2p purge --json` prints it.

        Answer: `{purged: [{folder, path, at, device, erased}], asked: [{number, folder, device, is_own, paths, at,
        answer, done_in_s, answers: [{device, answer}], silent}]}`. `erased` says whether it is out of the store's file.
        Of a request: who asks, for which files, when it came; what this device has answered (`waits`, `refused`,
        `done`, or nothing) and in how much time of running it does it by itself, if it does; what others have answered,
        and who has neither done nor refused it.
        """
        return {"purged": purging().listed(), "asked": asked().listed()}

    async def purge(wanted: PurgeRequest) -> Any:
        """Remove the past of a file, or of all in a directory, and ask the other devices to (not with `here`).

        `dry_run` tells what that would be.

        Answer: `{label, path, texts, versions, trash: {files, bytes}, copies, kept_trash, temporary, deleted,
        unchanged, held, unknown, set_aside, kept_stores, devices}`, and where it is done `unerased` and `asked`: of
        how many texts how many versions go, files of the trash, those under other names, those of such a name or
        content that stay because they may be of other files, files in `.yp2p/tmp`, files that are deleted first; texts
        of which nothing was ever removed, other files that hold what a version held, how many texts nobody knows whose
        they were, rows that cannot be read, copies of the store, the other devices; why what was removed may still be
        in the store's file, or nothing; the numbers of the requests to the others.
        """
        if wanted.dry_run:
            return await purging().preview(wanted.path, with_file=wanted.with_file)
        check_running(stop)
        return await purging().purge(wanted.path, with_file=wanted.with_file, here=wanted.here)

    async def answer(wanted: AnswerRequest) -> Any:
        """Do what another device asks for now, or never.

        Answer: `{number, folder, agreed}`.
        """
        check_running(stop)
        return await asked().decide(wanted.number, agree=wanted.agree)

    return [
        get_route("/v1/purges", listed),
        post_route("/v1/purge", PurgeRequest, purge),
        post_route("/v1/purge/answer", AnswerRequest, answer),
    ]
