"""Who made a file and when, as far as this device knows: it is in the name of a file that stands beside another one."""

from __future__ import annotations

import re
import time
from collections.abc import Collection

import trio

from yp2p.documents.origins import origin_of
from yp2p.documents.registers import index_of
from yp2p.folder.catalogue import manifest_document_id
from yp2p.folder.folder import Folder
from yp2p.identity import ID_BYTES, EntryID
from yp2p.store import tables

_PATH_KEY = re.compile(rb"([0-9a-f]{%d})p" % (2 * ID_BYTES))


def own_origin(folder: Folder, at: float | None = None) -> str:
    """What the name says of a file that this device made: now, or at `at`."""
    return origin_of(folder.name_of(folder.clients.device), time.time() if at is None else at)


async def made_here(folder: Folder, entries: Collection[EntryID]) -> dict[EntryID, float]:
    """Those of these entries that this device was the first to write, as far as it knows, and when it did.

    Their keys are looked for in the bytes of the log: whoever writes one of them as a path can only have it that a
    conflict copy says less.
    """
    made: dict[EntryID, float] = {}
    for index in sorted({index_of(entry) for entry in entries}):
        left = {entry.hex().encode() for entry in entries if index_of(entry) == index}
        for _, at, origin, data in tables.log.rows(folder.database.rows, folder.id, manifest_document_id(index)):
            found = left.intersection(_PATH_KEY.findall(data))
            left -= found
            if not origin:
                made |= {EntryID(bytes.fromhex(name.decode())): at for name in found}
            if not left:
                break
        await trio.lowlevel.checkpoint()
    return made
