"""A stream of messages, one after the other, told by their kind.

Prints::

    step 1: the other side has 0 clients
    step 2: 21 bytes
    update: 1 of them
    awareness: 2 bytes
    kind 99 is not known and is passed over
    what is no message: the bytes end early (at byte 3)
"""

from pycrdt import YMessageType, YSyncMessageType

from yp2p.documents.text import imported
from yp2p.errors import InvalidUpdate
from yp2p.protocol.channel import AwarenessUpdate, Step1, Step2, Unrecognised, Updates, decode, encode
from yp2p.protocol.state_vectors import read_state_vector

update = imported("hi")
stream = [
    encode(Step1(b"\x00")),
    encode(Step2(update)),
    encode(Updates((update,))),
    encode(AwarenessUpdate(b"{}")),
    bytes([99, 1, 2, 3]),
]
assert [message[0] for message in stream[:4]] == [YMessageType.SYNC] * 3 + [YMessageType.AWARENESS]
assert stream[0][1] == YSyncMessageType.SYNC_STEP1

for message in stream:
    match decode(message):
        case Step1(state_vector):
            print(f"step 1: the other side has {len(read_state_vector(state_vector))} clients")
        case Step2(data):
            print(f"step 2: {len(data)} bytes")
        case Updates(updates):
            print(f"update: {len(updates)} of them")
        case AwarenessUpdate(data):
            print(f"awareness: {len(data)} bytes")
        case Unrecognised(kind):
            print(f"kind {kind} is not known and is passed over")

try:
    decode(b"\x00\x00\x05")
except InvalidUpdate as error:
    print(f"what is no message: {error}")
