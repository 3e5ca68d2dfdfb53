"""`yp2p show`."""

from __future__ import annotations

import click

from yp2p.cli.complete import Version
from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, write_exactly
from yp2p.cli.when import file_and_when


@click.command()
@click.argument("file", metavar="FILE[@WHEN]", type=Version())
@json_option
def command(file: str, as_json: bool) -> None:
    """Print FILE as it was: byte for byte into a pipe or a file, on a terminal without what would move the cursor.

    WHEN is a version's number from `yp2p log`, or a moment: 18:00, "yesterday 18:00", "2026-11-21 18:00", "2h ago".
    """
    path, when = file_and_when(file)
    answer = call("POST", "/v1/history/show", {"path": path, "when": when})
    if as_json:
        print_json(answer)
        return
    write_exactly(answer["text"].encode())
