"""The local API of `yp2p check`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from yp2p.control.requests import FileName
from yp2p.control.routes import Route, post_route


class Checks(Protocol):
    """What checks folders."""

    async def run(self, name: str | None, *, read: bool, peers: bool, repair: bool) -> dict[str, Any]: ...


class CheckRequest(msgspec.Struct, forbid_unknown_fields=True):
    folder: FileName | None = None
    read: bool = False
    peers: bool = False
    repair: bool = False


def check_routes(checks: Callable[[], Checks]) -> list[Route]:
    """The route of `yp2p check`."""

    async def check(wanted: CheckRequest) -> Any:
        """Hold the store, the index, the files, the trash and the history of a folder, or of all, against one another.

        With `read` the bytes of all files are read as well; with `peers` the devices that are connected are compared
        with, and with both their texts are asked for. With `repair` what has one right answer is mended
        (docs/check.md). It can take as long as reading everything does, and ends with the connection.

        Answer: `{findings: [{kind, folder, path, text, device, mended_by, result, repair, help}], checked: [{folder,
        files, bytes, texts, devices}], restarts}`: `repair` is what a repair does, `help` what a person can do;
        `result` is `found`, `repaired`, `started` (other devices, or a start of the daemon, do the rest) or `left`;
        `restarts`: the daemon starts anew to mend its store.
        """
        return await checks().run(wanted.folder, read=wanted.read, peers=wanted.peers, repair=wanted.repair)

    return [post_route("/v1/check", CheckRequest, check, ends_with_client=True)]
