"""Two people edit one text, with cursors, and each takes back only what they did.

Prints::

    after collaboration: Collaborative EDITED document. More from one.
    both see the same: True
    one undoes: Collaborative EDITED document.
    one undoes again: EDITED
    two has it too: EDITED
    what two wrote is there: True
"""

from yp2p.documents.shared import SharedText

waiting: dict[str, list[bytes]] = {"one": [], "two": []}
one, two = SharedText(waiting["two"].append), SharedText(waiting["one"].append)
undo_one = one.undo_manager(capture_timeout_millis=0)


def exchange() -> None:
    for text, updates in ((one, waiting["one"]), (two, waiting["two"])):
        for update in updates:
            text.receive(update)
        updates.clear()


one.insert(0, "Collaborative document. ")
exchange()
cursor_one, cursor_two = one.position(len(str(one))), two.position(14)

two.insert(two.index_of(cursor_two), "EDITED ")
one.insert(one.index_of(cursor_one), "More from one.")
exchange()
print(f"after collaboration: {one}")
print(f"both see the same: {str(one) == str(two)}")

undo_one.undo()
print(f"one undoes: {str(one).rstrip()}")
undo_one.undo()
print(f"one undoes again: {str(one).rstrip()}")
exchange()
print(f"two has it too: {str(two).rstrip()}")
print(f"what two wrote is there: {'EDITED' in str(one)}")
one.close()
two.close()
