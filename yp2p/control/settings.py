"""The local API of settings that change while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from yp2p.control.requests import Nothing, Request
from yp2p.control.routes import Route, get_route, post_route


class Reloaded(Protocol):
    """Which settings count from now on, and which from the next start."""

    @property
    def applied(self) -> Sequence[str]: ...

    @property
    def from_a_start(self) -> Sequence[str]: ...


class Settings(Protocol):
    """What has the settings, and reads them again. Raises YpError: they cannot be used, and nothing has changed."""

    async def reload(self) -> Reloaded: ...

    def shown(self) -> dict[str, Any]:
        """Where they are, and each of them."""


class _Answers:
    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    async def show(self, request: Request) -> Any:
        """The settings that count now.

        Answer: `{path, settings}`: the path of their file, where there may be none, and of each setting `{name,
        value, default, about, from_a_start, waits}`: such as `[limits] upload`, what it may be, whether a change
        counts from the next start of the daemon, and whether one waits for that. An invite is not shown.
        """
        return self._settings().shown()

    async def reload(self, wanted: Nothing) -> Any:
        """Read the settings again, as on SIGHUP.

        Answer: `{applied, from_a_start}`: which of those that changed count from now on, and which differ from
        those of the start and count from the next one. An error with exit code 6: they cannot be used, and
        nothing has changed.
        """
        found = await self._settings().reload()
        return {"applied": list(found.applied), "from_a_start": list(found.from_a_start)}


def settings_routes(settings: Callable[[], Settings]) -> list[Route]:
    """The routes of settings."""
    answers = _Answers(settings)
    return [
        get_route("/v1/settings", answers.show),
        post_route("/v1/settings/reload", Nothing, answers.reload),
    ]
