"""A device that a removed one let in afterwards: it is no member, though nobody removed it.

ONE removed TWO. THREE and FOUR had been away, and took the grant by which TWO let FRIEND in, and what FRIEND did,
before they heard of the removal. FIVE is a member that is away all the time.
"""

from __future__ import annotations

import pytest
import trio
from conditions import until
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
    heard_while_it_was_on_its_way,
    let_in_by_one,
    lines,
    make,
    paths_in,
    scene,
    text_in,
    text_of,
    told,
)
from peers.test_links import ONE, TWO

from yp2p.folder.folder import Folder
from yp2p.folder.uncounted import Uncounted
from yp2p.trust.statements import Role, Signer, read_statement

_OF_ONE, _OF_TWO = Signer(ONE, NOTES), Signer(TWO, NOTES)


def _friend_leaves(role: Role) -> bytes:
    """FRIEND says that it may be no more than that from now on."""
    return Signer(FRIEND, NOTES).remove([read_statement(LET_IN, NOTES).hash], FRIEND.public, role).encode()


def _with_a_reader() -> tuple[list[bytes], bytes, bytes]:
    """As `BEFORE`, where FRIEND reads, by the word of ONE; and how FRIEND leaves."""
    made = let_in_by_one({TWO: Role.ADMINISTRATOR, THREE: Role.MEMBER, FOUR: Role.MEMBER, FRIEND: Role.READER})
    heads = [made[-1].hash]
    leaves = Signer(FRIEND, NOTES).remove(heads, FRIEND.public, Role.REMOVED)
    return [one.encode() for one in made], leaves.encode(), _OF_ONE.remove(heads, TWO.public, Role.REMOVED).encode()


_READS, _READER_LEAVES, _REMOVAL_BESIDE_A_READER = _with_a_reader()


@scene(THREE, FRIEND, statements=BEFORE)
async def test_what_a_friend_of_a_removed_device_did_is_taken_back_with_the_help_of_whoever_knows(
    room: Room, one: Folder, two: Folder, three: Folder, friend: Folder
) -> None:
    """Also while another member is away: nobody has to wait for that one."""
    await three.membership.receive([LET_IN])
    await friend.membership.receive([LET_IN])
    edit(friend, "a.txt", lines({3: None, 5: "of a thief"}))
    make(friend, "new")
    await hand_over(friend, three)
    edit(three, "a.txt", lines({12: "of three"}))
    with trio.fail_after(60):
        await room.meet(room.three, said=TWO_REMOVED)
    assert text_in(one, three) == lines({12: "of three"})(TEXT)
    assert paths_in(one, three) == {"a.txt"}
    assert sorted(told(three)) == ["a.txt", "new"]


@scene(THREE, FRIEND, statements=BEFORE, text=TEXT * 2000)
async def test_nothing_of_a_friend_is_taken_that_was_on_its_way_when_the_removal_was_heard(
    room: Room, one: Folder, two: Folder, three: Folder, friend: Folder
) -> None:
    await three.membership.receive([LET_IN])
    edit(friend, "a.txt", lines({5: "of a thief"}))
    await heard_while_it_was_on_its_way(friend, three, TWO_REMOVED)


@scene(THREE, FOUR, FRIEND, statements=BEFORE)
async def test_what_came_of_a_friend_to_the_one_who_removed_the_other_through_who_had_not_heard_does_not_count(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder
) -> None:
    edit(two, "a.txt", lines({3: "before it was lost"}))
    await hand_over(two, one)
    await one.membership.receive([TWO_REMOVED])
    for folder in (three, four, friend):
        await folder.membership.receive([LET_IN])
    edit(friend, "a.txt", lines({5: "of a thief"}))
    make(friend, "of a thief")
    await hand_over(two, friend)
    await hand_over(friend, three)
    await hand_over(three, four)
    room.four.knows(room.one)
    await until(lambda: TWO.device_id not in four.membership.members and not four.observers.uncounted.doubted)
    await until(lambda: "thief" in (text_of(one, "a.txt") or ""))  # it is four's for all that one knows
    await room.meet(room.three, room.four, said=TWO_REMOVED)
    assert text_in(one, three, four) == lines({3: "before it was lost"})(TEXT)
    assert paths_in(one, three, four) == {"a.txt"}


@pytest.mark.parametrize("role", [Role.REMOVED, Role.READER])
@scene(THREE, FRIEND, statements=BEFORE)
async def test_a_friend_does_not_help_itself_by_leaving_before_the_removal_is_heard(
    room: Room, one: Folder, two: Folder, three: Folder, friend: Folder, role: Role
) -> None:
    await three.membership.receive([LET_IN])
    edit(friend, "a.txt", lines({5: "of a thief"}))
    make(friend, "new")
    await hand_over(friend, three)
    await three.membership.receive([_friend_leaves(role)])
    assert not three.membership.takes_from(FRIEND.device_id)
    assert not three.observers.uncounted.doubted
    edit(three, "a.txt", lines({12: "of three"}))
    await room.meet(room.three, said=TWO_REMOVED)
    assert text_in(one, three) == lines({12: "of three"})(TEXT)
    assert paths_in(one, three) == {"a.txt"}


@scene(THREE, FRIEND, statements=_READS)
async def test_a_reader_that_leaves_by_itself_had_nothing_to_write_that_a_removed_device_could_pass_on(
    room: Room, one: Folder, two: Folder, three: Folder, friend: Folder
) -> None:
    edit(friend, "a.txt", lines({5: "of a reader"}))
    await hand_over(friend, two)
    for theirs, ours in zip(friend.catalogue.documents, two.catalogue.documents, strict=True):
        await ours.receive_all([theirs.replica.state()], None)  # its program is patched
    document = friend.catalogue.entries[entry("a.txt")].document
    await two.texts.open(document).receive_all([friend.texts.state(document)], None)
    await hand_over(two, three)
    assert "of a reader" in (text_of(three, "a.txt") or "")
    await three.membership.receive([_READER_LEAVES])
    await room.meet(room.three, said=_REMOVAL_BESIDE_A_READER)
    assert text_in(one, three) == TEXT


@scene(THREE, FRIEND, statements=BEFORE)
async def test_a_friend_that_removes_the_other_one_first_does_not_say_what_of_it_counts(
    room: Room, one: Folder, two: Folder, three: Folder, friend: Folder
) -> None:
    let_in = _OF_TWO.grant([read_statement(BEFORE[-1], NOTES).hash], FRIEND.public, Role.ADMINISTRATOR, "friend")
    said = [let_in.encode(), Signer(FRIEND, NOTES).remove([let_in.hash], TWO.public, Role.REMOVED).encode()]
    edit(two, "a.txt", lines({5: "of a thief"}))
    await friend.membership.receive(said[:1])
    await three.membership.receive(said[:1])
    await hand_over(two, three, friend)
    await friend.membership.receive(said)
    room.three.knows(room.four)
    await until(lambda: TWO.device_id not in three.membership.members and not three.observers.uncounted.doubted)
    assert "of a thief" in (text_of(three, "a.txt") or ""), "its friend says that it counts"
    edit(three, "a.txt", lines({12: "of three"}))
    await room.meet(room.three, said=TWO_REMOVED)
    assert text_in(one, three) == lines({12: "of three"})(TEXT)


def _with_earlier(how: str) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """What there was before, how TWO let FRIEND in, and what ONE said of TWO, where FRIEND or TWO had been more.

    FRIEND had been removed, had left, or reads; or TWO becomes a member, or is let in again.
    """
    made = let_in_by_one({
        TWO: Role.ADMINISTRATOR, THREE: Role.ADMINISTRATOR, FOUR: Role.MEMBER, FIVE: Role.ADMINISTRATOR
    })  # fmt: skip
    removers = {"removed by THREE": THREE, "removed by FIVE": FIVE, "left": FRIEND}
    if how in removers:
        made.append(_OF_ONE.grant([made[-1].hash], FRIEND.public, Role.MEMBER, "friend"))
        made.append(Signer(removers[how], NOTES).remove([made[-1].hash], FRIEND.public, Role.REMOVED))
    if how == "reads":
        made.append(_OF_ONE.grant([made[-1].hash], FRIEND.public, Role.READER, "friend"))
    heads = [made[-1].hash]
    let_in = _OF_TWO.grant(heads, FRIEND.public, Role.MEMBER, "friend")
    said = [_OF_ONE.remove(heads, TWO.public, Role.MEMBER if how == "TWO is a member" else Role.REMOVED)]
    if how == "TWO is in again":
        said.append(_OF_ONE.grant([said[0].hash], TWO.public, Role.MEMBER, "two"))
    return [one.encode() for one in made], [let_in.encode()], [one.encode() for one in said]


@pytest.mark.parametrize("how", ["removed by THREE", "left"])
def test_a_friend_that_was_out_before_is_doubted_where_a_removed_device_had_let_it_in_again(how: str) -> None:
    before, let_in, said = _with_earlier(how)

    @scene(THREE, FRIEND, statements=before)
    async def test(room: Room, one: Folder, two: Folder, three: Folder, friend: Folder) -> None:
        await three.membership.receive(let_in)
        await friend.membership.receive(let_in)
        edit(friend, "a.txt", lines({5: "of a thief"}))
        make(friend, "new")
        await hand_over(friend, three)
        edit(three, "a.txt", lines({12: "of three"}))
        await room.meet(room.three, said=said[0])
        assert text_in(one, three) == lines({12: "of three"})(TEXT)
        assert paths_in(one, three) == {"a.txt"}
        assert not three.catalogue.authorship.counts(FRIEND.device_id)

    test()


@pytest.mark.parametrize("how", ["removed by FIVE", "reads", "TWO is a member", "TWO is in again"])
def test_what_a_friend_did_does_not_count_by_whatever_else_it_or_the_other_one_was(how: str) -> None:
    """As where nothing had been: through who had not heard it came to the one who had removed TWO, or made it less."""
    before, let_in, said = _with_earlier(how)

    @scene(THREE, FOUR, FRIEND, statements=before)
    async def test(room: Room, one: Folder, two: Folder, three: Folder, four: Folder, friend: Folder) -> None:
        await one.membership.receive(said[:1])
        for folder in (three, four, friend):
            await folder.membership.receive(let_in)
        edit(friend, "a.txt", lines({5: "of a thief"}))
        make(friend, "of a thief")
        await hand_over(friend, three)
        await hand_over(three, four)
        await hand_over(four, one)
        await one.membership.receive(said)
        one.observers.uncounted.agreed(TWO.device_id, one.database.last_seq)  # it is linked, if it is in
        edit(three, "a.txt", lines({12: "of three"}))
        room.three.knows(room.one)
        await until(lambda: not three.membership.takes_from(FRIEND.device_id))
        await until(lambda: not three.observers.uncounted.doubted)
        await until(lambda: one.catalogue.digest() == three.catalogue.digest())
        await until(lambda: one.leaves.tree().root() == three.leaves.tree().root())
        assert text_in(one, three) == lines({12: "of three"})(TEXT)
        assert paths_in(one, three) == {"a.txt"}

    test()


@scene(THREE, FRIEND, statements=BEFORE)
async def test_what_there_was_when_people_removed_a_device_is_known_after_a_restart(
    room: Room, one: Folder, two: Folder, three: Folder, friend: Folder
) -> None:
    await one.membership.receive([TWO_REMOVED, LET_IN])
    uncounted, seq = one.observers.uncounted, one.database.last_seq
    make(one, "later")
    await one.database.pending().wait()
    again = Uncounted(one)
    again.load()
    assert uncounted.last_counted(FRIEND.device_id) == again.last_counted(FRIEND.device_id)
    assert again.last_counted(TWO.device_id) in range(seq + 1)
    assert again.boundaries() == uncounted.boundaries() != set()
