"""The Python API: files of this device's folders as live documents, on trio and on asyncio.

::

    async with connect() as device:
        async with device.open("notes/a.md") as file:
            file.insert(0, "Title\\n")
            await file.flush()

What a program writes goes to the disk and to the other devices like any other edit; what they write appears in it.
`Provider` is for documents of one's own, over any channel.
"""

from yp2p.client.device import Device, connect
from yp2p.client.edits import Author, Edit, Edits, Received
from yp2p.client.file import File
from yp2p.documents.positions import Assoc, Position
from yp2p.documents.provider import Provider
from yp2p.documents.undo_stack import UndoManager
from yp2p.documents.updates import get_state, get_update, merge_updates
from yp2p.errors import FileUnavailable, NotRunning

__all__ = [
    "Assoc",
    "Author",
    "Device",
    "Edit",
    "Edits",
    "File",
    "FileUnavailable",
    "NotRunning",
    "Position",
    "Provider",
    "Received",
    "UndoManager",
    "connect",
    "get_state",
    "get_update",
    "merge_updates",
]
