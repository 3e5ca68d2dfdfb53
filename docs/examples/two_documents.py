"""The sync protocol between two documents: step 1 asks with a state vector, step 2 answers, updates follow.

Prints::

    step 1 of the empty document, answered by the full one
    second: Hello from the first
    second after an update: Hello from the first - updated!
    the same with messages of yp2p: Hello from the first - updated!
"""

from pycrdt import Doc, Text, create_sync_message, create_update_message, handle_sync_message

from yp2p.documents.text import TextReplica
from yp2p.protocol.channel import Step1, Step2, decode, encode

first, second = Doc(client_id=1), Doc(client_id=2)
text_one, text_two = first.get("source", type=Text), second.get("source", type=Text)
text_one.insert(0, "Hello from the first")

question = create_sync_message(second)
answer = handle_sync_message(question[1:], first)  # today's function takes the message without its kind
assert answer is not None
print("step 1 of the empty document, answered by the full one")
handle_sync_message(answer[1:], second)
print(f"second: {text_two}")

text_one.insert(len(text_one), " - updated!")
update = create_update_message(first.get_update(second.get_state()))
handle_sync_message(update[1:], second)
print(f"second after an update: {text_two}")

# yp2p checks every byte of a peer before the library sees it.
replica = TextReplica(3)
asked = decode(encode(Step1(replica.state_vector())))
assert isinstance(asked, Step1)
told = decode(encode(Step2(first.get_update(asked.state_vector))))
assert isinstance(told, Step2)
replica.receive(told.update)
print(f"the same with messages of yp2p: {replica.text()}")
