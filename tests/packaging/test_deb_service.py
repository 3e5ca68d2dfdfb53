"""A machine with a real systemd, from the package: enabled, booted, upgraded while it runs, taken back, upgraded again.

The package before is of the last commit with another schema of the store. It takes a minute and a half, and needs root
and systemd-nspawn: `make debians`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from debian_machine import SUITES, Machine, machine_of, package_for, with_version
from earlier_versions import build_wheel, last_with_another_schema
from lab import eventually

from yp2p.store.schema import SCHEMA_VERSION

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("YP2P_DEBIANS" not in os.environ, reason="takes minutes: make debians"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="needs systemd-nspawn (systemd-container)"),
]
_UNIT = "yp2p@me"


@pytest.fixture(params=SUITES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    base = tmp_path / "debian"
    base.mkdir()
    with machine_of(request.param, base) as made:
        yield made


def _as_me(run: Callable[..., str], *words: str) -> str:
    return run("runuser", "-u", "me", "--", "env", "HOME=/home/me", "XDG_RUNTIME_DIR=/run/yp2p/me", "yp2p", *words)


def _property(run: Callable[..., str], name: str) -> str:
    return run("systemctl", "show", _UNIT, f"--property={name}", "--value")


def _store(machine: Machine) -> bytes:
    return (machine.root / "home/me/.local/state/yp2p/store.db").read_bytes()


def test_a_running_service_is_upgraded_and_a_downgrade_is_refused(machine: Machine, tmp_path: Path) -> None:
    old_wheel = build_wheel(last_with_another_schema(), tmp_path / "old")
    old = with_version(package_for(machine, tmp_path / "deb-old", old_wheel), "0.0.9-1", tmp_path / "deb-old")
    new = package_for(machine, tmp_path / "deb-new")
    machine.run("dpkg", "-i", machine.put(old))
    notes = machine.root / "home/me/notes"
    for package in (old, new):
        shutil.copy(package, machine.root / "root")
    with machine.booted() as run:
        run("systemctl", "enable", "--now", _UNIT)  # as docs/install.md has it
        eventually(lambda: run("systemctl", "is-active", _UNIT) == "active", 30)
        run("runuser", "-u", "me", "--", "sh", "-c", "mkdir /home/me/notes; echo apples >/home/me/notes/list.txt")
        _as_me(run, "share", "/home/me/notes")
        _as_me(run, "wait", "--alone-is-fine", "--timeout", "30")
        process = _property(run, "MainPID")

        run("dpkg", "-i", f"/root/{new.name}")
        assert run("systemctl", "is-active", _UNIT) == "active"
        assert _property(run, "MainPID") != process, "it runs with the new version"
        assert f"schema {SCHEMA_VERSION})" in _as_me(run, "--version")
        _as_me(run, "wait", "--alone-is-fine", "--timeout", "30")
        assert "list.txt" in _as_me(run, "log", "/home/me/notes")
        copy = machine.root / f"home/me/.local/state/yp2p/store.db.schema-{SCHEMA_VERSION - 1}"
        assert copy.exists()

        run("systemctl", "stop", _UNIT)
        before = _store(machine)
        run("dpkg", "-i", f"/root/{old.name}")
        run("sh", "-c", f"systemctl start {_UNIT} || true")
        eventually(lambda: _property(run, "ActiveState") == "failed", 30)
        assert _property(run, "ExecMainStatus") == "10"
        assert _property(run, "NRestarts") == "0", "a restart would not help"
        assert "newer yp2p" in run("journalctl", "-u", _UNIT, "-o", "cat")
        assert _store(machine) == before

        run("dpkg", "-i", f"/root/{new.name}")
        run("systemctl", "reset-failed", _UNIT)
        run("systemctl", "start", _UNIT)
        _as_me(run, "wait", "--alone-is-fine", "--timeout", "30")
        assert (notes / "list.txt").read_text() == "apples\n"
        run("dpkg", "-r", "yp2p")
        assert run("sh", "-c", f"systemctl is-active {_UNIT} || true") != "active"
        assert (notes / "list.txt").read_text() == "apples\n"
