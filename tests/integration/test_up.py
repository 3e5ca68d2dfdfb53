"""`yp2p up`: its page on a terminal, through a daemon that runs already, and a daemon in the background."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lab import Device, devices, eventually
from terminal import Terminal, terminal_of

_CODE = re.compile(r"\d\d-[0-9A-Z]{3}-?[0-9A-Z]{3}")


def _codes(page: Terminal) -> list[str]:
    """The codes that it has shown, each once."""
    return list(dict.fromkeys(_CODE.findall(page.text)))


def test_the_page_shows_a_code_who_joined_and_the_next_code(tmp_path: Path) -> None:
    one = Device(tmp_path, "one")
    (one.dir / "a.txt").write_text("hello\n")
    with devices(tmp_path, "two") as (two,), terminal_of(one, "up", str(one.dir)) as page:
        page.shows("The code is")
        (code,) = _codes(page)
        at = f"127.0.0.1:{one.status()['device']['port']}"
        two.cli("join", "--timeout", "40", "--at", at, code, str(two.dir))
        page.shows("two joined")
        eventually(lambda: len(_codes(page)) == 2, 20, "a new code")
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
        with terminal_of(one, "up", str(one.dir)) as page:
            page.shows("The code is")
            assert page.ctrl_c() in (0, 130)
        assert one.status()["device"]["name"] == "one", "the daemon goes on"


def test_a_page_gets_no_code_after_wrong_guesses(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two), terminal_of(one, "up", str(one.dir)) as page:
        page.shows("The code is")
        (code,) = _codes(page)
        wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
        for _ in range(3):
            assert two.run("join", wrong, str(two.dir)).returncode == 9
        page.shows("Somebody typed wrong codes")
        assert _codes(page) == [code]


def test_verbose_is_the_log(tmp_path: Path) -> None:
    one = Device(tmp_path, "one")
    with terminal_of(one, "up", "--verbose", str(one.dir)) as page:
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
