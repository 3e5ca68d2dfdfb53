"""`yp2p mcp`."""

from __future__ import annotations

import click

from yp2p.cli.options import as_option, call
from yp2p.errors import UsageError, YpError


@click.command()
@click.option(
    "--folder", "folders", metavar="FOLDER", multiple=True, help="See only this folder; may be there several times."
)
@click.option("--read-only", is_flag=True, help="Have no tools that change anything.")
@as_option
def command(folders: tuple[str, ...], read_only: bool, name: str | None) -> None:
    """Serve the files of folders to one MCP client over standard input and output: no person types this.

    A client lists, reads, searches and edits files, each edit made of the version that was read, and sees who else
    edits (docs/agents.md). Without --as it edits by the name that it gives itself.
    """
    try:
        from yp2p.mcp import server
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "pydantic"):
            raise
        raise YpError("`yp2p mcp` needs the package mcp; install it with `pip install 'yp2p[mcp]'`") from None
    if name is not None and not name.strip():
        raise UsageError("the name of --as is empty")
    call("GET", "/v1/status")  # a client would only see that its tools fail
    server.run(folders, name, read_only=read_only)
