"""The local API of limits of bandwidth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from yp2p.control.requests import Request
from yp2p.control.routes import Route, get_route, post_route


class Limits(Protocol):
    """What knows the limits."""

    def shown(self) -> dict[str, Any]: ...

    async def change(
        self, device: str | None, upload: int | None, download: int | None, *, reset: bool
    ) -> dict[str, Any]: ...


class LimitRequest(msgspec.Struct, forbid_unknown_fields=True):
    device: str | None = None
    upload: int | None = None
    download: int | None = None
    reset: bool = False


class _Answers:
    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits

    async def show(self, request: Request) -> Any:
        """The limits of bandwidth. `yp2p limit --json` prints it.

        Answer: `{upload, download, set_here, devices: [{id, name, upload, download, set_here}], metered:
        {setting, connection, files_wait}}`: bytes a second, 0 is no limit; `set_here` where not only the
        settings say so; `connection` is `yes`, `no` or `unknown`.
        """
        return self._limits().shown()

    async def set(self, wanted: LimitRequest) -> Any:
        """Change limits of bandwidth.

        Answer: the same, as it is from now on; 0 is no limit, what is left out stays; `reset` takes back what
        was set here.
        """
        return await self._limits().change(wanted.device, wanted.upload, wanted.download, reset=wanted.reset)


def limit_routes(limits: Callable[[], Limits]) -> list[Route]:
    """The routes of limits."""
    answers = _Answers(limits)
    return [
        get_route("/v1/limits", answers.show),
        post_route("/v1/limits/set", LimitRequest, answers.set),
    ]
