"""What came from a device that was removed, and does not count (`removed_device.py` has the scenes)."""

from __future__ import annotations

import hashlib

import pytest
import trio
from conditions import until
from peers.removed_device import (
    DEMOTION,
    FIVE,
    FOUR,
    NOTES,
    REMOVAL,
    ROOM,
    TEXT,
    THREE,
    Room,
    edit,
    entry,
    hand_over,
    heard_while_it_was_on_its_way,
    lines,
    make,
    paths_in,
    replaced,
    scene,
    settled,
    text_in,
    text_of,
    told,
)
from peers.test_links import ONE, TWO, statements

from yp2p.documents.registers import Change, Deletion
from yp2p.documents.synced import PeerState
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import document_id_for
from yp2p.identity import DeviceID
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.messages import CountedQuery, Documents, Hello, Pull
from yp2p.protocol.ysync import Shape, check
from yp2p.store.writer import Commit
from yp2p.transport.dialer import dial
from yp2p.transport.link import open_link
from yp2p.trust.statements import Role, Signer, read_statement

_OF_A_THIEF = lines({5: "of a thief"})
_LEAVES = Signer(TWO, NOTES).remove([read_statement(ROOM[-1], NOTES).hash], TWO.public, Role.REMOVED).encode()


@scene(THREE)
async def test_what_it_wrote_and_took_out_is_as_before_and_what_others_wrote_stands(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    edit(two, "a.txt", lines({3: None, 5: "of a thief"}))
    await hand_over(two, three)
    edit(three, "a.txt", lines({12: "of three"}))
    edit(one, "a.txt", lines({15: "of one"}))
    await room.meet()
    assert text_in(one, three) == lines({12: "of three", 15: "of one"})(TEXT)
    assert told(three) == ["a.txt"]
    assert not told(one)


@scene(THREE)
async def test_nothing_of_a_line_stays_behind_where_somebody_typed_into_it(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    edit(two, "a.txt", replaced("line 8\n", "line 8\na whole line of a thief\n"))
    await hand_over(two, three)
    edit(three, "a.txt", replaced("a whole line of a thief", "a whole and longer line of a thief"))
    await room.meet()
    # What three made of it is three's: the whole line stands, or none of it.
    assert text_in(one, three) in (TEXT, TEXT.replace("line 8\n", "line 8\na whole and longer line of a thief\n"))


@scene(THREE, text="")
async def test_files_that_it_made_go_and_those_that_it_deleted_or_renamed_are_as_before(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    for name in ("deleted", "renamed"):
        make(one, name)
    await room.agree()
    make(two, "new")
    make(two, "used")
    found = two.catalogue.entries[entry("deleted")]
    seen = two.texts.open(found.document).state_vector()
    two.catalogue.write([Change(found.id, deletion=Deletion(found.document, seen)), Change(entry("renamed"), "x")])
    await hand_over(two, three)
    assert paths_in(three) == {"new", "used", "x"}
    edit(three, "used", lambda text: text + "a line of three\n")
    await room.meet()
    assert paths_in(one, three) == {"deleted", "renamed", "used"}
    assert text_in(one, three, name="deleted") == TEXT
    assert "a line of three\n" in (text_in(one, three, name="used") or "")
    assert sorted(told(three)) == ["deleted", "new", "renamed", "used"]


@scene(THREE, FOUR)
async def test_what_the_one_who_removed_it_has_counts_and_what_it_passed_on_as_well(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(two, "a.txt", lines({3: "before it was lost"}))
    await hand_over(two, one)
    edit(four, "a.txt", lines({9: "of four"}))
    await hand_over(four, two)
    await hand_over(two, three)
    await room.meet(room.three)
    assert text_in(one, three) == lines({3: "before it was lost", 9: "of four"})(TEXT)
    assert not told(three)


@scene(THREE, FOUR)
async def test_what_another_member_had_before_counts_though_the_one_who_tells_lacks_it(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(two, "a.txt", lines({3: "that four has as well"}))
    await hand_over(two, three, four)
    three.observers.uncounted.agreed(FOUR.device_id, three.database.last_seq)
    edit(two, "a.txt", _OF_A_THIEF)
    await hand_over(two, three)
    await room.meet(room.three)
    assert text_in(one, three) == lines({3: "that four has as well"})(TEXT)


@scene(THREE, FOUR)
async def test_what_came_to_the_one_who_removed_it_through_somebody_who_had_not_heard_does_not_count(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(two, "a.txt", lines({3: "before it was lost"}))
    await hand_over(two, one)
    await one.membership.receive([REMOVAL])
    edit(two, "a.txt", _OF_A_THIEF)
    make(two, "of a thief")
    await hand_over(two, three)
    await hand_over(three, four)
    room.four.knows(room.one)
    await until(lambda: TWO.device_id not in four.membership.members and not four.observers.uncounted.doubted)
    await until(lambda: "thief" in (text_of(one, "a.txt") or ""))  # it is four's for all that one knows
    await room.meet()
    assert text_in(one, three, four) == lines({3: "before it was lost"})(TEXT)
    assert paths_in(one, three, four) == {"a.txt"}


@scene(THREE, FOUR)
async def test_two_that_took_it_do_not_vouch_for_each_other_and_wait_for_who_knows(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(two, "a.txt", lines({1: "before it was lost"}))
    make(two, "week before")
    await hand_over(two, one)
    await one.membership.receive([REMOVAL])
    edit(two, "a.txt", lines({3: None, 5: "of a thief"}))
    await hand_over(two, three, four)
    for folder in (three, four):
        await folder.membership.receive([REMOVAL])
        assert folder.observers.uncounted.doubted
    room.three.knows(room.four)
    await until(lambda: FOUR.device_id in three.observers.uncounted.without_answer)
    await until(lambda: THREE.device_id in four.observers.uncounted.without_answer)
    for folder in (three, four):
        assert "nothing is synced until a device that knows what counts" in folder.observers.uncounted.problem()
    await room.meet()
    assert text_in(one, three, four) == lines({1: "before it was lost"})(TEXT)
    assert text_in(one, three, four, name="week before") == TEXT
    assert [folder.observers.uncounted.problem() for folder in (one, three, four)] == ["", "", ""]


@scene(THREE, FOUR)
async def test_where_nobody_can_tell_all_take_back_the_same(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(two, "a.txt", lines({3: None, 5: "of a thief"}))
    await one.membership.receive([REMOVAL])
    left = Signer(ONE, NOTES).remove([read_statement(REMOVAL, NOTES).hash], ONE.public, Role.REMOVED).encode()
    await hand_over(two, three, four)
    for folder in (three, four):
        await folder.membership.receive([REMOVAL, left])
        assert folder.observers.uncounted.doubted.keys() == {TWO.device_id}
    room.three.knows(room.four)
    await settled(three, four)
    assert text_in(three, four) == TEXT


@scene(THREE, FOUR)
async def test_who_has_not_heard_of_the_removal_vouches_for_nothing(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    room.three.knows(room.four)
    await until(lambda: room.three.has_session(FOUR.device_id, NOTES))
    await until(lambda: room.four.has_session(THREE.device_id, NOTES))
    edit(two, "a.txt", _OF_A_THIEF)
    for folder in (three, four):
        folder.observers.uncounted.agreed = lambda device, seq: None  # type: ignore[method-assign]
        await hand_over(two, folder)
    await three.membership.receive([REMOVAL])  # from one, whose link is gone again
    await until(lambda: FOUR.device_id in three.observers.uncounted.without_answer)
    await room.meet()
    assert text_in(one, three, four) == TEXT


@scene(THREE)
async def test_what_a_device_did_that_left_by_itself_stands(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    edit(two, "a.txt", lines({5: "the last one"}))
    await hand_over(two, three)
    await three.membership.receive([_LEAVES])
    assert TWO.device_id not in three.membership.members
    assert not three.observers.uncounted.doubted
    room.three.knows(room.one)
    await until(lambda: text_of(one, "a.txt") == lines({5: "the last one"})(TEXT))


@scene(THREE)
async def test_who_was_removed_does_not_help_itself_by_leaving_first(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    edit(two, "a.txt", _OF_A_THIEF)
    await hand_over(two, three)
    await three.membership.receive([_LEAVES])
    await room.meet()
    assert text_in(one, three) == TEXT


@scene(THREE, FOUR)
async def test_files_of_others_that_it_only_passed_on_stay(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    make(four, "of four")
    edit(four, "of four", lambda text: text + "more of four\n")
    four.catalogue.write([Change(entry("a.txt"), "renamed by four")])
    await hand_over(four, two)
    make(two, "of a thief")
    await hand_over(two, three)
    assert paths_in(three) == {"of four", "of a thief", "renamed by four"}
    await room.meet(room.three)
    assert paths_in(one, three) == {"of four", "renamed by four"}
    room.four.knows(room.one)
    await until(lambda: set(four.catalogue.layout().entry_at) == {"of four", "renamed by four"})
    assert text_in(one, three, four, name="of four") == TEXT + "more of four\n"


def _blob(of: bytes, before: Content | None = None) -> Content:
    made = Content.blob(hashlib.sha256(of).digest(), len(of), Mode.PLAIN, 0)
    return made if before is None else made.after(before.hash, before.before)


@scene(THREE, text="")
async def test_modes_kinds_and_links_are_as_before_and_what_others_made_of_its_files_stays(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    for name in ("script", "text"):
        make(one, name)
    one.catalogue.write([Change(entry("blob"), "blob", _blob(b"of one"))])
    one.catalogue.write([Change(entry("link"), "link", Content.symlink(b"target"))])
    await room.agree()
    two.catalogue.write(
        [
            Change(entry("script"), mode=Mode.EXECUTABLE),
            Change(entry("text"), content=_blob(b"of a thief")),
            Change(entry("blob"), content=Content.text(document_id_for(b"t"), Mode.PLAIN)),
            Change(entry("link"), content=Content.symlink(b"/elsewhere")),
            Change(entry("used"), "used", _blob(b"first of a thief")),
            Change(entry("unused"), "unused", _blob(b"of a thief")),
            *two.catalogue.authorship.own(two.clients.ids),
        ]
    )
    for theirs, ours in zip(two.catalogue.documents, three.catalogue.documents, strict=True):
        await ours.take_all([check(theirs.replica.state(), Shape.MANIFEST)], TWO.device_id)
    three.catalogue.write([Change(entry("used"), content=_blob(b"of three"))])
    before = {name: one.catalogue.entries[entry(name)] for name in ("script", "text", "blob", "link")}
    await room.meet()
    for folder in (one, three):
        for name, wanted in before.items():
            found = folder.catalogue.entries[entry(name)]
            assert (found.kind, found.content.hash, found.mode) == (
                wanted.kind, wanted.content.hash, wanted.mode,
            ), name  # fmt: skip
        assert folder.catalogue.entries[entry("used")].content.hash == _blob(b"of three").hash
    assert paths_in(one, three) == before.keys() | {"used"}


@scene(THREE)
async def test_what_was_taken_back_before_a_crash_is_not_taken_back_twice(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    make(one, "deleted")
    await room.agree()
    edit(two, "a.txt", _OF_A_THIEF)
    make(two, "new")
    two.catalogue.write([Change(entry("deleted"), deletion=Deletion(document_id_for(b"deleted"), b"\x00"))])
    await hand_over(two, three)
    edit(three, "a.txt", replaced("line 5 of a", "line 5 of some"))
    edit(three, "a.txt", lines({9: "of three"}))
    uncounted = three.observers.uncounted
    kept: list[dict[DeviceID, int]] = []
    real, uncounted.judged = uncounted.judged, kept.append  # type: ignore[method-assign,assignment]
    await one.membership.receive([REMOVAL])
    room.three.knows(room.one)
    await until(lambda: len(kept) == 2)  # a second time, as after a crash in between
    uncounted.judged = real  # type: ignore[method-assign]
    await room.meet()
    text = text_in(one, three) or ""
    assert text.replace("line 5 of some thief", "line 5") == lines({9: "of three"})(TEXT)
    assert paths_in(one, three) == {"a.txt", "deleted"}


@scene(THREE, FOUR)
async def test_a_member_that_never_answers_and_one_that_answers_nonsense_hold_nobody_up(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(two, "a.txt", _OF_A_THIEF)
    await hand_over(two, three)
    document = three.catalogue.entries[entry("a.txt")].document
    secured = await dial("127.0.0.1", room.three.address.port, FOUR, THREE.public.noise_key)
    async with open_link(secured, Hello((1,), bytes(16), "silent", 1)) as link:
        await until(lambda: room.three.has_session(FOUR.device_id, NOTES))
        await three.membership.receive([REMOVAL])
        with trio.fail_after(30):
            while not isinstance(await link.receive(), CountedQuery):
                pass
        with trio.fail_after(20):
            await room.meet(room.three)
        assert text_of(three, "a.txt") == TEXT
        await link.send(Documents(NOTES, ((document, b"\xff" * 9),)))


@scene(THREE)
async def test_what_is_doubted_is_sent_to_nobody_also_after_a_restart(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    edit(two, "a.txt", _OF_A_THIEF)
    await hand_over(two, three)
    document = three.catalogue.entries[entry("a.txt")].document
    await three.membership.receive([REMOVAL])
    await three.database.pending().wait()
    again = Folder(NOTES, "n", three.path, ONE.device_id, database=three.database, clients=three.clients, adopted=True)
    await again.load()
    assert again.observers.uncounted.doubted == three.observers.uncounted.doubted != {}

    # Somebody who does not answer, with the key of ONE.
    secured = await dial("127.0.0.1", room.three.address.port, ONE, THREE.public.noise_key)
    async with open_link(secured, Hello((1,), bytes(16), "silent", 1)) as link:
        await until(lambda: room.three.has_session(ONE.device_id, NOTES))
        await link.send(Pull(NOTES, (document,)))
        with trio.fail_after(30):
            while not isinstance(message := await link.receive(), Documents):
                pass
        assert message.states == ((document, b""),)
        assert three.observers.uncounted.doubted
    await room.meet()
    assert text_of(three, "a.txt") == TEXT


@scene(THREE)
async def test_what_it_wrote_after_it_was_made_a_reader_is_as_before_as_well(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    edit(two, "a.txt", lines({3: "of a member"}))
    await room.agree()
    edit(two, "a.txt", lines({5: "of a reader"}))
    await hand_over(two, three)
    edit(three, "a.txt", lines({12: "of three"}))
    await room.meet(said=DEMOTION)
    assert text_in(one, three) == lines({3: "of a member", 12: "of three"})(TEXT)
    assert told(three) == ["a.txt"]


@scene(THREE, text=TEXT * 50)
async def test_who_types_meanwhile_holds_nothing_up_and_loses_nothing(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    edit(two, "a.txt", replaced("line 8\n", "line 8\na whole line of a thief\n"))
    await hand_over(two, three)
    edit(three, "a.txt", replaced("a whole line of a thief", "a whole and longer line of a thief"))
    typed = 0
    async with trio.open_nursery() as nursery:

        async def type_on() -> None:
            nonlocal typed
            while True:
                edit(three, "a.txt", lambda text: text + "x")
                typed += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(type_on)
        await one.membership.receive([REMOVAL])
        room.three.knows(room.one)
        await until(lambda: TWO.device_id not in three.membership.members)
        await until(lambda: not three.observers.uncounted.doubted)
        nursery.cancel_scope.cancel()
    await room.meet()
    text = text_in(one, three) or ""
    assert text.count("x") == typed
    assert text.replace("line 8\na whole and longer line of a thief\n", "line 8\n").replace("x", "") == TEXT * 50


@scene(THREE, FOUR)
async def test_a_device_that_was_let_in_again_is_doubted_no_more(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(two, "a.txt", lines({5: "while it was thought to be lost"}))
    await hand_over(two, three)
    await three.membership.receive([REMOVAL])
    assert three.observers.uncounted.doubted
    found = read_statement(REMOVAL, NOTES)
    again = Signer(ONE, NOTES).grant([found.hash], TWO.public, Role.MEMBER, "two").encode()
    for folder in (one, two):
        await folder.membership.receive([REMOVAL, again])
    room.three.knows(room.one)
    await until(lambda: TWO.device_id in three.membership.members)
    await until(lambda: not three.observers.uncounted.doubted)
    await until(lambda: "thought to be lost" in (text_of(one, "a.txt") or ""))
    assert not told(three)


@scene(THREE, FOUR)
async def test_two_that_were_removed_at_once_and_had_written_into_the_same_lines(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    make(one, "b.txt")
    await room.agree()
    edit(two, "a.txt", replaced("line 5\n", "line 5\na line of a thief\n"))
    await hand_over(two, three, four)
    edit(four, "a.txt", replaced("a line of a thief", "a line of two thieves"))
    edit(four, "b.txt", lambda _: "")
    make(four, "new")
    await hand_over(four, three)
    edit(three, "a.txt", lines({15: "of three"}))
    edit(three, "b.txt", lambda text: text + "of three\n")
    found = read_statement(REMOVAL, NOTES)
    other = Signer(ONE, NOTES).remove([found.hash], FOUR.public, Role.REMOVED).encode()
    await one.membership.receive([REMOVAL, other])
    await room.meet(room.three)
    assert text_in(one, three) == lines({15: "of three"})(TEXT)
    assert text_in(one, three, name="b.txt") == TEXT + "of three\n"
    assert paths_in(one, three) == {"a.txt", "b.txt"}


@scene(THREE, text="")
async def test_a_removal_and_whom_it_makes_doubted_are_stored_together(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    commits: list[Commit] = []
    put = three.database.writer.put

    def note(commit: Commit) -> None:
        commits.append(commit)
        put(commit)

    three.database.writer.put = note  # type: ignore[method-assign]
    await three.membership.receive([REMOVAL])
    assert three.observers.uncounted.doubted
    (found,) = [one for one in commits if any("agreement" in sql for sql, _ in one.statements)]
    assert any("INTO statement" in sql for sql, _ in found.statements)


@scene(THREE, text="")
async def test_what_two_others_have_is_certain_whoever_is_removed(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    uncounted = three.observers.uncounted
    three.database.last_seq = 90
    assert uncounted.certain() == 0
    uncounted.agreed(TWO.device_id, 40)
    assert uncounted.certain() == 0
    uncounted.agreed(ONE.device_id, 30)
    assert uncounted.certain() == 30
    uncounted.agreed(FOUR.device_id, 50)
    assert uncounted.certain() == 40
    await three.membership.receive([REMOVAL])
    assert uncounted.doubted == {TWO.device_id: 50}
    assert uncounted.certain() == 30


@scene(THREE, text=TEXT * 2000)
async def test_nothing_of_it_is_taken_that_was_on_its_way_when_the_removal_was_heard(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    edit(two, "a.txt", _OF_A_THIEF)
    await heard_while_it_was_on_its_way(two, three, REMOVAL)
    await room.meet()
    assert text_in(one, three) == TEXT * 2000
    assert paths_in(three) == {"a.txt"}


@scene(THREE, FOUR)
async def test_files_that_came_to_the_one_who_removed_it_later_and_that_it_passed_on_stay(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    await one.membership.receive([REMOVAL])
    make(four, "of four")
    edit(four, "of four", lambda text: text + "more of four\n")
    await hand_over(four, two, one)
    await hand_over(two, three)
    await room.meet(room.three)
    assert text_in(one, three, name="of four") == TEXT + "more of four\n"
    assert not told(three)


@scene(THREE, FOUR)
async def test_what_others_replaced_and_it_passed_on_with_its_own_stands(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(four, "a.txt", replaced("line 9\n", "something else\n"))
    edit(four, "a.txt", lambda text: text.replace("line 12", "row 12").replace("line 16\n", "rows\n"))
    await hand_over(four, two)
    edit(two, "a.txt", lambda text: text.replace("line 5\n", "of a thief\n").replace("line 2\n", ""))
    await hand_over(two, three)
    await room.meet(room.three)
    wanted = TEXT.replace("line 9\n", "something else\n").replace("line 12", "row 12").replace("line 16", "rows")
    assert text_in(one, three) == wanted


@scene(THREE, FOUR)
async def test_what_it_takes_out_in_one_message_with_what_others_wrote_comes_back(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(four, "a.txt", replaced("line 9\n", "line 9\nof four\n"))
    await hand_over(four, two)
    edit(two, "a.txt", lines({2: None, 16: None}))
    await hand_over(two, three)
    await room.meet(room.three)
    assert text_in(one, three) == TEXT.replace("line 9\n", "line 9\nof four\n")


@scene(THREE, FOUR, FIVE, statements=statements(NOTES, TWO.public, THREE.public, FOUR.public, FIVE.public))
async def test_three_that_doubt_different_changes_wait_together_and_end_alike(
    room: Room, one: Folder, two: Folder, *away: Folder
) -> None:
    for number, folder in enumerate(away):
        edit(two, "a.txt", lines({number: "of a thief"}))
        make(two, f"new {number}")
        await hand_over(two, folder)
        edit(folder, "a.txt", lines({10 + 3 * number: "of an honest one"}))
        await folder.membership.receive([REMOVAL])
    for node in room.away:
        for other in room.away:
            if node is not other:
                node.knows(other)
    await until(lambda: all(len(folder.observers.uncounted.without_answer) == 2 for folder in away))
    assert all(folder.observers.uncounted.doubted for folder in away)
    await room.meet()
    assert text_in(one, *away) == lines(dict.fromkeys((10, 13, 16), "of an honest one"))(TEXT)
    assert paths_in(one, *away) == {"a.txt"}


@scene(THREE, FOUR)
async def test_a_file_that_somebody_else_made_and_it_renamed_is_not_its_own(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    make(four, "of four")
    edit(four, "of four", lambda text: text + "more of four\n")
    await hand_over(four, two)
    two.catalogue.write([Change(entry("of four"), "renamed")])
    await hand_over(two, three)
    await room.meet(room.three)
    await room.meet()
    (path,) = paths_in(one, three, four) - {"a.txt"}
    assert text_in(one, three, four, name=path) == TEXT + "more of four\n"


@pytest.mark.parametrize("is_first", [True, False])
@scene(THREE)
async def test_what_a_meeting_with_it_took_out_of_our_own_is_there_again(
    room: Room, one: Folder, two: Folder, three: Folder, is_first: bool
) -> None:
    thieves, ours = ("aaa of a thief", "zzz of three") if is_first else ("zzz of a thief", "aaa of three")
    edit(two, "a.txt", replaced("line 5\n", f"{thieves}\n"))
    edit(three, "a.txt", replaced("line 5\n", f"{ours}\n"))
    document = two.catalogue.entries[entry("a.txt")].document
    theirs = PeerState(two.texts.clocks(document), is_answer=False)
    await three.texts.open(document).receive_all([two.texts.state(document)], TWO.device_id, theirs)
    await three.database.pending().wait()
    await hand_over(two, three)
    edit(three, "a.txt", lines({15: "of three"}))
    await room.meet()
    assert text_in(one, three) == lines({15: "of three"})(TEXT).replace("line 5\n", f"{ours}\n")
