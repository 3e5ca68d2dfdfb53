"""Two documents that a provider on each side keeps the same, whoever writes.

Prints::

    both are synchronised
    one sees: Hi from two! Hello from one!
    two sees: Hi from two! Hello from one!
    stopped; what one writes now stays there: True
"""

import trio
from memory import MemoryChannel, MemoryDocument, until

from yp2p.sync.provider import Provider


async def main() -> None:
    one, two = MemoryDocument(1), MemoryDocument(2)
    ends = MemoryChannel("/doc"), MemoryChannel("/doc")
    ends[0].connect_to(ends[1])
    async with Provider(one, ends[0]) as first, Provider(two, ends[1]) as second:
        await first.synced.wait()
        await second.synced.wait()
        print("both are synchronised")
        one.insert(0, "Hello from one!")
        await until(lambda: str(two) == str(one))
        two.insert(0, "Hi from two! ")
        await until(lambda: str(two) == str(one))
        print(f"one sees: {one}")
        print(f"two sees: {two}")
    one.insert(0, "Alone: ")
    print(f"stopped; what one writes now stays there: {str(one) != str(two)}")


trio.run(main)
