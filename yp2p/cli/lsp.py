"""`yp2p lsp`."""

from __future__ import annotations

import click

from yp2p.cli.options import as_option
from yp2p.errors import YpError


@click.command()
@as_option
def command(name: str | None) -> None:
    """Serve an editor that speaks the Language Server Protocol, over standard input and output: no person types this.

    Files of a folder are live in it: what others write comes while they write it (docs/editors.md).
    """
    try:
        from yp2p.lsp import server
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise YpError("`yp2p lsp` needs the package pygls; install it with `pip install 'yp2p[lsp]'`") from None
    server.run(name)
