"""Every command of the bare wheel, in a terminal: what is imported only there is a dependency as well."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from yp2p.cli.main import COMMANDS

pytestmark = pytest.mark.packaging

YP2P = os.environ.get("YP2P_BARE", "")
_LIMIT_S = 60.0
_CODE = r"\d\d-[A-Z0-9]{3}-[A-Z0-9]{3}"
_FAULTS = ("Traceback", "ModuleNotFoundError", "ImportError")


@contextmanager
def _terminal(home: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command whose terminal this is."""
    environment = os.environ | {
        "YP2P_HOME": str(home), "YP2P_LISTEN__ADDRESS": "127.0.0.1", "YP2P_DISCOVERY__INTERFACES": "127.0.0.1",
        "TERM": "xterm", "COLUMNS": "100",
    }  # fmt: skip
    ours, theirs = pty.openpty()
    process = subprocess.Popen([YP2P, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        yield process, ours
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(10)
        os.close(ours)


def _read(terminal: int, until: str = "") -> str:
    """What a command writes, to its end or until it has written something like this."""
    said, deadline = "", time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:  # its last process has ended
                return said
            said += data.decode(errors="replace")
        if until and re.search(until, said):
            return said
    raise AssertionError(f"it did not end, or say {until!r}: {said}")


def _run(home: Path, *arguments: str) -> tuple[int, str]:
    with _terminal(home, *arguments) as (process, terminal):
        said = _read(terminal)
        code = process.wait(10)
    assert not any(fault in said for fault in _FAULTS), said
    return code, said


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help(command: str, tmp_path: Path) -> None:
    code, said = _run(tmp_path, command, "--help")
    assert (code, "Usage: yp2p" in said) == (0, True), said


def test_two_devices_in_terminals(tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    roots = [tmp_path / "first", tmp_path / "second"]
    for root in roots:
        root.mkdir(parents=True)
    file = roots[0] / "a.txt"
    file.write_text("one\n")
    with _terminal(homes[0], "up", str(roots[0])) as (up, shown), _terminal(homes[1], "daemon") as (other, told):
        said = _read(shown, _CODE)
        code = re.search(_CODE, said)
        assert code is not None, said
        _read(told, "daemon_started")
        assert _run(homes[1], "join", code[0], str(roots[1]))[0] == 0
        for home in homes:
            assert _run(home, "wait", "--timeout", "60")[0] == 0
        assert (roots[1] / "a.txt").read_text() == "one\n"
        file.write_text("one\ntwo\n")
        assert _run(homes[0], "wait", "--timeout", "60")[0] == 0
        for command in (
            ["status"], ["who"], ["log", str(file)], ["show", str(file)], ["blame", str(file)], ["diff", str(file)],
            ["notices"], ["conflicts"], ["trash", "list"], ["bookmark", str(file), "here", "--line", "1"],
            ["undo", str(file)], ["redo", str(file)], ["share", str(roots[0])],
        ):  # fmt: skip
            done, said = _run(homes[0], *command)
            assert done == 0, f"{command}: {said}"
        for home, process in zip(homes, (up, other), strict=True):
            assert _run(home, "stop")[0] == 0
            assert process.wait(10) == 0
