"""Undo of what one origin did: others' changes stay.

Prints::

    text: System change - User change 1 - User change 2
    steps: 2
    after the first undo: System change - User change 1
    after the second: System change -
"""

from pycrdt import Doc, Text

from yp2p.client import UndoManager

doc = Doc()
text = doc.get("content", type=Text)
undo = UndoManager(doc=doc, scopes=[text], capture_timeout_millis=0)
undo.include_origin("user")


def write(index: int, what: str, origin: str) -> None:
    with doc.transaction(origin=origin):
        text.insert(index, what)


write(0, "User change 1", "user")
write(0, "System change - ", "system")
write(len(text), " - User change 2", "user")
print(f"text: {text}")
print(f"steps: {len(undo.undo_stack)}")
undo.undo()
print(f"after the first undo: {text}")
undo.undo()
print(f"after the second: {str(text).rstrip()}")
