"""The MCP server: the tools, as the SDK serves them over standard input and output.

A tool runs in a thread, as it waits for the daemon. What goes wrong in a way that is known is a sentence that the model
reads; anything else is a fault of this program, and the SDK logs it on standard error and says nothing of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

from yp2p import __version__
from yp2p.control.call import call
from yp2p.control.socket import find_control_socket
from yp2p.errors import YpError
from yp2p.mcp.names import Names
from yp2p.mcp.tools import Tools
from yp2p.printable import printable

# Who says nothing of itself.
_NO_NAME = "assistant"
_LONGEST_NAME = 100
_INSTRUCTIONS = """\
Files of folders that people edit at the same time, on several devices. Read a file before you edit it, and give `edit`
the version that `read` told: your edit is made of exactly that version and merged with what others changed since, so
nobody's work is lost. `create_file` makes a file that is not there. Prefer blocks or a diff to the whole text. After an
edit go on from the version that it answers. Where `both` is not empty, look at these lines: others changed them too.
`undo` takes back all that you did.
"""


def make_server(folders: Sequence[str], name: str | None, *, read_only: bool, socket: Path | None = None) -> MCPServer:
    """A server for clients that may see these folders; none: all.

    Args:
        name: by which they edit; None: what the client calls itself.
        socket: the daemon's control socket, where it is another home's.
    """

    def ask(method: str, path: str, body: Any) -> Any:
        return call(socket if socket is not None else find_control_socket(), method, path, body)

    tools = Tools(ask, Names(lambda: ask("GET", "/v1/status", None), folders))
    server = MCPServer("yp2p", instructions=_INSTRUCTIONS, version=__version__, log_level="ERROR")
    looking = (tools.list_files, tools.search, tools.read, tools.history, tools.diff, tools.blame, tools.who)
    changing = () if read_only else (tools.edit, tools.edit_files, tools.create_file, tools.undo)
    for tool in (*looking, *changing):
        is_looking = tool in looking
        # It can be brought back, but a client that asks its user before something is changed is to ask here as well.
        hints = ToolAnnotations(read_only_hint=is_looking, open_world_hint=False, destructive_hint=not is_looking)
        server.add_tool(_served(tool, name), name=tool.__name__, description=inspect.getdoc(tool), annotations=hints)
    return server


def _served(tool: Callable[..., dict[str, Any]], name: str | None) -> Callable[..., Any]:
    """A tool as the SDK calls it: without the name, which the client does not choose for each call."""
    signature = inspect.signature(tool, eval_str=True)
    is_named = "name" in signature.parameters

    async def serve(context: Context[Any, Any], **given: Any) -> dict[str, Any]:
        if is_named:
            given["name"] = name if name is not None else _name_of(context)
        try:
            return await anyio.to_thread.run_sync(functools.partial(tool, **given))
        except YpError as error:
            raise ToolError(str(error)) from None

    own = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Context[Any, Any])
    others = [one for one in signature.parameters.values() if one.name != "name"]
    parameters = [own, *(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in others)]
    serve.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    serve.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": dict[str, Any]}
    serve.__name__, serve.__doc__ = tool.__name__, tool.__doc__
    return serve


def _name_of(context: Context[Any, Any]) -> str:
    """What the client calls itself, as far as that is a name."""
    said = context.session.client_params
    plain = " ".join(printable(said.client_info.name if said is not None else "").split())
    return plain[:_LONGEST_NAME].strip() or _NO_NAME


def run(folders: Sequence[str], name: str | None, *, read_only: bool) -> None:
    """Serve one client over standard input and output, until it goes."""
    make_server(folders, name, read_only=read_only).run("stdio")
