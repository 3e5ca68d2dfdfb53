"""Who wrote what in a text, and when: by the claims of client IDs, else by the devices that the rows came from."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from yp2p.documents.history import Row
from yp2p.folder.packs import removers_of, stored_rows
from yp2p.identity import DeviceID, DocumentID
from yp2p.protocol.clients import Writer
from yp2p.protocol.state_vectors import StateVector
from yp2p.protocol.ysync import parse_update
from yp2p.store.sql import Statement
from yp2p.store.tables.log import NOTHING

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder


class Author(NamedTuple):
    """Who wrote something: a device, and on it, where that is known, somebody who edits by name."""

    device: DeviceID
    name: str = ""


class Maker(msgspec.Struct, frozen=True):
    """The devices that wrote something, and when the last of it was stored, in seconds since 1970.

    `name` is what whoever wrote it there calls itself, where that is one who edits by name.
    """

    devices: tuple[bytes, ...] = ()
    at: float = 0.0
    name: str = ""


def rows_of(folder: Folder, document: DocumentID, unpack: Statement = NOTHING) -> list[Row[DeviceID]]:
    """The log of a text. Keystrokes that were packed together are one row, but where a version is in the middle."""
    rows: list[Row[DeviceID]] = []
    for stored in stored_rows(folder.database.rows, folder.id, document, unpack):
        if stored.rows is not None:
            rows += [Row(one.seq, one.at, _device(folder, one.origin), one.data) for one in stored.singles()]
        else:
            removers = tuple(_device(folder, origin) for origin in removers_of(stored))
            rows.append(Row(stored.seq, stored.at, _device(folder, stored.origin), stored.data, stored.since, removers))
    return rows


def _device(folder: Folder, origin: bytes) -> DeviceID:
    return DeviceID(origin) if origin else folder.clients.device


def author_of(folder: Folder, client: int) -> DeviceID | None:
    """Which device wrote with a client ID, as far as any has signed that."""
    if client in folder.clients.ids:
        return folder.clients.device
    return folder.catalogue.authorship.author_of(client)


def named_rows(rows: Iterable[Row[DeviceID]]) -> list[Row[Author]]:
    """The rows of a log, whose senders are authors without a name."""
    return [
        Row(row.seq, row.at, Author(row.sender), row.data, row.since, tuple(map(Author, row.removers))) for row in rows
    ]


def named_author_of(folder: Folder, client: int) -> Author | None:
    """Who wrote with a client ID, as far as it is known here."""
    name = folder.edits.named.names.get(client, "")
    device = author_of(folder, client) or (folder.clients.device if name else None)
    return Author(device, name) if device is not None else None


async def writers(folder: Folder, document: DocumentID, clients: Iterable[int]) -> dict[int, DeviceID | None]:
    """Which device wrote in a text with each of these client IDs; where none has signed that, who brought it last."""
    found = list(clients)
    if any(author_of(folder, client) is None for client in found):
        await folder.database.pending().wait()  # programs hear of an update before it is in the log
    return stored_authors(folder, document, found)


def stored_authors(folder: Folder, document: DocumentID, clients: Iterable[int]) -> dict[int, DeviceID | None]:
    """The same of what is in the log already."""
    found: dict[int, DeviceID | None] = {client: author_of(folder, client) for client in clients}
    unknown = {client for client, device in found.items() if device is None}
    for row in reversed(rows_of(folder, document)) if unknown else ():
        known = unknown & parse_update(row.data).sections.keys()
        found |= dict.fromkeys(known, row.sender)
        unknown -= known
        if not unknown:
            break
    return found


def maker_of(
    folder: Folder,
    document: DocumentID,
    arriving: Iterable[bytes],
    source: object,
    has: StateVector,
    lacks: StateVector,
) -> Maker:
    """Who wrote what is in `has` and not in `lacks`.

    Args:
        arriving: updates that are not in the log yet, and come from the device `source` (None: from here).
    """
    only = {
        client for client, clock in has.items()
        if clock > lacks.get(client, 0) and Writer.of(client) is not Writer.REPAIR
    }  # fmt: skip
    devices: dict[int, DeviceID] = {}
    last = 0.0
    for row in rows_of(folder, document):
        known = {
            client for client, (_, stop) in parse_update(row.data).sections.items()
            if client in only and stop > lacks.get(client, 0)
        }  # fmt: skip
        devices |= dict.fromkeys(known, row.sender)
        last = max(last, row.at) if known else last
    for update in arriving:
        known = parse_update(update).sections.keys() & only
        sender = source if isinstance(source, bytes) else folder.clients.device
        devices |= dict.fromkeys(known - devices.keys(), DeviceID(sender))
        last = max(last, time.time()) if known else last
    if not only:  # who only removed does not show in a state vector
        sender = source if isinstance(source, bytes) else folder.clients.device
        return Maker((DeviceID(sender),), time.time())
    makers = {author_of(folder, client) or devices.get(client, folder.clients.device) for client in only}
    return Maker(tuple(sorted(makers)), last or time.time())
