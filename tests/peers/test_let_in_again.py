"""A device that is let in again hears of what others took back of its work, and of nothing else.

ONE removed TWO, which had let FRIEND in. THREE took what FRIEND did, and took it back when it heard; FOUR took nothing.
"""

from __future__ import annotations

import pytest
from peers.removed_device import (
    FIVE,
    FOUR,
    NOTES,
    TEXT,
    THREE,
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
from peers.test_links import HOSTILE as FRIEND
from peers.test_links import ONE, TWO

from yp2p.documents.registers import Change, Deletion
from yp2p.folder import while_out
from yp2p.folder.folder import Folder
from yp2p.folder.packs import Stored, stored_rows
from yp2p.folder.uncounted import Uncounted
from yp2p.folder.while_out import WhileOut
from yp2p.identity import DocumentID, FolderID
from yp2p.store.sql import Read, Statement
from yp2p.trust.statements import Role, Signer, read_statement

_OF_ONE = Signer(ONE, NOTES)


def _said() -> tuple[list[bytes], bytes, bytes]:
    """What there was before, how TWO let FRIEND in, and how ONE removed TWO."""
    made = [_OF_ONE.grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    roles = {TWO: Role.ADMINISTRATOR, THREE: Role.MEMBER, FOUR: Role.MEMBER, FIVE: Role.MEMBER}
    for keys, role in roles.items():
        made.append(_OF_ONE.grant([made[-1].hash], keys.public, role, ""))
    heads = [made[-1].hash]
    let_in = Signer(TWO, NOTES).grant(heads, FRIEND.public, Role.MEMBER, "friend")
    return [one.encode() for one in made], let_in.encode(), _OF_ONE.remove(heads, TWO.public, Role.REMOVED).encode()


_BEFORE, _LET_IN, _REMOVAL = _said()


async def _taken_back(room: Room, three: Folder, friend: Folder) -> None:
    """THREE took what FRIEND did, and has taken it back."""
    for folder in (three, friend):
        await folder.membership.receive([_LET_IN])
    edit(friend, "a.txt", lines({3: None, 5: "of a friend"}))
    make(friend, "new")
    await hand_over(friend, three)
    edit(three, "b.txt", lines({12: "of three"}))
    await room.meet(room.three, said=_REMOVAL)


async def _let_in(one: Folder, friend: Folder) -> None:
    """FRIEND hears at once that it was out, and is in again."""
    assert FRIEND.device_id in one.membership.let_in_by_removed()
    said = [read_statement(body, NOTES) for body in one.membership.statements()]
    named = {before for statement in said for before in statement.previous}
    heads = [statement.hash for statement in said if statement.hash not in named]
    await one.membership.receive([_OF_ONE.grant(heads, FRIEND.public, Role.MEMBER, "friend").encode()])
    await friend.membership.receive(one.membership.statements())
    assert friend.membership.takes_from(FRIEND.device_id)


@scene(THREE, FOUR, FRIEND, statements=_BEFORE)
async def test_what_others_took_back_is_told_to_whom_it_was_taken_from(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    make(one, "b.txt")
    await room.agree()
    await _taken_back(room, three, friend)
    assert told(friend) == []
    await _let_in(one, friend)
    edit(friend, "b.txt", lines({2: "of later"}))
    await hand_over(three, friend)
    assert text_in(one, three, friend) == TEXT
    assert told(friend) == ["a.txt"]
    assert paths_in(one, friend) == {"a.txt", "b.txt"}

    # The disk follows: also when the device has been in step with all by then.
    for device in (ONE, THREE, FOUR, FIVE):
        friend.observers.uncounted.agreed(device.device_id, friend.database.last_seq)
    for name in ("new", "b.txt"):
        friend.observers.while_out.removed(entry(name), name)
        friend.observers.while_out.removed(entry(name), name)
    assert told(friend) == ["a.txt", "new"]

    # What others do from now on is what they do to any file.
    edit(three, "b.txt", lines({2: None}))
    await hand_over(three, friend)
    friend.observers.while_out.removed(entry("a.txt"), "a.txt")
    assert told(friend) == ["a.txt", "new"]


@scene(THREE, FOUR, FRIEND, statements=_BEFORE)
async def test_it_is_told_after_a_restart_too_and_to_nobody_who_never_was_out(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    make(one, "b.txt")
    await room.agree()
    await _taken_back(room, three, friend)
    await _let_in(one, friend)
    await friend.database.pending().wait()
    friend.observers.while_out, friend.observers.uncounted = WhileOut(friend), Uncounted(friend)
    friend.observers.while_out.load()
    friend.observers.uncounted.load()
    await hand_over(three, friend)
    friend.observers.while_out.removed(entry("new"), "new")
    assert told(friend) == ["a.txt", "new"]
    edit(one, "a.txt", lines({7: None}))
    edit(four, "a.txt", lines({9: "of four"}))
    await hand_over(one, four)
    four.observers.while_out.removed(entry("a.txt"), "a.txt")
    assert told(four) == []
    await settled(one, three)


def _delete(folder: Folder, name: str) -> None:
    document = folder.catalogue.entries[entry(name)].document
    seen = folder.texts.open(document).replica.state_vector()
    folder.catalogue.write([Change(entry(name), deletion=Deletion(document, seen))])


@scene(THREE, FOUR, FRIEND, statements=_BEFORE)
async def test_in_step_is_in_step_though_nothing_was_written_since_the_return(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    for folder in (one, friend):
        await folder.membership.receive([_LET_IN])
    make(friend, "b.txt")
    await hand_over(friend, one)
    await one.membership.receive([_REMOVAL])
    await _let_in(one, friend)
    friend.observers.uncounted.judged(dict(friend.observers.uncounted.doubted))
    for device in (ONE, THREE, FOUR, FIVE):
        friend.observers.uncounted.agreed(device.device_id, friend.database.last_seq)
    edit(one, "b.txt", lines({2: None}))
    await hand_over(one, friend)
    _delete(one, "b.txt")
    await hand_over(one, friend)
    assert "b.txt" not in paths_in(one, friend)
    friend.observers.while_out.removed(entry("b.txt"), "b.txt")
    assert told(friend) == []


@scene(THREE, FOUR, FRIEND, statements=_BEFORE)
async def test_the_log_is_read_once_for_a_text_and_not_when_enough_was_told(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    reads: list[DocumentID] = []

    def count(read: Read, folder: FolderID, document: DocumentID, unpack: Statement) -> list[Stored]:
        reads.append(document)
        return stored_rows(read, folder, document, unpack)

    make(one, "b.txt")
    await room.agree()
    await _taken_back(room, three, friend)
    await _let_in(one, friend)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(while_out, "stored_rows", count)
        for number in range(4):
            edit(one, "b.txt", lines({number: None}))
            await hand_over(one, friend)
        assert len(reads) == len(set(reads)) == 2  # `a.txt` and `b.txt`
        assert told(friend) == ["a.txt"]
        patch.setattr(while_out, "_MAX_TOLD", 1)
        reads.clear()
        edit(one, "b.txt", lines({7: None}))
        await hand_over(one, friend)
        friend.observers.while_out.removed(entry("new"), "new")
        assert reads == []
        assert told(friend) == ["a.txt"]
