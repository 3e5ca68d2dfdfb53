"""What goes wrong with positions and undo is a typed error, or nothing at all; the library's own would panic.

Prints::

    an index outside the text: index -1 is outside a text of 4 characters
    undo with nothing to undo: False
    a scope that is none: a scope is a Text, Array or Map of a document, and not None
    bytes that are no position: these bytes are no position: client 10053310979208941 is too large (at byte 9)
    the end of a text is a position like any other: 4
"""

from pycrdt import Doc, Text

from yp2p.client import UndoManager
from yp2p.documents.positions import Assoc, Position
from yp2p.documents.shared import SharedText
from yp2p.errors import PositionInvalid

file = SharedText(lambda update: None)
file.insert(0, "text")
try:
    file.position(-1)
except PositionInvalid as error:
    print(f"an index outside the text: {error}")

doc = Doc()
undo = UndoManager(doc=doc, scopes=[doc.get("content", type=Text)])
print(f"undo with nothing to undo: {undo.undo()}")
try:
    undo.expand_scope(None)
except TypeError as error:
    print(f"a scope that is none: {error}")

try:
    Position.decode(bytes([0]) + b"\xed\xed\xed\xed\xed\xed\xed\x11\x05")
except PositionInvalid as error:
    print(f"bytes that are no position: {error}")
print(f"the end of a text is a position like any other: {file.index_of(file.position(4, Assoc.AFTER))}")
file.close()
