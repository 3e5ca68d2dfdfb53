"""What this yp2p speaks and reads: what has to fit where another version of it was, or is on another device."""

from __future__ import annotations

from dataclasses import dataclass

from yp2p import __version__
from yp2p.protocol.messages import PROTOCOL_VERSIONS
from yp2p.store.schema import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Versions:
    """Versions of the program, of the protocol (all that it speaks), and of the store's schema (all up to it are read)."""

    yp2p: str = __version__
    protocol: tuple[int, ...] = PROTOCOL_VERSIONS
    schema: int = SCHEMA_VERSION

    def __str__(self) -> str:
        spoken = ", ".join(map(str, self.protocol))
        return f"yp2p {self.yp2p} (protocol {spoken}, schema {self.schema})"
