"""`yp2p blame`."""

from __future__ import annotations

from typing import Any

import click

from yp2p.cli.complete import Version
from yp2p.cli.options import call, json_option
from yp2p.cli.output import paged, print_json, say
from yp2p.cli.table import writer_text
from yp2p.cli.when import file_and_when, shown


@click.command()
@click.argument("file", metavar="FILE[@WHEN]", type=Version())
@json_option
def command(file: str, as_json: bool) -> None:
    """Show which device touched each line of FILE last, and when that came here.

    Where changes of several devices met in a line, it says `merged`, and which devices these are.
    """
    path, when = file_and_when(file)
    answer = call("POST", "/v1/history/blame", {"path": path, "when": when})
    if as_json:
        print_json(answer)
        return
    writers = [_writer(line) for line in answer["lines"]]
    width = max(map(len, writers), default=0)
    digits = len(str(len(answer["lines"])))
    with paged():
        for number, (line, writer) in enumerate(zip(answer["lines"], writers, strict=True), 1):
            text = line["text"].removesuffix("\n").removesuffix("\r")
            say(f"{writer:<{width}}  {shown(line['at'])}  {number:>{digits}}  {text}")


def _writer(line: dict[str, Any]) -> str:
    if line.get("merged"):
        return f"merged: {', '.join(line['merged'])}"
    return writer_text([line["device"]], [line["name"]] if line.get("name") else [])
