"""Machines where nobody types a command have their folders from their settings."""

from __future__ import annotations

import json
from pathlib import Path

from lab import Device, eventually, unexpected_lines


def _settings(device: Device, text: str) -> None:
    device.home.mkdir(exist_ok=True)
    (device.home / "config.toml").write_text(text)


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
        eventually(lambda: any("cannot be read" in one["problem"] for one in two.status()["settings"]))
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

        # A folder that is taken out of the settings stays.
        two.stop()
        _settings(two, "")
        two.start()
        assert _folders(two) == ["notes"]
        assert unexpected_lines(two, "setting_waits") == []

        # Whoever comes with a used invite is told so, and asks once.
        three = Device(tmp_path, "three")
        try:
            _settings(three, f'[[folders]]\npath = "{three.dir}"\ninvite = "{token}"\n')
            three.start()
            eventually(lambda: any("used already" in one["problem"] for one in three.status()["settings"]))
            assert "used already" in three.cli("status")
            assert [line.split()[0] for line in unexpected_lines(three)] == ["level='warning'"]
            assert json.loads(one.cli("device", "list", "--json"))[1]["name"] == "two"
        finally:
            three.kill()
    finally:
        for device in (one, two):
            device.kill()
