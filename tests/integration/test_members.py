"""A device that was lost is removed from wherever an administrator is, and gets and changes nothing any more."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from lab import Device, devices, eventually

# Statements travel when they are made, and not with the next heartbeat, which is 30 s away.
_SOON_S = 15.0


def _room(one: Device, *others: Device) -> None:
    (one.dir / "a.txt").write_text("a line\n")
    for other in others:
        other.join(one)
    for device in (one, *others):
        device.wait()


def _keep_ports(*devices: Device) -> None:
    """Each listens on one port from now on, as devices do of which nobody announces anything to the others."""
    for device in devices:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            device.environment["YP2P_LISTEN__PORT"] = str(free.getsockname()[1])
        device.stop()
        device.start()


def _role(device: Device, of: Device) -> str | None:
    shown = json.loads(device.cli("device", "list", "--json"))
    found = [one["folders"][0]["role"] for one in shown if one["name"] == of.name and one["folders"]]
    return found[0] if found else None


def test_a_lost_device_is_removed_by_one_line_while_another_one_is_away(tmp_path: Path) -> None:
    with devices(tmp_path, "desktop", "laptop", "pi") as (desktop, laptop, pi):
        _room(laptop, desktop, pi)  # the lost one is the founder
        pi.stop()
        answer = desktop.cli("device", "remove", "laptop", "--yes")
        assert "laptop is out of" in answer
        assert "keeps what it has" in answer
        eventually(lambda: not any(peer["connected"] for peer in laptop.status()["devices"]))
        assert "no member of the folder any more" in laptop.status()["folders"][0]["problem"]
        assert _role(desktop, laptop) == "removed"
        assert "dir: removed by desktop" in desktop.cli("device", "show", "laptop")
        assert "dir (removed by desktop)" in desktop.cli("device", "list")
        assert "no folder is shared with it any more" in laptop.cli("device", "list")

        # The lost one writes on, and meets the one that was away first.
        (laptop.dir / "a.txt").write_text("a line\nof a thief\n")
        (laptop.dir / "new.txt").write_text("of a thief\n")
        (desktop.dir / "b.txt").write_text("of the desktop\n")
        pi.start()
        eventually(lambda: (pi.dir / "b.txt").exists())
        desktop.wait()
        eventually(lambda: _role(pi, laptop) == "removed")
        assert "thief" not in (desktop.dir / "a.txt").read_text()
        assert not (desktop.dir / "new.txt").exists()
        (pi.dir / "c.txt").write_text("of the pi\n")
        eventually(lambda: (desktop.dir / "c.txt").exists())
        assert not (laptop.dir / "c.txt").exists()


def test_roles_are_given_and_taken_and_a_member_lets_nobody_in(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        _room(one, two)
        one.cli("device", "role", "two", "member")
        eventually(lambda: _role(two, two) == "member", _SOON_S)
        said = two.fails("share", str(two.dir))
        assert "only an administrator" in said
        assert "'one'" in said
        assert "only an administrator" in two.fails("device", "remove", "one", "--yes")
        assert "only administrator" in one.fails("device", "role", "one", "member")
        assert "which device?" in one.fails("device", "show", "")
        assert "no device is called 'nobody'" in one.fails("device", "remove", "nobody", "--yes")
        one.cli("device", "role", "two", "dir", "admin")
        assert "one folder" in one.fails("device", "role", "two", "dir", "admin", "--folder", "dir")
        eventually(lambda: _role(two, two) == "admin", _SOON_S)
        code = two.cli("share", str(two.dir), "--role", "member")
        three.cli("join", code, str(three.dir))
        eventually(lambda: _role(one, three) == "member", _SOON_S)
        notices = json.loads(one.cli("notices", "--json"))
        texts = [notice["text"] for notice in notices]
        assert any(text.startswith("two let 'three'") and "as member" in text for text in texts), texts
        (three.dir / "c.txt").write_text("of a member\n")
        eventually(lambda: (one.dir / "c.txt").exists())


def test_who_may_not_is_told_why_and_what_nobody_has_heard_is_told(tmp_path: Path) -> None:
    with devices(tmp_path, "desktop", "laptop") as (desktop, laptop):
        _room(desktop, laptop)
        sheet = json.loads(desktop.cli("recovery", "make", "--json"))
        assert sheet["unheard"] == []
        assert f"{sheet['name']} " in desktop.cli("device", "list")
        assert f"This is {sheet['name'][:12]}" in desktop.cli("recovery", "make")
        laptop.stop()
        said = desktop.cli("device", "role", "laptop", "reader")
        assert "laptop is a reader of dir now." in said
        assert "No other device has heard of this yet" in said
        laptop.start()
        eventually(lambda: _role(laptop, laptop) == "reader")
        tries = (
            ("share", str(laptop.dir)), ("invite", str(laptop.dir)), ("device", "role", "desktop", "admin"),
            ("device", "remove", "desktop", "--yes"), ("recovery", "make"),
        )  # fmt: skip
        for words in tries:
            assert "and this device is a reader" in laptop.fails(*words), words
        laptop.call("POST", "/v1/recovery/use", {"words": sheet["words"], "folder": "dir"})
        eventually(lambda: _role(desktop, laptop) == "admin")
        texts = [notice["text"] for notice in json.loads(desktop.cli("notices", "--json"))]
        assert any(f"{sheet['name']} made 'laptop'" in text for text in texts), texts
        assert "No other device" not in desktop.cli("device", "remove", "laptop", "--yes")
        eventually(lambda: "no member of the folder any more" in laptop.status()["folders"][0]["problem"])
        for words in tries:
            assert "no member of it any more: desktop removed it" in laptop.fails(*words), words
        assert "it was removed already, from dir" in laptop.fails("device", "remove", "laptop", "--yes")


def test_a_machine_joins_with_a_token_once(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "a.txt").write_text("a line\n")
        one.cli("share", str(one.dir))
        answer = json.loads(one.cli("invite", str(one.dir), "--expires", "30m", "--json"))
        two.cli("join", answer["token"], str(two.dir))
        eventually(lambda: (two.dir / "a.txt").exists())
        assert _role(one, two) == "member"
        assert "used already" in three.fails("join", answer["token"], str(three.dir))
        assert "no length of time" in one.fails("invite", str(one.dir), "--expires", "soon")
        typo = answer["token"][:-1] + ("a" if answer["token"][-1] != "a" else "b")
        assert "mistyped" in three.fails("join", typo, str(three.dir))


def test_a_device_that_was_off_when_it_was_removed_is_told_when_it_comes_back(tmp_path: Path) -> None:
    with devices(tmp_path, "desktop", "laptop") as (desktop, laptop):
        _room(desktop, laptop)
        laptop.stop()
        desktop.cli("device", "remove", "laptop", "--yes")
        (desktop.dir / "later.txt").write_text("of later\n")
        desktop.wait()
        laptop.start()
        eventually(lambda: "no member of the folder any more" in laptop.status()["folders"][0]["problem"])
        assert not any(peer["connected"] for peer in laptop.status()["devices"])
        assert not (laptop.dir / "later.txt").exists()


@pytest.mark.long
def test_two_that_removed_each_other_apart_hear_of_it_when_they_meet(tmp_path: Path) -> None:
    """Nobody else is there, and nothing announces either to the other: they are where they were last."""
    with devices(tmp_path, "desktop", "laptop") as (desktop, laptop):
        _keep_ports(desktop, laptop)
        _room(desktop, laptop)
        laptop.stop()
        desktop.cli("device", "remove", "laptop", "--yes")
        desktop.stop()
        laptop.start()
        laptop.cli("device", "remove", "desktop", "--yes")
        assert not laptop.status()["folders"][0]["problem"]
        desktop.start()
        eventually(
            lambda: "no member of the folder any more" in laptop.status()["folders"][0]["problem"], 120, "being told"
        )
        assert not desktop.status()["folders"][0]["problem"]
        assert (_role(desktop, laptop), _role(laptop, desktop)) == ("removed", "admin")
        (desktop.dir / "later.txt").write_text("of later\n")
        desktop.wait()
        assert not (laptop.dir / "later.txt").exists()


@pytest.mark.long
def test_of_two_that_removed_each_other_the_one_stays_that_a_third_heard_of_first(tmp_path: Path) -> None:
    """The desktop is the elder, and was off when the laptop removed it: the Pi has heard of that one first."""
    with devices(tmp_path, "desktop", "laptop", "pi") as (desktop, laptop, pi):
        _keep_ports(desktop, laptop, pi)
        _room(desktop, laptop, pi)
        desktop.stop()
        laptop.cli("device", "remove", "desktop", "--yes")
        eventually(lambda: _role(pi, desktop) == "removed")
        pi.wait()
        for device in (laptop, pi):
            device.stop()
        desktop.start()
        desktop.cli("device", "remove", "laptop", "--yes")
        assert (_role(desktop, laptop), _role(desktop, desktop)) == ("removed", "admin")
        assert "laptop removed it" not in desktop.status()["folders"][0]["problem"]
        laptop.start()
        pi.start()
        eventually(lambda: "laptop removed it, as it heard" in desktop.status()["folders"][0]["problem"], 120)
        for device in (laptop, pi):
            device.wait()
        for device in (desktop, laptop, pi):
            assert {other.name: _role(device, other) for other in (desktop, laptop, pi)} == {
                "desktop": "removed", "laptop": "admin", "pi": "admin",
            }, device.name  # fmt: skip
            assert "removed by laptop" in " ".join(device.cli("device", "list").split()), device.name
        told = [one["text"] for one in json.loads(desktop.cli("notices", "--json"))]
        assert any("removed this device from the folder" in text for text in told), told
        (laptop.dir / "later.txt").write_text("of later\n")
        laptop.wait()
        assert (pi.dir / "later.txt").exists()
        assert not (desktop.dir / "later.txt").exists()


def test_a_new_laptop_takes_over_the_place_of_the_old_one_by_one_command(tmp_path: Path) -> None:
    with devices(tmp_path, "desktop", "laptop", "new") as (desktop, laptop, new):
        _room(desktop, laptop)
        desktop.cli("device", "role", "laptop", "member")
        other = tmp_path / "other"
        other.mkdir()
        desktop.cli("share", str(other))  # the laptop has no part in it
        key = new.cli("identity", "show").split()[1]
        assert "of one device, not of 2" in desktop.fails(
            "device", "remove", "laptop", "new", "--replaced-by", key, "--yes"
        )
        answer = desktop.cli("device", "remove", "laptop", "--replaced-by", key, "--yes")
        assert "laptop is out of dir, and the new laptop has its place" in answer
        assert "`yp2p share DIR --role member` here" in answer
        eventually(lambda: "no member of the folder any more" in laptop.status()["folders"][0]["problem"], _SOON_S)
        code = desktop.cli("share", str(desktop.dir), "--role", "member")
        new.cli("join", code, str(new.dir))
        new.wait()
        assert (new.dir / "a.txt").read_text() == "a line\n"
        shown = {one["id"]: one for one in json.loads(desktop.cli("device", "list", "--json"))}
        assert shown[new.cli("identity", "show").split()[0]]["folders"][0]["role"] == "member"
        assert shown[laptop.cli("identity", "show").split()[0]]["folders"][0]["role"] == "removed"
        assert [one["folder"] for one in shown[new.cli("identity", "show").split()[0]]["folders"]] == ["dir"]
        said = new.fails("device", "remove", "desktop", "--replaced-by", key, "--yes")
        assert "replaced nowhere" in said
        assert "only an administrator" in said
        assert "one device" in desktop.fails("device", "remove", "desktop", "--replaced-by", "desktop", "--yes")
