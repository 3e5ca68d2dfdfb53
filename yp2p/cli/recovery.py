"""`yp2p recovery make|use`."""

from __future__ import annotations

import shlex

import click

from yp2p.cli.complete import Folder
from yp2p.cli.group import Group
from yp2p.cli.options import call, folder_name, json_option, say_unheard
from yp2p.cli.output import ask_secret, print_json, say

_IN_ROW = 6


@click.group(cls=Group)
def command() -> None:
    """An administrator of a folder that is 24 words on paper, for when every device that may is lost."""


@command.command()
@click.argument("folder", required=False, type=Folder())
@json_option
def make(folder: str | None, as_json: bool) -> None:
    """Make a recovery key for FOLDER (its label or directory), and print its words once.

    Write them down, with the name of the key: the words are stored nowhere. `yp2p device list` shows the key by that
    name, and `yp2p device remove` revokes it.
    """
    answer = call("POST", "/v1/recovery/make", {"folder": folder_name(folder)})
    if as_json:
        print_json(answer)
        return
    words = answer["words"].split()
    for start in range(0, len(words), _IN_ROW):
        say(
            "  ".join(f"{start + n + 1:>2} {word:<8}" for n, word in enumerate(words[start : start + _IN_ROW])).rstrip()
        )
    if name := answer.get("name"):  # an older daemon has one name for all of them
        say("", f"This is {name}, of {answer['folder']}; `yp2p device remove {shlex.quote(name)}` revokes it.")
    say_unheard(answer)


@command.command()
@click.argument("folder", required=False, type=Folder())
@json_option
def use(folder: str | None, as_json: bool) -> None:
    """Make this device an administrator of FOLDER, which it has, with the words of a recovery key.

    It asks for the words, or reads them as a line of standard input.
    """
    words = ask_secret("The 24 words, in order")
    answer = call("POST", "/v1/recovery/use", {"words": words, "folder": folder_name(folder)})
    if as_json:
        print_json(answer)
        return
    key = answer.get("name") or "the recovery key"
    say(f"This device is an administrator of {answer['folder']} now, by {key}.")
    say_unheard(answer)
