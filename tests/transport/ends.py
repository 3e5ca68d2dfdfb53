"""Both ends of a link over loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from yp2p.identity import Identity
from yp2p.protocol.messages import Hello
from yp2p.transport.dialer import dial
from yp2p.transport.handshake import Secured
from yp2p.transport.link import Link, open_link
from yp2p.transport.listener import Listener, open_listeners

ONE, TWO = (Identity(bytes([number]) * 32) for number in (1, 2))
HELLO = Hello((1,), bytes(16), "name", 1)


@asynccontextmanager
async def open_ends() -> AsyncIterator[tuple[Link, Link]]:
    """Who dialled, and who accepted."""
    ends_in, ends = trio.open_memory_channel[Link](1)
    over = trio.Event()

    async def serve(secured: Secured, confirmed: Link) -> None:
        async with open_link(secured, HELLO, confirmed) as link:
            await ends_in.send(link)
            await over.wait()

    async def pair(_: Secured) -> None:
        raise AssertionError("nobody pairs here")

    listeners = open_listeners(["127.0.0.1"], 0, 0).listeners
    listener = Listener(TWO, serve, pair, is_known=lambda key: True, pairing_open=lambda: False)
    port = int(listeners[0].socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.serve, listeners)  # noqa: ASYNC113 (the sockets listen already)
        secured = await dial("127.0.0.1", port, ONE, TWO.public.noise_key)
        async with open_link(secured, HELLO) as there:
            yield there, await ends.receive()
            over.set()
        nursery.cancel_scope.cancel()
