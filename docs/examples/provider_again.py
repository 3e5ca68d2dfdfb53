"""A provider whose channel fails raises that, and one that was stopped, or failed, starts again.

Prints::

    the channel fails at once: the network is down
    the block of the caller goes on
    started again: two has 'one '
    stopped: two has 'one '
    and again: two has 'one apart '
    a document of an array: a provider takes a document of one Text, and this one has: Array 'items'
"""

import trio
from memory import MemoryChannel, until
from pycrdt import Array, Doc, Text

from yp2p.client import Provider
from yp2p.errors import UsageError


async def main() -> None:
    doc1, doc2 = Doc(client_id=1), Doc(client_id=2)
    one, two = doc1.get("content", type=Text), doc2.get("content", type=Text)
    ends = MemoryChannel("/again"), MemoryChannel("/again")
    provider = Provider(doc1, ends[0])

    try:
        async with provider:  # nobody is at the other end
            print("this is never said")
    except ConnectionError as error:
        print(f"the channel fails at once: {error}")
    async with trio.open_nursery():
        print("the block of the caller goes on")

    ends[0].connect_to(ends[1])
    async with Provider(doc2, ends[1]):
        async with provider:
            one.insert(0, "one ")
            await until(lambda: str(two) == "one ")
            print(f"started again: two has {str(two)!r}")
        one.insert(4, "apart ")
        print(f"stopped: two has {str(two)!r}")
        async with provider:
            await until(lambda: str(two) == str(one))
            print(f"and again: two has {str(two)!r}")

    items = Doc()
    items.get("items", type=Array)
    try:
        async with Provider(items, ends[0]):
            pass
    except UsageError as error:
        print(f"a document of an array: {error}")


trio.run(main)
