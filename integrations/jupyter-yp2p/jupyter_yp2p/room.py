"""What a room of jupyter-collaboration knows of its file, while it is coupled.

A room loads its document from the disk and saves it there, and when the file has changed meanwhile it takes the file's
content and drops its own. A coupled one must not: the file on the disk is a moment behind. So in the place of its
loader it has one that writes nothing. Saving means that the daemon has stored everything.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

from yp2p.client import File

_STORE_LIMIT_S = 10.0


class CoupledLoader:
    """In the place of a room's `FileLoader`; all else is that one's."""

    def __init__(self, loader: Any, file: File, exchange: Callable[[], None]) -> None:
        self._loader = loader
        self._file = file
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    async def maybe_save_content(self, model: dict[str, Any]) -> dict[str, Any]:
        """Wait until everything is stored. Raises TimeoutError: the daemon is away, and gets it when it is back."""
        self._exchange()
        async with asyncio.timeout(_STORE_LIMIT_S):
            await self._file.flush()
        return {**model, "hash": hashlib.sha256(str(self._file).encode()).hexdigest()}


async def _nothing() -> None:
    """The file changed on the disk: by yp2p, or by somebody whose change comes as an edit."""


def couple_loader(room: Any, file: File, exchange: Callable[[], None]) -> Callable[[], None]:
    """Put it in; gives the way back."""
    loader = room._file
    loader.observe(room.room_id, _nothing, room._on_filepath_change)
    room._file = CoupledLoader(loader, file, exchange)

    def undo() -> None:
        room._file = loader
        if room.room_id in loader._subscriptions:  # it has not ended
            loader.observe(room.room_id, room._on_outofband_change, room._on_filepath_change)

    return undo
