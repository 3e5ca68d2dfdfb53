"""Two documents of the library that a provider on each side keeps the same, whoever writes.

Prints::

    both are synchronised
    one sees: Hi from two! Hello from one!
    two sees: Hi from two! Hello from one!
    stopped; what one writes now stays there: True
"""

import trio
from memory import MemoryChannel, until
from pycrdt import Doc, Text

from yp2p.client import Provider


async def main() -> None:
    doc1, doc2 = Doc(client_id=1), Doc(client_id=2)
    one, two = doc1.get("content", type=Text), doc2.get("content", type=Text)
    ends = MemoryChannel("/doc/shared"), MemoryChannel("/doc/shared")
    ends[0].connect_to(ends[1])
    first, second = Provider(doc1, ends[0]), Provider(doc2, ends[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first.start)
        nursery.start_soon(second.start)
        await first.started.wait()
        await second.started.wait()
        await first.synced.wait()
        await second.synced.wait()
        print("both are synchronised")
        with doc1.transaction(origin="client1"):
            one.insert(0, "Hello from one!")
        await until(lambda: str(two) == str(one))
        with doc2.transaction(origin="client2"):
            two.insert(0, "Hi from two! ")
        await until(lambda: str(two) == str(one))
        print(f"one sees: {one}")
        print(f"two sees: {two}")
        await first.stop()
        await second.stop()
    one.insert(0, "Alone: ")
    print(f"stopped; what one writes now stays there: {str(one) != str(two)}")


trio.run(main)
