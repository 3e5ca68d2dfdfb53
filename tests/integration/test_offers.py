"""A second folder for devices that know each other, through daemons: offered, accepted, declined, and withdrawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from integration.test_hostile_peer import Attacker
from lab import Device, devices, eventually, tree

from yp2p.errors import YpError
from yp2p.identity import DeviceID, FolderID
from yp2p.protocol.messages import FolderOffers, Offer, OfferGranted, OfferReply, Reply
from yp2p.transport.link import LinkClosed


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Device]]:
    with devices(tmp_path, "one", "two") as (one, two):
        (one.dir / "a.txt").write_text("line 1\n")
        two.join(one)
        one.wait()
        two.wait()
        yield [one, two]


def _second(device: Device) -> Path:
    """Another folder of a device, with something in it."""
    there = device.dir.parent / "music"
    there.mkdir()
    (there / "song.txt").write_text("la\n")
    device.cli("share", str(there))
    return there


def _empty(device: Device, name: str = "here") -> Path:
    there = device.dir.parent / name
    there.mkdir()
    return there


def _is_offered(device: Device, *labels: str) -> bool:
    return tuple(one["label"] for one in device.status()["offers"]["received"]) == labels


def test_a_folder_is_offered_and_accepted_without_a_code(pair: list[Device]) -> None:
    one, two = pair
    there, here = _second(one), _empty(two)
    said = one.cli("folder", "offer", "music", "two", "--role", "member")
    assert said.splitlines() == [
        "music is offered to two, as member.",
        "To take part, there: yp2p folder accept music DIR",
    ]
    assert "two" in one.cli("folder", "list")
    eventually(lambda: _is_offered(two, "music"))
    assert "one offers you the folder music: `yp2p folder accept music DIR`" in two.cli("status")
    assert "waiting for you" in two.cli("folder", "list")
    (here / "other.txt").write_text("mine\n")
    preview = two.cli("folder", "accept", "music", str(here), "--dry-run")
    for said in ("1 only there", "1 only here", f"yp2p folder accept music {here}"):
        assert said in preview
    assert _is_offered(two, "music")
    assert two.cli("folder", "accept", "music", str(here)) == f"{here} is now the folder music."
    one.wait()
    two.wait()
    assert tree(here) == tree(there) == {"song.txt": b"la\n", "other.txt": b"mine\n"}
    for device in pair:
        assert device.status()["offers"] == {"made": [], "received": []}
    (here / "song.txt").write_text("lala\n")
    eventually(lambda: (there / "song.txt").read_text() == "lala\n")
    shown = next(item for item in one.call("GET", "/v1/devices") if item["name"] == "two")
    assert {item["folder"]: item["role"] for item in shown["folders"]} == {"dir": "admin", "music": "member"}


def test_who_is_away_hears_of_it_later_on_both_sides(pair: list[Device]) -> None:
    """The offer waits for TWO, its acceptance for ONE, and both have restarted meanwhile."""
    one, two = pair
    there, here = _second(one), _empty(two)
    two.stop()
    said = one.cli("folder", "offer", "music", "two")
    assert "It is not connected now, and gets the offer when it is." in said
    one.stop()
    one.start()
    two.start()
    eventually(lambda: _is_offered(two, "music"))
    one.stop()
    eventually(lambda: not two.status()["devices"][0]["connected"])
    assert "is not connected now, and only that device can say" in two.fails(
        "folder", "accept", "music", str(here), "--dry-run"
    )
    said = two.cli("folder", "accept", "music", str(here))
    assert said == f"{here} becomes the folder music as soon as one is connected."
    assert "accepted, but not here yet: one has not answered yet" in two.cli("status")
    two.stop()
    two.start()
    one.start()
    eventually(lambda: (here / "song.txt").exists())
    one.wait()
    two.wait()
    assert tree(here) == tree(there)


def test_a_refusal_is_told_and_it_may_be_offered_again(pair: list[Device]) -> None:
    one, two = pair
    _second(one)
    one.cli("folder", "offer", "music", "two")
    eventually(lambda: _is_offered(two, "music"))
    assert two.cli("folder", "decline", "music") == "music is declined; one is told."
    eventually(lambda: one.status()["offers"]["made"][0]["declined"])
    assert "two declined the folder music" in one.cli("status")
    assert "no folder 'music' is offered to this device; `yp2p folder offer` on the other" in two.fails(
        "folder", "accept", "music", str(_empty(two))
    )
    one.cli("folder", "offer", "music", "two")
    eventually(lambda: _is_offered(two, "music"))
    one.cli("folder", "offer", "music", "two", "--withdraw")
    eventually(lambda: _is_offered(two))
    assert one.status()["offers"] == {"made": [], "received": []}
    assert "is not offered to 'two'" in one.fails("folder", "offer", "music", "two", "--withdraw")


def test_what_cannot_be_is_said_in_a_sentence(pair: list[Device]) -> None:
    one, two = pair
    _second(one)
    for arguments, said in (
        (("dir", "two"), "'two' takes part in 'dir' already; nothing was offered"),
        (("music", "one"), "this device is 'one' itself; name another one"),
        (("music", "three"), "no device is called 'three'"),
        (("nothing", "two"), "no folder is called 'nothing'"),
        (("music", "two", "--role", "owner"), "'owner' is not one of"),
    ):
        assert said in one.fails("folder", "offer", *arguments)
    one.cli("folder", "offer", "music", "two")
    eventually(lambda: _is_offered(two, "music"))
    assert f"{two.dir} is shared already; join into another directory" in two.fails(
        "folder", "accept", "music", str(two.dir)
    )
    assert "does not exist" in two.fails("folder", "accept", "music", str(two.dir.parent / "nowhere"))
    assert "no device is called 'three'" in two.fails("folder", "accept", "music", str(_empty(two)), "--from", "three")
    assert _is_offered(two, "music")


def _members(device: Device, label: str) -> set[str]:
    folder = next(folder for folder in device.status()["folders"] if folder["label"] == label)
    return {member["name"] for member in folder["devices"]}


@pytest.mark.long
def test_three_devices_and_one_that_was_removed(tmp_path: Path) -> None:
    """Any administrator may offer it; who was removed comes back by an offer, with the files that it has."""
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "a.txt").write_text("line 1\n")
        for other in (two, three):
            other.join(one)
        for device in (one, two, three):
            device.wait()
        there, here, third = _second(one), _empty(two), _empty(three)
        one.cli("folder", "offer", "music", "two")
        eventually(lambda: _is_offered(two, "music"))
        two.cli("folder", "accept", "music", str(here))
        two.wait()
        two.cli("folder", "offer", "music", "three", "--role", "reader")
        eventually(lambda: _is_offered(three, "music"))
        one.cli("folder", "offer", "music", "three", "--role", "reader")
        eventually(lambda: _is_offered(three, "music", "music"))
        three.cli("folder", "accept", "music", str(third))
        for device in (one, two, three):
            device.wait()
            assert device.status()["offers"] == {"made": [], "received": []}
        assert tree(there) == tree(here) == tree(third)
        one.cli("device", "remove", "two", "--folder", "music", "--yes")
        eventually(lambda: _members(three, "music") == {"one"})
        (there / "song.txt").write_text("la la\n")
        (here / "mine.txt").write_text("mine\n")
        assert "only an administrator" in three.fails("folder", "offer", "music", "two")
        one.cli("folder", "offer", "music", "two")
        eventually(lambda: _is_offered(two, "music"))
        assert f"yp2p folder accept music {here}" in two.cli("status")
        assert f"the files of 'music' are at {here} already" in two.fails(
            "folder", "accept", "music", str(_empty(two, "elsewhere"))
        )
        assert two.cli("folder", "accept", "music", str(here)) == f"{here} is now the folder music."
        eventually(lambda: tree(there) == tree(here) == tree(third) == {"song.txt": b"la la\n", "mine.txt": b"mine\n"})


def test_an_offer_goes_with_the_device_that_was_removed(pair: list[Device]) -> None:
    one, two = pair
    _second(one)
    one.cli("folder", "offer", "music", "two")
    eventually(lambda: _is_offered(two, "music"))
    one.cli("device", "remove", "two", "--yes")
    eventually(lambda: one.status()["offers"]["made"] == [])
    eventually(lambda: _is_offered(two))


def _harm(folder: FolderID, music: FolderID) -> list[Any]:
    """What TWO may say: that a folder which is here is another one, what nobody can read, what nobody asked for."""
    label, founder = "\x1b[2J" + "x" * 1000, DeviceID(bytes(32))
    offers = [Offer(os.urandom(16), FolderID(os.urandom(16)), founder, 3, label) for _ in range(15)]
    said: list[Any] = [FolderOffers((Offer(bytes(16), folder, founder, 3, "dir"), *offers))]
    said += [
        OfferReply(number, one, reply)
        for number in (bytes(16), offers[0].id)
        for one in (music, folder)
        for reply in Reply
    ]
    return [*said, OfferGranted(offers[0].id, True, (b"x",)), *said * 20]


def test_a_member_that_means_harm_gets_nothing(pair: list[Device]) -> None:
    one, two = pair
    _second(one)
    two.stop()
    attacker = Attacker(two, one)
    music = next(folder["id"] for folder in one.status()["folders"] if folder["label"] == "music")
    said = _harm(attacker.folder, FolderID(bytes.fromhex(music)))
    assert attacker.run(lambda link: [link.send_nowait(message) for message in said] and None) == ""
    received = one.status()["offers"]["received"]
    assert len(received) == 15
    assert {len(offer["label"]) for offer in received} == {100}
    assert all(offer["label"].startswith("\\x1b[2J") for offer in received)
    assert _members(one, "dir") == {"taken over"}
    assert _members(one, "music") == set()


def test_statements_that_let_nobody_in_make_no_folder(pair: list[Device], tmp_path: Path) -> None:
    """A person accepted it, and then TWO sends statements of another folder."""
    one, two = pair
    here = _empty(one)
    two.stop()
    attacker = Attacker(two, one)
    offer = Offer(bytes(16), FolderID(os.urandom(16)), DeviceID(bytes(32)), 3, "music")
    answers: list[str] = []

    async def attack() -> None:
        async with attacker.link() as link:
            link.send_nowait(FolderOffers((offer,)))
            while not (isinstance(said := await link.receive(), OfferReply) and said.reply is Reply.ACCEPT):
                pass
            link.send_nowait(OfferGranted(offer.id, True, attacker.statements))
            while True:
                await link.receive()

    def accept() -> None:
        eventually(lambda: _is_offered(one, "music"))
        try:
            one.call("POST", "/v1/folder/accept", {"name": "music", "path": str(here)})
        except YpError as error:
            answers.append(str(error))

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, accept)
            try:
                await attack()
            except* LinkClosed:
                pass

    trio.run(run)
    (answer,) = answers
    assert answer.startswith("'music' cannot be there yet: what the other device sent is not right: ")
    assert [folder["label"] for folder in one.status()["folders"]] == ["dir"]
    assert os.listdir(here) == []
    one.cli("folder", "decline", "music")
    assert one.status()["offers"]["received"] == []


@pytest.mark.long
def test_a_folder_that_was_left_is_offered_again(pair: list[Device]) -> None:
    """TWO takes part, leaves, and comes back by another offer; ONE leaves with an offer that nobody answered."""
    one, two = pair
    there, here = _second(one), _empty(two)
    for text in ("la\n", "la la\n"):
        (there / "song.txt").write_text(text)
        one.cli("folder", "offer", "music", "two")
        eventually(lambda: _is_offered(two, "music"))
        two.cli("folder", "accept", "music", str(here))
        eventually(lambda: tree(here) == tree(there))
        assert _members(one, "music") == {"two"}
        two.cli("folder", "leave", "music", "--yes")
        eventually(lambda: _members(one, "music") == set())
    one.cli("folder", "offer", "music", "two")
    eventually(lambda: _is_offered(two, "music"))
    one.cli("folder", "leave", "music", "--yes")
    eventually(lambda: _is_offered(two))
    assert one.status()["offers"] == {"made": [], "received": []}


@pytest.mark.long
def test_a_device_that_is_paused_is_asked_when_it_is_not(pair: list[Device]) -> None:
    one, two = pair
    _second(one)
    one.cli("device", "pause", "two")
    eventually(lambda: not one.status()["devices"][0]["connected"])
    assert "It is not connected now" in one.cli("folder", "offer", "music", "two")
    one.cli("device", "unpause", "two")
    eventually(lambda: _is_offered(two, "music"))
