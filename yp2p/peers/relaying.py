"""Which updates of others are relayed to a peer: those of devices that it has no link with itself.

Every peer has to know of every link in a folder: who has one with the author of an update needs no relay.
"""

from __future__ import annotations

from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID
from yp2p.protocol.messages import FolderLinks
from yp2p.transport.link import Link


class Relaying:
    """What one peer said of its links in a folder, and what it is told of ours."""

    def __init__(self, folder: Folder, link: Link, peer: DeviceID) -> None:
        self._folder = folder
        self._link = link
        self._peer = peer
        self._links_of_peer: frozenset[DeviceID] = frozenset()

    def must_relay(self, source: object) -> bool:
        """Whether what came from this source has to be sent on to the peer."""
        return source not in self._links_of_peer

    def take(self, links: FolderLinks) -> None:
        """The peer has these links."""
        self._links_of_peer = frozenset(links.devices)

    def tell(self) -> None:
        """Tell the peer with which others this device has links."""
        others = tuple(sorted(device for device in self._folder.observers.sessions if device != self._peer))
        self._link.send_nowait(FolderLinks(self._folder.id, others))
