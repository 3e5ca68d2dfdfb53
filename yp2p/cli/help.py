"""`yp2p help`."""

from __future__ import annotations

import click

from yp2p.cli.output import paged, say
from yp2p.cli.usage import NoSuchCommand


@click.command()
@click.argument("words", metavar="[COMMAND...]", nargs=-1)
@click.pass_context
def command(context: click.Context, words: tuple[str, ...]) -> None:
    """Explain COMMAND, such as `yp2p help device remove`; without one, list all commands."""
    found = context.find_root()
    for word in words:
        group = found.command
        inner = group.get_command(found, word) if isinstance(group, click.Group) else None
        if inner is None:
            if isinstance(group, click.Group):
                raise NoSuchCommand(found, group, word)
            raise click.UsageError(f"'{found.command_path}' has no commands of its own, such as {word}", found)
        found = click.Context(inner, found, word, help_option_names=["-h", "--help"])
    with paged():
        say(*found.get_help().split("\n"))
