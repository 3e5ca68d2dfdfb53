"""Positions that stay with their text while it is edited, before and after them.

Prints::

    at first: start=7, end=12, cursor=20
    after an insertion at 0: start=13, end=18, cursor=26
    after one inside: start=13, end=26, cursor=34
    after the first is taken out: start=7, end=20, cursor=28
    between them: 'world of ours'
    beside an emoji, in characters: 'a😀|b'
"""

from yp2p.documents.shared import SharedText

file = SharedText(lambda update: None)
file.insert(0, "Hello, world! This is a test document.")
start, end, cursor = file.position(7), file.position(12), file.position(20)


def show(what: str) -> None:
    print(f"{what}: start={file.index_of(start)}, end={file.index_of(end)}, cursor={file.index_of(cursor)}")


show("at first")
file.insert(0, "Well, ")
show("after an insertion at 0")
file.insert(18, " of ours")
show("after one inside")
file.delete(0, 6)
show("after the first is taken out")
print(f"between them: {str(file)[file.index_of(start) : file.index_of(end)]!r}")

file.replace_all("a😀b")
at = file.index_of(file.position(2))
print(f"beside an emoji, in characters: {str(file)[:at] + '|' + str(file)[at:]!r}")
file.close()
