"""Synchronising over a connection that breaks: each side goes on, and the next provider says what is there.

Prints::

    connection 1: two has 'one '
    the connection is down: the network is down
    meanwhile one has 'one alone ' and two has 'both one '
    connection 2: the same on both sides, nothing twice: True
"""

import trio
from memory import MemoryChannel, MemoryDocument, until

from yp2p.client import Provider


def connection() -> tuple[MemoryChannel, MemoryChannel]:
    ends = MemoryChannel("/robust"), MemoryChannel("/robust")
    ends[0].connect_to(ends[1])
    return ends


async def main() -> None:
    one, two = MemoryDocument(1), MemoryDocument(2)
    ends = connection()
    try:
        async with Provider(one, ends[0]), Provider(two, ends[1]):
            one.insert(0, "one ")
            await until(lambda: str(two) == "one ")
            print(f"connection 1: two has {str(two)!r}")
            ends[0].is_broken = ends[1].is_broken = True
            one.insert(4, "alone ")
            two.insert(0, "both ")
            await trio.sleep_forever()
    except* ConnectionError as group:
        error = group.exceptions[0]
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        print(f"the connection is down: {error}")
    print(f"meanwhile one has {str(one)!r} and two has {str(two)!r}")
    ends = connection()
    async with Provider(one, ends[0]), Provider(two, ends[1]):
        await until(lambda: str(one) == str(two))
        same = sorted(str(one).split()) == ["alone", "both", "one"]
        print(f"connection 2: the same on both sides, nothing twice: {same}")


trio.run(main)
