"""What others changed, as replacements in code points: for any text, and any change of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yp2p.documents.diff import Hunk, apply_hunks, hunks
from yp2p.documents.received import Received, hunks_of
from yp2p.documents.shared import SharedText
from yp2p.documents.text import TextReplica

_TEXTS = st.text(st.sampled_from("ab \né漢😀\r"), max_size=40)


def test_a_delta_counts_bytes_and_a_replacement_code_points() -> None:
    assert hunks_of("é😀x", [{"retain": 2}, {"delete": 4}, {"insert": "漢"}]) == (Hunk(1, 2, "漢"),)
    assert hunks_of("abc", [{"retain": 1}, {"insert": "X"}, {"retain": 1}, {"delete": 1}]) == (
        Hunk(1, 1, "X"), Hunk(2, 3, ""),
    )  # fmt: skip


@given(_TEXTS, _TEXTS, _TEXTS)
def test_whoever_follows_a_text_has_what_it_is(base: str, one: str, two: str) -> None:
    there = TextReplica(7)
    updates = [there.edit([Hunk(0, 0, base)])]
    here = SharedText(lambda update: None)
    here.receive(*(update for update in updates if update is not None))
    copy, told = [base], list[Received]()

    def follow(received: Received) -> None:
        told.append(received)
        copy[0] = apply_hunks(copy[0], received.changes)

    here.followers.append(follow)
    for text in (one, two):
        update = there.edit(hunks(there.text(), text))
        if update is not None:
            here.receive(update)
        assert copy[0] == str(here) == text
    assert all(received.changes and set(received.clients) <= {7} for received in told)
    here.close()


def test_what_is_edited_here_is_not_told() -> None:
    here, told = SharedText(lambda update: None), list[Received]()
    here.followers.append(told.append)
    here.insert(0, "mine\n")
    assert not told
    there = TextReplica.from_updates(9, [here.update_since(b"\0")])
    update = there.edit([Hunk(0, 4, "theirs")])
    assert update is not None
    here.receive(update, update)
    assert told == [Received((Hunk(0, 4, "theirs"),), (9,))]
    here.close()
