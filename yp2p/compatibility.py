"""What this yp2p speaks and reads: what has to fit where another version of it was, or is on another device."""

from __future__ import annotations

from dataclasses import dataclass

from yp2p import __version__
from yp2p.protocol.messages import PROTOCOL_VERSIONS
from yp2p.store.schema import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Versions:
    """Of the program; all that it speaks of the protocol; of the store's schema, of which it reads all up to this."""

    yp2p: str = __version__
    protocol: tuple[int, ...] = PROTOCOL_VERSIONS
    schema: int = SCHEMA_VERSION

    def __str__(self) -> str:
        spoken = ", ".join(map(str, self.protocol))
        return f"yp2p {self.yp2p} (protocol {spoken}, schema {self.schema})"
