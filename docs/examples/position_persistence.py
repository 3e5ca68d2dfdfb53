"""Positions as JSON and as bytes, in the formats of Yjs: kept beside a document, and right in another process.

Prints::

    bookmark: {"tname": "source", "item": {"client": 1, "clock": 10}, "assoc": 0}
    bytes: 00010a00
    restored: bookmark=14, selection=24-32
    selected: 'tracking'
    what is no position: 'x' is no clock of a position
    one of a device that is ahead: a position beside operation 5 of client 99, which is not in this text
"""

import json

from pycrdt import Doc, Text

from yp2p.documents.positions import Assoc, Position, PositionIndex
from yp2p.errors import PositionInvalid, PositionUnknown

doc = Doc(client_id=1)
text = doc.get("source", type=Text)
text.insert(0, "Persistent position tracking example.")

index = PositionIndex(doc.get_update())
content = str(text)
bookmark = index.create(content, 10, Assoc.AFTER)
start, end = index.create(content, 20, Assoc.AFTER), index.create(content, 28, Assoc.BEFORE)
saved = json.dumps({"bookmark": bookmark.to_json(), "start": start.to_json(), "end": end.to_json()})
print(f"bookmark: {json.dumps(bookmark.to_json())}")
print(f"bytes: {bookmark.encode().hex()}")

text.insert(5, "NEW ")
text.insert(len(text), " UPDATED")

other = Doc(client_id=2)
other_text = other.get("source", type=Text)
other.apply_update(doc.get_update())
there = PositionIndex(other.get_update())
content = str(other_text)
found = {name: there.resolve(content, Position.from_json(value)) for name, value in json.loads(saved).items()}
print(f"restored: bookmark={found['bookmark']}, selection={found['start']}-{found['end']}")
print(f"selected: {content[found['start'] : found['end']]!r}")

try:
    Position.from_json({"item": {"client": 1, "clock": "x"}})
except PositionInvalid as error:
    print(f"what is no position: {error}")
try:
    there.resolve(content, Position(Assoc.AFTER, 99, 5))
except PositionUnknown as error:
    print(f"one of a device that is ahead: {error}")
