"""The local API of limits of bandwidth.

======  ====================  =============================================
GET     /v1/limits            what `yp2p limit --json` prints
POST    /v1/limits/set        {device?, upload?, download?, reset?} -> the same
======  ====================  =============================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.routing import Route

from yp2p.control.answers import endpoint
from yp2p.control.routes import post_route


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
        return self._limits().shown()

    async def set(self, wanted: LimitRequest) -> Any:
        return await self._limits().change(wanted.device, wanted.upload, wanted.download, reset=wanted.reset)


def limit_routes(limits: Callable[[], Limits]) -> list[Route]:
    """The routes of limits."""
    answers = _Answers(limits)
    return [
        Route("/v1/limits", endpoint(answers.show)),
        post_route("/v1/limits/set", LimitRequest, answers.set),
    ]
