"""Couples each room that opens with its file, if yp2p has it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyter_yp2p.notebook import NotebookCoupling
from jupyter_yp2p.room import couple_loader
from jupyter_yp2p.text import TextCoupling
from yp2p.client import File, FileUnavailable, NotRunning, connect

_EVENTS = "https://schema.jupyter.org/jupyter_collaboration/session/v1"
_COLLABORATION = "jupyter_server_ydoc"


class Rooms:
    """The coupled rooms of one server."""

    def __init__(self, serverapp: Any) -> None:
        self._serverapp = serverapp
        self._log = serverapp.log
        self._root = Path(os.path.realpath(serverapp.root_dir))
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def on_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        """Of a room: that it is there, or has gone."""
        room_id, action = data.get("room", ""), data.get("action")
        if action == "initialize" and room_id not in self._tasks:
            self._tasks[room_id] = asyncio.create_task(self._couple(room_id))
        elif action == "clean" and (task := self._tasks.get(room_id)) is not None:
            task.cancel()

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _couple(self, room_id: str) -> None:
        try:
            room = self._room(room_id)
            if room is not None:
                await self._run(room)
        except (FileUnavailable, NotRunning) as error:
            self._log.info("%s is not live: %s", room_id, error)
        except Exception:
            self._log.exception("%s is not live any more", room_id)
        finally:
            del self._tasks[room_id]

    def _room(self, room_id: str) -> Any:
        for extension in self._serverapp.extension_manager.extension_apps.get(_COLLABORATION, ()):
            return extension.ywebsocket_server.rooms.get(room_id)
        return None

    async def _run(self, room: Any) -> None:
        path = self._root / room._file.path
        async with connect() as device, device.open(path) as file:
            if "\r" in str(file):
                self._log.warning("%s is not live: it has line ends of Windows", path)
                return
            coupling = self._made(room, file)
            undo = couple_loader(room, file, coupling.exchange)
            self._log.info("%s is live", path)
            try:
                async for _ in file.changed():
                    pass  # what changes is told to the coupling; this ends when the file is not there any more
            finally:
                undo()
                coupling.close()

    def _made(self, room: Any, file: File) -> TextCoupling | NotebookCoupling:
        if room.file_type == "notebook":
            return NotebookCoupling(room._document, file)
        return TextCoupling(room._document, file)


_rooms: dict[int, Rooms] = {}


def load(serverapp: Any) -> None:
    rooms = _rooms[id(serverapp)] = Rooms(serverapp)
    serverapp.event_logger.add_listener(schema_id=_EVENTS, listener=rooms.on_event)


async def unload(serverapp: Any) -> None:
    rooms = _rooms.pop(id(serverapp), None)
    if rooms is not None:
        serverapp.event_logger.remove_listener(listener=rooms.on_event)
        await rooms.close()
