"""`yp2p up`: its page on a terminal, through a daemon that runs already, and a daemon in the background."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import YP2P, Device, devices, eventually

_CODE = re.compile(r"\d\d-[0-9A-Z]{3}-?[0-9A-Z]{3}")


def _heed_interrupts() -> None:
    """A shell has what it runs in the background ignore Ctrl-C, and what is ignored stays so."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A command on a terminal of 40 lines, and all that it has written there."""

    def __init__(self, device: Device, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.text = ""
        environment = device.environment | {"TERM": "xterm", "LINES": "40", "COLUMNS": "120"}
        self.process = subprocess.Popen(
            [YP2P, *arguments], env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=_heed_interrupts,
        )  # fmt: skip
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._ours, 65536):
                self.text += part.decode(errors="replace")
        except OSError:
            pass  # the other side was closed

    def shows(self, words: str) -> None:
        eventually(lambda: words in self.text, 20, f"{words!r} in {self.text[-2000:]!r}")

    def codes(self) -> list[str]:
        """The codes that it has shown, each once."""
        return list(dict.fromkeys(_CODE.findall(self.text)))

    def ctrl_c(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(5)
        os.close(self._ours)


@contextmanager
def _terminal(device: Device, *arguments: str) -> Iterator[Terminal]:
    terminal = Terminal(device, *arguments)
    try:
        yield terminal
    finally:
        terminal.close()


def test_the_page_shows_a_code_who_joined_and_the_next_code(tmp_path: Path) -> None:
    one = Device(tmp_path, "one")
    (one.dir / "a.txt").write_text("hello\n")
    with devices(tmp_path, "two") as (two,), _terminal(one, "up", str(one.dir)) as page:
        page.shows("The code is")
        (code,) = page.codes()
        at = f"127.0.0.1:{one.status()['device']['port']}"
        two.cli("join", "--timeout", "40", "--at", at, code, str(two.dir))
        page.shows("two joined")
        eventually(lambda: len(page.codes()) == 2, 20, "a new code")
        page.shows("in sync with two")
        assert "Traceback" not in page.text
        assert "daemon_started" not in page.text, "the log is not on the page"
        assert page.ctrl_c() in (0, 130)
        assert not (one.home / "control.sock").exists(), "the daemon ended with it"


def test_up_shares_through_the_daemon_that_runs(tmp_path: Path) -> None:
    with devices(tmp_path, "one") as (one,):
        shown = one.cli("up", str(one.dir))
        assert "The code is" in shown
        assert "goes on" in shown
        assert one.status()["folders"][0]["path"] == str(one.dir)
        with _terminal(one, "up", str(one.dir)) as page:
            page.shows("The code is")
            assert page.ctrl_c() in (0, 130)
        assert one.status()["device"]["name"] == "one", "the daemon goes on"


def test_a_page_gets_no_code_after_wrong_guesses(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two), _terminal(one, "up", str(one.dir)) as page:
        page.shows("The code is")
        (code,) = page.codes()
        wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
        for _ in range(3):
            assert two.run("join", wrong, str(two.dir)).returncode == 9
        page.shows("Somebody typed wrong codes")
        assert page.codes() == [code]


def test_verbose_is_the_log(tmp_path: Path) -> None:
    one = Device(tmp_path, "one")
    with _terminal(one, "up", "--verbose", str(one.dir)) as page:
        page.shows("daemon_started")
        page.shows("The code is")
        assert "\x1b[J" not in page.text
        page.ctrl_c()


def test_a_daemon_in_the_background(tmp_path: Path) -> None:
    one = Device(tmp_path, "one")
    done = one.run("daemon", "--detach")
    try:
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert one.status()["device"]["name"] == "one"
        log = one.home / "daemon.log"
        assert "daemon_started" in log.read_text()
        assert log.stat().st_mode & 0o777 == 0o600
        again = one.run("daemon", "--detach")
        assert again.returncode == 4
        assert again.stderr.startswith("yp2p: another yp2p daemon")
        assert again.stderr.count("\n") == 1
    finally:
        one.cli("stop")


@pytest.mark.parametrize(("content", "code"), [("[listen]\nprot = 1\n", 6)])
def test_a_start_in_the_background_that_fails_says_why(content: str, code: int, tmp_path: Path) -> None:
    one = Device(tmp_path, "one")
    one.home.mkdir(exist_ok=True)
    (one.home / "config.toml").write_text(content)
    done = one.run("daemon", "--detach")
    assert done.returncode == code
    assert done.stderr.startswith("yp2p: ")


def test_a_start_in_the_background_fails_after_the_fork_as_well(tmp_path: Path) -> None:
    one = Device(tmp_path, "one")
    one.home.mkdir(exist_ok=True)
    (one.home / "device.key").write_text("no key\n")
    done = one.run("daemon", "--detach")
    assert done.returncode == 7
    assert "device.key" in done.stderr
    assert done.stderr.count("\n") == 1
