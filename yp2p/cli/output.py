"""Everything that a command prints goes through here, so that nothing that others wrote can control the terminal.

Theory of operation
    `say` prints lines. Control characters in them, line ends included, are escaped (`printable.py`), so no command has
    to do that itself: a file can have any name. `print_json` prints ASCII. `write_exactly` writes bytes unchanged,
    except to a terminal.

    The output may be closed (Ctrl-C, `| head`), full, or in an encoding that lacks a character. A character that cannot
    be encoded is escaped as well; an output that cannot be written ends the command with one sentence
    (`CannotPrint`).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

import click

from yp2p.cli.pager import Page, pager_command
from yp2p.errors import UsageError, YpError
from yp2p.machine import reason
from yp2p.printable import printable

# A pairing code has nine characters.
_LONGEST_ANSWER = 1000

# Who takes the lines instead of standard output, within `paged`.
_page: Page | None = None


class CannotPrint(YpError):
    """Standard output or standard error takes nothing."""


@contextmanager
def _writing(name: str) -> Iterator[None]:
    """Raises BrokenPipeError: whoever read it has gone. CannotPrint: any other reason."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CannotPrint(f"{name} cannot be written: {reason(error)}") from error


def _stream(err: bool) -> tuple[TextIO | None, str]:
    return (sys.stderr, "standard error") if err else (sys.stdout, "standard output")


def _encoding(stream: TextIO) -> str:
    return stream.encoding or "utf-8"


def _has_colour(stream: TextIO) -> bool:
    """Whether colours are wanted there: on a terminal that has any (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def is_terminal(*, err: bool = False) -> bool:
    """Whether a person looks at what is printed."""
    stream, _ = _stream(err)
    return stream is not None and stream.isatty()


def say(*lines: str, err: bool = False, colour: str | None = None, bold: bool = False) -> None:
    """Print lines, made plain; coloured on a terminal. Raises BrokenPipeError, CannotPrint."""
    stream, name = _stream(err)
    if stream is None:  # it was closed before we began
        return
    encoding = _encoding(stream)
    coloured = _has_colour(stream)
    page = None if err else _page
    with _writing(name):
        for line in lines:
            shown = printable(line).encode(encoding, "backslashreplace").decode(encoding)
            if coloured and (colour or bold):
                shown = click.style(shown, fg=colour, bold=bold or None)
            if page is not None:
                page.add(shown)
            else:
                click.echo(shown, file=stream, color=coloured)


def say_note(*answers: Mapping[str, Any]) -> None:
    """Print what is to be known of the files that the daemon answers of, each sentence once."""
    for note in dict.fromkeys(answer["note"] for answer in answers if answer.get("note")):
        say(f"Note: {note}.", err=True)


def say_anew(*lines: str) -> None:
    """Print lines in the place of all that stands on the terminal; below it where a terminal cannot do that."""
    if is_terminal() and os.environ.get("TERM", "dumb") != "dumb":
        click.clear()
    say(*lines)


class Screen:
    """Lines that stand on the terminal and change in their place; where it cannot do that, each new line is printed."""

    def __init__(self) -> None:
        self._can_move = is_terminal() and os.environ.get("TERM", "dumb") != "dumb"
        self._lines: list[str] = []

    def show(self, lines: list[str]) -> None:
        """These lines, instead of those of the last time. Raises BrokenPipeError, CannotPrint."""
        shown = [printable(line) for line in lines]
        if not self._can_move:
            say(*(line for line in shown if line and line not in self._lines))
        elif shown != self._lines:
            height = shutil.get_terminal_size().lines - 1  # what has left the screen cannot be changed
            up = f"\x1b[{min(len(self._lines), height)}A\r" if self._lines else ""
            body = "".join(f"{line}\x1b[K\n" for line in shown[-height:])
            # Without wrapping, a line of ours is a line of the terminal.
            self._write(f"\x1b[?7l{up}{body}\x1b[J\x1b[?7h")
        self._lines = shown

    def leave(self) -> None:
        """Leave the lines as they are, and the cursor below them."""
        if self._can_move and self._lines:
            self._write("\x1b[?7h")

    def _write(self, text: str) -> None:
        encoding = _encoding(sys.stdout)
        with _writing("standard output"):
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
            sys.stdout.flush()


@contextmanager
def paged() -> Iterator[None]:
    """What is printed meanwhile is shown by the person's pager, if there is a terminal and it is longer than that."""
    global _page
    command = pager_command() if is_terminal() and _page is None else None
    if command is None:
        yield
        return
    page = _page = Page(command, shutil.get_terminal_size().lines, _encoding(sys.stdout))
    try:
        yield
    except BrokenPipeError:  # the person has seen enough
        pass
    finally:
        _page = None
        fitting = page.end()
        with _writing("standard output"):
            for line in fitting:
                click.echo(line, color=_has_colour(sys.stdout))


def print_json(value: Any, *, err: bool = False) -> None:
    """Print a value for programs, in ASCII."""
    # JSON writes out what is below the space and beyond ASCII; one character of the terminal's orders is left.
    say(*json.dumps(value, indent=2).replace("\x7f", "\\u007f").split("\n"), err=err)


def write_exactly(data: bytes) -> None:
    """Write the bytes of a file as they are; on a terminal line by line, made plain."""
    if is_terminal():
        text = data.decode("utf-8", "surrogateescape")
        with paged():
            say(*text.removesuffix("\n").split("\n"))
        return
    if sys.stdout is not None:
        with _writing("standard output"):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


def confirm(question: str, otherwise: str = "Nothing was changed.") -> None:
    """Ask a person; anything but yes raises click.Abort. `otherwise` is what a no comes to.

    Raises UsageError: there is nobody to ask.
    """
    try:
        if sys.stdin is None:
            raise click.Abort
        is_meant = click.confirm(printable(question), err=True)
    except click.Abort:
        if sys.stdin is not None and sys.stdin.isatty():
            raise
        ending = "" if sys.stdin is None else "\n"  # behind the question
        click.echo(ending, nl=False, err=True)
        raise UsageError(
            f"{question!r} needs an answer, and standard input has none: type the command in a terminal, or with --yes"
        ) from None
    if not is_meant:
        if otherwise:
            say(otherwise, err=True)
        raise click.Abort


def ask(question: str) -> str:
    """One line of standard input, asked for where a person sits in front of it.

    Raises:
        UsageError: there is none. click.Abort: the person does not want to.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt(printable(question), err=True))
    line = sys.stdin.buffer.readline(_LONGEST_ANSWER) if sys.stdin is not None else b""
    answer = line.decode("utf-8", "replace").strip()
    if not answer:
        raise UsageError(f"standard input is empty; it has to hold one line: {question[:1].lower()}{question[1:]}")
    return answer


def ask_secret(question: str, *, twice: bool = False) -> str:
    """A passphrase, which is not shown while it is typed; without a terminal a line of standard input. Raises as `ask`.

    Args:
        twice: whether a person has to type it again.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        return ask(question)
    again = "The same once more" if twice else False
    return str(click.prompt(printable(question), hide_input=True, confirmation_prompt=again, err=True))


def flush() -> None:
    """Have written what was printed, while it can still be told that it was not. Raises as `say`."""
    for err in (False, True):
        stream, name = _stream(err)
        if stream is not None:
            with _writing(name):
                stream.flush()


def give_up() -> None:
    """What could not be printed is not tried again by the interpreter at its end, with a traceback."""
    for err in (False, True):
        stream, _ = _stream(err)
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
