"""`yp2p read`."""

from __future__ import annotations

import os

import click

from yp2p.cli.options import as_option, call, json_option
from yp2p.cli.output import flush, print_json, say, say_note, write_exactly


@click.command()
@click.argument("file", type=click.Path())
@as_option
@json_option
def command(file: str, name: str | None, as_json: bool) -> None:
    """Print FILE, byte for byte, and on standard error the name of exactly this version: for `yp2p edit --from`. It is
    the last line there: where the folder is paused, another one says so.
    """
    answer = call("POST", "/v1/read", {"path": os.path.abspath(file), "name": name})
    if as_json:
        print_json(answer)
        return
    write_exactly(answer["text"].encode())
    flush()
    say_note(answer)
    say(answer["version"], err=True)
