"""What the shell offers for a word that is being typed: directories, folders, devices, versions, what is in the trash.

What only the daemon knows is asked of it, for a moment: without a daemon nothing is offered, and nothing is printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from yp2p.cli.options import call, folder_name, is_typed_path
from yp2p.cli.when import shown
from yp2p.errors import YpError
from yp2p.printable import printable

# A person who pressed Tab does not wait longer.
_TIMEOUT_S = 1.0


# click's own type takes a parameter only since it is generic.
if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType


class _Word(_ParamType):
    """A word that is taken as it is."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value


class Directory(_Word):
    """A directory."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="dir")]


class Folder(_Word):
    """A folder by its label; a directory, where a path is being typed."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        directory = CompletionItem(incomplete, type="dir")
        if incomplete[:1] in (".", "~", "/"):
            return [directory]
        folders = _ask("GET", "/v1/status").get("folders", [])
        found = _items(((folder["label"], folder["path"]) for folder in folders), incomplete)
        return found or [directory] if "/" in incomplete else found


ROLES = ("admin", "member", "reader")


class FolderOrRole(Folder):
    """A folder where a role may stand as well: several words of a kind may come before the last one."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        roles = [CompletionItem(role) for role in ROLES if role.startswith(incomplete)]
        return [*roles, *super().shell_complete(ctx, param, incomplete)]


class Within(_Word):
    """A file or directory of the folder that was named before, whether it is on this disk or not."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if is_typed_path(incomplete):
            return [CompletionItem(incomplete, type="file")]
        asked = {"folder": folder_name(ctx.params.get("folder")), "beneath": incomplete.rpartition("/")[0]}
        names = _ask("POST", "/v1/folder/names", asked) or []
        return _items(((name, "") for name in names), incomplete)


class Device(_Word):
    """A device by its name."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        devices = _ask("GET", "/v1/status").get("devices", [])
        return _items(((device["name"], device["id"]) for device in devices), incomplete)


class Offered(_Word):
    """A folder that another device offers, by its label."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        offers = _ask("GET", "/v1/status").get("offers", {}).get("received", [])
        return _items(((one["label"], one["name"]) for one in offers), incomplete)


class Version(_Word):
    """A file; behind an `@` the number of one of its versions, with its time."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        path, at, _ = incomplete.rpartition("@")
        if not at or os.path.exists(incomplete):
            return [CompletionItem(incomplete, type="file")]
        versions = _ask("POST", "/v1/history/log", {"path": os.path.abspath(path)}).get("versions", [])
        found = [
            (f"{path}@{one['version']}", f"{shown(one['at'])} {', '.join(one['devices'])}")
            for one in versions
            if one["version"] is not None  # of a text
        ]
        return _items(reversed(found), incomplete)


class Pattern(_Word):
    """A pattern; of those that are ignored here, where one is to be ignored no more."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if ctx.info_name != "unignore":
            return [CompletionItem(incomplete, type="file")]
        patterns = _ask("POST", "/v1/folder/ignore", {"folder": ctx.params.get("folder")}).get("here", [])
        return _items(((pattern, "") for pattern in patterns), incomplete)


class Trashed(_Word):
    """A path of the trash."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        items = _ask("POST", "/v1/trash", {"folder": ctx.params.get("folder")})
        return _items(((item["path"], item["removed_at"]) for item in items or []), incomplete)


def _items(offered: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """Those that begin with what was typed; a name that would give the terminal an order is not offered."""
    found: dict[str, str] = {}
    for word, about in offered:
        if word.startswith(incomplete) and printable(word) == word:
            found.setdefault(word, printable(about))
    return [CompletionItem(word, help=about) for word, about in found.items()]


def _ask(method: str, path: str, body: Any = None) -> Any:
    try:
        return call(method, path, body, _TIMEOUT_S)
    except YpError:
        return {}
