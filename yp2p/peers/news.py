"""What one device tells another one of a folder beside its content: places that were changed apart, and purges.

All of it is told when a session begins, and again when the peer's session has begun after ours; what is new is told at
once. Whoever knows something already says nothing of it to others, so it comes to an end.
"""

from __future__ import annotations

from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID
from yp2p.protocol.messages import BothChanged, PurgeNews
from yp2p.transport.link import Link


class News:
    """What is told to one peer, and what it tells."""

    def __init__(self, folder: Folder, link: Link, peer: DeviceID) -> None:
        self._folder = folder
        self._link = link
        self._peer = peer

    async def tell(self) -> None:
        """Tell all: places with a version of the peer's, what devices ask to be purged, and what others answered."""
        for both_changed in self._folder.notices.of_maker(self._peer):
            await self._link.send(both_changed)
        for purge_news in list(self._folder.observers.purges.messages()):
            await self._link.send(purge_news)

    def both_changed(self, message: BothChanged) -> None:
        """A place was changed apart: tell a peer that made one of its versions."""
        if any(self._peer in side.devices for side in message.sides):
            self._link.send_nowait(message)

    def purge_news(self, message: PurgeNews) -> None:
        """Some device asks for a purge, or answers."""
        self._link.send_nowait(message)

    async def take(self, message: BothChanged | PurgeNews) -> None:
        """The peer tells something."""
        folder = self._folder
        if isinstance(message, PurgeNews):
            await folder.observers.purges.take(message)
        elif folder.membership.takes_from(self._peer):
            path = folder.catalogue.layout().path_of.get(message.entry)
            if path is not None:
                folder.notices.take(path, message, self._peer)
