"""Updates as bytes: their state, what of them somebody lacks, and several as one, each checked before it is read.

Prints::

    merged: Hello, world!
    in any order: Hello, world!
    the state of the whole: the same as that of the document
    the state of the second alone: empty, for it builds on the first
    what a holder of the first lacks: ', world'
    one is missing between two: an update between those that were to be merged is missing
    no update of a text: content of kind 8 in a text
"""

from pycrdt import Array, Doc, Text

from yp2p.client import get_state, get_update, merge_updates
from yp2p.errors import InvalidUpdate, MissingDependency

doc = Doc(client_id=1)
text = doc.get("content", type=Text)
updates: list[bytes] = []
doc.observe(lambda event: updates.append(bytes(event.update)))
text.insert(0, "Hello")
text.insert(5, ", world")
text.insert(12, "!")


def text_of(*updates: bytes) -> str:
    other = Doc(client_id=2)
    found = other.get("content", type=Text)
    for update in updates:
        other.apply_update(update)
    return str(found)


merged = merge_updates(*updates)
print(f"merged: {text_of(merged)}")
print(f"in any order: {text_of(merge_updates(*reversed(updates)))}")
same = "the same as" if get_state(merged) == doc.get_state() else "another than"
print(f"the state of the whole: {same} that of the document")
alone = "empty" if get_state(updates[1]) == bytes(1) else "full"
print(f"the state of the second alone: {alone}, for it builds on the first")
lacking = get_update(merge_updates(*updates[:2]), get_state(updates[0]))
print(f"what a holder of the first lacks: {text_of(updates[0], lacking).removeprefix('Hello')!r}")
try:
    merge_updates(updates[0], updates[2])
except MissingDependency as error:
    print(f"one is missing between two: {error}")
items = Doc()
items.get("items", type=Array).append("x")
try:
    get_state(items.get_update())
except InvalidUpdate as error:
    print(f"no update of a text: {error.reason}")
