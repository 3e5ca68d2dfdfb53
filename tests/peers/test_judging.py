"""What came from a device that was removed, and does not count: devices in one process, over real sockets.

ONE founded the folder and removes TWO. THREE (and FOUR) had met TWO afterwards, before they heard of that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import trio
from conditions import until
from peers.test_links import ONE, TWO, Node, _removal, _run, statements

from yp2p.documents.diff import hunks
from yp2p.documents.manifest import Change, Claim, Deletion
from yp2p.documents.provider import PeerState
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import document_id_for, store_first_import
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DeviceID, EntryID, FolderID, Identity
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.messages import CountedQuery, Documents, Hello, Pull
from yp2p.protocol.ysync import Shape, check
from yp2p.store.sql import Statement
from yp2p.store.writer import Commit
from yp2p.transport.dialer import dial
from yp2p.transport.link import open_link
from yp2p.trust.statements import Role, Signer, read_statement

NOTES = FolderID(b"n" * 16)
THREE, FOUR, FIVE = (Identity(bytes([number]) * 32) for number in (4, 5, 6))
ROOM = statements(NOTES, TWO.public, THREE.public, FOUR.public)
REMOVAL = _removal(NOTES, ROOM)
DEMOTION = (
    Signer(ONE, NOTES)
    .remove([read_statement(body, NOTES).hash for body in ROOM[-1:]], TWO.public, Role.READER)
    .encode()
)  # fmt: skip
TEXT = "".join(f"line {number}\n" for number in range(20))


def entry(name: str) -> EntryID:
    return EntryID(name.encode().ljust(16, b"\0"))


def make(folder: Folder, name: str, text: str = TEXT) -> None:
    """A new text."""
    statements: list[Statement] = []
    document = document_id_for(name.encode())
    store_first_import(folder, document, text, statements)
    folder.catalogue.write([Change(entry(name), name, Content.text(document, Mode.PLAIN))], statements)


def text_of(folder: Folder, name: str) -> str | None:
    """None where there is no such file."""
    found = folder.catalogue.layout().entry_at.get(name)
    return folder.texts.open(folder.catalogue.entries[found].document).text.text() if found is not None else None


def edit(folder: Folder, name: str, change: Callable[[str], str]) -> None:
    live = folder.texts.open(folder.catalogue.entries[entry(name)].document)
    folder.edits.own_claims.wrote()
    news = live.text.edit(hunks(live.text.text(), change(live.text.text())))
    assert news is not None
    folder.edits.record(live, news, None)
    folder.catalogue.write([Claim(client, folder.clients.device, 1) for client in folder.clients.ids])


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


async def hand_over(source: Folder, target: Folder) -> None:
    """The target takes all that the source has, as if it came over a link of theirs."""
    by: DeviceID = source.clients.device
    for theirs, ours in zip(source.catalogue.documents, target.catalogue.documents, strict=True):
        await ours.receive_all([theirs.replica.state()], by)
    for document in [found.document for found in source.catalogue.entries.values()]:
        state = source.texts.state(document)
        if document in target.texts.digests:
            await target.texts.open(document).receive_all([state], by)
        else:
            target.edits.take_pulled(document, check(state, Shape.TEXT), by)
    await target.database.pending().wait()


@dataclass(frozen=True)
class _Room:
    """All that take part; `away` are THREE and FOUR, which have not heard of the removal."""

    one: Node
    two: Node
    away: tuple[Node, ...]

    @property
    def folders(self) -> list[Folder]:
        return [node.folders[NOTES] for node in (self.one, self.two, *self.away)]

    async def agree(self) -> None:
        """All have what any of them has, and each knows that of the others."""
        for _ in range(2):
            for source in self.folders:
                for target in self.folders:
                    if source is not target:
                        await hand_over(source, target)

    async def meet(self, said: bytes = REMOVAL) -> None:
        """ONE removed TWO; the others meet ONE, until they have the same, and nothing is doubted."""
        folders = [node.folders[NOTES] for node in (self.one, *self.away)]
        self.one.folders[NOTES].membership.add([said])
        for node in self.away:
            node.knows(self.one)
        await until(lambda: not any(folder.membership.takes_from(TWO.device_id) for folder in folders))
        await until(lambda: not any(folder.observers.uncounted.doubted for folder in folders))
        await until(lambda: len({folder.catalogue.digest() for folder in folders}) == 1)
        await until(lambda: len({folder.leaves.tree().root() for folder in folders}) == 1)


def _play(test: Callable[[_Room], object], *away: Identity, statements: list[bytes] = ROOM) -> None:
    async def run(one: Node, two: Node, *others: Node) -> None:
        room = _Room(one, two, others)
        for folder in room.folders:
            folder.state._settled = True  # nothing looks after its files
        await test(room)  # type: ignore[misc]

    _run(run, *((identity, {NOTES: statements}) for identity in (ONE, TWO, *away)))


def _told(folder: Folder) -> list[str]:
    return [notice.path for notice in folder.notices if notice.kind is NoticeKind.TAKEN_BACK]


def test_what_it_wrote_and_took_out_is_as_before_and_what_others_wrote_stands() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", lambda text: text.replace("line 3\n", "").replace("line 5", "line 5 of a thief"))
        await hand_over(two, three)
        edit(three, "a.txt", replaced("line 12", "line 12 of three"))
        edit(one, "a.txt", replaced("line 15", "line 15 of one"))
        await room.meet()
        wanted = TEXT.replace("line 12", "line 12 of three").replace("line 15", "line 15 of one")
        assert text_of(one, "a.txt") == text_of(three, "a.txt") == wanted
        assert _told(three) == ["a.txt"]
        assert not _told(one)

    _play(test, THREE)


def test_nothing_of_a_line_stays_behind_where_somebody_typed_into_it() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", lambda text: text.replace("line 8\n", "line 8\na whole line of a thief\n"))
        await hand_over(two, three)
        edit(three, "a.txt", replaced("a whole line of a thief", "a whole and longer line of a thief"))
        await room.meet()
        found = text_of(three, "a.txt")
        assert found == text_of(one, "a.txt")
        # What three made of it is three's: the whole line stands, or none of it.
        assert found in (TEXT, TEXT.replace("line 8\n", "line 8\na whole and longer line of a thief\n"))

    _play(test, THREE)


def test_files_that_it_made_go_and_those_that_it_deleted_or_renamed_are_as_before() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        for name in ("deleted", "renamed"):
            make(one, name)
        await room.agree()
        make(two, "new")
        make(two, "used")
        found = two.catalogue.entries[entry("deleted")]
        seen = two.texts.open(found.document).state_vector()
        two.catalogue.write([Change(found.id, deletion=Deletion(found.document, seen)), Change(entry("renamed"), "x")])
        await hand_over(two, three)
        assert set(three.catalogue.layout().entry_at) == {"new", "used", "x"}
        edit(three, "used", lambda text: text + "a line of three\n")
        await room.meet()
        for folder in (one, three):
            assert set(folder.catalogue.layout().entry_at) == {"deleted", "renamed", "used"}
            assert text_of(folder, "deleted") == TEXT
            assert "a line of three\n" in (text_of(folder, "used") or "")
        assert sorted(_told(three)) == ["deleted", "new", "renamed", "used"]

    _play(test, THREE)


def test_what_the_one_who_removed_it_has_counts_and_what_it_passed_on_as_well() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 3", "line 3 before it was lost"))
        await hand_over(two, one)
        edit(four, "a.txt", replaced("line 9", "line 9 of four"))
        await hand_over(four, two)
        await hand_over(two, three)
        three_alone = _Room(room.one, room.two, room.away[:1])
        await three_alone.meet()
        wanted = TEXT.replace("line 3", "line 3 before it was lost").replace("line 9", "line 9 of four")
        assert text_of(three, "a.txt") == text_of(one, "a.txt") == wanted
        assert not _told(three)

    _play(test, THREE, FOUR)


def test_what_another_member_had_before_counts_though_the_one_who_tells_lacks_it() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 3", "line 3 that four has as well"))
        for folder in (three, four):
            await hand_over(two, folder)
        three.observers.uncounted.agreed(FOUR.device_id, three.database.last_seq)
        edit(two, "a.txt", replaced("line 5", "line 5 of a thief"))
        await hand_over(two, three)
        await _Room(room.one, room.two, room.away[:1]).meet()
        assert text_of(three, "a.txt") == text_of(one, "a.txt")
        assert text_of(one, "a.txt") == TEXT.replace("line 3", "line 3 that four has as well")

    _play(test, THREE, FOUR)


def test_what_came_to_the_one_who_removed_it_through_somebody_who_had_not_heard_does_not_count() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 3", "line 3 before it was lost"))
        await hand_over(two, one)
        one.membership.add([REMOVAL])
        edit(two, "a.txt", replaced("line 5", "line 5 of a thief"))
        make(two, "of a thief")
        await hand_over(two, three)
        await hand_over(three, four)
        room.away[1].knows(room.one)
        await until(lambda: TWO.device_id not in four.membership.members and not four.observers.uncounted.doubted)
        await until(lambda: "thief" in (text_of(one, "a.txt") or ""))  # it is four's for all that one knows
        await room.meet()
        for folder in (one, three, four):
            assert text_of(folder, "a.txt") == TEXT.replace("line 3", "line 3 before it was lost")
            assert set(folder.catalogue.layout().entry_at) == {"a.txt"}

    _play(test, THREE, FOUR)


def test_two_that_took_it_do_not_vouch_for_each_other_and_wait_for_who_knows() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 1\n", "line 1, before it was lost\n"))
        make(two, "week before")
        await hand_over(two, one)
        one.membership.add([REMOVAL])
        edit(two, "a.txt", lambda text: text.replace("line 3\n", "").replace("line 5", "line 5 of a thief"))
        for folder in (three, four):
            await hand_over(two, folder)
            folder.membership.add([REMOVAL])
            assert folder.observers.uncounted.doubted
        room.away[0].knows(room.away[1])
        await until(lambda: FOUR.device_id in three.observers.uncounted.without_answer)
        await until(lambda: THREE.device_id in four.observers.uncounted.without_answer)
        for folder in (three, four):
            assert "nothing is synced until a device that knows what counts" in folder.observers.uncounted.problem()
        await room.meet()
        wanted = TEXT.replace("line 1\n", "line 1, before it was lost\n")
        for folder in (one, three, four):
            assert text_of(folder, "a.txt") == wanted
            assert text_of(folder, "week before") == TEXT
            assert folder.observers.uncounted.problem() == ""

    _play(test, THREE, FOUR)


def test_where_nobody_can_tell_all_take_back_the_same() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", lambda text: text.replace("line 3\n", "").replace("line 5", "line 5 of a thief"))
        one.membership.add([REMOVAL])
        left = Signer(ONE, NOTES).remove([read_statement(REMOVAL, NOTES).hash], ONE.public, Role.REMOVED).encode()
        for folder in (three, four):
            await hand_over(two, folder)
            folder.membership.add([REMOVAL, left])
            assert folder.observers.uncounted.doubted.keys() == {TWO.device_id}
        room.away[0].knows(room.away[1])
        await until(lambda: not three.observers.uncounted.doubted and not four.observers.uncounted.doubted)
        await until(lambda: three.leaves.tree().root() == four.leaves.tree().root())
        assert text_of(three, "a.txt") == text_of(four, "a.txt") == TEXT

    _play(test, THREE, FOUR)


def test_who_has_not_heard_of_the_removal_vouches_for_nothing() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        room.away[0].knows(room.away[1])
        await until(lambda: room.away[0].has_session(FOUR.device_id, NOTES))
        await until(lambda: room.away[1].has_session(THREE.device_id, NOTES))
        edit(two, "a.txt", replaced("line 5", "line 5 of a thief"))
        for folder in (three, four):
            folder.observers.uncounted.agreed = lambda device, seq: None  # type: ignore[method-assign]
            await hand_over(two, folder)
        three.membership.add([REMOVAL])  # from one, whose link is gone again
        await until(lambda: FOUR.device_id in three.observers.uncounted.without_answer)
        await room.meet()
        for folder in (one, three, four):
            assert text_of(folder, "a.txt") == TEXT

    _play(test, THREE, FOUR)


def test_what_a_device_did_that_left_by_itself_stands() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 5", "line 5, the last one"))
        await hand_over(two, three)
        left = Signer(TWO, NOTES).remove([read_statement(ROOM[-1], NOTES).hash], TWO.public, Role.REMOVED).encode()
        three.membership.add([left])
        assert TWO.device_id not in three.membership.members
        assert not three.observers.uncounted.doubted
        room.away[0].knows(room.one)
        await until(lambda: text_of(one, "a.txt") == TEXT.replace("line 5", "line 5, the last one"))

    _play(test, THREE)


def test_who_was_removed_does_not_help_itself_by_leaving_first() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 5", "line 5 of a thief"))
        await hand_over(two, three)
        left = Signer(TWO, NOTES).remove([read_statement(ROOM[-1], NOTES).hash], TWO.public, Role.REMOVED).encode()
        three.membership.add([left])
        await room.meet()
        assert text_of(one, "a.txt") == text_of(three, "a.txt") == TEXT

    _play(test, THREE)


def test_files_of_others_that_it_only_passed_on_stay() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        make(four, "of four")
        edit(four, "of four", lambda text: text + "more of four\n")
        four.catalogue.write([Change(entry("a.txt"), "renamed by four")])
        await hand_over(four, two)
        make(two, "of a thief")
        await hand_over(two, three)
        assert {"of four", "of a thief", "renamed by four"} == set(three.catalogue.layout().entry_at)
        await _Room(room.one, room.two, room.away[:1]).meet()
        for folder in (one, three):
            assert set(folder.catalogue.layout().entry_at) == {"of four", "renamed by four"}
            assert text_of(folder, "of four") == TEXT + "more of four\n"
        room.away[1].knows(room.one)
        await until(lambda: set(four.catalogue.layout().entry_at) == {"of four", "renamed by four"})
        assert text_of(four, "of four") == TEXT + "more of four\n"

    _play(test, THREE, FOUR)


def _blob(of: bytes, before: Content | None = None) -> Content:
    made = Content.blob(hashlib.sha256(of).digest(), len(of), Mode.PLAIN, 0)
    return made if before is None else made.after(before.hash, before.before)


def test_modes_kinds_and_links_are_as_before_and_what_others_made_of_its_files_stays() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
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
                *(Claim(client, TWO.device_id, 1) for client in two.clients.ids),
            ]
        )
        for theirs, ours in zip(two.catalogue.documents, three.catalogue.documents, strict=True):
            await ours.take_all([check(theirs.replica.state(), Shape.MANIFEST)], TWO.device_id)
        three.catalogue.write([Change(entry("used"), content=_blob(b"of three"))])
        before = {name: one.catalogue.entries[entry(name)] for name in ("script", "text", "blob", "link")}
        one.membership.add([REMOVAL])
        room.away[0].knows(room.one)
        await until(lambda: TWO.device_id not in three.membership.members)
        await until(lambda: not three.observers.uncounted.doubted)
        await until(lambda: one.catalogue.digest() == three.catalogue.digest())
        for folder in (one, three):
            for name, wanted in before.items():
                found = folder.catalogue.entries[entry(name)]
                assert (found.kind, found.content.hash, found.mode) == (
                    wanted.kind, wanted.content.hash, wanted.mode,
                ), name  # fmt: skip
            assert {"used"} == set(folder.catalogue.layout().entry_at) - before.keys()
            assert folder.catalogue.entries[entry("used")].content.hash == _blob(b"of three").hash

    _play(test, THREE)


def test_what_was_taken_back_before_a_crash_is_not_taken_back_twice() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt")
        make(one, "deleted")
        await room.agree()
        edit(two, "a.txt", replaced("line 5", "line 5 of a thief"))
        make(two, "new")
        two.catalogue.write([Change(entry("deleted"), deletion=Deletion(document_id_for(b"deleted"), b"\x00"))])
        await hand_over(two, three)
        edit(three, "a.txt", replaced("line 5 of a", "line 5 of some"))
        edit(three, "a.txt", replaced("line 9", "line 9 of three"))
        uncounted = three.observers.uncounted
        kept: list[dict[DeviceID, int]] = []
        real, uncounted.judged = uncounted.judged, kept.append  # type: ignore[method-assign,assignment]
        one.membership.add([REMOVAL])
        room.away[0].knows(room.one)
        await until(lambda: len(kept) == 2)  # a second time, as after a crash in between
        uncounted.judged = real  # type: ignore[method-assign]
        await room.meet()
        for folder in (one, three):
            text = text_of(folder, "a.txt") or ""
            assert text.replace("line 5 of some thief", "line 5") == TEXT.replace("line 9", "line 9 of three")
            assert set(folder.catalogue.layout().entry_at) == {"a.txt", "deleted"}

    _play(test, THREE)


def test_a_member_that_never_answers_and_one_that_answers_nonsense_hold_nobody_up() -> None:
    async def test(room: _Room) -> None:
        one, two, three, _ = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 5", "line 5 of a thief"))
        await hand_over(two, three)
        document = three.catalogue.entries[entry("a.txt")].document
        secured = await dial("127.0.0.1", room.away[0].address.port, FOUR, THREE.public.noise_key)
        async with open_link(secured, Hello((1,), bytes(16), "silent", 1)) as link:
            await until(lambda: room.away[0].has_session(FOUR.device_id, NOTES))
            three.membership.add([REMOVAL])
            with trio.fail_after(30):
                while not isinstance(await link.receive(), CountedQuery):
                    pass
            with trio.fail_after(20):
                await _Room(room.one, room.two, room.away[:1]).meet()
            assert text_of(three, "a.txt") == TEXT
            await link.send(Documents(NOTES, ((document, b"\xff" * 9),)))

    _play(test, THREE, FOUR)


def test_what_is_doubted_is_sent_to_nobody_also_after_a_restart() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 5", "line 5 of a thief"))
        await hand_over(two, three)
        document = three.catalogue.entries[entry("a.txt")].document
        three.membership.add([REMOVAL])
        await three.database.pending().wait()
        again = Folder(
            NOTES, "n", three.path, ONE.device_id, database=three.database, clients=three.clients, adopted=True
        )
        again.load()
        assert again.observers.uncounted.doubted == three.observers.uncounted.doubted != {}

        # Somebody who does not answer, with the key of ONE.
        secured = await dial("127.0.0.1", room.away[0].address.port, ONE, THREE.public.noise_key)
        async with open_link(secured, Hello((1,), bytes(16), "silent", 1)) as link:
            await until(lambda: room.away[0].has_session(ONE.device_id, NOTES))
            await link.send(Pull(NOTES, (document,)))
            with trio.fail_after(30):
                while not isinstance(message := await link.receive(), Documents):
                    pass
            assert message.states == ((document, b""),)
            assert three.observers.uncounted.doubted
        await room.meet()
        assert text_of(three, "a.txt") == TEXT

    _play(test, THREE)


def test_what_it_wrote_after_it_was_made_a_reader_is_as_before_as_well() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 3", "line 3 of a member"))
        await room.agree()
        edit(two, "a.txt", replaced("line 5", "line 5 of a reader"))
        await hand_over(two, three)
        edit(three, "a.txt", replaced("line 12", "line 12 of three"))
        await room.meet(DEMOTION)
        wanted = TEXT.replace("line 3", "line 3 of a member").replace("line 12", "line 12 of three")
        assert text_of(one, "a.txt") == text_of(three, "a.txt") == wanted
        assert _told(three) == ["a.txt"]

    _play(test, THREE)


def test_who_types_meanwhile_holds_nothing_up_and_loses_nothing() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt", TEXT * 50)
        await room.agree()
        edit(two, "a.txt", lambda text: text.replace("line 8\n", "line 8\na whole line of a thief\n"))
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
            one.membership.add([REMOVAL])
            room.away[0].knows(room.one)
            await until(lambda: TWO.device_id not in three.membership.members)
            await until(lambda: not three.observers.uncounted.doubted)
            nursery.cancel_scope.cancel()
        await room.meet()
        text = text_of(three, "a.txt") or ""
        assert text == text_of(one, "a.txt")
        assert text.count("x") == typed
        assert text.replace("line 8\na whole and longer line of a thief\n", "line 8\n").replace("x", "") == TEXT * 50

    _play(test, THREE)


def test_a_device_that_was_let_in_again_is_doubted_no_more() -> None:
    async def test(room: _Room) -> None:
        one, two, three, _ = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 5", "line 5 while it was thought to be lost"))
        await hand_over(two, three)
        three.membership.add([REMOVAL])
        assert three.observers.uncounted.doubted
        found = read_statement(REMOVAL, NOTES)
        again = Signer(ONE, NOTES).grant([found.hash], TWO.public, Role.MEMBER, "two").encode()
        for folder in (one, two):
            folder.membership.add([REMOVAL, again])
        room.away[0].knows(room.one)
        await until(lambda: TWO.device_id in three.membership.members)
        await until(lambda: not three.observers.uncounted.doubted)
        await until(lambda: "thought to be lost" in (text_of(one, "a.txt") or ""))
        assert not _told(three)

    _play(test, THREE, FOUR)


def test_two_that_were_removed_at_once_and_had_written_into_the_same_lines() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        make(one, "b.txt")
        await room.agree()
        edit(two, "a.txt", replaced("line 5\n", "line 5\na line of a thief\n"))
        await hand_over(two, three)
        await hand_over(two, four)
        edit(four, "a.txt", replaced("a line of a thief", "a line of two thieves"))
        edit(four, "b.txt", lambda _: "")
        make(four, "new")
        await hand_over(four, three)
        edit(three, "a.txt", replaced("line 15", "line 15 of three"))
        edit(three, "b.txt", lambda text: text + "of three\n")
        found = read_statement(REMOVAL, NOTES)
        other = Signer(ONE, NOTES).remove([found.hash], FOUR.public, Role.REMOVED).encode()
        one.membership.add([REMOVAL, other])
        await _Room(room.one, room.two, room.away[:1]).meet()
        for folder in (one, three):
            assert text_of(folder, "a.txt") == TEXT.replace("line 15", "line 15 of three")
            assert text_of(folder, "b.txt") == TEXT + "of three\n"
            assert set(folder.catalogue.layout().entry_at) == {"a.txt", "b.txt"}

    _play(test, THREE, FOUR)


def test_a_removal_and_whom_it_makes_doubted_are_stored_together() -> None:
    async def test(room: _Room) -> None:
        three = room.folders[2]
        commits: list[Commit] = []
        put = three.database.writer.put

        def note(commit: Commit) -> None:
            commits.append(commit)
            put(commit)

        three.database.writer.put = note  # type: ignore[method-assign]
        three.membership.add([REMOVAL])
        assert three.observers.uncounted.doubted
        (found,) = [one for one in commits if any("agreement" in sql for sql, _ in one.statements)]
        assert any("INTO statement" in sql for sql, _ in found.statements)

    _play(test, THREE)


def test_what_two_others_have_is_certain_whoever_is_removed() -> None:
    async def test(room: _Room) -> None:
        three = room.folders[2]
        uncounted = three.observers.uncounted
        three.database.last_seq = 90
        assert uncounted.certain() == 0
        uncounted.agreed(TWO.device_id, 40)
        assert uncounted.certain() == 0
        uncounted.agreed(ONE.device_id, 30)
        assert uncounted.certain() == 30
        uncounted.agreed(FOUR.device_id, 50)
        assert uncounted.certain() == 40
        three.membership.add([REMOVAL])
        assert uncounted.doubted == {TWO.device_id: 50}
        assert uncounted.certain() == 30

    _play(test, THREE)


def test_nothing_of_it_is_taken_that_was_on_its_way_when_the_removal_was_heard() -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt", TEXT * 2000)
        await room.agree()
        edit(two, "a.txt", lambda text: text.replace("line 5\n", "line 5 of a thief\n"))
        document = two.catalogue.entries[entry("a.txt")].document
        live, state = three.texts.open(document), two.texts.state(document)
        for number in range(200):
            make(two, f"n{number}")
        manifest = [(ours, theirs.replica.state()) for theirs, ours in zip(
            two.catalogue.documents, three.catalogue.documents, strict=True
        )]  # fmt: skip
        async with trio.open_nursery() as nursery:
            nursery.start_soon(live.receive_all, [state], TWO.device_id)
            for ours, news in manifest:
                nursery.start_soon(ours.receive_all, [news], TWO.device_id)
            await trio.lowlevel.checkpoint()
            three.membership.add([REMOVAL])
            seq = three.database.last_seq
        await three.database.pending().wait()
        rows = three.database.rows("SELECT count(*) FROM log WHERE seq > ? AND origin = ?", (seq, TWO.device_id))
        assert rows == [(0,)]
        await room.meet()
        assert text_of(one, "a.txt") == text_of(three, "a.txt") == TEXT * 2000
        assert set(three.catalogue.layout().entry_at) == {"a.txt"}

    _play(test, THREE)


def test_files_that_came_to_the_one_who_removed_it_later_and_that_it_passed_on_stay() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        one.membership.add([REMOVAL])
        make(four, "of four")
        edit(four, "of four", lambda text: text + "more of four\n")
        await hand_over(four, two)
        await hand_over(four, one)
        await hand_over(two, three)
        await _Room(room.one, room.two, room.away[:1]).meet()
        for folder in (one, three):
            assert text_of(folder, "of four") == TEXT + "more of four\n"
        assert not _told(three)

    _play(test, THREE, FOUR)


def test_what_others_replaced_and_it_passed_on_with_its_own_stands() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(four, "a.txt", replaced("line 9\n", "something else\n"))
        edit(four, "a.txt", lambda text: text.replace("line 12", "row 12").replace("line 16\n", "rows\n"))
        await hand_over(four, two)
        edit(two, "a.txt", lambda text: text.replace("line 5\n", "of a thief\n").replace("line 2\n", ""))
        await hand_over(two, three)
        await _Room(room.one, room.two, room.away[:1]).meet()
        wanted = TEXT.replace("line 9\n", "something else\n").replace("line 12", "row 12").replace("line 16", "rows")
        for folder in (one, three):
            print(
                "TEXT",
                [repr(text_of(f, "a.txt"))[80:160] for f in room.folders],
                [f.leaves.tree().root().hex()[:6] for f in room.folders],
            )
            assert text_of(folder, "a.txt") == wanted

    _play(test, THREE, FOUR)


def test_what_it_takes_out_in_one_message_with_what_others_wrote_comes_back() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        edit(four, "a.txt", replaced("line 9\n", "line 9\nof four\n"))
        await hand_over(four, two)
        edit(two, "a.txt", lambda text: text.replace("line 2\n", "").replace("line 16\n", ""))
        await hand_over(two, three)
        await _Room(room.one, room.two, room.away[:1]).meet()
        for folder in (one, three):
            assert text_of(folder, "a.txt") == TEXT.replace("line 9\n", "line 9\nof four\n")

    _play(test, THREE, FOUR)


def test_three_that_doubt_different_changes_wait_together_and_end_alike() -> None:
    async def test(room: _Room) -> None:
        one, two, *away = room.folders
        make(one, "a.txt")
        await room.agree()
        for number, folder in enumerate(away):
            edit(two, "a.txt", replaced(f"line {number}\n", f"line {number} of a thief\n"))
            make(two, f"new {number}")
            await hand_over(two, folder)
            edit(folder, "a.txt", replaced(f"line {10 + 3 * number}\n", f"line {10 + 3 * number} of an honest one\n"))
            folder.membership.add([REMOVAL])
        for node in room.away:
            for other in room.away:
                if node is not other:
                    node.knows(other)
        await until(lambda: all(len(folder.observers.uncounted.without_answer) == 2 for folder in away))
        assert all(folder.observers.uncounted.doubted for folder in away)
        await room.meet()
        wanted = TEXT
        for number in range(3):
            wanted = wanted.replace(f"line {10 + 3 * number}\n", f"line {10 + 3 * number} of an honest one\n")
        for folder in (one, *away):
            print(
                "TEXT",
                [repr(text_of(f, "a.txt"))[80:160] for f in room.folders],
                [f.leaves.tree().root().hex()[:6] for f in room.folders],
            )
            assert text_of(folder, "a.txt") == wanted
            assert set(folder.catalogue.layout().entry_at) == {"a.txt"}

    everybody = statements(NOTES, TWO.public, THREE.public, FOUR.public, FIVE.public)
    _play(test, THREE, FOUR, FIVE, statements=everybody)


def test_a_file_that_somebody_else_made_and_it_renamed_is_not_its_own() -> None:
    async def test(room: _Room) -> None:
        one, two, three, four = room.folders
        make(one, "a.txt")
        await room.agree()
        make(four, "of four")
        edit(four, "of four", lambda text: text + "more of four\n")
        await hand_over(four, two)
        two.catalogue.write([Change(entry("of four"), "renamed")])
        await hand_over(two, three)
        await _Room(room.one, room.two, room.away[:1]).meet()
        room.away[1].knows(room.one)
        await until(lambda: TWO.device_id not in four.membership.members)
        await until(lambda: len({folder.leaves.tree().root() for folder in (one, three, four)}) == 1)
        await until(lambda: len({folder.catalogue.digest() for folder in (one, three, four)}) == 1)
        for folder in (one, three, four):
            (path,) = set(folder.catalogue.layout().entry_at) - {"a.txt"}
            assert text_of(folder, path) == TEXT + "more of four\n"

    _play(test, THREE, FOUR)


@pytest.mark.parametrize("is_first", [True, False])
def test_what_a_meeting_with_it_took_out_of_our_own_is_there_again(is_first: bool) -> None:
    async def test(room: _Room) -> None:
        one, two, three = room.folders
        make(one, "a.txt")
        await room.agree()
        thieves, ours = ("aaa of a thief", "zzz of three") if is_first else ("zzz of a thief", "aaa of three")
        edit(two, "a.txt", replaced("line 5\n", f"{thieves}\n"))
        edit(three, "a.txt", replaced("line 5\n", f"{ours}\n"))
        document = two.catalogue.entries[entry("a.txt")].document
        theirs = PeerState(two.texts.clocks(document), is_answer=False)
        await three.texts.open(document).receive_all([two.texts.state(document)], TWO.device_id, theirs)
        await three.database.pending().wait()
        await hand_over(two, three)
        edit(three, "a.txt", replaced("line 15\n", "line 15 of three\n"))
        await room.meet()
        wanted = TEXT.replace("line 5\n", f"{ours}\n").replace("line 15\n", "line 15 of three\n")
        for folder in (one, three):
            assert text_of(folder, "a.txt") == wanted

    _play(test, THREE)
