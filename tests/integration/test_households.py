"""Several people on one machine; a reader that has files already; a device that comes back from a backup."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree, unexpected_lines

pytestmark = pytest.mark.long

# Nobody has these.
_USERS = (54321, 54322)
_PORT = re.compile(r"daemon_started.*port=(\d+)")


def _as_user(user: int) -> tuple[str, ...]:
    """How a command runs as that user; nothing where this test may not do that, or that user may not run yp2p."""
    prefix = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return ()
    can_run = subprocess.run([*prefix, sys.executable, "-c", "import yp2p.daemon"], capture_output=True, check=False)
    return prefix if can_run.returncode == 0 else ()


@contextmanager
def _people() -> Iterator[list[Device]]:
    """Two people with a daemon each, with the default port, as two users where that is possible."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as base:
        os.chmod(base, 0o755)
        found = [Device(Path(base), name, _as_user(user)) for name, user in zip(("ann", "bob"), _USERS, strict=True)]
        for device, user in zip(found, _USERS, strict=True):
            if device._prefix:
                for path in (device.dir.parent, device.dir):
                    os.chown(path, user, user)
        try:
            for device in found:
                device.start()
            yield found
        finally:
            for device in found:
                device.kill()


def test_two_people_on_one_machine_have_a_daemon_each() -> None:
    with _people() as (ann, bob):
        ports = [_PORT.findall(device.log.read_text()) for device in (ann, bob)]
        assert all(len(port) == 1 for port in ports), ports
        assert ports[0] != ports[1], "the second takes another port by itself"
        assert ann.status()["device"]["id"] != bob.status()["device"]["id"]
        assert bob.status()["folders"] == []
        # They find each other as devices of two machines do, and share what they want to.
        (ann.dir / "a.txt").write_text("from ann\n")
        if ann._prefix:
            os.chown(ann.dir / "a.txt", _USERS[0], _USERS[0])
        bob.join(ann)
        eventually(lambda: (bob.dir / "a.txt").exists(), what="the file")
        (bob.dir / "a.txt").write_text("from ann\nfrom bob\n")
        eventually(lambda: (ann.dir / "a.txt").read_text() == "from ann\nfrom bob\n", what="the edit")
        if ann._prefix:  # nobody but root can replace it as it is
            os.chown(ann.dir / "a.txt", _USERS[1], _USERS[1])
            (bob.dir / "a.txt").write_text("from bob\n")
            eventually(lambda: bool(ann.status()["folders"][0]["waiting"]), what="the file that waits")
            waiting = ann.status()["folders"][0]["waiting"]
            assert [item["path"] for item in waiting] == ["a.txt"]
            assert "it belongs to another user or group (54322:54322)" in waiting[0]["reason"]
            os.chown(ann.dir / "a.txt", _USERS[0], _USERS[0])
            eventually(lambda: (ann.dir / "a.txt").read_text() == "from bob\n", what="the edit, once it may be made")
        ann.stop()
        ann.start()  # whichever port is free by now
        ann.wait()
        if ann._prefix and bob._prefix:
            assert (bob.dir / "a.txt").stat().st_uid == _USERS[1]
            connect = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
            command = [*ann._prefix, sys.executable, "-c", connect, str(bob.home / "control.sock")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert "PermissionError" in done.stderr, "nobody else talks to one's daemon"
        assert unexpected_lines(ann) == unexpected_lines(bob) == []


def test_a_reader_joins_a_directory_that_has_files(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        for device in (one, two):
            (device.dir / "same.txt").write_text("the same\n")
            (device.dir / "other.txt").write_text(f"of {device.name}\n")
            (device.dir / "other.bin").write_bytes(b"\0" + device.name.encode())
        (one.dir / "there.txt").write_text("only of one\n")
        (two.dir / "here.txt").write_text("only of two\n")
        before = tree(one.dir)
        code = one.call("POST", "/v1/share", {"path": str(one.dir), "label": None, "role": "reader"})["code"]
        preview = two.call("POST", "/v1/join/preview", {"code": code, "path": str(two.dir)})
        assert (preview["equal"], sorted(preview["different"])) == (1, ["other.bin", "other.txt"])
        two.call("POST", "/v1/join", {"code": code, "path": str(two.dir)})
        one.wait()
        two.wait()
        assert tree(one.dir) == before, "nothing of a reader comes to anybody"
        here = tree(two.dir)
        assert {name: here[name] for name in before} == before, "it has everything under its name"
        assert here["here.txt"] == b"only of two\n"
        kept = sorted(here[name] for name in here if name not in before and name != "here.txt")
        assert kept == [b"\0two", b"of two\n"], "what it had is beside it"
        two.stop()
        two.start()
        two.wait()
        assert tree(two.dir) == here
        assert tree(one.dir) == before


def test_a_device_comes_back_whole_from_an_older_backup_while_the_others_went_on(tmp_path: Path) -> None:
    """Key, store, files and marker of one day, as docs/guide.md says."""
    with devices(tmp_path, "one", "two", "three") as (one, two, three):
        (one.dir / "plan.txt").write_text("".join(f"line {number}\n" for number in range(20)))
        (one.dir / "photo.bin").write_bytes(b"\0" * 1000)
        two.join(one)
        three.join(one)
        for device in (one, two, three):
            device.wait()
        two.stop()
        backup = tmp_path / "backup"
        shutil.copytree(two.home, backup / "home")
        shutil.copytree(two.dir, backup / "dir")
        two.start()
        # Everybody goes on, also the device of the backup: what it wrote is on the others.
        (two.dir / "plan.txt").write_text((two.dir / "plan.txt").read_text().replace("line 3\n", "line 3, by two\n"))
        (two.dir / "later.txt").write_text("made after the backup\n")
        two.wait()
        (one.dir / "plan.txt").write_text((one.dir / "plan.txt").read_text().replace("line 9\n", "line 9, by one\n"))
        (three.dir / "photo.bin").write_bytes(b"\0" * 500 + b"new")
        for device in (one, two, three):
            device.wait()
        wanted = tree(one.dir)
        two.kill()  # its disk broke
        shutil.rmtree(two.home)
        shutil.rmtree(two.dir)
        (one.dir / "plan.txt").write_text(wanted["plan.txt"].decode() + "written while it was away\n")
        one.wait()
        shutil.copytree(backup / "home", two.home)
        shutil.copytree(backup / "dir", two.dir)
        two.start()
        wanted = tree(one.dir)
        for device in (two, one, three):
            device.wait()
        eventually(lambda: tree(two.dir) == wanted, what="the restored device having what the others have")
        assert tree(one.dir) == tree(three.dir) == wanted, "nothing of the backup came to the others"
        assert "by two" in wanted["plan.txt"].decode()
        (two.dir / "plan.txt").write_text(wanted["plan.txt"].decode() + "and two goes on\n")
        eventually(lambda: (three.dir / "plan.txt").read_text().endswith("and two goes on\n"))
        assert not any(".conflict-" in name for name in tree(two.dir))
