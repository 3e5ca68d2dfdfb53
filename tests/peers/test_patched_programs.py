"""A removed device, or a reader, with a patched program: what it tries, and that nothing of it lasts.

TWO was removed by ONE; THREE had been away, and met TWO before it heard of that. Or TWO only reads, and both meet it.
ONE and THREE work meanwhile. When they have met, they have all that either of them did, and nothing of what TWO did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from conditions import until
from peers.removed_device import (
    NOTES,
    REMOVAL,
    TEXT,
    THREE,
    Room,
    edit,
    entry,
    hand_over,
    make,
    replaced,
    scene,
    settled,
    text_of,
)
from peers.test_links import HOSTILE, ONE, TWO

from yp2p.disk.render.equal_entries import join_equal_entries
from yp2p.documents.diff import Hunk
from yp2p.documents.registers import Change, Deletion
from yp2p.documents.text import TextReplica
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import document_id_for, store_first_import
from yp2p.identity import EntryID, Identity
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.state_vectors import encode_state_vector
from yp2p.protocol.ysync import Shape, check
from yp2p.store import sql
from yp2p.trust.statements import Role, Signer, Statement, StatementHash, read_statement

_TEXTS = ("a.txt", "b.txt", "c.txt", "script")
_THIEF = "of a thief"
_Way = Callable[[Folder, Folder], None]


def _with_a_reader() -> list[bytes]:
    """ONE founded the folder; TWO reads it, and THREE is a member."""
    signer = Signer(ONE, NOTES)
    made = [signer.grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    for keys, role in ((TWO.public, Role.READER), (THREE.public, Role.MEMBER)):
        made.append(signer.grant([made[-1].hash], keys, role, ""))
    return [statement.encode() for statement in made]


_WITH_A_READER = _with_a_reader()


def _blob(of: bytes) -> Content:
    return Content.blob(hashlib.sha256(of).digest(), len(of), Mode.PLAIN, 0)


def _change(two: Folder, *changes: Change) -> None:
    two.catalogue.write([*changes, *two.catalogue.authorship.own(two.clients.ids)])


def _document(name: str) -> bytes:
    return document_id_for(name.encode())


def _write(two: Folder, three: Folder) -> None:
    edit(two, "a.txt", replaced("line 3\n", f"line 3 {_THIEF}\n"))


def _remove_lines(two: Folder, three: Folder) -> None:
    edit(two, "a.txt", replaced("line 3\nline 4\n", ""))


def _write_all_anew(two: Folder, three: Folder) -> None:
    for name in _TEXTS:
        edit(two, name, lambda _: f"all {_THIEF}\n")


def _empty_all(two: Folder, three: Folder) -> None:
    for name in _TEXTS:
        edit(two, name, lambda _: "")


def _delete(two: Folder, three: Folder) -> None:
    seen = two.texts.open(two.catalogue.entries[entry("b.txt")].document).state_vector()
    _change(two, Change(entry("b.txt"), deletion=Deletion(document_id_for(b"b.txt"), seen)))


def _delete_all_ever(two: Folder, three: Folder) -> None:
    """As if it had seen what nobody has written yet."""
    seen = encode_state_vector(dict.fromkeys((*two.clients.ids, *three.clients.ids), 1 << 40))
    found = two.catalogue.entries.values()
    _change(two, *(Change(one.id, deletion=Deletion(one.document, seen)) for one in found))


def _make_files(two: Folder, three: Folder) -> None:
    for number in range(40):
        make(two, f"new {number}", f"{_THIEF} {number}\n")


def _make_a_file_where_one_is(two: Folder, three: Folder) -> None:
    make(two, "x", f"{_THIEF}\n")
    _change(two, Change(entry("x"), "a.txt"))


def _take_the_place_of_equal_files(two: Folder, three: Folder) -> None:
    """Of two entries with one path and one content the one with the smaller ID stays."""
    for number, name in enumerate(_TEXTS):
        statements: list[sql.Statement] = []
        document = document_id_for(b"again" + name.encode())
        store_first_import(two, document, TEXT, statements)
        one = Change(EntryID(bytes(15) + bytes([number])), name, Content.text(document, Mode.PLAIN))
        two.catalogue.write([one], statements)
    _change(two, Change(EntryID(bytes(15) + b"b"), "blob", _blob(b"of one")))


def _rename(two: Folder, three: Folder) -> None:
    _change(two, Change(entry("a.txt"), f"sub/{_THIEF}"))


def _swap(two: Folder, three: Folder) -> None:
    _change(two, Change(entry("a.txt"), "b.txt"), Change(entry("b.txt"), "a.txt"))


def _rename_again_and_again(two: Folder, three: Folder) -> None:
    for number in range(30):
        _change(two, Change(entry("a.txt"), f"{number}"), Change(entry("blob"), f"{number} b"))


def _make_executable(two: Folder, three: Folder) -> None:
    _change(two, Change(entry("script"), mode=Mode.EXECUTABLE))


def _make_it_a_blob(two: Folder, three: Folder) -> None:
    _change(two, Change(entry("b.txt"), content=_blob(b"of a thief")))


def _overwrite_a_blob_again_and_again(two: Folder, three: Folder) -> None:
    for number in range(10):
        was = two.catalogue.entries[entry("blob")].content
        _change(two, Change(entry("blob"), content=_blob(b"%d" % number).after(was.hash, was.before)))


def _make_a_blob_a_text(two: Folder, three: Folder) -> None:
    make(two, "y", f"{_THIEF}\n")
    _change(two, Change(entry("blob"), content=Content.text(document_id_for(b"y"), Mode.PLAIN)))


def _point_a_link_elsewhere(two: Folder, three: Folder) -> None:
    _change(two, Change(entry("link"), content=Content.symlink(b"/etc/passwd")))


def _delete_a_blob_and_make_it_again(two: Folder, three: Folder) -> None:
    was = two.catalogue.entries[entry("blob")]
    _change(two, Change(was.id, deletion=Deletion(was.document, b"\x00")))
    _change(two, Change(entry("blob 2"), "blob", _blob(b"of a thief, again")))


def _revive_what_was_deleted(two: Folder, three: Folder) -> None:
    edit(two, "gone", lambda text: text + f"{_THIEF}\n")
    _change(two, Change(entry("gone"), revive=True))


def _write_as_the_other_one(two: Folder, three: Folder) -> None:
    """With the client ID of the member that it meets, which has written with it."""
    edit(three, "a.txt", replaced("line 18", "line 18 of three"))
    document = two.catalogue.entries[entry("a.txt")].document
    replica = TextReplica.from_updates(three.clients.own, [three.texts.state(document)])
    news = replica.edit([Hunk(0, 0, f"{_THIEF}\n")])
    assert news is not None
    two.edits.accept(two.texts.open(document), check(replica.state(), Shape.TEXT), None)


def _heads(folder: Folder) -> list[StatementHash]:
    return [read_statement(folder.membership.statements()[-1], NOTES).hash]


def _say(folder: Folder, *statements: Statement) -> None:
    """At once, as its program is patched."""
    membership = folder.membership
    outcome = membership._received(membership._statements, statements)
    if outcome is not None:
        membership.take(outcome)


def _back_date_a_removal(two: Folder, three: Folder) -> None:
    """It knows nothing of what is said against it, and throws out who removed it."""
    _write(two, three)
    _say(three, Signer(TWO, NOTES).remove(_heads(three), ONE.public, Role.REMOVED))


def _let_in_another(two: Folder, three: Folder) -> None:
    _say(three, Signer(TWO, NOTES).grant(_heads(three), HOSTILE.public, Role.MEMBER, "h"))
    _write(two, three)


def _let_in_very_many(two: Folder, three: Folder) -> None:
    heads, signer = _heads(three), Signer(TWO, NOTES)
    for number in range(300):
        made = signer.grant(heads, Identity(bytes([7, number % 256]) * 16).public, Role.MEMBER, "h")
        _say(three, made)
        heads = [made.hash]
    _write(two, three)


def _let_itself_in_again(two: Folder, three: Folder) -> None:
    removal = read_statement(REMOVAL, NOTES)
    _say(three, removal)
    _say(three, Signer(TWO, NOTES).grant([removal.hash], TWO.public, Role.ADMINISTRATOR, "two"))
    _write(two, three)


def _leave_before_it_is_heard(two: Folder, three: Folder) -> None:
    _write(two, three)
    _say(three, Signer(TWO, NOTES).remove(_heads(three), TWO.public, Role.REMOVED))


WAYS: tuple[_Way, ...] = (
    _write, _remove_lines, _write_all_anew, _empty_all, _delete, _delete_all_ever, _make_files,
    _make_a_file_where_one_is, _take_the_place_of_equal_files, _rename, _swap, _rename_again_and_again,
    _make_executable, _make_it_a_blob, _overwrite_a_blob_again_and_again, _make_a_blob_a_text,
    _point_a_link_elsewhere, _delete_a_blob_and_make_it_again, _revive_what_was_deleted, _write_as_the_other_one,
    _back_date_a_removal, _let_in_another, _let_in_very_many, _let_itself_in_again, _leave_before_it_is_heard,
)  # fmt: skip


def _shown(folder: Folder) -> dict[str, tuple[object, ...]]:
    """What a disk would show."""
    found: dict[str, tuple[object, ...]] = {}
    for path, one in folder.catalogue.layout().entry_at.items():
        of = folder.catalogue.entries[one]
        found[path] = (of.kind, of.mode, of.content.target, text_of(folder, path) or of.content.hash)
    return found


async def _make_all(room: Room) -> None:
    one = room.folders[0]
    for name in (*_TEXTS, "gone"):
        make(one, name)
    one.catalogue.write([Change(entry("blob"), "blob", _blob(b"of one"))])
    one.catalogue.write([Change(entry("link"), "link", Content.symlink(b"target"))])
    await room.agree()
    seen = one.texts.open(one.catalogue.entries[entry("gone")].document).state_vector()
    one.catalogue.write([Change(entry("gone"), deletion=Deletion(document_id_for(b"gone"), seen))])
    await room.agree()


_NAME = {"ids": lambda way: way.__name__.strip("_")}


@pytest.mark.parametrize("way", WAYS, **_NAME)
@scene(THREE, text="")
async def test_nothing_of_a_removed_device_lasts_and_all_that_honest_ones_did_does(
    room: Room, one: Folder, two: Folder, three: Folder, way: _Way
) -> None:
    await _make_all(room)
    way(two, three)
    if TWO.device_id in three.membership.members or way is _leave_before_it_is_heard:
        await hand_over(two, three)
    await join_equal_entries(three)
    _work(one, three)
    await room.meet()
    _check(one, three, way)


_BY_REMOVAL = (_let_itself_in_again, _leave_before_it_is_heard)


@pytest.mark.parametrize("way", [way for way in WAYS if way not in _BY_REMOVAL], **_NAME)
@scene(THREE, statements=_WITH_A_READER, text="")
async def test_nothing_of_a_reader_is_taken_and_all_that_others_did_is(
    room: Room, one: Folder, two: Folder, three: Folder, way: _Way
) -> None:
    await _make_all(room)
    way(two, three)
    await hand_over(two, one, three)
    _work(one, three)
    room.three.knows(room.one)
    await until(lambda: "of one" in _shown(three) and "of three" in _shown(one))
    await settled(one, three)
    assert one.membership.members[TWO.device_id].role is Role.READER
    _check(one, three, way)


def _work(one: Folder, three: Folder) -> None:
    """What honest devices do meanwhile."""
    edit(one, "c.txt", replaced("line 2\n", "line 2 of one\n"))
    make(one, "of one")
    if text_of(three, "c.txt") is not None:
        edit(three, "c.txt", lambda text: text + "the end of three\n")
    make(three, "of three", "of three\n")


def _check(one: Folder, three: Folder, way: _Way) -> None:
    shown = _shown(one)
    assert _shown(three) == shown
    assert set(shown) == {*_TEXTS, "blob", "link", "of one", "of three"}
    assert _THIEF not in str(shown)
    is_written = "line 18 of three" in str(shown["a.txt"])
    assert shown["a.txt"][3] in (TEXT, TEXT.replace("line 18", "line 18 of three")), shown["a.txt"]
    assert is_written == (way is _write_as_the_other_one)
    assert shown["b.txt"][3] == TEXT
    assert str(shown["c.txt"][3]).replace("the end of three\n", "") == TEXT.replace("line 2\n", "line 2 of one\n")
    is_hidden = way is _delete_all_ever and one.membership.evaluation.removals
    assert ("the end of three" in str(shown["c.txt"])) == (not is_hidden)
    assert shown["of three"][3] == "of three\n"
    before = one.catalogue.entries[entry("script")]
    assert (before.mode, shown["script"][3]) == (Mode.PLAIN, TEXT)
    assert shown["link"][2] == b"target"
    assert shown["blob"][3] == _blob(b"of one").hash
