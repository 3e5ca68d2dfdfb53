"""Undo and redo of changes, the last one first.

Prints::

    can undo: True
    after undo - items: []
    after undo - text: ''
    after redo - text: 'Hello, world!'
    after redo - items: ['item1', 'item2', 'item3']
    nothing to redo: False
"""

from pycrdt import Array, Doc, Text

from yp2p.client import UndoManager

doc = Doc()
text, items = doc.get("content", type=Text), doc.get("items", type=Array)
undo = UndoManager(doc=doc, scopes=[text, items], capture_timeout_millis=0)

text.insert(0, "Hello, world!")
items.extend(["item1", "item2", "item3"])
print(f"can undo: {undo.can_undo()}")
undo.undo()
print(f"after undo - items: {list(items)}")
undo.undo()
print(f"after undo - text: {str(text)!r}")
undo.redo()
print(f"after redo - text: {str(text)!r}")
undo.redo()
print(f"after redo - items: {list(items)}")
print(f"nothing to redo: {undo.redo()}")
