"""What a folder has, told to somebody who wants to know before joining, and then is nobody's member.

After both have proved who they are (`exchange.py` with a code, `invites.py` with a token)::

    sharer -> joiner   label  name
    sharer -> joiner   entries, as often as it takes; none ends it
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from yp2p.discovery.addresses import Address
from yp2p.errors import MessageFault
from yp2p.folder.folder import Folder
from yp2p.pairing.exchange import LISTED_IN_MESSAGE, Listed, decode_listing, encode_listing
from yp2p.pairing.preview import list_entries
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES, MAX_LABEL_BYTES
from yp2p.protocol.wire import Reader, Writer
from yp2p.transport.secure import SecureMessages

# What a device that shows its folder can make us hold: 200 MB, with long names.
MAX_LISTED = 1 << 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a folder has, whose it is, and the name of the device that shows it.

    Attributes:
        impostors: where others answered to a code's digits, and did not know the code.
    """

    label: str
    name: str
    entries: list[Listed]
    impostors: tuple[Address, ...] = ()


async def show(folder: Folder, name: str, messages: SecureMessages) -> None:
    """Tell what a folder has here; `name` is what this device is called."""
    await messages.send(Writer().text(folder.label).text(name).finish())
    entries = list_entries(folder)
    for start in range(0, len(entries), LISTED_IN_MESSAGE):
        await messages.send(encode_listing(entries[start : start + LISTED_IN_MESSAGE]))
    await messages.send(encode_listing([]))
    log.info("folder_shown", folder=folder.label)


async def receive_shown(messages: SecureMessages, impostors: tuple[Address, ...] = ()) -> Shown:
    """What the other end tells. Raises PeerFault."""
    header = Reader(await messages.receive())
    label, name = header.text(MAX_LABEL_BYTES), header.text(MAX_DEVICE_NAME_BYTES)
    header.end()
    entries: list[Listed] = []
    while part := decode_listing(await messages.receive()):
        entries += part
        if len(entries) > MAX_LISTED:
            raise MessageFault(f"a folder of more than {MAX_LISTED} entries")
    return Shown(label, name, entries, impostors)
