"""The client IDs that this process start writes with (invariant 6): fresh random numbers, never used again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from yp2p.identity import DeviceID
from yp2p.protocol.clients import Writer


@dataclass(frozen=True, slots=True)
class ClientIDs:
    """The client IDs of this process start (invariant 6)."""

    own: int
    fork: int
    device: DeviceID  # whose they are

    @property
    def ids(self) -> frozenset[int]:
        """Both."""
        return frozenset((self.own, self.fork))

    @classmethod
    def fresh(cls, device: DeviceID) -> ClientIDs:
        return cls(fresh_client_id(), fresh_client_id(), device)


def fresh_client_id() -> int:
    return Writer.SAVED.client_id(secrets.randbelow(2**32 - 1) + 1)
