"""A member takes an ID that others compute (of an import, of a repair) first, with other content.

TWO is a member with a patched program. What it does is noticed, and costs the others nothing: they have all that they
wrote, the same everywhere, and go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from conditions import until
from peers.removed_device import (
    FOUR,
    NOTES,
    TEXT,
    THREE,
    Room,
    edit,
    entry,
    hand_over,
    make,
    replaced,
    scene,
    text_of,
)  # fmt: skip
from peers.test_links import Node

from yp2p.documents.diff import Hunk
from yp2p.documents.registers import Change
from yp2p.documents.text import TextReplica, import_client
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import document_id_for
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DocumentID
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.insertions import Insertion
from yp2p.protocol.state_vectors import read_state_vector
from yp2p.protocol.ysync import Shape, check

_THIEF = "of a thief"


def _take_the_import(two: Folder, text: str) -> None:
    """Make the entry that whoever imports `TEXT` makes, with its document and its client ID, and say another text."""
    document = document_id_for(b"new")
    made = Insertion.of(import_client(TEXT), text)
    two.catalogue.write([Change(entry("new"), "new", Content.text(document, Mode.PLAIN))])
    two.edits.take_pulled(document, check(made.update if text else b"\0\0", Shape.TEXT), None)


def _texts(folder: Folder) -> dict[str, str | None]:
    return {path: text_of(folder, path) for path in folder.catalogue.layout().entry_at}


async def _at_rest(*folders: Folder) -> None:
    """All have the same, as they know, and as it is."""
    await until(lambda: len({folder.catalogue.digest() for folder in folders}) == 1)
    await until(lambda: len({folder.leaves.tree().root() for folder in folders}) == 1)
    first, *others = map(_texts, folders)
    assert others == [first] * len(others)


def _has(folder: Folder, text: str) -> bool:
    return any(text in (found or "") for found in _texts(folder).values())


def _is_told(*folders: Folder) -> bool:
    return any(notice.kind is NoticeKind.DIVERGED for folder in folders for notice in folder.notices)


async def _they_go_on(one: Folder, three: Folder, name: str) -> None:
    edit(one, name, lambda text: f"{text}of one\n")
    await until(lambda: "of one\n" in (text_of(three, name) or ""))
    edit(three, name, lambda text: f"of three\n{text}")
    await until(lambda: "of three\n" in (text_of(one, name) or ""))
    await _at_rest(one, three)


def _meet(one: Node, *others: Node) -> None:
    for other in others:
        other.knows(one)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("line 3\n", "LINE 3\n"),
        TEXT.replace("line 3\n", f"{_THIEF}\n"),
        TEXT.replace("line 3\n", ""),
        TEXT[: len(TEXT) // 2],
        f"{TEXT}{_THIEF}\n",
        f"{_THIEF}\n",
        f"{_THIEF}\n" * 100,
        "",
    ],
    ids=["letters", "longer", "shorter", "its beginning", "more behind it", "short", "long", "nothing"],
)
@scene(THREE, text="")
async def test_of_an_import_that_somebody_made_first_with_another_text_nothing_is_lost(
    room: Room, one: Folder, two: Folder, three: Folder, text: str
) -> None:
    make(one, "new")
    _take_the_import(two, text)
    await hand_over(two, three)
    assert text_of(three, "new") == text
    _meet(room.one, room.three)
    await until(lambda: _has(three, TEXT))
    await _at_rest(one, three)
    # What begins as it does is that text, with what somebody wrote behind it.
    assert _is_told(one, three) == (not TEXT.startswith(text) and not text.startswith(TEXT))
    await _they_go_on(one, three, "new")
    _meet(room.one, room.two)
    await until(lambda: room.two.has_session(room.one.id, NOTES))
    await _they_go_on(one, three, "new")
    assert _has(one, TEXT)


@scene(THREE, FOUR)
async def test_of_a_repair_that_somebody_made_first_with_another_text_nothing_is_lost(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    """ONE and THREE change a line apart, and meet; TWO knows what both wrote, and what they will make of it."""
    document = one.catalogue.entries[entry("a.txt")].document
    edit(one, "a.txt", replaced("line 3\n", "line 1800\n"))
    edit(three, "a.txt", replaced("line 3\n", "line 2400\n"))
    for folder in (one, three):
        await hand_over(folder, two)
    apart = read_state_vector(two.texts.open(document).replica.state_vector())
    _meet(room.one, room.three)
    await _at_rest(one, three)
    merged = text_of(one, "a.txt")
    assert merged is not None
    repaired = read_state_vector(one.texts.open(document).replica.state_vector())
    made = repaired.keys() - apart.keys()
    _write_as(two, document, made, repaired)
    await hand_over(two, four)
    assert _THIEF in (text_of(four, "a.txt") or "")
    _meet(room.one, room.four)
    await until(lambda: _has(four, merged))
    await _at_rest(one, three, four)
    assert _is_told(one, four)
    await _they_go_on(one, four, "a.txt")


def _write_as(two: Folder, document: DocumentID, clients: Iterable[int], clocks: Mapping[int, int]) -> None:
    """Make as many operations of these clients as there are, with other letters."""
    for client in clients:
        live = two.texts.open(document)
        writer = TextReplica(client)
        writer.apply(live.replica.state())
        update = writer.edit([Hunk(0, 0, (f"{_THIEF}\n" * 100)[: clocks[client]])])
        assert update is not None
        two.edits.accept(live, check(update, Shape.TEXT), None)
