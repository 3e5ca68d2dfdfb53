"""A removed device with a patched program that writes in the names of others: none of that lasts.

TWO was removed by ONE; THREE had been away, and met TWO before it heard of that. FOUR is a member that is elsewhere all
the time: TWO says that it was FOUR who wrote. What FOUR did write, and TWO passed on, stands.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from peers.removed_device import (
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
    make,
    replaced,
    scene,
    text_of,
)
from peers.test_links import HOSTILE, ONE, TWO, statements

from yp2p.documents.diff import Hunk
from yp2p.documents.manifest_replica import ManifestReplica
from yp2p.documents.registers import OWNER_BYTES, Change, Claim
from yp2p.documents.text import TextReplica, import_client
from yp2p.folder.client_ids import fresh_client_id
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.identity import FolderID, Identity
from yp2p.protocol.clients import Writer
from yp2p.protocol.insertions import Insertion
from yp2p.protocol.ysync import Shape, check
from yp2p.trust.authorship import sign_client
from yp2p.trust.statements import Role, Signer, Statement, read_statement

_THIEF = "of a thief"
_BY_FOUR = TEXT.replace("line 9", "line 9 of four")


def claim(identity: Identity, client: int, folder: FolderID = NOTES, *, by: Identity | None = None) -> Claim:
    """Args: `by` is who signs; else the device itself."""
    signature = sign_client(by or identity, folder, client)
    return Claim(client, identity.device_id[:OWNER_BYTES], signature)


def write(two: Folder, client: int, name: str = "a.txt", change: str = f"{_THIEF}\n") -> None:
    """With any client ID, at the beginning of a text."""
    document = two.catalogue.entries[entry(name)].document
    replica = TextReplica.from_updates(client, [two.texts.state(document)])
    assert replica.edit([Hunk(0, 0, change)]) is not None
    two.edits.accept(two.texts.open(document), check(replica.state(), Shape.TEXT), None)


async def put(folder: Folder, index: int, values: dict[str, bytes], client: int) -> None:
    """Registers with any client ID, without any check."""
    live = folder.catalogue.documents[index]
    forger = ManifestReplica(client)
    forger.load([live.replica.state()])
    update = forger.write(values)
    if update is not None:
        await live.receive_all([update], None)


def _two_in_charge() -> list[Statement]:
    signer = Signer(ONE, NOTES)
    made = [signer.grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    for keys, role in ((TWO.public, Role.ADMINISTRATOR), (THREE.public, Role.MEMBER)):
        made.append(signer.grant([made[-1].hash], keys, role, ""))
    return made


_IN_CHARGE = _two_in_charge()
_TWO_IN_CHARGE = [statement.encode() for statement in _IN_CHARGE]
_REMOVAL_OF_ONE_IN_CHARGE = Signer(ONE, NOTES).remove([_IN_CHARGE[-1].hash], TWO.public, Role.REMOVED)
_LET_IN = Signer(TWO, NOTES).grant([_IN_CHARGE[-1].hash], HOSTILE.public, Role.MEMBER, "hostile")

_Way = Callable[[Folder, Folder], None]


def _unclaimed(two: Folder, four: Folder) -> None:
    write(two, fresh_client_id())


def _signed_by_itself_for_another(two: Folder, four: Folder) -> None:
    client = fresh_client_id()
    two.catalogue.write([claim(FOUR, client, by=TWO)])
    write(two, client)


def _signed_by_nobody(two: Folder, four: Folder) -> None:
    client = fresh_client_id()
    two.catalogue.write([Claim(client, FOUR.device_id[:OWNER_BYTES], bytes(64))])
    write(two, client)


def _of_another_folder(two: Folder, four: Folder) -> None:
    """FOUR writes with it elsewhere, and signed that."""
    client = fresh_client_id()
    two.catalogue.write([claim(FOUR, client, FolderID(b"other folder 16b"))])
    write(two, client)


def _of_another_client_id(two: Folder, four: Folder) -> None:
    client = fresh_client_id()
    signature = four.catalogue.authorship.claims[four.clients.own][FOUR.device_id[:OWNER_BYTES]]
    two.catalogue.write([Claim(client, FOUR.device_id[:OWNER_BYTES], signature)])
    write(two, client)


def _one_that_many_claim(two: Folder, four: Folder) -> None:
    """Thousands of claims for one client ID."""
    client = fresh_client_id()
    names = [FOUR.device_id[:OWNER_BYTES], *(number.to_bytes(OWNER_BYTES, "big") for number in range(3000))]
    two.catalogue.write([Claim(client, name, bytes(64)) for name in names])
    write(two, client)


def _many_that_it_claims_for_another(two: Folder, four: Folder) -> None:
    clients = [fresh_client_id() for _ in range(3000)]
    two.catalogue.write([Claim(client, FOUR.device_id[:OWNER_BYTES], bytes(64)) for client in clients])
    for client in clients[::300]:
        write(two, client)


def _of_a_device_that_nobody_knows(two: Folder, four: Folder) -> None:
    client = fresh_client_id()
    two.catalogue.write([claim(Identity(b"9" * 32), client)])
    write(two, client)


def _typed(two: Folder, four: Folder) -> None:
    """As a program of FOUR might have."""
    client = Writer.TYPED.client_id(77)
    two.catalogue.write([Claim(client, FOUR.device_id[:OWNER_BYTES], bytes(64))])
    write(two, client)


def _with_its_own_ids(two: Folder, four: Folder) -> None:
    """Which it signed while it was a member, and says now that they are FOUR's."""
    client = two.clients.own
    two.catalogue.write([claim(TWO, client), Claim(client, FOUR.device_id[:OWNER_BYTES], bytes(64))])
    write(two, client)


def _a_repair(two: Folder, four: Folder) -> None:
    client = Writer.REPAIR.client_id(5)
    two.catalogue.write([Claim(client, FOUR.device_id[:OWNER_BYTES], bytes(64))])
    write(two, client)


def _in_place_of_the_claim_of_another(two: Folder, four: Folder) -> None:
    """And what FOUR wrote is said to be the thief's own."""
    client = four.clients.own
    two.catalogue.write([Claim(client, FOUR.device_id[:OWNER_BYTES], bytes(64))])
    two.catalogue.manifest.take_claim(claim(FOUR, client), Claim(client, FOUR.device_id[:OWNER_BYTES], bytes(64)))
    two.catalogue.write([Claim(client, FOUR.device_id[:OWNER_BYTES], bytes(64)), claim(TWO, client)])
    write(two, fresh_client_id())


WAYS: tuple[_Way, ...] = (
    _unclaimed, _signed_by_itself_for_another, _signed_by_nobody, _of_another_folder, _of_another_client_id,
    _one_that_many_claim, _many_that_it_claims_for_another,
    _of_a_device_that_nobody_knows, _typed, _with_its_own_ids, _a_repair, _in_place_of_the_claim_of_another,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__.strip("_"))
@scene(THREE, FOUR)
async def test_nothing_that_it_wrote_in_anothers_name_lasts_and_what_that_one_wrote_does(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, way: _Way
) -> None:
    edit(four, "a.txt", replaced("line 9", "line 9 of four"))
    await hand_over(four, two)
    await hand_over(two, three)
    way(two, four)
    await hand_over(two, three)
    edit(three, "a.txt", replaced("line 15", "line 15 of three"))
    await room.meet(room.three)
    wanted = _BY_FOUR.replace("line 15", "line 15 of three")
    assert text_of(one, "a.txt") == text_of(three, "a.txt") == wanted


@scene(THREE, FOUR)
async def test_what_it_passed_on_with_a_claim_that_came_later_than_the_text_stands(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(four, "a.txt", replaced("line 9", "line 9 of four"))
    document = four.catalogue.entries[entry("a.txt")].document
    await two.texts.open(document).receive_all([four.texts.state(document)], FOUR.device_id)
    await hand_over(two, three)
    await hand_over(four, two)
    await hand_over(two, three)
    await room.meet(room.three)
    assert text_of(one, "a.txt") == text_of(three, "a.txt") == _BY_FOUR


@scene(THREE, FOUR)
async def test_a_claim_in_whose_place_something_else_is_written_is_written_again_by_whoever_knows_it(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(four, "a.txt", replaced("line 9", "line 9 of four"))
    await room.agree()
    good = claim(FOUR, four.clients.own)
    for said in (b"", b"\x02" + bytes(64), b"\x02" + claim(FOUR, four.clients.own, by=TWO).signature, b"\x01junk"):
        index = four.clients.own % 64
        await put(two, index, dict.fromkeys(good.registers(), said), fresh_client_id())
        await hand_over(two, three)
        key = next(iter(good.registers()))
        assert three.catalogue.manifest.replicas[index].claim_signature(key) == good.signature, said
        assert three.catalogue.authorship.author_of(four.clients.own) == FOUR.device_id
        again = Folder(
            NOTES, "n", three.path, ONE.device_id, database=three.database, clients=three.clients, adopted=True
        )
        await again.load()
        assert again.catalogue.authorship.author_of(four.clients.own) == FOUR.device_id
        await hand_over(three, two)


@scene(THREE, FOUR)
async def test_devices_that_put_a_claim_back_at_a_time_come_to_rest(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(four, "a.txt", replaced("line 9", "line 9 of four"))
    await room.agree()
    good = claim(FOUR, four.clients.own)
    await put(two, four.clients.own % 64, dict.fromkeys(good.registers(), b"x"), fresh_client_id())
    for folder in (one, three, four):
        await hand_over(two, folder)
    for _ in range(2):
        for source in (one, three, four):
            for target in (one, three, four):
                if source is not target:
                    await hand_over(source, target)
    before = [folder.database.last_seq for folder in (one, three, four)]
    for source in (one, three, four):
        for target in (one, three, four):
            if source is not target:
                await hand_over(source, target)
    assert [folder.database.last_seq for folder in (one, three, four)] == before
    assert len({folder.catalogue.digest() for folder in (one, three, four)}) == 1


@scene(THREE, FOUR)
async def test_a_bad_claim_that_was_there_first_makes_room_for_the_signed_one(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    bad = Claim(four.clients.own, FOUR.device_id[:OWNER_BYTES], bytes(64))
    two.catalogue.write([bad])
    for folder in (one, three, four):
        await hand_over(two, folder)
    edit(four, "a.txt", replaced("line 9", "line 9 of four"))
    await four.edits.own_claims.publish()
    await room.agree()
    for folder in (one, two, three, four):
        assert folder.catalogue.authorship.author_of(four.clients.own) == FOUR.device_id


@scene(THREE, FOUR, text="")
async def test_an_id_that_several_claim_is_of_those_whose_content_counts(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    client = fresh_client_id()
    authorship = three.catalogue.authorship
    three.catalogue.write([claim(TWO, client)])
    assert authorship.author_of(client) == TWO.device_id
    three.catalogue.write([claim(FOUR, client)])
    assert authorship.author_of(client) is None
    await three.membership.receive([REMOVAL])
    assert authorship.author_of(client) == FOUR.device_id
    three.catalogue.write([claim(THREE, client)])
    assert authorship.author_of(client) is None
    assert authorship.claimants(client) == {TWO.device_id, THREE.device_id, FOUR.device_id}
    await trio.lowlevel.checkpoint()


@scene(THREE, FOUR, text="")
async def test_a_good_signature_under_anothers_name_makes_nothing_of_the_real_one(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    good = claim(FOUR, four.clients.own)
    three.catalogue.write([Claim(good.client, ONE.device_id[:OWNER_BYTES], good.signature)])
    assert three.catalogue.authorship.author_of(good.client) is None
    make(one, "a.txt")
    await room.agree()
    edit(four, "a.txt", replaced("line 9", "line 9 of four"))
    await hand_over(four, three)
    assert three.catalogue.authorship.author_of(good.client) == FOUR.device_id


@scene(THREE, FOUR, statements=statements(NOTES, *(one.public for one in (TWO, THREE, FOUR, FIVE))))
async def test_two_removed_devices_do_not_vouch_for_each_other(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    client = fresh_client_id()
    two.catalogue.write([claim(FIVE, client)])
    write(two, client)
    await hand_over(two, three)
    found = read_statement(REMOVAL, NOTES)
    other = Signer(ONE, NOTES).remove([found.hash], FIVE.public, Role.REMOVED).encode()
    await one.membership.receive([REMOVAL, other])
    await room.meet(room.three)
    assert text_of(one, "a.txt") == text_of(three, "a.txt") == TEXT


@scene(THREE, statements=_TWO_IN_CHARGE)
async def test_a_device_that_it_let_in_afterwards_vouches_for_nothing(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    client = fresh_client_id()
    two.catalogue.write([claim(HOSTILE, client)])
    write(two, client)
    await hand_over(two, three)
    await three.membership.receive([_LET_IN.encode()])
    assert three.catalogue.authorship.author_of(client) == HOSTILE.device_id
    assert three.catalogue.authorship.counts(HOSTILE.device_id)
    await room.meet(said=_REMOVAL_OF_ONE_IN_CHARGE.encode())
    assert HOSTILE.device_id in three.membership.everybody()
    assert text_of(one, "a.txt") == text_of(three, "a.txt") == TEXT


@scene(THREE, FOUR)
async def test_what_one_that_left_by_itself_had_written_and_it_passed_on_stands(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    edit(four, "a.txt", replaced("line 9", "line 9 of four"))
    await hand_over(four, two)
    left = Signer(FOUR, NOTES).remove([read_statement(ROOM[-1], NOTES).hash], FOUR.public, Role.REMOVED).encode()
    await hand_over(two, three)
    await one.membership.receive([left, REMOVAL])
    await room.meet(room.three)
    assert text_of(one, "a.txt") == text_of(three, "a.txt") == _BY_FOUR


@scene(THREE, FOUR, text="")
async def test_files_that_it_makes_and_renames_in_anothers_name_are_as_before(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    for name in ("a.txt", "b.txt"):
        make(one, name)
    await room.agree()
    client = fresh_client_id()
    two.catalogue.write([Claim(client, FOUR.device_id[:OWNER_BYTES], bytes(64))])
    renamed = Change(entry("b.txt"), "renamed by a thief")
    await put(two, renamed.index, renamed.registers(), client)
    await hand_over(two, three)
    await room.meet(room.three)
    for folder in (one, three):
        assert set(folder.catalogue.layout().entry_at) == {"a.txt", "b.txt"}


@scene(THREE, FOUR)
async def test_it_is_taken_back_as_well_where_a_member_that_had_not_heard_passed_it_on(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    client = fresh_client_id()
    two.catalogue.write([Claim(client, ONE.device_id[:OWNER_BYTES], bytes(64))])
    write(two, client)
    await hand_over(two, three)
    await hand_over(three, four)
    await room.meet()
    for folder in (one, three, four):
        assert text_of(folder, "a.txt") == TEXT


@scene(THREE, text="")
async def test_a_first_sync_checks_no_signature_and_a_signature_is_checked_once(
    room: Room, one: Folder, two: Folder, three: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = 0

    def count(*arguments: object) -> bool:
        nonlocal checked
        checked += 1
        return False

    monkeypatch.setattr("yp2p.folder.authorship.has_signed_client", count)

    clients = [fresh_client_id() for _ in range(500)]
    two.catalogue.write([Claim(client, ONE.device_id[:OWNER_BYTES], bytes(64)) for client in clients])
    before = checked
    await hand_over(two, three)
    assert checked == before
    for _ in range(3):
        assert three.catalogue.authorship.author_of(clients[0]) is None
    assert checked == before + 1


@scene()
async def test_keystrokes_check_and_sign_nothing(
    room: Room, one: Folder, two: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("sign_client", "has_signed_client"):
        monkeypatch.setattr(f"yp2p.folder.authorship.{name}", lambda *_, name=name: done.append(name) or bytes(64))

    for number in range(50):
        live = one.texts.open(one.catalogue.entries[entry("a.txt")].document)
        news = live.text.edit([Hunk(0, 0, str(number))])
        assert news is not None
        one.edits.record(live, news, None)
        assert two.edits.accept(two.texts.open(live.id), check(news, Shape.TEXT), ONE.device_id) is not None
        if number == 0:
            assert one.edits.own_claims.to_publish == one.clients.ids
            await one.edits.own_claims.publish()
            assert done.count("sign_client") == len(one.clients.ids)
            done.clear()
    assert not one.edits.own_claims.to_publish
    assert not done


@pytest.mark.parametrize("is_replaced", [False, True])
@scene(THREE, FOUR)
async def test_it_cannot_keep_back_who_wrote_what_it_passes_on(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, is_replaced: bool
) -> None:
    """ONE knows that it was FOUR, and signatures can be taken from anybody."""

    edit(four, "a.txt", replaced("line 2", "line 2 of four"))
    await hand_over(four, one)
    edit(four, "a.txt", replaced("line 9", "line 9 of four"))
    document = four.catalogue.entries[entry("a.txt")].document
    for target, source in ((two, four), (three, two)):
        await target.texts.open(document).receive_all([four.texts.state(document)], source.clients.device)
    if is_replaced:
        bad = Claim(four.clients.own, FOUR.device_id[:OWNER_BYTES], bytes(64))
        two.catalogue.write([bad, claim(TWO, four.clients.own)])
        await hand_over(two, three)
    await room.meet(room.three)
    wanted = _BY_FOUR.replace("line 2\n", "line 2 of four\n")
    assert text_of(one, "a.txt") == text_of(three, "a.txt") == wanted


@scene(THREE, FOUR)
async def test_an_id_that_its_owner_wrote_with_is_its_owners_and_that_one_is_told(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder
) -> None:
    """What cannot be told from what FOUR wrote before it was started anew: it stands, and FOUR's people hear of it."""

    earlier = fresh_client_id()
    four.catalogue.write(four.catalogue.authorship.own([earlier]))
    write(four, earlier, change="of four, before it was started anew\n")
    four.clients.earlier = frozenset((earlier,))
    await room.agree()
    assert not [one for one in four.notices if one.kind is NoticeKind.IN_OUR_NAME]
    write(two, earlier)
    write(two, earlier)
    await hand_over(two, three)
    await room.meet(room.three)
    assert _THIEF in (text_of(one, "a.txt") or "")
    await hand_over(three, four)
    (told,) = [one for one in four.notices if one.kind is NoticeKind.IN_OUR_NAME]
    assert told.path == "a.txt"
    assert "somebody writes in its name" in told.text


@scene(THREE)
async def test_what_it_writes_with_the_id_of_the_device_that_it_meets_goes_and_that_one_takes_another_id(
    room: Room, one: Folder, two: Folder, three: Folder
) -> None:
    edit(three, "a.txt", replaced("line 9", "line 9 of three"))
    await hand_over(three, two)
    own = three.clients.own
    write(two, own)
    await hand_over(two, three)
    document = three.catalogue.entries[entry("a.txt")].document
    assert three.clients.own_of(document) != own
    edit(three, "a.txt", replaced("line 15", "line 15 of three"))
    await room.meet()
    wanted = TEXT.replace("line 9", "line 9 of three").replace("line 15", "line 15 of three")
    assert text_of(one, "a.txt") == text_of(three, "a.txt") == wanted


def _claim_the_import(two: Folder, client: int) -> None:
    two.catalogue.write([claim(TWO, client)])


def _write_into_it(two: Folder, client: int) -> None:
    write(two, fresh_client_id(), "new")


def _write_into_it_with_a_derived_id(two: Folder, client: int) -> None:
    write(two, import_client(f"{_THIEF}\n"), "new")


def _begin_it_anew(two: Folder, client: int) -> None:
    """Beside the import, as a second one of other content."""
    document = two.catalogue.entries[entry("new")].document
    update = Insertion.of(fresh_client_id(), f"{_THIEF}\n").update
    two.edits.accept(two.texts.open(document), check(update, Shape.TEXT), None)


def _write_where_there_was_nothing(two: Folder, client: int) -> None:
    """With an ID of its own, that it signed, as its program does."""
    edit(two, "empty", lambda _: f"{_THIEF}\n")


@pytest.mark.parametrize(
    "way",
    [
        _claim_the_import,
        _write_into_it,
        _write_into_it_with_a_derived_id,
        _begin_it_anew,
        _write_where_there_was_nothing,
    ],
    ids=lambda way: way.__name__.strip("_"),
)
@scene(THREE, FOUR)
async def test_a_file_that_another_made_and_nobody_else_has_is_as_that_one_made_it(
    room: Room, one: Folder, two: Folder, three: Folder, four: Folder, way: Callable[[Folder, int], None]
) -> None:
    make(four, "new")
    make(four, "empty", "")
    edit(four, "new", replaced("line 9", "line 9 of four"))
    await hand_over(four, two)
    way(two, import_client(TEXT))
    await hand_over(two, three)
    await room.meet(room.three)
    assert text_of(one, "new") == text_of(three, "new") == _BY_FOUR
    assert text_of(one, "empty") == text_of(three, "empty") == ""
