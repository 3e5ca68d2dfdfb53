"""What goes wrong on the wire is a typed error: a fault of the peer, or something that came too early.

Prints::

    encoding: a varint cannot be negative: -1
    decoding: the bytes end early (at byte 3)
    a hostile update never reaches the library: InvalidUpdate
    an update that came too early: MissingDependency
    a channel that fails ends its provider: ConnectionError
    and comes out of its block as it is: the network is down
"""

import trio
from memory import MemoryChannel, MemoryDocument

from yp2p.client import Provider
from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica
from yp2p.errors import InvalidUpdate, MissingDependency
from yp2p.protocol.channel import decode
from yp2p.protocol.wire import write_varint

try:
    write_varint(-1)
except ValueError as error:
    print(f"encoding: {error}")

try:
    decode(b"\x00\x01\xff")
except InvalidUpdate as error:
    print(f"decoding: {error}")

replica = TextReplica(1)
try:
    replica.receive(bytes.fromhex("010101000801017401" + "7501" * 1000 + "7e00"))
except InvalidUpdate:
    print("a hostile update never reaches the library: InvalidUpdate")

other = TextReplica(2)
other.edit([Hunk(0, 0, "first ")])
second = other.edit([Hunk(6, 6, "second")])
try:
    replica.receive(second or b"")
except MissingDependency:
    print("an update that came too early: MissingDependency")


async def main() -> None:
    channel = MemoryChannel("/fail")  # nobody is at its other end
    try:
        await Provider(MemoryDocument(1), channel).start()
    except* ConnectionError as group:
        print(f"a channel that fails ends its provider: {type(group.exceptions[0]).__name__}")
    try:
        async with Provider(MemoryDocument(1), channel):
            pass
    except ConnectionError as error:
        print(f"and comes out of its block as it is: {error}")


trio.run(main)
