"""`yp2p open`: the page, in the browser of whoever types it.

The address has a code in it that is good for whoever comes first. Any program of this machine can see what others were
started with, so the browser is not started with the address: it is given a file that only this user can read, which
leads there. The file goes as soon as the code is used, or good for nothing.
"""

from __future__ import annotations

import html
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from yp2p.cli.options import call, json_option
from yp2p.cli.output import print_json, say
from yp2p.control.socket import find_control_socket
from yp2p.errors import UsageError, YpError

# A browser that runs already takes it within a second; one that starts on a small machine takes some.
_PATIENCE_S = 10.0
_PREFIX, _SUFFIX = "open-", ".html"
_OPENER = "xdg-open"


@click.command()
@click.option("--no-browser", is_flag=True, help="Print the address, and start no browser.")
@click.option("--read-only", is_flag=True, help="Open a page that may look at everything, and change nothing.")
@click.option("--close", "is_closing", is_flag=True, help="Close the page, in all browsers.")
@json_option
def command(no_browser: bool, read_only: bool, is_closing: bool, as_json: bool) -> None:
    """Open the page in your browser: what is in sync and what is not, devices, history, conflicts, an editor.

    It is at a port of this machine alone, which is there from now until nobody has used it for half an hour ([page]
    idle_s), or `yp2p open --close`. Where there is no display the address is printed, for a browser on another machine:
    `ssh -L` brings the port there. An address is good for one browser, and for a minute; then open it again.
    """
    if is_closing:
        _close(as_json=as_json, is_alone=not (no_browser or read_only))
        return
    opened = call("POST", "/v1/page/open", {"read_only": read_only})
    if as_json:
        print_json(opened | {"ssh": _tunnel(opened["port"])})
    elif no_browser or not _has_display():
        _print_address(opened)
    else:
        _start_browser(opened)


def _close(*, as_json: bool, is_alone: bool) -> None:
    """Raises UsageError."""
    if not is_alone:
        raise UsageError("--close closes the page; give it without the other options")
    answer = call("POST", "/v1/page/close", {})
    if as_json:
        print_json(answer)
    else:
        say("The page is closed." if answer["closed"] else "The page was not open.")


def _has_display() -> bool:
    """Whether a browser can be started where this is typed."""
    is_there = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return is_there and shutil.which(_OPENER) is not None


def _tunnel(port: int) -> str:
    """The command that brings the port to another machine, under the same number: the page answers to no other one."""
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or "USER"
    return f"ssh -L {port}:127.0.0.1:{port} {user}@{socket.gethostname()}"


def _print_address(opened: dict[str, Any]) -> None:
    say(opened["url"])
    say(
        f"Open this in a browser on this machine, once, in the next {opened['expires_in_s']:.0f} s. For one elsewhere,",
        "run there",
        f"    {_tunnel(opened['port'])}",
        "and open the same address. `yp2p open` makes another address, `yp2p open --close` closes the page.",
        err=True,
    )


def _start_browser(opened: dict[str, Any]) -> None:
    with _file_that_leads_to(opened["url"], opened["expires_in_s"]) as file:
        try:
            subprocess.Popen(
                [_OPENER, str(file)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise YpError(f"{_OPENER}: {error.strerror}; `yp2p open --no-browser` prints the address") from error
        if _state(opened, _PATIENCE_S) == "waiting":
            say(
                "No browser has asked yet. One in a sandbox (Snap, Flatpak) may not read what leads there.",
                "If none comes, open this in one yourself:",
                f"    {opened['url']}",
                err=True,
            )
            if _state(opened, opened["expires_in_s"]) != "used":
                raise YpError("nobody opened the page within a minute; `yp2p open` makes another address")
    what = "" if opened["may_write"] else "It may look, and change nothing. "
    say(f"The page is open. {what}It closes {opened['idle_s'] / 60:.0f} minutes after it was last used.")


def _state(opened: dict[str, Any], wait_s: float) -> str:
    return str(call("POST", "/v1/page/used", {"number": opened["number"], "wait_s": wait_s})["state"])


@contextmanager
def _file_that_leads_to(url: str, lasts_s: float) -> Iterator[Path]:
    """A file that only this user can read, and that a browser goes on from. It is removed at the end.

    Args:
        lasts_s: so long a code is good. Files that are older are of commands that were killed, others of ones that run.

    Raises:
        YpError: it cannot be written.
    """
    directory = find_control_socket().parent
    for left in directory.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > lasts_s:
                left.unlink()
    path = directory / f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w") as file:
            file.write(_leading_to(url))
    except OSError as error:
        raise YpError(f"{path}: {error.strerror}; `yp2p open --no-browser` prints the address") from error
    try:
        yield path
    finally:
        with suppress(OSError):
            path.unlink()


def _leading_to(url: str) -> str:
    quoted = html.escape(url)
    return (
        '<!doctype html><meta charset="utf-8"><title>yp2p</title><meta name="referrer" content="no-referrer">\n'
        f'<meta http-equiv="refresh" content="0; url={quoted}"><a href="{quoted}">yp2p</a>\n'
    )
