"""With which client IDs this device wrote in a folder: everybody is told, so that every operation has an author."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from yp2p.documents.manifest import Claim
from yp2p.folder.client_ids import fresh_client_id

if TYPE_CHECKING:
    from yp2p.folder.folder import Folder


class OwnClaims:
    """The client IDs that are to be told.

    Attributes:
        to_publish: those that something was written with here, and that nobody knows of.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.to_publish: set[int] = set()

    def wrote(self) -> None:
        """Something was written with the client IDs of this process start."""
        self.to_publish |= self._folder.clients.ids - self._folder.catalogue.manifest.claims.keys()

    def fresh_client(self) -> int:
        """A client ID of our own that nothing was ever written with."""
        client = fresh_client_id()
        self.to_publish.add(client)
        return client

    async def publish(self) -> None:
        """Tell everybody; returns when that is durable."""
        clients, self.to_publish = self.to_publish - self._folder.catalogue.claims.keys(), set()
        if clients:
            now_ms = int(time.time() * 1000)
            claims = [Claim(client, self._folder.clients.device, now_ms) for client in sorted(clients)]
            await self._folder.catalogue.write(claims).wait()
