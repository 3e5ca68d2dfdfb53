"""A second folder for devices that know each other, through daemons: offered, accepted, declined, and withdrawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree


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
    assert "no folder 'music' is offered to this device; offered are: none" in two.fails(
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
