"""What several commands share."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Timer
from typing import Any

import click
from click.shell_completion import CompletionItem

from yp2p.errors import NotRunning, UsageError
from yp2p.printable import called, clock_text
from yp2p.printable import size_text as size_text  # sizes are written alike wherever a person reads them

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


as_option: Callable[[Any], Any] = click.option(
    "--as", "name", metavar="NAME", help="What whoever does this is called; it stands in `log`, `blame` and `who`."
)

notify_option: Callable[[Any], Any] = click.option(
    "--notify/--no-notify",
    "notify",
    default=None,
    help="Tell of conflicts and of who joined on the desktop, or do not; without it, [notify] desktop says.",
)


def use_notify(notify: bool | None) -> None:
    """What the option says counts before the settings, also when they are read again."""
    if notify is None:
        return
    os.environ["YP2P_NOTIFY__DESKTOP"] = str(notify).lower()
    from yp2p.daemon import desktop_lacks

    if notify and (reason := desktop_lacks()):
        from yp2p.cli.output import say

        say(f"yp2p: --notify does nothing here: {reason}", err=True)


for_option: Callable[[Any], Any] = click.option(
    "--for", "how_long", metavar="TIME", help="Go on by itself after so long: 30m, 1h, 2d or the like."
)


def pause_body(how_long: str | None) -> dict[str, float]:
    """What `--for TIME` says in a request. Raises UsageError."""
    if how_long is None:
        return {}
    from yp2p.cli.when import duration_s

    return {"for_s": duration_s(how_long)}


def say_until(name: str, until: float | None, command: str) -> None:
    """Until when something is paused, where that ends by itself."""
    if until is not None:
        from yp2p.cli.output import say

        say(f"{called(name)} is paused until {clock_text(until)}. `{command}` ends that sooner.")


def say_unheard(answer: dict[str, Any]) -> None:
    """Say where what was done has to be heard of by other devices, and none of them is connected."""
    if labels := answer.get("unheard"):  # an older daemon does not say it
        from yp2p.cli.output import say

        say(
            f"No other device has heard of this yet, as none that has {', '.join(map(called, labels))} is connected;"
            " they hear of it as soon as one is."
        )


def in_folder(root: str | None) -> str:
    """The option that names a folder in a command to type; nothing where the daemon did not say which it is."""
    return "" if root is None else f" --folder {shlex.quote(root)}"


# Where the folders of the hub are, once a command is about that (`hub.py`).
home_of_hub: str | None = None
NO_HUB = "the hub does not run; `systemctl start yp2p-hub` starts it, `yp2p service install --hub` installs it"


def folder_name(name: str | None) -> str | None:
    """A folder's label, ID or directory as the daemon has to see it: it runs in another directory.

    A word that can be a path from here and a label comes as HERE/./WORD: the directory counts, and then the label.
    """
    if name is None:
        return None
    if name in (".", "..") or os.path.isabs(name):
        return _absolute(name)
    return f"{_absolute('.').rstrip('/')}/./{name}" if os.sep in name or os.path.isdir(_absolute(name)) else name


def _absolute(path: str) -> str:
    """A path from where the person is; for the hub from where its folders are."""
    return os.path.abspath(os.path.join(home_of_hub or "", path))


def _offer_folders(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    from yp2p.cli.complete import Folder

    return Folder().shell_complete(context, parameter, typed)


def _folder_option(about: str) -> Callable[[Any], Any]:
    return click.option(
        "--folder",
        metavar="FOLDER",
        shell_complete=lambda context, parameter, typed: _offer_folders(context, parameter, typed),
        callback=lambda _context, _parameter, name: folder_name(name),
        help=about,
    )


folder_option = _folder_option("Label or directory of the folder; needed where there are several.")
one_folder_option = _folder_option("Only in this folder, by its label or directory; without it, in all.")


# How long a daemon may say nothing before a person is told. What takes long by its nature is not told of.
_SILENCE_S = 5.0
_LONG_BY_NATURE = (
    "/v1/wait", "/v1/check", "/v1/doctor", "/v1/join", "/v1/stop", "/v1/purge", "/v1/edit", "/v1/metrics",
    "/v1/folder/accept", "/v1/folder/leave", "/v1/folder/move", "/v1/history/restore-directory", "/v1/device/rotate",
)  # fmt: skip


@contextmanager
def _told_of_silence(socket: Path) -> Iterator[None]:
    """Say once, on standard error, that the daemon does not answer, when it takes long; whoever asks waits on."""
    timer = Timer(_SILENCE_S, _tell_of_silence, (socket,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tell_of_silence(socket: Path) -> None:
    from yp2p.cli.output import CannotPrint, say
    from yp2p.control.socket import daemon_at

    process = daemon_at(socket)
    who = f"the daemon (process {process})" if process else "the daemon"
    with suppress(CannotPrint, BrokenPipeError):
        say(f"yp2p: {who} has not answered for {_SILENCE_S:g} s; waiting...", err=True)


def call(method: str, path: str, body: Any = None, timeout_s: float | None = None) -> Any:
    """One request to the daemon of this home. Raises YpError."""
    from yp2p.control.call import call as call_daemon
    from yp2p.control.socket import find_control_socket

    socket = find_control_socket()
    is_long = timeout_s is not None or path.startswith(_LONG_BY_NATURE)
    try:
        with nullcontext() if is_long else _told_of_silence(socket):
            return call_daemon(socket, method, path, body, timeout_s)
    except NotRunning:
        if home_of_hub is not None:
            raise NotRunning(NO_HUB) from None
        raise


def absolute(directory: str) -> str:
    """The path as the daemon has to see it: it runs in another directory."""
    if not directory:
        raise UsageError("DIR is empty; name a directory")
    if directory.startswith("~") and not os.path.lexists(directory):
        directory = os.path.expanduser(directory)  # some shells leave `DIR=~/notes` and `--option=~/notes` as they are
    path = _absolute(directory)
    if any("\ud800" <= character <= "\udfff" for character in path):
        raise UsageError(f"{path!r} is not UTF-8; the name of a folder's directory has to be (names in it need not)")
    return path


def is_typed_path(word: str) -> bool:
    """Whether a word that may be a path in a folder is one of this file system: it begins like one."""
    return word in (".", "..") or word.startswith(("/", "./", "../", "~"))


choose_option: Callable[[Any], Any] = click.option(
    "--choose",
    metavar="PATH",
    multiple=True,
    help="Have only PATH of the folder on this disk, a file or a directory in it; may be given several times.",
)


def chosen_paths(names: tuple[str, ...]) -> list[str]:
    """Paths in a folder as the daemon has to see them: one that begins like a path of this file system is one."""
    return [absolute(name) if is_typed_path(name) else name for name in names]


def check_seconds(seconds: float | None) -> float | None:
    """A number of seconds as people may give it."""
    if seconds is not None and not 0 <= seconds < float("inf"):
        raise UsageError(f"{seconds:g} is not a time to wait: give a number of seconds, 0 or more")
    return seconds
