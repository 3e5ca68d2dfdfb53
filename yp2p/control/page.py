"""The local API of the page: its port is opened and closed at the control socket, and nowhere else."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

import msgspec
import trio
from msgspec import Meta

from yp2p.control.members import check_running
from yp2p.control.requests import Nothing
from yp2p.control.routes import Route, post_route

_LONGEST_WAIT_S = 60.0


class Page(Protocol):
    """What opens and closes it."""

    async def open(self, *, may_write: bool) -> dict[str, object]: ...

    async def used(self, number: int, limit_s: float) -> str: ...

    def close(self, reason: str) -> bool: ...


class OpenRequest(msgspec.Struct, forbid_unknown_fields=True):
    read_only: bool = False


class UsedRequest(msgspec.Struct, forbid_unknown_fields=True):
    number: int
    wait_s: Annotated[float, Meta(ge=0, le=_LONGEST_WAIT_S)] = 0.0


class _Answers:
    def __init__(self, page: Page, stop: trio.Event) -> None:
        self._page = page
        self._stop = stop

    async def open(self, wanted: OpenRequest) -> Any:
        """Open the port of the page, if it is closed, and give an address that opens it in a browser, once.

        With `read_only` what is opened so may look at everything, and change nothing.

        Answer: `{url, port, number, may_write, expires_in_s, idle_s}`: `number` is that of the code in the address,
        which is good for so long; the port closes when nobody has used it for `idle_s`.
        """
        check_running(self._stop)
        return await self._page.open(may_write=not wanted.read_only)

    async def used(self, wanted: UsedRequest) -> Any:
        """Whether an address was opened in a browser. With `wait_s` the answer comes when that is known.

        Answer: `{state}`: `waiting`, `used`, or `over`: nobody can use it any more.
        """
        return {"state": await self._page.used(wanted.number, wanted.wait_s)}

    async def close(self, wanted: Nothing) -> Any:
        """Close the port of the page, whoever uses it.

        Answer: `{closed}`: whether it was open.
        """
        return {"closed": self._page.close("it was asked for")}


def page_routes(page: Page, stop: trio.Event) -> list[Route]:
    """The routes that open and close the page."""
    answers = _Answers(page, stop)
    return [
        post_route("/v1/page/open", OpenRequest, answers.open),
        post_route("/v1/page/used", UsedRequest, answers.used, ends_with_client=True),
        post_route("/v1/page/close", Nothing, answers.close),
    ]
