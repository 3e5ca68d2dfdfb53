"""Documents that were pulled from a peer."""

from __future__ import annotations

from types import SimpleNamespace

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from yp2p.documents.diff import Hunk
from yp2p.documents.text import TextReplica, imported, read_first_import
from yp2p.folder.budget import Budget, charged
from yp2p.folder.burden import FORGIVEN_BYTES_S, MOST_BYTES
from yp2p.identity import DeviceID, DocumentID, FolderID
from yp2p.peers.pulls import _SHORT_BYTES, Pulls, _by_document
from yp2p.protocol.insertions import Insertion
from yp2p.protocol.messages import Documents
from yp2p.protocol.update_parts import in_parts
from yp2p.protocol.ysync import Checked, Shape, check

_DOCUMENT = DocumentID(b"d" * 16)


async def test_a_state_with_a_gap_is_not_taken_and_ends_no_session() -> None:
    author, here = TextReplica(5), TextReplica(1)
    author.edit([Hunk(0, 0, "one\n")])
    later = author.edit([Hunk(4, 4, "two\n")])
    assert later is not None
    pulls = Pulls.__new__(Pulls)
    pulls._peer, pulls._lacking = DeviceID(b"p" * 32), set()
    pulls._folder = SimpleNamespace(  # type: ignore[assignment]
        edits=SimpleNamespace(take_pulled=lambda document, state, peer: here.take(state))
    )
    await pulls._take(_DOCUMENT, [later])
    assert (here.text(), pulls._lacking) == ("", {_DOCUMENT})
    await pulls._take(_DOCUMENT, [author.state()])
    assert here.text() == "one\ntwo\n"


async def test_a_state_beyond_the_caps_of_an_update_comes_in_parts() -> None:
    """The first one makes the document, the others are applied to it."""
    author, here = TextReplica(5), TextReplica(1)
    states = [author.edit([Hunk(number, number, "x")]) or b"" for number in range(3)]
    pulled: list[Checked] = []
    later: list[Checked] = []

    async def take_all(parts: list[Checked], source: object) -> None:
        later.extend(parts)

    pulls = Pulls.__new__(Pulls)
    pulls._peer, pulls._lacking = DeviceID(b"p" * 32), set()
    pulls._folder = SimpleNamespace(  # type: ignore[assignment]
        edits=SimpleNamespace(take_pulled=lambda document, state, peer: pulled.append(state) or object()),
        texts=SimpleNamespace(open=lambda document: SimpleNamespace(take_all=take_all)),
    )
    reply = Documents(FolderID(bytes(16)), tuple((_DOCUMENT, state) for state in states))
    await pulls._take(_DOCUMENT, _by_document(reply)[_DOCUMENT])
    assert (len(pulled), len(later)) == (1, 2)
    for part in (*pulled, *later):
        here.take(part)
    assert here.version() == author.version()


async def test_short_first_imports_are_taken_together_and_all_else_is_checked() -> None:
    author = TextReplica(5)
    author.edit([Hunk(0, 0, "one\n")])
    short, long, edited, forged, lacking = (DocumentID(bytes([number]) * 16) for number in range(5))
    insertion = imported("a")
    states = {
        short: [insertion],
        long: [imported("x" * (_SHORT_BYTES + 1))],
        edited: [author.state()],
        forged: [insertion.replace(b"a", b"b")],
        lacking: [b""],
    }
    together: list[DocumentID] = []
    singly: list[DocumentID] = []

    def take_first_imports(found: list[tuple[DocumentID, str, Insertion]], peer: DeviceID) -> set[DocumentID]:
        together.extend(document for document, _, _ in found)
        return set(together)

    pulls = Pulls.__new__(Pulls)
    pulls._peer, pulls._lacking = DeviceID(b"p" * 32), set()
    pulls._folder = SimpleNamespace(  # type: ignore[assignment]
        edits=SimpleNamespace(
            take_first_imports=take_first_imports, take_pulled=lambda document, state, peer: singly.append(document)
        )
    )
    await pulls._take_some(list(states.items()))
    assert together == [short]
    assert singly == [long, edited, forged]
    assert pulls._lacking == {lacking}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=3000))
def test_what_is_taken_without_a_check_would_pass_it(text: str) -> None:
    state = imported(text)
    if read_first_import(state) is not None and len(state) <= _SHORT_BYTES:
        [part] = in_parts(check(state, Shape.TEXT), {}, Shape.TEXT)
        assert part is not None
        assert part.data == state


async def test_what_weighs_waits_for_who_owes_and_a_first_import_does_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its entry is paid for by that: who brought many waited for ever else."""
    pulled: list[DocumentID] = []
    pulls = Pulls.__new__(Pulls)
    pulls._peer, pulls._lacking = DeviceID(b"p" * 32), set()
    pulls._folder = SimpleNamespace(  # type: ignore[assignment]
        edits=SimpleNamespace(take_pulled=lambda document, state, peer: pulled.append(document))
    )
    author, budget = TextReplica(5), Budget(pulls._peer)
    for number in range(200):  # each before the one that was written last
        author.edit([Hunk(0, 0, str(number % 10))])
    budget.burden.add(MOST_BYTES + 10 * FORGIVEN_BYTES_S)
    began = trio.current_time()
    await charged(budget, pulls._take, _DOCUMENT, [imported("x")])
    assert (pulled, trio.current_time() - began < 1) == ([_DOCUMENT], True)
    await charged(budget, pulls._take, _DOCUMENT, [author.state()])
    assert (len(pulled), trio.current_time() - began > 9) == (2, True)


async def test_the_text_of_a_peer_comes_in_parts_as_well() -> None:
    author = TextReplica(5)
    states = [author.edit([Hunk(number, number, "x")]) or b"" for number in range(3)]
    pulls = Pulls.__new__(Pulls)
    pulls._folder = SimpleNamespace(id=FolderID(bytes(16)))  # type: ignore[assignment]
    answers = [tuple((_DOCUMENT, state) for state in states), ((_DOCUMENT, b""),), ()]

    async def ask(question: object) -> Documents:
        return Documents(FolderID(bytes(16)), answers.pop(0))

    pulls._questions = SimpleNamespace(ask=ask)  # type: ignore[assignment]
    assert [await pulls.text_of_peer(_DOCUMENT) for _ in range(3)] == ["xxx", "", ""]
