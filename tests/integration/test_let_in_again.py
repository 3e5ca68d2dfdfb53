"""A device that is let in again: what others took back meanwhile is told there, and can be brought back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab import Device, devices, eventually, unexpected_lines

pytestmark = pytest.mark.long

_TEXT = "".join(f"line {number} of a text\n" for number in range(40))


def _told(device: Device) -> dict[str, str]:
    """What is told of files that something was taken back of."""
    notices = json.loads(device.cli("notices", "--json"))
    return {one["path"]: one["text"] for one in notices if one["kind"] == "taken-back"}


def _members(device: Device) -> dict[str, str]:
    return {one["name"]: one["folders"][0]["role"] for one in json.loads(device.cli("device", "list", "--json"))}


def _work(device: Device) -> None:
    (device.dir / "new.txt").write_text("of the phone\n")
    (device.dir / "new.bin").write_bytes(b"\0 of the phone")
    (device.dir / "photo.bin").write_bytes(b"\0 of the phone")
    (device.dir / "a.txt").write_text(_TEXT.replace("line 9 of", "line 9 of the phone and of"))


def _is_there(device: Device) -> bool:
    is_text = "phone" in (device.dir / "a.txt").read_text() and (device.dir / "new.txt").exists()
    return is_text and (device.dir / "new.bin").exists() and b"phone" in (device.dir / "photo.bin").read_bytes()


def _is_as_before(device: Device) -> bool:
    if (device.dir / "a.txt").read_text() != _TEXT or (device.dir / "new.txt").exists():
        return False
    return not (device.dir / "new.bin").exists() and (device.dir / "photo.bin").read_bytes() == b"\0 a photo"


def _begin(*all_of_them: Device) -> None:
    """The first one's folder is on all."""
    first = all_of_them[0]
    (first.dir / "a.txt").write_text(_TEXT)
    (first.dir / "photo.bin").write_bytes(b"\0 a photo")
    for other in all_of_them[1:]:
        other.join(first)
    for device in all_of_them:
        device.wait()


def _check_what_is_told(phone: Device, *others: Device) -> None:
    told = _told(phone)
    assert set(told) == {"a.txt", "new.txt", "new.bin", "photo.bin"}, told
    assert "`yp2p log`" in told["a.txt"]
    assert "`yp2p trash restore`" in told["new.txt"]
    assert "`yp2p trash list`" in told["photo.bin"]
    phone.cli("trash", "restore", "new.txt", "new.bin")
    eventually(lambda: all((one.dir / "new.txt").exists() and (one.dir / "new.bin").exists() for one in others))
    for device in (phone, *others):
        device.wait()
        assert unexpected_lines(device, "changes_taken_back", "device_removed", "invites_revoked") == []

    # What others do from now on is what they do to any file.
    (others[0].dir / "new.txt").unlink()
    eventually(lambda: not (phone.dir / "new.txt").exists())
    assert set(_told(phone)) == set(told)
    assert len([one for one in json.loads(phone.cli("notices", "--json")) if one["kind"] == "taken-back"]) == len(told)


def test_whom_a_removed_device_had_let_in_hears_what_others_took_back(tmp_path: Path) -> None:
    with devices(tmp_path, "desktop", "laptop", "pi", "nas", "phone") as (desktop, laptop, pi, nas, phone):
        _begin(desktop, laptop, pi, nas)
        for device in (laptop, pi):
            device.stop()
        desktop.cli("device", "remove", "laptop", "--yes")
        eventually(lambda: _members(nas)["laptop"] == "removed")
        nas.stop()
        desktop.stop()
        laptop.start()
        phone.join(laptop)
        pi.start()
        for device in (laptop, pi, phone):
            device.wait()
        _work(phone)
        eventually(lambda: _is_there(pi) and _is_there(laptop))
        for device in (laptop, pi, phone):
            device.wait()
        phone.stop()
        laptop.stop()
        desktop.start()
        eventually(lambda: _is_as_before(pi), what="its being taken back")
        for device in (desktop, pi):
            device.wait()
        assert _members(desktop)["phone"] == "void"
        desktop.cli("device", "readmit", "phone")
        phone.start()
        eventually(lambda: _is_as_before(phone))
        for device in (desktop, pi, phone):
            device.wait()
        _check_what_is_told(phone, desktop, pi)


def test_who_was_removed_and_joins_again_hears_what_others_took_back(tmp_path: Path) -> None:
    with devices(tmp_path, "desktop", "phone", "pi") as (desktop, phone, pi):
        _begin(desktop, phone, pi)
        for device in (phone, pi):
            device.stop()
        desktop.cli("device", "remove", "phone", "--yes")
        desktop.stop()
        for device in (phone, pi):
            device.start()
        for device in (phone, pi):
            device.wait()
        _work(phone)
        eventually(lambda: _is_there(pi))
        for device in (phone, pi):
            device.wait()
        phone.stop()
        desktop.start()
        eventually(lambda: _is_as_before(pi), what="its being taken back")
        phone.start()
        eventually(lambda: "removed it" in phone.status()["folders"][0]["problem"], what="its hearing that it is out")
        (phone.dir / "later.txt").write_text("of later\n")
        eventually(lambda: phone.run("log", str(phone.dir / "later.txt")).returncode == 0)
        phone.join(desktop)
        eventually(lambda: _is_as_before(phone))
        for device in (desktop, pi, phone):
            device.wait()
        assert (pi.dir / "later.txt").read_text() == "of later\n"
        _check_what_is_told(phone, desktop, pi)
