"""`yp2p client`."""

from __future__ import annotations

import getpass

import click

from yp2p.errors import UsageError

_LONGEST_NAME = 100


@click.command()
@click.option(
    "--as", "name", metavar="NAME", help="What the others see beside your cursor; your login where it is not given."
)
def command(name: str | None) -> None:
    """Connect an editor that has a plugin of Teamtype: no person types this, the plugin starts it in a folder.

    Every text file of a folder can then be edited live, with the cursors and names of the others. The plugin of Neovim
    is told in init.lua, with the marker of yp2p's folders:

    \b
        local teamtype = require("teamtype")
        teamtype.config("yp2p", { cmd = { "yp2p", "client" }, root_markers = ".yp2p" })
        teamtype.enable("yp2p")

    docs/editors.md has the settings of the other plugins. The protocol is JSON-RPC on standard input and output. The
    daemon may restart meanwhile: the editor does not notice.
    """
    if name is not None and not 0 < len(name) <= _LONGEST_NAME:
        raise UsageError(f"NAME has 1 to {_LONGEST_NAME} characters")
    from yp2p.editors.process import run

    run(name or _login())


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
