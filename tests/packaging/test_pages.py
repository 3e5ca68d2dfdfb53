"""Man pages and completions: made from the commands and the example of the settings, so they say all of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from yp2p.cli.group import group
from yp2p.cli.main import COMMANDS
from yp2p.config import TABLES, sections
from yp2p.errors import EXIT_CODES

ROOT = Path(__file__).resolve().parents[2]
_REQUESTS = {".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi", ".br", ".ad", ".nh"}


@pytest.fixture
def manual(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    import manual

    return manual


@pytest.fixture
def shells(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    import shells

    return shells


def _plain(page: str) -> str:
    """A page without what man(7) needs."""
    return re.sub(r"\\f.", "", page).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def _commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    yield context.command_path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(inner, click.Context(inner, context, name))


def test_every_command_has_its_page_with_every_option(manual: ModuleType) -> None:
    pages = {name: _plain(text) for name, text in manual.pages().items()}
    assert pages.keys() == {"yp2p.1", "yp2p.toml.5", *(f"yp2p-{name}.1" for name in COMMANDS)}
    number = 0
    for path, command in _commands(group, click.Context(group, info_name="yp2p")):
        page = pages["-".join(path.split()[:2]) + ".1"]
        assert path in page
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.opts[-1] in page, f"{path} {parameter.opts}"
                number += 1
        for word in re.findall(r"\w+", command.help or ""):
            assert word in page, f"{path}: {word}"
    assert number > 60


def test_the_main_page_lists_commands_and_exit_codes(manual: ModuleType) -> None:
    page = _plain(manual.pages()["yp2p.1"])
    for name, (_, about) in COMMANDS.items():
        assert f"yp2p-{name}(1)\n{about}" in page
    for code, meaning in EXIT_CODES.items():
        assert f"{code}\n{meaning[0].upper()}{meaning[1:]}".replace("`", "") in page


def test_every_setting_is_on_its_page(manual: ModuleType) -> None:
    page = _plain(manual.pages()["yp2p.toml.5"])
    for section, kind in {**sections(), **TABLES}.items():
        heading = f'.SH "[{section}]"' if section in sections() else f'.SH "[[{section}]]"'
        part = page.partition(heading)[2].partition("\n.SH ")[0]
        for setting in kind.__struct_fields__:
            assert re.search(rf"^{setting} = ", part, re.MULTILINE), f"{section}.{setting}"


def test_a_page_has_only_requests_that_there_are(manual: ModuleType) -> None:
    for name, page in manual.pages().items():
        for line in page.splitlines():
            assert line[:1] not in (".", "'") or line.split()[0] in _REQUESTS, f"{name}: {line}"
            assert line, f"{name} has an empty line"
        assert page.count("\\fB") == page.count("\\fR") - page.count("\\fI"), name


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_has_nothing_to_say_against_them(manual: ModuleType, tmp_path: Path) -> None:
    written = manual.write(tmp_path)
    done = subprocess.run(
        ["man", "--warnings", "-l", *map(str, written)], capture_output=True, text=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANPAGER": "cat", "MANWIDTH": "80"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(written) == len(COMMANDS) + 2
    assert "yp2p folder leave" in done.stdout


def test_the_completions_are_those_that_the_command_prints(shells: ModuleType, tmp_path: Path) -> None:
    written = {path.relative_to(tmp_path): path.read_text() for path in shells.write(tmp_path)}
    for shell, place in shells.PLACES.items():
        printed = CliRunner().invoke(group, ["completion", shell], prog_name="yp2p").output
        assert written.pop(Path(place)).strip() == printed.strip()
    assert not written
    assert sys.path[0] != str(ROOT)
