"""With which client IDs this device wrote in a folder: everybody is told, so that every operation has an author."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yp2p.documents.registers import OWNER_BYTES
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
        self._told: set[int] = set()  # of those of this process start

    def wrote(self) -> None:
        """Something was written with the client IDs of this process start. It is called with every keystroke."""
        for client in self._folder.clients.ids:
            if client not in self._told:
                self._told.add(client)
                if not self.is_told(client):
                    self.to_publish.add(client)

    def is_told(self, client: int) -> bool:
        """Whether everybody can know that this device writes with a client ID."""
        return self._folder.clients.device in self._folder.catalogue.authorship.claimants(client)

    def written(self) -> set[int]:
        """The client IDs of which the manifest has a register in the name of this device."""
        owner = self._folder.clients.device[:OWNER_BYTES]
        claims = self._folder.catalogue.authorship.claims
        return {client for client, signatures in claims.items() if owner in signatures}

    def fresh_client(self) -> int:
        """A client ID of our own that nothing was ever written with."""
        client = fresh_client_id()
        self.to_publish.add(client)
        return client

    async def publish(self) -> None:
        """Tell everybody; returns when that is durable."""
        clients, self.to_publish = sorted(client for client in self.to_publish if not self.is_told(client)), set()
        claims = self._folder.catalogue.authorship.own(clients)
        if claims:
            await self._folder.catalogue.write(claims).wait()
