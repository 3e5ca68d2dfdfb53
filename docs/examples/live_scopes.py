"""Undo over the text of a live file and over an array and a map of the program's own, with `UndoManager(doc=...)`.

The document of a file is one text, as a file on a disk is: an array in it would be nowhere on the other devices' disks.
So arrays and maps are in a document of the program's own, and undo may span both.

Prints::

    in the file's document: the document of a file is the Text 'source' and nothing else
    done: 'line', tags ['draft'], settings {'wrap': True}
    undone: 'line', tags ['draft'], settings {}
    undone: 'line', tags [], settings {}
    undone: '', tags [], settings {}
    redone: 'line', tags ['draft'], settings {'wrap': True}
    a manager of one document: the Text is in another document than `doc`
"""

from pycrdt import Array, Doc, Map

from yp2p.client import UndoManager
from yp2p.documents.shared import SharedText

file = SharedText(lambda update: None)  # what `device.open(...)` of yp2p.client gives edits like this one
try:
    file.doc.get("tags", type=Array)
except ValueError as error:
    print(f"in the file's document: {str(error).partition(',')[0]}")

own = Doc()
tags, settings = own.get("tags", type=Array), own.get("settings", type=Map)
undo = file.undo_manager(scopes=[file.text, tags], capture_timeout_millis=0)
undo.expand_scope(settings)


def show(what: str) -> None:
    print(f"{what}: {str(file)!r}, tags {list(tags)}, settings {dict(settings.items())}")


file.insert(0, "line")
tags.append("draft")
settings["wrap"] = True
show("done")
while undo.undo():
    show("undone")
while undo.redo():
    pass
show("redone")
try:
    UndoManager(doc=own, scopes=[tags, file.text])
except ValueError as error:
    print(f"a manager of one document: {str(error).partition(';')[0]}")
file.close()
