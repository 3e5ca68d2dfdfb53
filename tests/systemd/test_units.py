"""Machines with a real systemd as PID 1, on one LAN: the units from systemd/ start, notify, survive and stop."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest
from lab import eventually
from systemd.machines import PROGRAM, Machine

pytestmark = [pytest.mark.systemd, pytest.mark.timeout(400)]
# What each may have left of exposure, in the scale of systemd-analyze.
_SCORES = {"yp2p@owner.service": 1.5, "yp2p-hub.service": 1.0}


@pytest.fixture
def machines(room: list[Machine]) -> list[Machine]:
    return room[:2]


@pytest.mark.parametrize("unit", ["yp2p@.service", "yp2p-hub.service"])
def test_the_units_are_clean(machines: list[Machine], unit: str) -> None:
    output = machines[0].run("systemd-analyze", "verify", "--man=no", f"/etc/systemd/system/{unit}")
    # systemd before 254 knows no tries that become rarer.
    newer = ("'RestartSteps'", "'RestartMaxDelaySec'")
    assert [line for line in output.splitlines() if not any(name in line for name in newer)] == []


@pytest.mark.parametrize(("unit", "most"), _SCORES.items())
def test_the_exposure_of_the_units(machines: list[Machine], unit: str, most: float) -> None:
    exposure = machines[0].run("systemd-analyze", "security", "--no-pager", unit)
    overall = float(exposure.rsplit(f"level for {unit}:", 1)[1].split()[0])
    print(f"\nsystemd-analyze security {unit}: {overall}")
    assert overall <= most


def test_two_machines_share_a_folder_and_survive(machines: list[Machine]) -> None:
    one, two = machines
    for machine in machines:
        machine.run("systemctl", "enable", "--now", "yp2p@owner")
        assert machine.property("ActiveState") == "active"
        assert machine.property("StatusText") == "nothing is shared yet; listening on port 9727"
    (one.home / "notes/a.txt").write_text("line 1\nline 2\n")
    os.chown(one.home / "notes/a.txt", 1001, 1001)
    code = one.yp2p("share", "/home/owner/notes")
    two.yp2p("join", code, "/home/owner/notes")
    two.yp2p("wait", "--timeout", "20")
    arrived = two.home / "notes/a.txt"
    assert arrived.read_text() == "line 1\nline 2\n"
    assert (arrived.stat().st_uid, arrived.stat().st_mode & 0o777) == (1001, 0o644)

    # kill -9: systemd starts it anew, and it goes on.
    before = one.property("MainPID")
    one.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "yp2p@owner")
    eventually(lambda: one.property("MainPID") not in ("0", before), what="the restart")
    eventually(lambda: one.property("ActiveState") == "active")
    arrived.write_text("line 1\nline 2\nline 3\n")
    eventually(lambda: (one.home / "notes/a.txt").read_text().endswith("line 3\n"), what="an edit after the restart")

    # The watchdog is fed: several intervals of a short one pass.
    assert one.property("WatchdogUSec") == "1min"
    one.run("systemctl", "restart", "yp2p@owner")
    eventually(lambda: json.loads(one.yp2p("status", "--json"))["devices"][0]["connected"])

    # SIGTERM stops within a second, cleanly.
    for machine in machines:
        started = time.monotonic()
        machine.run("systemctl", "stop", "yp2p@owner")
        took_s = time.monotonic() - started
        assert machine.property("Result") == "success"
        assert machine.property("ExecMainStatus") == "0"
        print(f"stopping took {took_s:.2f} s (systemctl included)")
        assert took_s < 10
    assert "Traceback" not in one.run("journalctl", "-u", "yp2p@owner", "--no-pager")


def test_the_watchdog_notices_a_loop_that_stands_still(machines: list[Machine]) -> None:
    one = machines[0]
    drop_in = one.root / "etc/systemd/system/yp2p@owner.service.d"
    one.run("mkdir", "-p", "/etc/systemd/system/yp2p@owner.service.d")
    (drop_in / "short.conf").write_text("[Service]\nWatchdogSec=2\n")
    one.run("systemctl", "daemon-reload")
    one.run("systemctl", "start", "yp2p@owner")
    before = one.property("MainPID")
    eventually(lambda: one.property("WatchdogTimestampMonotonic") not in ("", "0"), what="being fed")
    one.run("kill", "-STOP", before)
    eventually(lambda: one.property("MainPID") not in ("0", before), 30, "the watchdog's restart")
    one.run("systemctl", "stop", "yp2p@owner")


_ASKS = """
import http.client, json, sys
port, token, code = int(sys.argv[1]), *sys.argv[2:]
address = f"127.0.0.1:{port}"
headers = {"Host": address, "Origin": f"http://{address}", "Sec-Fetch-Site": "same-origin"}
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
if code:
    connection.request("POST", "/v1/session", json.dumps({"code": code}), headers)
else:
    connection.request("GET", "/v1/status", None, headers | {"Authorization": f"Bearer {token}"})
answer = connection.getresponse()
print(json.dumps([answer.status, json.loads(answer.read())]))
"""


def test_a_page_outlives_a_restart_and_no_stop(machines: list[Machine]) -> None:
    one = machines[0]
    drop_in = one.root / "etc/systemd/system/yp2p@owner.service.d"
    one.run("mkdir", "-p", "/etc/systemd/system/yp2p@owner.service.d", "/home/owner/page")
    (one.home / "page/index.html").write_text("<!doctype html>")
    (drop_in / "page.conf").write_text("[Service]\nEnvironment=YP2P_PAGE__DIRECTORY=/home/owner/page\n")
    one.run("systemctl", "daemon-reload")
    one.run("systemctl", "start", "yp2p@owner")

    def ask(token: str, code: str = "") -> list[Any]:
        done = one.inside("/opt/yp2p/bin/python", "-c", _ASKS, str(opened["port"]), token, code)
        return list(json.loads(done.stdout)) if done.returncode == 0 else [done.stderr.splitlines()[-1]]

    opened = json.loads(one.yp2p("open", "--json"))
    token = ask("", opened["url"].partition("#open=")[2])[1]["token"]
    assert ask(token)[0] == 200
    one.run("systemctl", "restart", "yp2p@owner")
    assert ask(token)[0] == 200, "after an update"
    before = one.property("MainPID")
    one.run("systemctl", "kill", "--kill-whom=main", "-s", "KILL", "yp2p@owner")
    assert ask(token)[0] == 200, "after a fault: who asks waits"
    assert one.property("MainPID") not in ("0", before)
    one.run("systemctl", "stop", "yp2p@owner")
    assert "refused" in ask(token)[0]
    one.run("systemctl", "start", "yp2p@owner")
    assert "refused" in ask(token)[0]
    assert json.loads(one.yp2p("open", "--json"))["port"] != opened["port"]
    one.run("systemctl", "stop", "yp2p@owner")
    (drop_in / "page.conf").unlink()
    one.run("systemctl", "daemon-reload")


def test_a_setting_that_is_wrong_is_not_tried_again(machines: list[Machine]) -> None:
    two = machines[1]
    two.run("systemctl", "stop", "yp2p@owner")
    two.run("runuser", "-u", "owner", "--", "mkdir", "-p", "/home/owner/.config/yp2p")
    config = two.home / ".config/yp2p/config.toml"
    config.write_text("[listen]\nprot = 1\n")
    two.inside("systemctl", "start", "yp2p@owner")
    eventually(lambda: two.property("ActiveState") == "failed")
    assert two.property("ExecMainStatus") == "6"
    assert two.property("NRestarts") == "0"
    assert "its settings are: address, port" in two.run("journalctl", "-u", "yp2p@owner", "--no-pager")
    config.unlink()


def test_a_key_is_changed_by_one_process(machines: list[Machine]) -> None:
    one = machines[0]
    for machine in machines:
        machine.run("systemctl", "start", "yp2p@owner")
    before, process = one.yp2p("identity", "show").split()[0], one.property("MainPID")
    for device in json.loads(one.yp2p("status", "--json"))["devices"]:
        eventually(
            lambda: bool(json.loads(one.yp2p("status", "--json"))["devices"][0]["connected"]), what=device["name"]
        )
    after = json.loads(one.yp2p("device", "rotate", "--yes", "--json"))["device"]
    assert after != before
    next_key = one.home / ".local/state/yp2p/device.next"
    eventually(lambda: not next_key.exists())
    eventually(lambda: one.inside("test", "-S", "/run/yp2p/owner/yp2p/control.sock").returncode == 0)
    assert one.yp2p("identity", "show").split()[0] == after
    assert (one.property("MainPID"), one.property("ActiveState")) == (process, "active")
    assert one.property("NRestarts") == "0"
    one.run("systemctl", "stop", "yp2p@owner")
    assert one.property("Result") == "success"


def test_the_key_comes_from_a_credential(machines: list[Machine]) -> None:
    two = machines[1]
    two.run("systemctl", "stop", "yp2p@owner")
    home = "/home/owner/.local/state/yp2p"
    two.inside("mv", home, f"{home}.before")
    made, key = two.run(PROGRAM, "identity", "new", "/etc/owner.key").split()
    drop_in = two.root / "etc/systemd/system/yp2p@owner.service.d"
    two.run("mkdir", "-p", "/etc/systemd/system/yp2p@owner.service.d")
    (drop_in / "key.conf").write_text("[Service]\nLoadCredential=yp2p.key:/etc/%i.key\n")
    two.run("systemctl", "daemon-reload")
    two.run("systemctl", "start", "yp2p@owner")
    assert json.loads(two.yp2p("identity", "show", "--json")) == {"id": made, "key": key}
    assert not (two.home / ".local/state/yp2p/device.key").exists()
    two.run("systemctl", "stop", "yp2p@owner")
    (two.root / "etc/owner.key").write_text("yp2p-device-seed-v1 12\n")
    two.inside("systemctl", "start", "yp2p@owner")
    eventually(lambda: two.property("ActiveState") == "failed")
    assert two.property("ExecMainStatus") == "6"

    # One that only this machine can open, where systemd looks for such.
    two.inside("rm", "-r", home)
    two.run("mkdir", "-p", "/etc/credstore.encrypted")
    seal = "systemd-creds encrypt --with-key=host --name=yp2p.key - /etc/credstore.encrypted/yp2p.key"
    made = two.run("sh", "-c", f"{PROGRAM} identity new - 2>/tmp/made | {seal}; head -n 1 /tmp/made")
    (drop_in / "key.conf").write_text("[Service]\nLoadCredentialEncrypted=yp2p.key\n")
    two.run("systemctl", "daemon-reload")
    two.run("systemctl", "start", "yp2p@owner")
    assert two.yp2p("identity", "show").split()[0] == made
    two.run("systemctl", "stop", "yp2p@owner")
    (drop_in / "key.conf").unlink()
    two.run("systemctl", "daemon-reload")
    two.inside("rm", "-r", home)
    two.inside("mv", f"{home}.before", home)
