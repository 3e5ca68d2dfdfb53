"""A channel of one's own: whatever has `path`, `send`, `recv` and async iteration carries a document.

Prints::

    /notes received: Hello from one
    /notes received: Hello back from two
"""

import trio
from memory import MemoryChannel


async def main() -> None:
    one, two = MemoryChannel("/notes"), MemoryChannel("/notes")
    one.connect_to(two)
    await one.send(b"Hello from one")
    print(f"{two.path} received: {(await two.recv()).decode()}")
    await two.send(b"Hello back from two")
    async for message in one:
        print(f"{one.path} received: {message.decode()}")
        break


trio.run(main)
