"""Folders that devices offer each other: what is kept, what is said, and who gets nothing.

The stores and memberships are real; messages pass through their encoding, and are lost where a test says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from room import identity

from yp2p.device.offers_made import LASTS_S, OffersMade
from yp2p.device.offers_received import Decision, Look, OffersReceived, Received
from yp2p.errors import FolderError, MessageFault
from yp2p.folder.members import Membership
from yp2p.folder.own_statements import OwnStatements
from yp2p.identity import DeviceID, FolderID, Identity
from yp2p.pairing.exchange import Listed, encode_listing
from yp2p.pairing.joiner import Joined
from yp2p.protocol import messages
from yp2p.protocol.entries import Kind
from yp2p.protocol.messages import (
    MAX_OFFERS,
    FolderOffers,
    Offer,
    OfferGranted,
    OfferListing,
    OfferMessage,
    OfferReply,
    Reply,
)
from yp2p.store.database import Database, open_database
from yp2p.trust.statements import Role, Signer

ONE, TWO, THREE = identity("one"), identity("two"), identity("three")
NAMES = {ONE.device_id: "one", TWO.device_id: "two", THREE.device_id: "three"}
MUSIC = FolderID(b"m" * 16)


class Side:
    """One device with its offers; whom it knows is what the test says."""

    def __init__(self, own: Identity, database: Database) -> None:
        self.own = own
        self.id = own.device_id
        self.database = database
        self.known = {one.device_id: one.public for one in (ONE, TWO, THREE) if one is not own}
        self.by_id: dict[FolderID, Any] = {}
        self.refuses = ""
        self.chosen: tuple[str, ...] = ()
        self.peers = SimpleNamespace(
            devices=SimpleNamespace(
                roster=SimpleNamespace(known=lambda: self.known),
                contact=lambda device: SimpleNamespace(name=NAMES[device]),
            ),
            address_of=lambda device: None,
        )
        self.start()

    def start(self) -> None:
        """Anew, with what is stored."""
        home: Any = self
        self.made = OffersMade(home, self.database)
        self.received = OffersReceived(home, self.database, Path, self._take_part)
        self.made.load()
        self.received.load()

    def is_member(self, folder: Any) -> bool:
        return self.id in folder.membership.members

    async def _take_part(self, joined: Joined, path: Path, chosen: Sequence[str]) -> None:
        self.chosen = tuple(chosen)
        if self.refuses:
            raise FolderError(self.refuses)
        grant = joined.grant
        folder = self.by_id.get(grant.folder) or await self.add(grant.folder, grant.founder, grant.label, path)
        await folder.membership.receive(grant.statements)

    async def add(self, folder: FolderID, founder: DeviceID, label: str, path: Path = Path("/x")) -> Any:
        self.by_id[folder] = SimpleNamespace(
            id=folder, label=label, path=path, state=SimpleNamespace(touch=lambda: None),
            membership=Membership(folder, founder, self.database, self.own),
        )  # fmt: skip
        return self.by_id[folder]

    async def found(self, *members: tuple[Identity, Role], folder: FolderID = MUSIC, label: str = "music") -> Any:
        """A folder that this device made, with these in it."""
        made = await self.add(folder, self.id, label)
        first = Signer(self.own, folder).grant((), self.own.public, Role.ADMINISTRATOR, NAMES[self.id])
        await made.membership.receive([first.encode()])
        for one, role in members:
            await OwnStatements(made.membership).grant(one.public, role, NAMES[one.device_id])
        return made

    async def offer(self, device: DeviceID, role: Role = Role.MEMBER, folder: FolderID = MUSIC) -> None:
        self.made.check(self.by_id[folder], device, NAMES[device])
        await self.made.make(self.by_id[folder], device, role)

    @property
    def labels(self) -> list[str]:
        return [one.label for one in self.received.all()]

    async def decide(self, decision: Decision) -> None:
        path = "/there" if decision is Decision.ACCEPT else ""
        await self.received.decide(self.received.all(), decision, path)

    async def hear(self, device: DeviceID, message: OfferMessage) -> Iterable[OfferMessage]:
        """As `_Exchange` does it."""
        match message:
            case FolderOffers():
                return await self.received.told(device, message)
            case OfferReply():
                return await self.made.answers(device, message)
            case OfferListing():
                self.received.listed(device, message)
            case OfferGranted():
                whole = self.received.part(device, message)
                if whole is not None:
                    await self.received.granted(device, message.offer, whole)
        return ()


async def talk(one: Side, two: Side, *, lost: type | None = None) -> list[OfferMessage]:
    """A link, until nobody has anything to say; gives what was said. Messages of a kind may be lost."""
    waiting = [
        *(
            (a, b, message)
            for a, b in ((one, two), (two, one))
            for message in (a.made.message(b.id), *a.received.replies(b.id))
        )
    ]
    said: list[OfferMessage] = []
    while waiting:
        assert len(said) < 100, "they never end"
        sender, receiver, message = waiting.pop(0)
        said.append(message)
        if lost is None or not isinstance(message, lost):
            heard = messages.decode(messages.encode(message))
            answers = await receiver.hear(sender.id, cast(OfferMessage, heard))
            waiting += [(receiver, sender, answer) for answer in answers]
    return said


def scene(test: Callable[..., Awaitable[None]], tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncExitStack() as stack:
            sides = []
            for number, own in enumerate((ONE, TWO, THREE)):
                (tmp_path / str(number)).mkdir()
                database = await stack.enter_async_context(
                    open_database(tmp_path / str(number) / "store", make_room=False)
                )
                sides.append(Side(own, database))
            await test(*sides)

    trio.run(run)


def _roles(side: Side, folder: FolderID = MUSIC) -> dict[str, Role]:
    return {NAMES[one]: member.role for one, member in side.by_id[folder].membership.members.items()}


def test_who_accepts_is_let_in_and_only_then(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id, Role.READER)
        await talk(one, two)
        assert (two.labels, two.by_id) == (["music"], {})
        assert _roles(one) == {"one": Role.ADMINISTRATOR}
        await two.decide(Decision.ACCEPT)
        await talk(one, two)
        assert _roles(one) == _roles(two) == {"one": Role.ADMINISTRATOR, "two": Role.READER}
        assert one.made.all() == two.received.all() == []
        two.start()
        one.start()
        assert one.made.all() == two.received.all() == []

    scene(test, tmp_path)


@pytest.mark.parametrize("lost", [None, FolderOffers, OfferReply, OfferGranted])
def test_what_was_decided_survives_a_restart_and_lost_messages(tmp_path: Path, lost: type | None) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        one.start()
        await talk(one, two)
        two.start()
        assert two.labels == ["music"]
        await two.decide(Decision.ACCEPT)
        if lost is not None:
            await talk(one, two, lost=lost)
        one.start()
        two.start()
        await talk(one, two)
        assert _roles(two) == {"one": Role.ADMINISTRATOR, "two": Role.MEMBER}
        assert (one.made.all(), two.received.all()) == ([], [])
        grants = one.by_id[MUSIC].membership.statements()
        assert len(grants) == 2, "one grant, however often it was accepted"

    scene(test, tmp_path)


@pytest.mark.parametrize("lost", [None, FolderOffers, OfferReply])
def test_a_refusal_is_told_and_it_may_be_offered_again(tmp_path: Path, lost: type | None) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        await talk(one, two)
        await two.decide(Decision.DECLINE)
        if lost is not None:
            await talk(one, two, lost=lost)
            two.start()
        await talk(one, two)
        assert [made.is_declined for made in one.made.all()] == [True]
        assert two.received.all() == []
        await talk(one, two)
        assert two.received.all() == [], "what was declined is not offered"
        await one.offer(two.id)
        await talk(one, two)
        assert [(got.label, got.decision) for got in two.received.all()] == [("music", Decision.NONE)]
        await two.decide(Decision.ACCEPT)
        await talk(one, two)
        assert _roles(two) == {"one": Role.ADMINISTRATOR, "two": Role.MEMBER}

    scene(test, tmp_path)


def test_what_is_chosen_is_kept_until_the_folder_is_there(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        await talk(one, two)
        await two.received.decide(two.received.all(), Decision.ACCEPT, "/files", ("docs", "b\udcff"))
        two.start()
        await one.offer(two.id)  # anew
        await talk(one, two)
        assert two.chosen == ("docs", "b\udcff")

    scene(test, tmp_path)


def test_a_refusal_is_said_again_where_it_was_not_heard(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        await talk(one, two)
        await two.decide(Decision.DECLINE)
        (said,) = await two.received.told(one.id, one.made.message(two.id))
        assert said.reply is Reply.DECLINE
        assert await one.made.answers(two.id, said) == (FolderOffers(()),)

    scene(test, tmp_path)


def test_what_was_accepted_and_is_offered_anew_need_not_be_accepted_again(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        await talk(one, two)
        await two.decide(Decision.ACCEPT)
        await one.offer(two.id)
        await talk(one, two)
        assert _roles(two) == {"one": Role.ADMINISTRATOR, "two": Role.MEMBER}

    scene(test, tmp_path)


def test_another_role_is_another_question(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        await talk(one, two)
        await two.decide(Decision.ACCEPT)
        await one.offer(two.id, Role.READER)
        await talk(one, two)
        assert [(got.role, got.decision) for got in two.received.all()] == [(Role.READER, Decision.NONE)]
        assert _roles(one) == {"one": Role.ADMINISTRATOR}

    scene(test, tmp_path)


async def _withdraw(one: Side, two: Side) -> None:
    assert await one.made.withdraw(MUSIC, two.id)


async def _leave(one: Side, two: Side) -> None:
    del one.by_id[MUSIC]


async def _forget(one: Side, two: Side) -> None:
    del one.known[two.id]


async def _lose_the_right(one: Side, two: Side) -> None:
    membership = one.by_id[MUSIC].membership
    said = Signer(THREE, MUSIC).remove(_heads(membership), ONE.public, Role.MEMBER)
    await membership.receive([said.encode()])
    assert _roles(one)["one"] is Role.MEMBER


async def _hear_of_a_removal(one: Side, two: Side) -> None:
    """THREE let it in and removed it again, which ONE hears of all at once."""
    membership = one.by_id[MUSIC].membership
    signer = Signer(THREE, MUSIC)
    let_in = signer.grant(_heads(membership), TWO.public, Role.MEMBER, "two")
    removed = signer.remove([let_in.hash], TWO.public, Role.REMOVED)
    await membership.receive([let_in.encode(), removed.encode()])
    assert "two" not in _roles(one)


async def _remove_elsewhere(one: Side, two: Side) -> None:
    other = await one.found((TWO, Role.MEMBER), folder=FolderID(b"o" * 16), label="other")
    await OwnStatements(other.membership).remove(two.id)


def _heads(membership: Membership) -> list[Any]:
    from yp2p.trust.ancestry import Ancestry
    from yp2p.trust.statements import read_statement

    return Ancestry(read_statement(body, MUSIC) for body in membership.statements()).heads()


_ENDS = [_withdraw, _leave, _forget, _lose_the_right, _hear_of_a_removal, _remove_elsewhere]


@pytest.mark.parametrize("end", _ENDS)
@pytest.mark.parametrize("is_tidy", [True, False])
def test_an_offer_ends_with_what_it_stands_on(
    tmp_path: Path, end: Callable[[Side, Side], Awaitable[None]], *, is_tidy: bool
) -> None:
    """Also before the hour in which what is over is forgotten."""

    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found((THREE, Role.ADMINISTRATOR))
        await one.offer(two.id)
        await talk(one, two)
        await two.decide(Decision.ACCEPT)
        look = replace(two.received.all()[0].reply(), reply=Reply.LOOK)
        await end(one, two)
        assert list(await one.made.answers(two.id, look)) == [FolderOffers(())], "nor what is in it is told"
        if is_tidy:
            await one.made.tidy()
            assert one.made.all() == []
        said = await talk(one, two)
        assert [part.statements for part in said if isinstance(part, OfferGranted)] == [()]
        assert (two.by_id, two.received.all()) == ({}, [])
        assert MUSIC not in one.by_id or "two" not in _roles(one)

    scene(test, tmp_path)


def test_an_offer_ends_after_a_month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        await talk(one, two)
        now = time.time()
        monkeypatch.setattr("time.time", lambda: now + LASTS_S + 1)
        await talk(one, two)
        assert two.received.all() == []
        assert await one.made.tidy() == {two.id}

    scene(test, tmp_path)


def test_who_lost_sight_of_each_other_forgets_what_was_offered(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        await talk(one, two)
        del two.known[one.id]
        await two.received.tidy()
        two.start()
        assert two.received.all() == []

    scene(test, tmp_path)


def test_who_was_removed_comes_back_by_an_offer_that_follows_it(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        music = await one.found((TWO, Role.MEMBER))
        await OwnStatements(music.membership).remove(two.id)
        mine = await two.add(MUSIC, one.id, "music", Path("/there"))
        await mine.membership.receive(music.membership.statements())
        assert not two.is_member(mine)
        await one.offer(two.id)
        await talk(one, two)
        await two.decide(Decision.ACCEPT)
        await talk(one, two)
        assert _roles(one) == _roles(two) == {"one": Role.ADMINISTRATOR, "two": Role.MEMBER}

    scene(test, tmp_path)


# --- others who mean harm -----------------------------------------------------------------------------------------


def test_an_acceptance_is_good_once(tmp_path: Path) -> None:
    """TWO is removed, and sends again what it sent before."""

    async def test(one: Side, two: Side, three: Side) -> None:
        music = await one.found()
        await one.offer(two.id)
        await talk(one, two)
        await two.decide(Decision.ACCEPT)
        accepted = next(got.reply() for got in two.received.all())
        await talk(one, two)
        await OwnStatements(music.membership).remove(two.id)
        for restarted in (False, True):
            if restarted:
                one.start()
            assert await one.made.answers(two.id, accepted) == (OfferGranted(accepted.offer, True, ()),)
        assert _roles(one) == {"one": Role.ADMINISTRATOR}

    scene(test, tmp_path)


@pytest.mark.parametrize("reply", list(Reply))
def test_who_was_offered_nothing_gets_nothing(tmp_path: Path, reply: Reply) -> None:
    """THREE knows all about the offer to TWO."""

    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        number = one.made.all()[0].id
        for offer, folder in ((number, MUSIC), (os.urandom(16), MUSIC), (number, FolderID(bytes(16)))):
            for device in (three.id, two.id) if offer != number or folder != MUSIC else (three.id,):
                answers = list(await one.made.answers(device, OfferReply(offer, folder, reply)))
                if reply is Reply.ACCEPT:
                    assert answers == [OfferGranted(offer, True, ())]
                else:
                    assert answers == [one.made.message(device)]
        assert _roles(one) == {"one": Role.ADMINISTRATOR}
        assert [made.is_declined for made in one.made.all()] == [False]

    scene(test, tmp_path)


def _offer(number: int, label: str = "music", folder: FolderID | None = None) -> Offer:
    name = folder or FolderID(number.to_bytes(16))
    return Offer(os.urandom(16), name, ONE.device_id, int(Role.MEMBER), label)


def test_a_device_that_offers_thousands_of_folders_is_heard_of_few(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        with pytest.raises(MessageFault, match="17 offers"):
            messages.decode(messages.encode(FolderOffers(tuple(map(_offer, range(MAX_OFFERS + 1))))))
        seen: set[FolderID] = set()
        for first in range(0, 4000, MAX_OFFERS):
            offers = tuple(_offer(number) for number in range(first, first + MAX_OFFERS))
            await two.received.told(one.id, FolderOffers(offers))
            assert len(two.received.all()) <= MAX_OFFERS
            seen |= {got.folder for got in two.received.all()}
        assert len(seen) == 32, "new ones in an hour"
        assert await two.received.told(three.id, FolderOffers((_offer(1),))) == []
        assert [got.device for got in two.received.all()] == [three.id], "others are heard all the same"

    scene(test, tmp_path)


def test_one_folder_offered_anew_without_end_is_heard_of_few_times(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        seen: set[bytes] = set()
        for _ in range(200):
            await two.received.told(one.id, FolderOffers((_offer(1),)))
            await two.decide(Decision.ACCEPT)
            seen |= {got.id for got in two.received.all()}
        assert len(seen) == 32

    scene(test, tmp_path)


def test_many_devices_together_offer_no_more_than_there_is_room_for(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        for number in range(40):
            device = DeviceID(number.to_bytes(32))
            offers = tuple(_offer(100 * number + more) for more in range(MAX_OFFERS))
            await two.received.told(device, FolderOffers(offers))
        assert len(two.received.all()) == 256

    scene(test, tmp_path)


def test_a_folder_that_is_here_cannot_be_offered(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await two.found()
        assert await two.received.told(one.id, FolderOffers((_offer(1, folder=MUSIC),))) == []
        assert two.received.all() == []

    scene(test, tmp_path)


def test_a_folder_with_another_founder_is_not_the_one_that_is_here(tmp_path: Path) -> None:
    """TWO was removed from MUSIC of ONE; THREE offers a folder of its own with the same ID."""

    async def test(one: Side, two: Side, three: Side) -> None:
        music = await one.found((TWO, Role.MEMBER))
        await OwnStatements(music.membership).remove(two.id)
        mine = await two.add(MUSIC, one.id, "music", Path("/there"))
        await mine.membership.receive(music.membership.statements())
        before = mine.membership.statements()
        await three.found()
        await three.offer(two.id)
        await talk(three, two)
        await two.decide(Decision.ACCEPT)
        with pytest.raises(MessageFault, match="another founder"):
            await talk(three, two)
        assert mine.membership.statements() == before
        assert "another founder" in two.received.all()[0].problem

    scene(test, tmp_path)


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("x" * 1000, "x" * 100),
        ("\x1b[2Jmusic\n", "\\x1b[2Jmusic\\n"),
        ("a\u202eb", "a\\u202eb"),
        ("\t  \t", "?  ?"),
        ("   ", MUSIC.hex()[:8]),
        ("", MUSIC.hex()[:8]),
    ],
)
def test_what_others_call_a_folder_is_made_plain(tmp_path: Path, label: str, shown: str) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await two.received.told(one.id, FolderOffers((_offer(1, label, MUSIC),)))
        assert two.labels == [shown]
        two.start()
        assert two.labels == [shown]

    scene(test, tmp_path)


def test_a_label_that_a_folder_here_has_is_given_to_no_other(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await two.found(folder=FolderID(b"t" * 16), label="music")
        await one.found()
        await one.offer(two.id)
        await talk(one, two)
        await two.decide(Decision.ACCEPT)
        await talk(one, two)
        assert sorted(folder.label for folder in two.by_id.values()) == ["music", "music (2)"]

    scene(test, tmp_path)


def test_statements_that_nobody_asked_for_are_nothing(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        music = await one.found((TWO, Role.MEMBER))
        statements = music.membership.statements()
        assert two.received.part(one.id, OfferGranted(bytes(16), True, statements)) is None
        await two.received.told(one.id, FolderOffers((_offer(1, folder=MUSIC),)))
        (got,) = two.received.all()
        assert two.received.part(one.id, OfferGranted(got.id, True, statements)) is None
        await two.received.granted(one.id, got.id, statements)
        await two.decide(Decision.ACCEPT)
        assert two.received.part(three.id, OfferGranted(got.id, True, statements)) is None, "another device"
        assert two.by_id == {}

    scene(test, tmp_path)


def test_parts_of_statements_have_a_cap(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await two.received.told(one.id, FolderOffers((_offer(1),)))
        await two.decide(Decision.ACCEPT)
        part = OfferGranted(two.received.all()[0].id, False, (b"x" * 1000,) * 512)
        for _ in range(16):
            assert two.received.part(one.id, part) is None
        with pytest.raises(MessageFault, match="more than 8192"):
            two.received.part(one.id, part)

    scene(test, tmp_path)


def test_what_cannot_be_here_yet_says_why_and_is_tried_again(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await one.found()
        await one.offer(two.id)
        await talk(one, two)
        await two.decide(Decision.ACCEPT)
        two.refuses = "/there cannot be used: it is no directory"
        await talk(one, two)
        assert [got.problem for got in two.received.all()] == [two.refuses]
        two.refuses = ""
        two.start()
        await talk(one, two)
        assert _roles(two) == {"one": Role.ADMINISTRATOR, "two": Role.MEMBER}

    scene(test, tmp_path)


def test_only_who_was_asked_says_what_is_in_a_folder(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await two.received.told(one.id, FolderOffers((_offer(1),)))
        number = two.received.all()[0].id
        listed = OfferListing(number, encode_listing([Listed("a.txt", Kind.TEXT, bytes(32), 3)]))
        two.received.listed(one.id, listed)
        look = two.received.looks[one.id] = Look(number)
        two.received.listed(three.id, listed)
        two.received.listed(one.id, replace(listed, offer=bytes(16)))
        assert look.entries == []
        two.received.listed(one.id, listed)
        two.received.listed(one.id, OfferListing(number, encode_listing([])))
        two.received.listed(one.id, listed)
        assert ([entry.path for entry in look.entries], look.is_over.is_set()) == (["a.txt"], True)

    scene(test, tmp_path)


# --- what a person may do -----------------------------------------------------------------------------------------


def test_what_cannot_be_offered_is_said(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        music = await one.found((TWO, Role.MEMBER))
        with pytest.raises(FolderError, match="takes part in 'music' already"):
            await one.offer(two.id)
        del one.known[three.id]
        with pytest.raises(FolderError, match="no device that this one can reach"):
            await one.offer(three.id)
        mine = await two.add(MUSIC, one.id, "music")
        await mine.membership.receive(music.membership.statements())
        with pytest.raises(FolderError, match="only an administrator"):
            await two.offer(three.id)

    scene(test, tmp_path)


def test_a_device_has_so_many_offers_at_a_time(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        for number in range(MAX_OFFERS + 1):
            await one.found(folder=FolderID(number.to_bytes(16)), label=str(number))
        for number in range(MAX_OFFERS):
            await one.offer(two.id, folder=FolderID(number.to_bytes(16)))
        with pytest.raises(FolderError, match="has 16 offers already"):
            await one.offer(two.id, folder=FolderID(MAX_OFFERS.to_bytes(16)))
        await one.offer(two.id, folder=FolderID(bytes(16)))  # anew
        await talk(one, two)
        assert len(two.received.all()) == MAX_OFFERS

    scene(test, tmp_path)


def test_two_devices_that_offer_one_folder_are_one_question(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        music = await one.found((THREE, Role.ADMINISTRATOR))
        theirs = await three.add(MUSIC, one.id, "songs")
        await theirs.membership.receive(music.membership.statements())
        for side in (one, three):
            await side.offer(two.id)
            await talk(side, two)
        await two.decide(Decision.ACCEPT)
        await talk(three, two)
        assert two.received.all() == []
        assert _roles(two)["two"] is Role.MEMBER

    scene(test, tmp_path)


def test_a_decision_about_an_offer_that_went_is_nothing(tmp_path: Path) -> None:
    async def test(one: Side, two: Side, three: Side) -> None:
        await two.received.told(one.id, FolderOffers((_offer(1),)))
        before: list[Received] = two.received.all()
        await two.received.told(one.id, FolderOffers(()))
        await two.received.decide(before, Decision.ACCEPT, "/there")
        assert two.received.all() == []

    scene(test, tmp_path)
