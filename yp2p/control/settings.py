"""The local API of settings that change while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from yp2p.control.requests import Nothing
from yp2p.control.routes import Route, post_route


class Reloaded(Protocol):
    """Which settings count from now on, and which from the next start."""

    @property
    def applied(self) -> Sequence[str]: ...

    @property
    def from_a_start(self) -> Sequence[str]: ...


class Settings(Protocol):
    """What reads the settings again. Raises YpError: they cannot be used, and nothing has changed."""

    async def reload(self) -> Reloaded: ...


class _Answers:
    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

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
    return [post_route("/v1/settings/reload", Nothing, _Answers(settings).reload)]
