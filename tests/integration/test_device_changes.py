"""Names and pauses of devices, through two real daemons: what a restart keeps, and what the other one is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lab import Device, devices, eventually

from yp2p import __version__
from yp2p.control.call import RemoteError

pytestmark = pytest.mark.long


def _of(device: Device, name: str) -> dict[str, Any]:
    """What the list of a device says of another one."""
    return next(one for one in device.call("GET", "/v1/devices") if one["name"] == name)


def test_a_device_is_renamed_and_paused_and_both_sides_say_so(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        two.join(one)
        one.wait()
        shown = _of(one, "two")
        assert (shown["version"], shown["reason"], shown["paused"]) == (__version__, "", False)
        assert shown["known_since"] is not None
        assert shown["folders"][0]["behind"] == 0

        one.cli("device", "rename", "two", "my desk")
        one.cli("device", "pause", "my desk")
        eventually(lambda: _of(two, "one")["reason"].startswith("paused there"))
        assert _of(one, "my desk")["reason"].startswith("paused here")
        (two.dir / "note").write_text("written meanwhile\n")
        one.stop()
        one.start()
        assert _of(one, "my desk")["paused"], "it is kept over a restart"
        listed = one.cli("device", "list")
        assert "my desk" in listed
        assert "paused here" in listed
        assert "paused here" in one.cli("device", "show", "my desk")
        eventually(lambda: _of(two, "one")["reason"].startswith("paused there"))
        assert not (one.dir / "note").exists()

        one.cli("device", "unpause", "my desk")
        one.wait()
        assert (one.dir / "note").read_text() == "written meanwhile\n"
        assert _of(one, "my desk")["reason"] == _of(two, "one")["reason"] == ""

        assert "my desk is paused until" in one.cli("device", "pause", "my desk", "--for", "1h")
        one.stop()
        one.start()
        assert _of(one, "my desk")["reason"].startswith("paused here until ")
        one.call("POST", "/v1/device/pause", {"device": "my desk", "for_s": 1})
        eventually(lambda: _of(one, "my desk")["connected"], what="it goes on by itself")
        assert not _of(one, "my desk")["paused"]

        assert "the settings call this device 'two'" in two.fails("device", "rename", "two", "desk")
        with pytest.raises(RemoteError, match="is this device"):
            one.call("POST", "/v1/device/pause", {"device": "one"})
        with pytest.raises(RemoteError, match="called 'one' already"):
            one.call("POST", "/v1/device/rename", {"device": "my desk", "name": "one"})
        one.call("POST", "/v1/device/rename", {"device": "my desk", "name": ""})
        assert _of(one, "two")["connected"]


def test_doctor_finds_nothing_between_two_devices_and_then_what_was_planted(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        alone = json.loads(one.cli("doctor", "--json"))
        assert alone["problems"] == 0, alone
        two.join(one)
        one.wait()
        found = json.loads(one.cli("doctor", "--json"))
        assert found["problems"] == 0, found
        port = one.status()["device"]["port"]
        texts = [one["text"] for one in found["findings"]]
        assert f"two can connect to this device on TCP port {port}" in texts
        assert "that of two says the same" in texts
        (one.home / "device.key").chmod(0o644)
        done = one.run("doctor", "two")
        assert done.returncode == 1
        assert f"what helps: chmod 600 {one.home}/device.key" in done.stdout
        assert "1 problem." in done.stdout
        (one.home / "device.key").chmod(0o600)
        two.stop()
        assert "no device is called" in one.fails("doctor", "nobody")
        eventually(lambda: not _of(one, "two")["connected"])
        assert one.run("doctor", "two").returncode == 1, "it is away, and was asked for"
        one.stop()
        without = one.run("doctor", "--json")
        assert without.returncode == 1
        assert [f["check"] for f in json.loads(without.stdout)["findings"] if f["problem"]] == ["daemon"]


def test_a_new_name_of_a_device_reaches_those_that_are_connected_and_is_kept(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        del two.environment["YP2P_DEVICE__NAME"]
        two.stop()
        two.start()
        two.join(one)
        one.wait()
        own = two.status()["device"]["name"]
        two.call("POST", "/v1/device/rename", {"device": own, "name": "desk"})
        eventually(lambda: one.status()["devices"][0]["name"] == "desk")
        two.stop()
        two.start()
        assert two.status()["device"]["name"] == "desk"
        eventually(lambda: _of(one, "desk")["connected"])
        one.stop()
        two.stop()
        one.start()
        assert _of(one, "desk")["reason"]


def test_joining_without_mdns_takes_the_address_that_is_named(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two", YP2P_DISCOVERY__MDNS="false") as (one, two):
        (one.dir / "note").write_text("found without mDNS\n")
        code = one.call("POST", "/v1/share", {"path": str(one.dir), "label": None})["code"]
        port = one.status()["device"]["port"]
        assert "no device on this network" in two.fails("join", code, str(two.dir), "--timeout", "1")
        wrong = two.fails("join", code, str(two.dir), "--timeout", "2", "--at", "127.0.0.1:1")
        assert "port 1 is closed there" in wrong
        two.cli("join", code, str(two.dir), "--at", f"127.0.0.1:{port}")
        two.wait()
        assert (two.dir / "note").read_text() == "found without mDNS\n"
        again = two.fails("join", code, str(tmp_path / "two" / "other"), "--timeout", "2", "--at", f"127.0.0.1:{port}")
        assert "does not exist" in again or "shows no code" in again
