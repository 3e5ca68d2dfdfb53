"""Which types are tracked can grow: what was done before that stays.

Prints::

    with the text: 1 step
    with the items: 2 steps
    with the map: 3 steps
    undone: text='', items=['untracked item'], map={}
"""

from pycrdt import Array, Doc, Map, Text

from yp2p.client import UndoManager

doc = Doc()
text, items, values = (doc.get(name, type=kind) for name, kind in (("text", Text), ("items", Array), ("map", Map)))
undo = UndoManager(doc=doc, scopes=[text], capture_timeout_millis=0)

text.insert(0, "Tracked text")
items.append("untracked item")
print(f"with the text: {len(undo.undo_stack)} step")
undo.expand_scope(items)
with doc.transaction():
    items.append("tracked item")
    text.insert(0, "More ")
print(f"with the items: {len(undo.undo_stack)} steps")
undo.expand_scope(values)
with doc.transaction():
    values["key1"] = "value1"
    values["key2"] = "value2"
print(f"with the map: {len(undo.undo_stack)} steps")
while undo.can_undo():
    undo.undo()
print(f"undone: text={str(text)!r}, items={list(items)}, map={dict(values.items())}")
