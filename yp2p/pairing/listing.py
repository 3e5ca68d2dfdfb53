"""What a folder has, told to somebody who wants to know before joining, and then is nobody's member.

After both have proved who they are (`exchange.py` with a code, `invites.py` with a token)::

    sharer -> joiner   label  name
    sharer -> joiner   entries, as often as it takes; none ends it
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
import trio

from yp2p.discovery.addresses import Address
from yp2p.errors import NotShown, PeerFault
from yp2p.folder.folder import Folder
from yp2p.pairing.exchange import LISTED_IN_MESSAGE, Listed, decode_listing, encode_listing
from yp2p.pairing.preview import list_entries
from yp2p.printable import called
from yp2p.protocol.messages import MAX_DEVICE_NAME_BYTES, MAX_LABEL_BYTES
from yp2p.protocol.wire import Reader, Writer
from yp2p.transport.secure import SecureMessages

# What a device that shows its folder can make us hold: 200 MB, with long names.
MAX_LISTED = 1 << 20
# Less than a whole run may take: whoever tells a large folder slowly is not taken for somebody who is gone.
_LIST_LIMIT_S = 15.0

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
    """What the other end tells.

    Raises:
        PeerFault, BrokenResourceError: it lets nobody look. NotShown: it cannot tell all that the folder has.
    """
    header = Reader(await messages.receive())
    label, name = header.text(MAX_LABEL_BYTES), header.text(MAX_DEVICE_NAME_BYTES)
    header.end()
    entries: list[Listed] = []
    try:
        with trio.fail_after(_LIST_LIMIT_S):
            while part := decode_listing(await messages.receive()):
                entries += part
                if len(entries) > MAX_LISTED:
                    raise NotShown(f"{label!r} has more than {MAX_LISTED:,} entries, too many to look at beforehand")
    except (PeerFault, trio.BrokenResourceError, trio.TooSlowError) as error:
        reason = str(error) or "it took too long"
        raise NotShown(f"{called(name)} broke off while it said what {label!r} has ({reason})") from error
    return Shown(label, name, entries, impostors)
