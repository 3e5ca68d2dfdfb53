"""`yp2p undo` and `yp2p redo`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from yp2p.cli.diffs import print_diff
from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, say, say_note
from yp2p.errors import UsageError
from yp2p.printable import plural

_SHOWN_LINES = 20

_file: Callable[[Any], Any] = click.argument("file", type=click.Path())
_steps: Callable[[Any], Any] = click.option(
    "--steps", default=1, show_default=True, metavar="N", help="How many changes."
)


@click.command()
@_file
@_steps
@click.option("--by", "name", metavar="NAME", help="Take back all that NAME did to FILE, or beneath it.")
@json_option
@click.pass_context
def command(context: click.Context, file: str, steps: int, name: str | None, as_json: bool) -> None:
    """Undo the last change that this device made to FILE. What others wrote stays.

    A change is one save, or what a program typed without a pause. `yp2p redo` makes it again, until something else is
    written. For the other devices it is an edit like any other.

    With --by, all that NAME did (`yp2p edit --as NAME`) is taken back, in a file or in all files of a directory, and
    nothing that anybody else did. `yp2p undo FILE` undoes that.
    """
    if name is None:
        _turn("/v1/undo", file, steps, as_json)
    elif context.get_parameter_source("steps") is not click.core.ParameterSource.DEFAULT:
        raise UsageError("--by takes back all that somebody did; --steps is without it")
    else:
        _take_back(file, name, as_json)


@click.command()
@_file
@_steps
@json_option
def redo(file: str, steps: int, as_json: bool) -> None:
    """Make the change to FILE again that was undone last."""
    _turn("/v1/redo", file, steps, as_json)


def _take_back(file: str, name: str, as_json: bool) -> None:
    answer = call("POST", "/v1/undo/by", {"path": os.path.abspath(file), "name": name})
    if as_json:
        print_json(answer)
        return
    for one in answer:
        print_diff(one["path"], one["diff"], limit=_SHOWN_LINES)
        if one["coarse"]:
            say(f"The history of {one['path']} does not tell of all of it what was removed then.")
    say_note(*answer)


def _turn(url: str, file: str, steps: int, as_json: bool) -> None:
    answer = call("POST", url, {"path": os.path.abspath(file), "steps": steps})
    if as_json:
        print_json(answer)
        return
    if answer["removed"] or answer["revived"]:
        say(f"{'deleted again' if answer['removed'] else 'brought back'}: {answer['path']}")
    print_diff(answer["path"], answer["diff"], limit=_SHOWN_LINES)
    if not answer["removed"] and answer["steps"] < steps:
        were = "was" if answer["steps"] == 1 else "were"
        say(f"There {were} only {plural(answer['steps'], 'change')} to take.")
    say_note(answer)
