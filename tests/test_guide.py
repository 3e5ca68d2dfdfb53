"""The guide: every command in it exists with its options, and its console blocks do what they say, in their order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest
from lab import YP2P, Device, eventually, tree, unexpected_lines

from yp2p.cli.group import group
from yp2p.errors import NotRunning

_DOCS = Path(__file__).resolve().parents[1] / "docs"
_GUIDE = (_DOCS / "guide.md").read_text()
_PAGES = ("guide.md", "install.md", "git.md", "files.md", "compared.md")
_LINE = re.compile(r"^(?P<device>[a-z]*)\$ (?P<command>.*)$", re.MULTILINE)
_INLINE = re.compile(r"`(yp2p [^`]+)`")
_CODE = re.compile(r"\d\d-\w{3}-\w{3}")
_LIMIT_S = 60


def _blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Of each command in a console block: the device, the command, and what the page shows of its output."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        found = list(_LINE.finditer(block))
        ends = [*[one.start() for one in found], len(block)][1:]
        for one, end in zip(found, ends, strict=True):
            yield one["device"], one["command"], block[one.end() : end].strip()


def _commands(page: str) -> list[str]:
    """The commands of yp2p on a page, in blocks and in sentences."""
    text = (_DOCS / page).read_text()
    shown = [command for _, command, _ in _blocks(text)] + _INLINE.findall(text)
    return [command for command in shown if command.startswith("yp2p ")]


def _parse(command: str) -> None:
    """Raises click.ClickException: there is no such command, or it has no such option or too many arguments."""
    words = shlex.split(command)[1:]
    context = click.Context(group, info_name="yp2p")
    found: click.Command = group
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        name, inner, rest = found.resolve_command(context, words)
        assert inner is not None
        context, found, words = click.Context(inner, context, name), inner, rest
    if isinstance(found, click.Group) or not words:  # the name of a command, in a sentence
        return
    options = [word.split("=")[0] for word in words if word.startswith("-")]
    if any(word.startswith("-") is False for word in words):
        found.make_context(context.info_name or "", words, parent=context.parent)
        return
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)} | {
        "-h",
        "--help",
    }
    assert set(options) <= known, f"{command}: {options}"


@pytest.mark.parametrize("page", [page for page in _PAGES if (_DOCS / page).exists()])
def test_every_command_is_there_with_its_options(page: str) -> None:
    commands = _commands(page)
    for command in commands:
        try:
            _parse(command)
        except click.ClickException as error:
            pytest.fail(f"docs/{page}: {command}: {error.format_message()}")
    assert page != "guide.md" or len(commands) > 60


def test_a_command_that_is_not_there_is_found() -> None:
    for wrong in (
        "yp2p sahre ~/x",
        "yp2p wait --untill 3",
        "yp2p folder frob notes",
        "yp2p status --nope",
        "yp2p undo a b",
    ):
        with pytest.raises((click.ClickException, AssertionError)):
            _parse(wrong)


class _Room:
    """The devices of the guide, each with a home of its own, and the code that was shown last."""

    def __init__(self, base: Path, **settings: str) -> None:
        self.devices = {name: Device(base, name, **settings) for name in ("laptop", "desktop", "pi")}
        self.code = ""

    def type(self, name: str, command: str) -> str:
        device = self.devices[name]
        home = Path(device.environment["HOME"])
        environment = device.environment | {"PATH": f"{Path(YP2P).parent}:{os.environ['PATH']}"}
        typed = f"{self.code}\n" if command.startswith("yp2p join") else ""
        done = subprocess.run(
            ["bash", "-c", command], input=typed, capture_output=True, text=True, cwd=home, env=environment,
            timeout=_LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}$ {command}\n{done.stdout}{done.stderr}"
        if command.startswith(("yp2p share", "yp2p invite")):
            self.code = done.stdout.strip()
        return done.stdout.strip()

    def settle(self, limit_s: float = 20) -> None:
        """Until each device that runs is in sync with those that it is connected with, or so long."""
        for device in self.devices.values():
            if (device.home / "control.sock").exists():
                device.call("POST", "/v1/wait", {"timeout_s": limit_s}, limit_s + 10)

    def stop(self) -> None:
        for device in self.devices.values():
            device.kill()
            with suppress(NotRunning):  # the page may have started it
                device.call("POST", "/v1/stop", {})


def _follow(room: _Room, text: str) -> int:
    """Type the commands of a page that name a device, and compare what it shows; gives their number."""
    typed = 0
    for device, command, shown in _blocks(text):
        if not device:
            continue
        output = room.type(device, command)
        typed += 1
        room.settle(1 if " pause " in command else 20)  # what is paused is not in sync
        assert _CODE.sub("", output) == _CODE.sub("", shown) or not shown, f"{device}$ {command}: {output}"
    return typed


@pytest.mark.long
def test_the_guide_can_be_followed(tmp_path: Path) -> None:
    room = _Room(tmp_path)
    try:
        assert _follow(room, _GUIDE) > 50
    finally:
        room.stop()
    assert not (tmp_path / "pi/home/control.sock").exists()


_GIT = {f"GIT_{who}_{what}": "me" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def _git(directory: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", directory, *words], capture_output=True, text=True, env=os.environ | _GIT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _repository(directory: Path) -> dict[str, bytes]:
    """All files of a repository but those that a look at it writes."""
    files = tree(directory / ".git")
    return {name: content for name, content in files.items() if name != "index"}


@pytest.mark.long
def test_git_beside_it_does_what_the_page_says(tmp_path: Path) -> None:
    hub, first = tmp_path / "hub.git", tmp_path / "first"
    _git(tmp_path, "init", "-q", "--bare", "-b", "main", str(hub))
    _git(tmp_path, "clone", "-q", str(hub), str(first))
    _git(first, "checkout", "-q", "-B", "main")
    (first / "main.txt").write_text("first line\n")
    _git(first, "add", ".")
    _git(first, "commit", "-qm", "Begin")
    _git(first, "push", "-q", "origin", "main")
    room = _Room(tmp_path, **_GIT)
    text = (_DOCS / "git.md").read_text().replace("git@example.org:code.git", str(hub))
    laptop, desktop = tmp_path / "laptop/code", tmp_path / "desktop/code"
    try:
        for name in ("laptop", "desktop"):
            room.devices[name].start()
        assert _follow(room, text) > 12
        before = _repository(desktop)
        _git(laptop, "checkout", "-q", "feature")
        _git(laptop, "gc", "-q")
        room.settle()
        eventually(lambda: (desktop / "idea.txt").exists())
        assert _repository(desktop) == before, "nothing of a repository travels"
        _git(desktop, "fetch", "-q", str(laptop), "feature:feature")
        _git(desktop, "symbolic-ref", "HEAD", "refs/heads/feature")
        _git(desktop, "reset", "-q")
        for checkout in (laptop, desktop):
            assert _git(checkout, "status", "--short") == ""
            assert _git(checkout, "branch", "--show-current") == "feature"
            _git(checkout, "fsck", "--strict")
        assert _git(laptop, "rev-parse", "HEAD") == _git(desktop, "rev-parse", "HEAD")
        (laptop / "main.txt").write_text("first line\nsecond line\nthird line\n")
        _git(laptop, "commit", "-qam", "A third line")
        eventually(lambda: "third" in (desktop / "main.txt").read_text())
        with pytest.raises(AssertionError, match="would be overwritten"):
            _git(desktop, "pull", "-q", str(laptop), "feature")
        _git(laptop, "add", "-A")
        _git(laptop, "clean", "-fdq")
        assert _git(laptop, "status", "--short") == ""
        assert (laptop / ".yp2p/marker").exists()
        for device in room.devices.values():
            assert not device.log.exists() or unexpected_lines(device) == []
    finally:
        room.stop()
