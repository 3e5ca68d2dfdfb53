"""Scenes with a removed device: ONE founded the folder and removes TWO; others had met TWO before they heard of that.

All are devices in one process, over real sockets; nothing looks after their files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import trio
from conditions import until
from peers.test_links import HOSTILE as FRIEND
from peers.test_links import ONE, TWO, Node, _removal, _run, statements
from scenes import Test, as_test

from yp2p.documents.diff import hunks
from yp2p.documents.registers import Change
from yp2p.folder.folder import Folder
from yp2p.folder.new_texts import document_id_for, store_first_import
from yp2p.folder.notices import NoticeKind
from yp2p.identity import DeviceID, EntryID, FolderID, Identity
from yp2p.protocol.entries import Content, Mode
from yp2p.protocol.ysync import Shape, check
from yp2p.store.sql import Statement
from yp2p.trust.statements import Role, Signer, read_statement
from yp2p.trust.statements import Statement as Signed

NOTES = FolderID(b"n" * 16)
THREE, FOUR, FIVE = (Identity(bytes([number]) * 32) for number in (4, 5, 6))
ROOM = statements(NOTES, TWO.public, THREE.public, FOUR.public)
REMOVAL = _removal(NOTES, ROOM)
DEMOTION = (
    Signer(ONE, NOTES)
    .remove([read_statement(body, NOTES).hash for body in ROOM[-1:]], TWO.public, Role.READER)
    .encode()
)  # fmt: skip
_OF_ONE = Signer(ONE, NOTES)


def let_in_by_one(roles: Mapping[Identity, Role]) -> list[Signed]:
    """ONE founded the folder, and let these in, one after the other."""
    made = [_OF_ONE.grant((), ONE.public, Role.ADMINISTRATOR, "one")]
    for keys, role in roles.items():
        made.append(_OF_ONE.grant([made[-1].hash], keys.public, role, ""))
    return made


def _with_a_friend() -> tuple[list[bytes], bytes, bytes]:
    made = let_in_by_one({TWO: Role.ADMINISTRATOR, THREE: Role.MEMBER, FOUR: Role.MEMBER, FIVE: Role.MEMBER})
    heads = [made[-1].hash]
    let_in = Signer(TWO, NOTES).grant(heads, FRIEND.public, Role.MEMBER, "friend")
    return [one.encode() for one in made], let_in.encode(), _OF_ONE.remove(heads, TWO.public, Role.REMOVED).encode()


# What there was before, how TWO let FRIEND in, and how ONE removed TWO.
BEFORE, LET_IN, TWO_REMOVED = _with_a_friend()
TEXT = "".join(f"line {number}\n" for number in range(20))


def entry(name: str) -> EntryID:
    return EntryID(name.encode().ljust(16, b"\0"))


def make(folder: Folder, name: str, text: str = TEXT) -> None:
    """A new text."""
    statements: list[Statement] = []
    document = document_id_for(name.encode())
    store_first_import(folder, document, text, statements)
    folder.catalogue.write([Change(entry(name), name, Content.text(document, Mode.PLAIN))], statements)


def edit(folder: Folder, name: str, change: Callable[[str], str]) -> None:
    live = folder.texts.open(folder.catalogue.entries[entry(name)].document)
    folder.edits.own_claims.wrote()
    news = live.text.edit(hunks(live.text.text(), change(live.text.text())))
    assert news is not None
    folder.edits.record(live, news, None)
    folder.catalogue.write(folder.catalogue.authorship.own(folder.clients.ids))


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


def lines(what: dict[int, str | None]) -> Callable[[str], str]:
    """These lines of `TEXT` have that behind them; those of None go."""

    def change(text: str) -> str:
        for number, more in what.items():
            text = text.replace(f"line {number}\n", f"line {number} {more}\n" if more is not None else "")
        return text

    return change


def text_of(folder: Folder, name: str) -> str | None:
    """None where there is no such file."""
    found = folder.catalogue.layout().entry_at.get(name)
    return folder.texts.open(folder.catalogue.entries[found].document).text.text() if found is not None else None


def text_in(*folders: Folder, name: str = "a.txt") -> str | None:
    """The text that all of these have."""
    texts = [text_of(folder, name) for folder in folders]
    assert texts[1:] == texts[:-1]
    return texts[0]


def paths_in(*folders: Folder) -> set[str]:
    """The files that all of these have."""
    paths = [set(folder.catalogue.layout().entry_at) for folder in folders]
    assert paths[1:] == paths[:-1]
    return paths[0]


def told(folder: Folder) -> list[str]:
    """Of which files it is told that something was taken back."""
    return [notice.path for notice in folder.notices if notice.kind is NoticeKind.TAKEN_BACK]


async def hand_over(source: Folder, *targets: Folder) -> None:
    """The targets take all that the source has, as if it came over a link of theirs."""
    by: DeviceID = source.clients.device
    for target in targets:
        for theirs, ours in zip(source.catalogue.documents, target.catalogue.documents, strict=True):
            await ours.receive_all([theirs.replica.state()], by)
        for document in [found.document for found in source.catalogue.entries.values()]:
            state = source.texts.state(document)
            if document in target.texts.digests:
                await target.texts.open(document).receive_all([state], by)
            else:
                target.edits.take_pulled(document, check(state, Shape.TEXT), by)
        await target.database.pending().wait()


async def settled(*folders: Folder) -> None:
    """All have heard that TWO does not count, doubt nothing, and have the same."""
    await until(lambda: not any(folder.membership.takes_from(TWO.device_id) for folder in folders))
    await until(lambda: not any(folder.observers.uncounted.doubted for folder in folders))
    await until(lambda: len({folder.catalogue.digest() for folder in folders}) == 1)
    await until(lambda: len({folder.leaves.tree().root() for folder in folders}) == 1)


@dataclass(frozen=True)
class Room:
    """All that take part; `away` are those that have not heard of the removal."""

    one: Node
    two: Node
    away: tuple[Node, ...]

    @property
    def three(self) -> Node:
        return self.away[0]

    @property
    def four(self) -> Node:
        return self.away[1]

    @property
    def folders(self) -> list[Folder]:
        return [node.folders[NOTES] for node in (self.one, self.two, *self.away)]

    async def agree(self) -> None:
        """All have what any of them has, and each knows that of the others."""
        for _ in range(2):
            for source in self.folders:
                await hand_over(source, *(target for target in self.folders if target is not source))

    async def meet(self, *nodes: Node, said: bytes = REMOVAL) -> None:
        """ONE removed TWO; these, or all that are away, meet ONE, until they have the same and nothing is doubted."""
        away = nodes or self.away
        await self.one.folders[NOTES].membership.receive([said])
        for node in away:
            node.knows(self.one)
        await settled(self.one.folders[NOTES], *(node.folders[NOTES] for node in away))


def scene(*away: Identity, statements: list[bytes] = ROOM, text: str = TEXT) -> Callable[[Test], Callable[..., None]]:
    """Makes a test of a coroutine that takes the room and the folders of ONE, TWO and these.

    At its beginning all have `a.txt` with that text, and nothing else; where there is no text, nothing.
    """

    def play(test: Test) -> None:
        async def run(one: Node, two: Node, *others: Node) -> None:
            room = Room(one, two, others)
            for folder in room.folders:
                folder.state._settled = True
            if text:
                make(room.folders[0], "a.txt", text)
                await room.agree()
            await test(room, *room.folders)

        _run(run, *((identity, {NOTES: statements}) for identity in (ONE, TWO, *away)))

    return lambda test: as_test(test, 3 + len(away), play)


async def heard_while_it_was_on_its_way(giver: Folder, taker: Folder, removal: bytes) -> None:
    """A text, and 200 new ones, were on their way when the taker heard of a removal: it takes nothing of that."""
    source, document = giver.clients.device, giver.catalogue.entries[entry("a.txt")].document
    live, state = taker.texts.open(document), giver.texts.state(document)
    for number in range(200):
        make(giver, f"n{number}")
    manifest = [(ours, theirs.replica.state()) for theirs, ours in zip(
        giver.catalogue.documents, taker.catalogue.documents, strict=True
    )]  # fmt: skip
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live.receive_all, [state], source)
        for ours, news in manifest:
            nursery.start_soon(ours.receive_all, [news], source)
        await trio.lowlevel.checkpoint()
        await taker.membership.receive([removal])
        seq = taker.database.last_seq
    await taker.database.pending().wait()
    rows = taker.database.rows("SELECT count(*) FROM log WHERE seq > ? AND origin = ?", (seq, source))
    assert rows == [(0,)]
