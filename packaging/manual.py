"""The manual: a page for each command, made from the commands themselves, and one of the settings, from the example.

`pages` gives all of them by their file names. `PYTHONPATH=. python packaging/manual.py DIR` writes them.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from roff import escaped, head, literal, page, prose

from yp2p import __version__
from yp2p.cli.group import group
from yp2p.cli.main import COMMANDS, SECTIONS
from yp2p.errors import EXIT_CODES

ROOT = Path(__file__).resolve().parents[1]
_MANUAL = "yp2p manual"
_KEPT_AS_IT_IS = "\b"
_SECTION = re.compile(r"^#?(\[+)(\w+)\]+$")
_KEY = re.compile(r"^#?(\w+) = (.*)$")
_FILES = (
    ("~/.config/yp2p/config.toml", "The settings; see `yp2p.toml(5)`."),
    ("~/.local/state/yp2p/device.key", "The key of this device. Whoever has it is this device."),
    ("~/.local/state/yp2p/store.db", "What is known of the folders: their history, and who takes part."),
    ("DIR/.yp2p/", "In each folder: its marker, the trash, and what is being written."),
)
_ENVIRONMENT = (
    ("YP2P_HOME", "A directory that holds settings, key, store and socket of a whole device."),
    ("YP2P_SECTION__KEY", "A setting, for example `YP2P_LISTEN__PORT=9727`; it counts before the file."),
    ("YP2P_DEVICE_KEY", "The text of a key file; it counts before all key files."),
    ("NO_COLOR, PAGER", "As everywhere."),
)


def pages() -> dict[str, str]:
    """The pages, by file names such as `yp2p-status.1`."""
    context = click.Context(group, info_name="yp2p")
    found = {"yp2p.1": page(list(_program(context)))}
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        found[f"yp2p-{name}.1"] = page(list(_page_of(command, click.Context(command, context, name))))
    found["yp2p.toml.5"] = page(list(_settings((ROOT / "config/yp2p.example.toml").read_text())))
    return found


def _program(context: click.Context) -> Iterator[str]:
    yield from head("yp2p", 1, __version__, _MANUAL)
    yield from (".SH NAME", prose("yp2p - keep folders the same on every device of a LAN"))
    yield from (".SH SYNOPSIS", r"\fByp2p\fR \fICOMMAND\fR [\fIARGUMENT\fR...]", ".br", r"\fByp2p\fR \fB\-\-version\fR")
    yield from (".SH DESCRIPTION", *_paragraphs(group.help or ""))
    yield ".SH COMMANDS"
    for title, names in SECTIONS.items():
        yield f'.SS "{title}"'
        for name in names:
            yield from (".TP", rf"\fByp2p\-{escaped(name)}\fR(1)", prose(COMMANDS[name][1]))
    yield from _options(group, context)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", rf"\fB{code}\fR", prose(meaning[:1].upper() + meaning[1:] + "."))
    yield from _listed("ENVIRONMENT", _ENVIRONMENT)
    yield from _listed("FILES", _FILES)
    yield from (".SH SEE ALSO", r"\fByp2p.toml\fR(5), \fByp2p\-up\fR(1), \fByp2p\-help\fR(1)")


def _listed(title: str, rows: tuple[tuple[str, str], ...]) -> Iterator[str]:
    yield f".SH {title}"
    for name, about in rows:
        yield from (".TP", rf"\fB{escaped(name)}\fR", prose(about))


def _page_of(command: click.Command, context: click.Context) -> Iterator[str]:
    name = context.command_path.replace(" ", "-")
    yield from head(name, 1, __version__, _MANUAL)
    about = COMMANDS[context.info_name or ""][1].rstrip(".")
    yield from (".SH NAME", prose(f"{name} - {about[:1].lower()}{about[1:]}"))
    yield from (".SH SYNOPSIS", _usage(command, context))
    yield from (".SH DESCRIPTION", *_paragraphs(command.help or ""))
    yield from _options(command, context)
    inner = list(_inner(command, context))
    if inner:
        yield ".SH COMMANDS"
    for each, its_context in inner:
        yield from (f'.SS "{escaped(its_context.command_path)}"', _usage(each, its_context))
        yield from _paragraphs(each.help or "", first=".PP")
        yield from _options(each, its_context, heading=False)
    yield from (".SH EXIT STATUS", prose("0 for success; `yp2p(1)` lists the others."))
    yield from (".SH SEE ALSO", r"\fByp2p\fR(1)")


def _inner(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """The commands of a group, and those of groups in it."""
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        each = command.get_command(context, name)
        if each is not None and not each.hidden:
            its_context = click.Context(each, context, name)
            yield each, its_context
            yield from _inner(each, its_context)


def _usage(command: click.Command, context: click.Context) -> str:
    words = " ".join(rf"\fI{escaped(word)}\fR" for word in command.collect_usage_pieces(context))
    return rf"\fB{escaped(context.command_path)}\fR {words}"


def _paragraphs(text: str, first: str = "") -> Iterator[str]:
    """The text of a help, which click folds but where a paragraph begins with a backspace."""
    for number, paragraph in enumerate(inspect.cleandoc(text.partition("\f")[0]).split("\n\n")):
        lines = paragraph.splitlines()
        if lines[:1] == [_KEPT_AS_IT_IS]:
            yield from literal(lines[1:])
            continue
        if number or first:
            yield ".PP"
        yield prose(" ".join(line.strip() for line in lines))


def _options(command: click.Command, context: click.Context, *, heading: bool = True) -> Iterator[str]:
    records = [parameter.get_help_record(context) for parameter in command.params]
    shown = [record for record in records if record is not None]
    if shown and heading:
        yield ".SH OPTIONS"
    for names, about in shown:
        yield from (".TP", rf"\fB{escaped(names)}\fR", prose(about or "."))


def _settings(example: str) -> Iterator[str]:
    """Of the example: each comment belongs to the section or the key behind it."""
    yield from head("yp2p.toml", 5, __version__, _MANUAL)
    yield from (".SH NAME", prose("yp2p.toml - settings of yp2p"))
    yield from (".SH SYNOPSIS", prose("~/.config/yp2p/config.toml, or config.toml in YP2P_HOME"), ".SH DESCRIPTION")
    told: list[str] = []
    for line in example.splitlines():
        section, key = _SECTION.match(line), _KEY.match(line)
        if section is None and key is None:
            if line.startswith("#"):
                told.append(line.lstrip("# "))
            elif told and not line:  # the head of the file
                yield prose(" ".join(told))
                told = []
            continue
        if section is not None:
            brackets = "[" * len(section[1]), "]" * len(section[1])
            yield f'.SH "{brackets[0]}{section[2]}{brackets[1]}"'
            yield from [prose(" ".join(told))] if told else []
        elif key is not None:
            yield from (".TP", rf"\fB{escaped(key[1])}\fR = {escaped(key[2])}")
            yield prose(" ".join(told) or "The same.")
        told = []
    yield from (".SH SEE ALSO", r"\fByp2p\fR(1)")


def write(directory: Path) -> list[Path]:
    """Write all pages beneath a directory such as share/man; gives them."""
    written = []
    for name, text in pages().items():
        place = directory / f"man{name[-1]}" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        written.append(place)
    return written


if __name__ == "__main__":
    write(Path(sys.argv[1]))
