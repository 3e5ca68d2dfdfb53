"""A device that is let in again hears of what others took back of its work, and of nothing else.

ONE removed TWO, which had let FRIEND in. THREE took what FRIEND did, and took it back when it heard; FOUR took nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
import trio
from peers.removed_device import (
    BEFORE,
    FIVE,
    FOUR,
    FRIEND,
    LET_IN,
    NOTES,
    TEXT,
    THREE,
    TWO_REMOVED,
    Room,
    edit,
    entry,
    hand_over,
    lines,
    make,
    paths_in,
    scene,
    settled,
    text_in,
    told,
)  # fmt: skip
from peers.test_links import ONE, TWO

from yp2p.documents.registers import Change, Deletion
from yp2p.folder import while_out
from yp2p.folder.folder import Folder
from yp2p.folder.packs import Single, singles_in_pages
from yp2p.folder.turns import Slice
from yp2p.folder.uncounted import Uncounted
from yp2p.folder.while_out import WhileOut
from yp2p.identity import DocumentID, FolderID
from yp2p.store.sql import Read
from yp2p.store.tables.log import MANIFEST_PREFIX
from yp2p.trust.statements import Role, Signer, StatementHash, read_statement

_OF_ONE = Signer(ONE, NOTES)


async def _taken_back(room: Room, three: Folder, friend: Folder) -> None:
    """THREE took what FRIEND did, and has taken it back."""
    for folder in (three, friend):
        await folder.membership.receive([LET_IN])
    edit(friend, "a.txt", lines({3: None, 5: "of a friend"}))
    make(friend, "new")
    await hand_over(friend, three)
    edit(three, "b.txt", lines({12: "of three"}))
    await room.meet(room.three, said=TWO_REMOVED)


async def _let_in(one: Folder, friend: Folder) -> None:
    """FRIEND hears at once that it was out, and is in again."""
    assert FRIEND.device_id in one.membership.let_in_by_removed()
    said = [read_statement(body, NOTES) for body in one.membership.statements()]
    named = {before for statement in said for before in statement.previous}
    heads = [statement.hash for statement in said if statement.hash not in named]
    await one.membership.receive([_OF_ONE.grant(heads, FRIEND.public, Role.MEMBER, "friend").encode()])
    await friend.membership.receive(one.membership.statements())
    assert friend.membership.takes_from(FRIEND.device_id)


async def _back_in(room: Room, one: Folder, three: Folder, friend: Folder) -> None:
    """There is another file, THREE has taken back what FRIEND did to both, and FRIEND is in again."""
    make(one, "b.txt")
    await room.agree()
    await _taken_back(room, three, friend)
    assert told(friend) == []
    await _let_in(one, friend)


async def _looked(folder: Folder) -> list[str]:
    """What is told once it was looked at what came."""
    await folder.observers.while_out.look()
    return told(folder)


def _delete(folder: Folder, name: str) -> None:
    document = folder.catalogue.entries[entry(name)].document
    seen = folder.texts.open(document).replica.state_vector()
    folder.catalogue.write([Change(entry(name), deletion=Deletion(document, seen))])


async def _start_anew(friend: Folder) -> None:
    """As the daemon does after a restart."""
    await friend.database.pending().wait()
    friend.observers.while_out, friend.observers.uncounted = WhileOut(friend), Uncounted(friend)
    friend.observers.while_out.load()
    friend.observers.uncounted.load()


@scene(THREE, FOUR, FRIEND, statements=BEFORE)
async def test_what_others_took_back_is_told_to_whom_it_was_taken_from(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    await _back_in(room, one, three, friend)
    edit(friend, "b.txt", lines({2: "of later"}))
    await hand_over(three, friend)
    assert text_in(one, three, friend) == TEXT
    assert paths_in(one, friend) == {"a.txt", "b.txt"}
    assert sorted(await _looked(friend)) == ["a.txt", "new"]
    assert sorted(await _looked(friend)) == ["a.txt", "new"]


@pytest.mark.parametrize("has_met", [True, False], ids=["met all", "one never comes"])
def test_what_others_do_for_their_own_reasons_is_not_told(has_met: bool) -> None:
    @scene(THREE, FOUR, FRIEND, statements=BEFORE)
    async def test(room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder) -> None:
        for folder in (one, friend):
            await folder.membership.receive([LET_IN])
        for name in ("b.txt", "c.txt"):
            make(friend, name)
        await hand_over(friend, one)
        await one.membership.receive([TWO_REMOVED])
        await _let_in(one, friend)
        friend.observers.uncounted.judged(dict(friend.observers.uncounted.doubted))
        for device in (ONE, THREE, FOUR, FIVE) if has_met else (ONE,):
            friend.observers.uncounted.agreed(device.device_id, friend.database.last_seq)
        edit(one, "c.txt", lines({2: None}))
        edit(one, "b.txt", lines({2: None}))
        await hand_over(one, friend)
        _delete(one, "b.txt")
        await hand_over(one, friend)
        assert "b.txt" not in paths_in(one, friend)
        assert await _looked(friend) == []

    test()


@scene(THREE, FOUR, FRIEND, statements=BEFORE)
async def test_it_is_told_whoever_passes_it_on(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    """The one who does so has been in step since the return."""
    await _back_in(room, one, three, friend)
    friend.observers.uncounted.judged(dict(friend.observers.uncounted.doubted))
    friend.observers.uncounted.agreed(ONE.device_id, friend.database.last_seq)
    await hand_over(one, friend)
    assert sorted(await _looked(friend)) == ["a.txt", "new"]


@scene(THREE, FOUR, FRIEND, statements=BEFORE)
async def test_it_is_told_after_a_restart_too_and_once(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    await _back_in(room, one, three, friend)
    await _start_anew(friend)
    await hand_over(three, friend)
    await _start_anew(friend)
    assert sorted(await _looked(friend)) == ["a.txt", "new"]
    await _start_anew(friend)
    assert sorted(await _looked(friend)) == ["a.txt", "new"]
    await settled(one, three)


@scene(THREE, FOUR, FRIEND, statements=BEFORE)
async def test_what_two_took_back_is_told_once_also_with_a_restart_between(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    for folder in (three, four, friend):
        await folder.membership.receive([LET_IN])
    edit(friend, "a.txt", lines({3: None, 5: "of a friend"}))
    make(friend, "new")
    await hand_over(friend, three, four)
    await room.meet(room.three, said=TWO_REMOVED)
    await four.membership.receive([TWO_REMOVED])
    await _let_in(one, friend)
    await hand_over(three, friend)
    assert sorted(await _looked(friend)) == ["a.txt", "new"]
    await _start_anew(friend)
    await room.meet(room.four, said=TWO_REMOVED)
    await hand_over(four, friend)
    assert sorted(await _looked(friend)) == ["a.txt", "new"]


@scene(THREE, FOUR, FRIEND, statements=BEFORE)
async def test_nothing_is_told_to_who_never_was_out(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    """Also where a removed device had let it in once more, which says nothing."""
    make(one, "b.txt")
    await room.agree()
    again = Signer(TWO, NOTES).grant([_head(four)], FOUR.public, Role.ADMINISTRATOR, "four")
    await four.membership.receive([again.encode()])
    edit(four, "a.txt", lines({5: "of four"}))
    await hand_over(four, three)
    await _taken_back(room, three, friend)
    await four.membership.receive(one.membership.statements())
    assert not four.membership.void_admissions(FOUR.device_id)
    assert FOUR.device_id in {grant.subject_id for grant in four.membership.evaluation.lost}
    await hand_over(three, four)
    assert await _looked(four) == []


async def test_who_takes_back_without_end_has_little_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    async def look(self: WhileOut) -> None:
        self._marked.add(DocumentID(bytes(16)))
        began = time.thread_time()
        while time.thread_time() - began < 0.01:
            pass
        looks.append(began)

    monkeypatch.setattr(WhileOut, "look", look)
    out = WhileOut(cast(Any, None))
    out._marked.add(DocumentID(bytes(16)))
    with trio.move_on_after(1.0):
        await out.run()
    assert 1 <= len(looks) <= 11


def _head(folder: Folder) -> StatementHash:
    return read_statement(folder.membership.statements()[-1], NOTES).hash


@scene(THREE, FOUR, FRIEND, statements=BEFORE)
async def test_the_log_is_read_only_where_something_was_taken_back(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    reads: list[DocumentID] = []
    slices: list[Slice] = []

    def begin() -> Slice:
        slices.append(Slice(0.0))
        return slices[-1]

    def count(read: Read, folder: FolderID, document: DocumentID) -> Iterator[Single]:
        if not document.startswith(MANIFEST_PREFIX):
            reads.append(document)
        return singles_in_pages(read, folder, document)

    await _back_in(room, one, three, friend)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(while_out, "singles_in_pages", count)
        patch.setattr(while_out, "_MAX_TOLD", 1)
        patch.setattr(while_out, "Slice", begin)
        await hand_over(three, friend)
        assert len(await _looked(friend)) == 1
        assert len(slices) == 1, "many short documents are one long step, unless they share it"
        assert reads == [friend.catalogue.entries[entry("a.txt")].document]
        for number in range(4):
            edit(one, "b.txt", lines({number: None}))
            await hand_over(one, friend)
            assert len(await _looked(friend)) == 1
        assert len(reads) == 1
