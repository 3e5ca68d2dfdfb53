"""The client IDs that this process start writes with (invariant 6): fresh random 32-bit numbers, never used again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientIDs:
    """The client IDs of this process start (invariant 6)."""

    own: int
    fork: int

    @classmethod
    def fresh(cls) -> ClientIDs:
        return cls(fresh_client_id(), fresh_client_id())


def fresh_client_id() -> int:
    return secrets.randbelow(2**32 - 1) + 1
