"""`yp2p service` on real machines: installed, used, reloaded, removed; a hub that comes with an invite."""

from __future__ import annotations

import json
import os
import time

import pytest
from lab import eventually
from systemd.machines import OWNER, PROGRAM, Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(400)]


def _status(machine: Machine, *which: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(machine.run(PROGRAM, "service", "status", *which, "--json"))
    return found


def test_a_service_of_the_user(room: list[Machine]) -> None:
    one = room[0]
    one.run("systemctl", "stop", "yp2p@owner")
    one.run("systemctl", "start", "user@1001")
    (one.root / "etc/systemd/user/yp2p.service").unlink()
    said = one.yp2p("service", "install", runtime="/run/user/1001")
    assert "/home/owner/.config/systemd/user/yp2p.service is written." in said
    assert "yp2p.service runs now." in said
    assert "`loginctl enable-linger owner` has it go on" in said
    said = one.yp2p("service", "install", runtime="/run/user/1001")
    assert said.startswith("yp2p.service runs already.\n")
    found = json.loads(one.yp2p("service", "status", "--json", runtime="/run/user/1001"))
    assert (found["running"], found["enabled"], found["problem"]) == (True, True, "")
    assert found["says"]
    status = json.loads(one.yp2p("status", "--json", runtime="/run/user/1001"))
    assert status["folders"][0]["entries"]["total"] == 1, "the same store as the system unit's"
    exposure = one.as_owner("systemd-analyze", "--user", "--no-pager", "security", "yp2p.service")
    overall = float(exposure.rsplit("level for yp2p.service:", 1)[1].split()[0])
    print(f"\nsystemd-analyze --user security yp2p.service: {overall}")
    assert overall <= 4.0
    said = one.yp2p("service", "uninstall", runtime="/run/user/1001")
    assert "yp2p.service is stopped, and does not start any more." in said
    assert "so do key and store in /home/owner/.local/state/yp2p." in said
    assert not (one.home / ".config/systemd/user/yp2p.service").exists()
    assert (one.home / ".local/state/yp2p/store.db").exists()
    said = one.yp2p("service", "uninstall", runtime="/run/user/1001")
    assert "There is no yp2p.service." in said


def test_a_daemon_that_was_started_by_hand_is_left_alone(room: list[Machine]) -> None:
    three = room[2]
    three.yp2p("daemon", "--detach", runtime="/home/owner/run")
    done = three.inside(PROGRAM, "service", "install", "--system", "--for", "owner")
    assert done.returncode == 1
    assert "a daemon runs already without the service (process " in done.stderr
    three.yp2p("status")  # the lock says where it answers
    three.yp2p("stop")


def test_a_hub_comes_with_an_invite_and_keeps_everything(room: list[Machine]) -> None:
    one, three = room[0], room[2]
    one.run("systemctl", "start", "yp2p@owner")
    (one.home / "notes/sub").mkdir()
    for number in range(30):
        (one.home / f"notes/sub/{number}.txt").write_text(f"{number}\n")
    (one.home / "notes/sub/picture").write_bytes(b"\0" + os.urandom(300_000))
    one.run("chown", "-R", "owner:owner", "/home/owner/notes")
    token = one.yp2p("invite", "/home/owner/notes")
    three.run("mkdir", "-p", "/etc/yp2p", "/etc/systemd/system/yp2p-hub.service.d")
    (three.root / "etc/yp2p/notes.invite").write_text(f"{token}\n")
    (three.root / "etc/yp2p/notes.invite").chmod(0o600)
    (three.root / "etc/systemd/system/yp2p-hub.service.d/invite.conf").write_text(
        "[Service]\nLoadCredential=yp2p.invite.notes:/etc/yp2p/notes.invite\n"
    )
    said = three.run(PROGRAM, "service", "install", "--hub")
    assert "yp2p-hub.service is there already, from a package or by hand, and is used as it is." in said
    assert "yp2p-hub.service runs now." in said
    folder = three.root / "var/lib/private/yp2p-hub/folders/notes"
    eventually(
        lambda: (folder / "sub/picture").exists() and (folder / "sub/29.txt").exists(), 60, "the folder at the hub"
    )
    three.hub("wait", "--timeout", "30")
    eventually(lambda: three.property("StatusText", "yp2p-hub").startswith("in sync with "), 20)
    assert three.property("StatusText", "yp2p-hub").endswith("files")
    assert "notes" in three.hub("folder", "list")
    assert (folder / "sub/3.txt").stat().st_mode & 0o777 == 0o600, "for nobody else on the hub"
    one.yp2p("wait", "--timeout", "30")
    assert (one.home / "notes/sub/3.txt").stat().st_mode & 0o777 == 0o644, "elsewhere the permissions stay"
    assert (one.home / "notes/sub/3.txt").stat().st_uid == OWNER

    # Without the credential it goes on: the folder is the hub's.
    (three.root / "etc/systemd/system/yp2p-hub.service.d/invite.conf").unlink()
    three.run("systemctl", "daemon-reload")
    three.run("systemctl", "restart", "yp2p-hub")
    (one.home / "notes/sub/3.txt").write_text("three\n")
    eventually(lambda: (folder / "sub/3.txt").read_text() == "three\n", 30, "an edit at the hub")

    # Another folder by hand, as root: the directory is made.
    (one.home / "more").mkdir()
    one.give(one.home / "more")
    code = one.yp2p("share", "/home/owner/more")
    three.hub("join", code, "more")
    assert (three.root / "var/lib/private/yp2p-hub/folders/more/.yp2p/marker").exists()
    three.hub("folder", "leave", "more", "--yes")
    one.yp2p("folder", "leave", "more", "--yes")


def test_settings_are_read_again_while_the_hub_runs(room: list[Machine]) -> None:
    three = room[2]
    process = three.property("MainPID", "yp2p-hub")
    settings = three.root / "etc/yp2p/config.toml"
    settings.write_text("[limits]\nupload = 64000000\n")
    three.run("systemctl", "reload", "yp2p-hub")
    eventually(lambda: json.loads(three.run(PROGRAM, "--hub", "limit", "--json"))["upload"] == 64_000_000)
    settings.write_text("[limits]\nuplod = 1\n")
    three.run("systemctl", "reload", "yp2p-hub")
    eventually(
        lambda: (
            "settings not read again: /etc/yp2p/config.toml: [limits] uplod" in three.property("StatusText", "yp2p-hub")
        )
    )
    assert "has no setting 'uplod'" in three.run("journalctl", "-u", "yp2p-hub", "--no-pager")
    assert json.loads(three.run(PROGRAM, "--hub", "limit", "--json"))["upload"] == 64_000_000
    settings.unlink()
    three.run("systemctl", "reload", "yp2p-hub")
    eventually(lambda: "settings" not in three.property("StatusText", "yp2p-hub"))
    assert (three.property("MainPID", "yp2p-hub"), three.property("ActiveState", "yp2p-hub")) == (process, "active")


def test_it_stops_in_order_while_a_file_is_on_its_way(room: list[Machine]) -> None:
    one, three = room[0], room[2]
    one.yp2p("limit", "--upload", "2MB/s")
    (one.home / "notes/film").write_bytes(b"\0" + os.urandom(20_000_000))
    one.give(one.home / "notes/film")
    eventually(lambda: "receiving 1 file, " in three.property("StatusText", "yp2p-hub"), 30, "the transfer")
    assert three.property("StatusText", "yp2p-hub").split("; ")[0].endswith(" MiB left")
    eventually(lambda: "sending 1 file to " in one.property("StatusText"))
    for machine, unit in ((three, "yp2p-hub"), (one, "yp2p@owner")):
        began = time.monotonic_ns() // 1000
        machine.run("systemctl", "stop", unit)
        took_s = (int(machine.property("InactiveEnterTimestampMonotonic", unit)) - began) / 1e6
        print(f"\n{unit} stopped after {took_s:.2f} s while transferring")
        assert machine.property("Result", unit) == "success"
        assert took_s <= 10, "in order; that it is a second on a quiet machine is measured by benches/service.py"
    for machine, unit in ((three, "yp2p-hub"), (one, "yp2p@owner")):
        machine.run("systemctl", "start", unit)
    one.yp2p("limit", "off")
    folder = three.root / "var/lib/private/yp2p-hub/folders/notes"
    eventually(lambda: (folder / "film").exists(), 60, "the rest of it")
    assert (folder / "film").read_bytes() == (one.home / "notes/film").read_bytes()


def test_what_uninstall_leaves(room: list[Machine]) -> None:
    three = room[2]
    assert _status(three, "--hub")["running"] is True
    said = three.run(PROGRAM, "service", "uninstall", "--hub")
    assert "/etc/systemd/system/yp2p-hub.service stays: yp2p did not write it." in said
    assert said.endswith("The hub's folders, its key and its store stay in /var/lib/yp2p-hub.")
    assert (three.root / "var/lib/private/yp2p-hub/folders/notes/film").exists()
    assert _status(three, "--hub")["running"] is False
