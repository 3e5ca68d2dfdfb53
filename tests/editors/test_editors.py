"""Real programs that have a file open while another device's edit arrives, and then save over it.

Every program opens the file, the edit arrives and is rendered under it, the program saves what it has: its own change
and the other's are both there, once. The table in docs/editors.md says how each of them saves.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import unified_diff
from pathlib import Path

import pytest
from lab import Device, devices, eventually, tree, unexpected_lines

pytestmark = [pytest.mark.editors, pytest.mark.timeout(600)]
ROUNDS = int(os.environ.get("YP2P_EDITOR_ROUNDS", "20"))
TEXT = "".join(f"line {number} of the file\n" for number in range(40))
NAME = "notes.txt"


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, *command: str, directory: Path) -> None:
        self._seen = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            environment = {
                "PATH": os.environ["PATH"],
                "TERM": "xterm",
                "HOME": str(directory.parent),
                "LC_ALL": "C.UTF-8",
            }
            os.execvpe(command[0], command, environment)

    def _read(self, limit_s: float) -> bool:
        if not select.select([self._fd], [], [], limit_s)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # EIO: the program has ended
            return False
        self._seen += data
        return bool(data)

    def expect(self, *words: str, limit_s: float = 10) -> str:
        """Read until one of these is on the screen; gives which. What came before it is forgotten."""
        deadline = time.monotonic() + limit_s
        while True:
            for word in words:
                _, found, after = self._seen.partition(word.encode())
                if found:
                    self._seen = after
                    return word
            assert time.monotonic() < deadline, f"none of {words} in {self._seen[-2000:]!r}"
            self._read(0.05)

    def send(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def end(self, limit_s: float = 10) -> None:
        """Wait until the program has ended."""
        deadline = time.monotonic() + limit_s
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            assert time.monotonic() < deadline, f"it does not end: {self._seen[-2000:]!r}"
            self._read(0.02)
        os.close(self._fd)


Arrival = Callable[[], None]


def _vim(path: Path, keys: str, arrive: Arrival, *settings: str) -> None:
    terminal = Terminal("vim", "-u", "NONE", "-N", *settings, path.name, directory=path.parent)
    terminal.expect(path.name)
    arrive()
    terminal.send(keys)
    if terminal.expect("WARNING", "written") == "WARNING":
        terminal.expect("(y/n)")
        terminal.send("y")
        terminal.expect("written")
    terminal.send(":q!\r")
    terminal.end()


def vim(path: Path, token: str, arrive: Arrival) -> None:
    """`:w`, and `y` at the warning that the file has changed."""
    _vim(path, f"5Gcc{token}\x1b:w\r", arrive)


def vim_backup(path: Path, token: str, arrive: Arrival) -> None:
    """vim that renames the file away and writes a new one (backupcopy=no), with a backup."""
    _vim(path, f"7Gcc{token}\x1b:w!\r", arrive, "--cmd", "set backup backupcopy=no")


def vim_unchanged(path: Path, arrive: Arrival) -> None:
    """`:wq` in a vim that nobody typed into."""
    terminal = Terminal("vim", "-u", "NONE", "-N", path.name, directory=path.parent)
    terminal.expect(path.name)
    arrive()
    terminal.send(":w\r")
    if terminal.expect("WARNING", "written") == "WARNING":
        terminal.expect("(y/n)")
        terminal.send("y")
        terminal.expect("written")
    terminal.send(":q\r")
    terminal.end()


def nano(path: Path, token: str, arrive: Arrival) -> None:
    """^O, Enter, and `y` where it asks about a file that changed on disk."""
    terminal = Terminal("nano", "--ignorercfiles", path.name, directory=path.parent)
    terminal.expect("GNU nano")
    terminal.expect("line 0")
    arrive()
    terminal.send(f"{token}\r\x0f")
    terminal.expect("File Name to Write")
    terminal.send("\r")
    if terminal.expect("modified", "Wrote") == "modified":
        terminal.send("y")
        terminal.expect("Wrote")
    terminal.send("\x18")
    terminal.end()


def ed(path: Path, token: str, arrive: Arrival) -> None:
    terminal = Terminal("ed", "-v", path.name, directory=path.parent)
    terminal.expect("\n")
    arrive()
    terminal.send(f"9a\n{token}\n.\nw\n")
    terminal.expect("\n")
    terminal.send("q\n")
    terminal.end()


def sed(path: Path, token: str, arrive: Arrival) -> None:
    """`sed -i` reads and writes at once: it takes its time here, reading a pipe between the two."""
    arrive()
    subprocess.run(["sed", "-i", f"11s/.*/{token}/", path.name], cwd=path.parent, check=True)


def two_writes(path: Path, token: str, arrive: Arrival) -> None:
    """A program that reads, thinks, and writes over the file in place, in two writes."""
    text = path.read_text()
    arrive()
    new = text.replace("line 13 of the file", token)
    with path.open("r+b", buffering=0) as file:
        file.write(new[: len(new) // 2].encode())
        time.sleep(0.05)  # the pace of the program
        file.write(new[len(new) // 2 :].encode())
        file.truncate()


def write_and_rename(path: Path, token: str, arrive: Arrival) -> None:
    """A program that reads, thinks, writes a temporary file beside and renames it over."""
    text = path.read_text()
    arrive()
    temporary = path.with_name("notes.txt.tmp-123~")
    temporary.write_text(text.replace("line 15 of the file", token))
    temporary.rename(path)


def python_open(path: Path, token: str, arrive: Arrival) -> None:
    """A script of another process that keeps the text in memory."""
    script = (
        "import sys\ntext = open('notes.txt').read()\nprint('ready', flush=True)\nsys.stdin.readline()\n"
        f"open('notes.txt', 'w').write(text.replace('line 17 of the file', '{token}'))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=path.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    arrive()
    process.communicate("\n", timeout=10)
    assert process.returncode == 0


PROGRAMS = (vim, vim_backup, nano, ed, sed, two_writes, write_and_rename, python_open)


@contextmanager
def pair(base: Path) -> Iterator[tuple[Device, Device]]:
    with devices(base, "one", "two") as (one, two):
        (one.dir / NAME).write_text(TEXT)
        two.join(one)
        one.wait()
        two.wait()
        yield one, two
        for device in (one, two):
            assert unexpected_lines(device) == []


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_saving_over_what_arrived_meanwhile(tmp_path: Path, program: Callable[..., None]) -> None:
    with pair(tmp_path) as (one, two):
        path, other = one.dir / NAME, two.dir / NAME
        for number in range(ROUNDS):
            for device in (one, two):
                device.wait()
            other.write_text(TEXT)
            eventually(lambda: path.read_text() == TEXT, what="a fresh start")
            one.wait()
            arriving, token = f"arrived-{number}", f"typed-{number}"

            def arrive(arriving: str = arriving) -> None:
                _arrive_at(path, other, arriving)

            program(path, token, arrive)
            eventually(
                lambda: _once(path, arriving, token) and _once(other, arriving, token),  # noqa: B023
                what=lambda: _state(f"round {number} of {program.__name__}", one, two),  # noqa: B023
            )
            two.wait()
            assert path.read_text() == other.read_text()
            assert path.read_text().count("line 35 of the file") == 1
        assert {name for name in tree(one.dir) if not name.endswith("~")} == {NAME}


def cp(path: Path) -> None:
    subprocess.run(["cp", "../old.txt", path.name], cwd=path.parent, check=True)


def git(path: Path) -> None:
    subprocess.run(["git", "checkout", "--quiet", "--force", "HEAD"], cwd=path.parent, check=True)


def rsync(path: Path) -> None:
    """A directory of many files is put back."""
    subprocess.run(["rsync", "--archive", "../old/", "./"], cwd=path.parent, check=True)


@pytest.mark.parametrize("program", [cp, git, rsync], ids=lambda program: program.__name__)
def test_what_replaces_a_file_replaces_what_arrived(tmp_path: Path, program: Callable[[Path], None]) -> None:
    with pair(tmp_path) as (one, two):
        path, other = one.dir / NAME, two.dir / NAME
        (path.parent.parent / "old.txt").write_text(TEXT)
        commands = ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm old")
        for words in commands:
            subprocess.run(["git", *words.split()], cwd=one.dir, check=True)
        old = path.parent.parent / "old"
        old.mkdir()
        changed = TEXT.replace("line 3 of the file", "line 3 of an old copy")
        for name in ("a", "b", "c", "d", "e", "f", "g", "h", "i"):
            (old / name).write_text(f"{name}\n")
        (old / NAME).write_text(changed)
        expected = changed if program is rsync else TEXT
        for number in range(ROUNDS):
            assert path.read_text().startswith("line 0")  # some program has it open
            _arrive_at(path, other, f"arrived-{number}")
            program(path)
            eventually(
                lambda: path.read_text() == other.read_text() == expected,
                what=lambda: _state(f"round {number} of {program.__name__}", one, two),  # noqa: B023
            )
            for device in (one, two):
                device.wait()
            other.write_text(TEXT)
            eventually(lambda: path.read_text() == TEXT, what="a fresh start")


def test_vim_that_saves_what_it_opened_changes_nothing(tmp_path: Path) -> None:
    with pair(tmp_path) as (one, two):
        path, other = one.dir / NAME, two.dir / NAME
        for number in range(ROUNDS):
            vim_unchanged(path, lambda: _arrive_at(path, other, f"arrived-{number}"))  # noqa: B023
            arrived = TEXT.replace("line 30 of the file", f"line 30 arrived-{number}")
            eventually(
                lambda: path.read_text() == other.read_text() == arrived,  # noqa: B023
                what=lambda: _state(f"round {number}", one, two),  # noqa: B023
            )
            for device in (one, two):
                device.wait()
            other.write_text(TEXT)
            eventually(lambda: path.read_text() == TEXT, what="a fresh start")


def test_vim_keeps_both_although_something_else_reads_what_arrives(tmp_path: Path) -> None:
    """Its swap file stands: that an indexer has read what arrived says nothing about the editor."""
    with pair(tmp_path) as (one, two):
        path, other = one.dir / NAME, two.dir / NAME
        for number in range(ROUNDS):
            arriving, token = f"arrived-{number}", f"typed-{number}"

            def arrive(arriving: str = arriving) -> None:
                _arrive_at(path, other, arriving)
                assert arriving in path.read_text()
                one.wait()

            vim(path, token, arrive)
            eventually(
                lambda: _once(path, arriving, token) and _once(other, arriving, token),  # noqa: B023
                what=lambda: _state(f"round {number}", one, two),  # noqa: B023
            )
            for device in (one, two):
                device.wait()
            other.write_text(TEXT)
            eventually(lambda: path.read_text() == TEXT, what="a fresh start")


def _arrive_at(path: Path, other: Path, arriving: str) -> None:
    other.write_text(TEXT.replace("line 30 of the file", f"line 30 {arriving}"))
    _wait_unread(path, arriving)


def _wait_unread(path: Path, arriving: str) -> None:
    """Wait until the edit is on the disk, without reading the file: its size tells."""
    size = len(TEXT) - len("of the file") + len(arriving)
    eventually(lambda: path.stat().st_size == size, what="the other's edit on the disk")


def _state(what: str, *both: Device) -> str:
    """What the files hold that the text of the start does not, and the other way round; and what is beside them."""
    old = TEXT.splitlines()
    said = [what]
    for device in both:
        new = (device.dir / NAME).read_text().splitlines()
        changed = [line for line in unified_diff(old, new, n=0, lineterm="") if line[:1] in "+-"]
        said.append(f"{device.name}: {changed}, files {sorted(tree(device.dir))}, log {device.log.read_text()[-1500:]}")
    return "\n".join(said)


def _once(path: Path, *words: str) -> bool:
    text = path.read_text()
    return all(len(re.findall(re.escape(word) + r"\b", text)) == 1 for word in words)


def test_an_appender_that_keeps_the_file_open(tmp_path: Path) -> None:
    with pair(tmp_path) as (one, two):
        log, other = one.dir / "app.log", two.dir / "app.log"
        log.write_text("the log begins\n")
        eventually(other.exists, what="the log on the other device")
        process = subprocess.Popen(
            ["sh", "-c", 'exec 3>>app.log; while read line; do echo "$line" >&3; done'],
            cwd=one.dir, stdin=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        for number in range(ROUNDS):
            process.stdin.write(f"appended {number}\n")
            process.stdin.flush()
            with other.open("a") as file:
                file.write(f"from elsewhere {number}\n")
            time.sleep(0.1)  # the pace of the program, not a guess
        process.stdin.close()
        assert process.wait(10) == 0
        for number in range(ROUNDS):
            for device in (one, two):
                with (device.dir / "app.log").open("a") as file:
                    file.write(f"{device.name} {number}\n")
            time.sleep(0.02)  # the pace of the programs
        kinds = ("appended", "from elsewhere", "one", "two")
        wanted = [f"{kind} {number}" for kind in kinds for number in range(ROUNDS)]

        def complete() -> bool:
            lines = log.read_text().splitlines()
            return log.read_text() == other.read_text() and all(lines.count(line) == 1 for line in wanted)

        eventually(complete, 30, f"every line once: {log.read_text()}")


def test_a_shell_that_appends(tmp_path: Path) -> None:
    """`>>` does not read: what it adds goes to what is there now."""
    with pair(tmp_path) as (one, two):
        path, other = one.dir / NAME, two.dir / NAME
        for number in range(ROUNDS):
            with other.open("a") as file:
                file.write(f"from two {number}\n")
            size = path.stat().st_size
            eventually(lambda: path.stat().st_size > size, what="the other's line")  # noqa: B023
            subprocess.run(["sh", "-c", f"echo from one {number} >> {NAME}"], cwd=one.dir, check=True)
            one.wait()
            two.wait()
        lines = path.read_text().splitlines()
        assert lines.count("line 3 of the file") == 1
        assert sorted(line for line in lines if line.startswith("from")) == sorted(
            [f"from {name} {number}" for name in ("one", "two") for number in range(ROUNDS)]
        )
        assert path.read_text() == other.read_text()


def test_the_programs_are_there() -> None:
    assert [name for name in ("vim", "nano", "ed", "sed", "git", "rsync") if shutil.which(name) is None] == []
