"""A clock of one's own, changes grouped by time, origins in and out, and types that are not tracked.

Prints::

    made within a second of each other: 1 step
    after a pause: 2 steps
    an auto-save is no step: 2 steps
    undoing: text '[SAVED] Quick changes ', items ['item1']
    undoing: text '[SAVED] ', items []
    what is not tracked stays: {'key': 'value'}
"""

from pycrdt import Array, Doc, Map, Text

from yp2p.client import UndoManager

now_ms = 1_000_000


def clock() -> int:
    return now_ms


doc = Doc()
text, items, untracked = (doc.get(name, type=kind) for name, kind in (("text", Text), ("items", Array), ("map", Map)))
undo = UndoManager(doc=doc, scopes=[text, items], capture_timeout_millis=1000, timestamp=clock)
undo.include_origin("user")
undo.exclude_origin("auto-save")

with doc.transaction(origin="user"):
    text.insert(0, "Quick ")
with doc.transaction(origin="user"):
    text.insert(6, "changes ")
with doc.transaction(origin="user"):
    items.append("item1")
with doc.transaction(origin="user"):
    untracked["key"] = "value"
print(f"made within a second of each other: {len(undo.undo_stack)} step")

now_ms += 1100
with doc.transaction(origin="user"):
    text.insert(len(text), "separate")
print(f"after a pause: {len(undo.undo_stack)} steps")
with doc.transaction(origin="auto-save"):
    text.insert(0, "[SAVED] ")
print(f"an auto-save is no step: {len(undo.undo_stack)} steps")

while undo.can_undo():
    undo.undo()
    print(f"undoing: text {str(text)!r}, items {list(items)}")
print(f"what is not tracked stays: {dict(untracked.items())}")
