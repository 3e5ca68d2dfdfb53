"""Machines where nobody types a command have their folders from their settings."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from lab import Device, eventually, unexpected_lines

pytestmark = pytest.mark.long  # machines that wait for one another; in one process: tests/device/test_provisioning.py


def _settings(device: Device, text: str) -> None:
    device.home.mkdir(exist_ok=True)
    (device.home / "config.toml").write_text(text)


def _is_told(device: Device, words: str) -> bool:
    return any(words in one["problem"] for one in device.status()["settings"])


def _folders(device: Device) -> list[str]:
    return [folder["label"] for folder in device.status()["folders"]]


def test_one_shares_and_another_joins_by_their_settings_whichever_is_first(tmp_path: Path) -> None:
    one, two = (Device(tmp_path, name) for name in ("one", "two"))
    try:
        _settings(one, f'[[folders]]\npath = "{one.dir}"\nlabel = "notes"\n')
        (one.dir / "a.txt").write_text("a line\n")
        one.start()
        eventually(lambda: _folders(one) == ["notes"])
        token = one.cli("invite", "notes", "--role", "member")
        one.stop()
        token_file = tmp_path / "token"
        _settings(two, f'[[folders]]\npath = "{two.dir}"\ninvite_file = "{token_file}"\n')
        two.start()
        eventually(lambda: _is_told(two, "cannot be read"))
        token_file.write_text(token + "\n")
        one.start()
        eventually(lambda: (two.dir / "a.txt").exists(), 90)
        assert two.status()["settings"] == []
        assert token not in two.log.read_text()

        # A restart changes nothing: the invite was used up, and nobody asks for it.
        for device in (one, two):
            device.stop()
            device.start()
        (two.dir / "b.txt").write_text("of the machine\n")
        eventually(lambda: (one.dir / "b.txt").exists())
        assert (_folders(one), _folders(two)) == (["notes"], ["notes"])
        assert two.status()["settings"] == one.status()["settings"] == []

        # A folder that a person left is not begun again.
        two.cli("folder", "leave", str(two.dir), "--yes")
        two.stop()
        two.start()
        assert _folders(two) == []
        assert two.status()["settings"] == []
        two.join(one)
        eventually(lambda: _folders(two) == ["notes"])

        # A folder that is taken out of the settings stays.
        two.stop()
        _settings(two, "")
        two.start()
        assert _folders(two) == ["notes"]
        assert unexpected_lines(two, "setting_waits", "folder_paused") == []

        # Whoever comes with a used invite is told so, and asks once.
        three = Device(tmp_path, "three")
        try:
            _settings(three, f'[[folders]]\npath = "{three.dir}"\ninvite = "{token}"\n')
            three.start()
            eventually(lambda: _is_told(three, "used already"))
            assert "used already" in three.cli("status")
            assert [line.split()[0] for line in unexpected_lines(three)] == ["level='warning'"]
            assert json.loads(one.cli("device", "list", "--json"))[1]["name"] == "two"
        finally:
            three.kill()
    finally:
        for device in (one, two):
            device.kill()


def _key(device: Device) -> str:
    """Give a device its key from outside; the public one."""
    device.home.mkdir(exist_ok=True)
    public = device.cli("identity", "new", str(device.home / "my.key")).split()[1]
    device.environment["YP2P_DEVICE__KEY_FILE"] = str(device.home / "my.key")
    return public


def _role(device: Device, name: str) -> str:
    shown = json.loads(device.cli("device", "list", "--json"))
    return next((one["folders"][0]["role"] for one in shown if one["name"] == name and one["folders"]), "")


def test_two_machines_that_name_each_other_need_no_person(tmp_path: Path) -> None:
    desk, machine = (Device(tmp_path, name) for name in ("desk", "machine"))
    keys = {device.name: _key(device) for device in (desk, machine)}
    known = (
        f'[[devices]]\nname = "desk"\nkey = "{keys["desk"]}"\n'
        f'[[devices]]\nname = "machine"\nkey = "{keys["machine"]}"\nfolders = ["notes"]\n'
    )
    for device in (desk, machine):  # but for its path the same settings on both
        _settings(device, f'[[folders]]\npath = "{device.dir}"\nlabel = "notes"\ndevice = "desk"\n{known}')
    try:
        (desk.dir / "a.txt").write_text("a line\n")
        machine.start()
        eventually(lambda: _is_told(machine, "was not found"), 60)
        assert f"[[folders]] {machine.dir}: desk was not found" in machine.fails("wait", "--timeout", "0.1")
        desk.start()
        machine.cli("wait", "--timeout", "90", timeout_s=100)
        assert (machine.dir / "a.txt").exists()
        assert desk.status()["settings"] == machine.status()["settings"] == []
        assert _role(desk, "machine") == "member"
        (machine.dir / "b.txt").write_text("of the machine\n")
        eventually(lambda: (desk.dir / "b.txt").exists())

        # A machine whose disk was lost comes back; a role that a person gave stays.
        desk.cli("device", "role", "machine", "admin")
        machine.stop()
        for path in (*machine.home.glob("store.db*"), *machine.dir.glob(".yp2p/marker"), machine.dir / "a.txt"):
            path.unlink()
        desk.stop()
        for device in (desk, machine):
            device.start()
        eventually(lambda: (machine.dir / "a.txt").exists(), 90)
        assert _role(desk, "machine") == "admin"

        # Whom a person removed stays out, and both sides say why.
        desk.cli("device", "remove", "machine", "--yes")
        desk.stop()
        machine.stop()
        for path in (*machine.home.glob("store.db*"), *machine.dir.glob(".yp2p/marker")):
            path.unlink()
        for device in (desk, machine):
            device.start()
        for device in (desk, machine):
            eventually(partial(_is_told, device, "was removed from 'notes'"))
        assert _role(desk, "machine") == "removed"
        assert machine.status()["folders"] == []
    finally:
        for device in (desk, machine):
            device.kill()
