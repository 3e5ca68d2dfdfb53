"""`yp2p events`, and an event as a line for people, which the page of `yp2p up` shows as well."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from yp2p.cli.complete import Folder
from yp2p.cli.options import folder_name, json_option, size_text
from yp2p.cli.output import flush, say
from yp2p.control.call import EventStream
from yp2p.control.socket import find_control_socket
from yp2p.errors import NotRunning
from yp2p.printable import called, plural

ENDED = "the daemon has ended, and its events with it; `yp2p daemon` or `yp2p up DIR` starts it again"


@click.command()
@click.option(
    "--kind",
    "kinds",
    metavar="KIND",
    multiple=True,
    shell_complete=lambda _context, _parameter, typed: [kind for kind in _LINES if kind.startswith(typed)],
    help="Only events of this kind; may be repeated.",
)
@click.option(
    "--folder",
    metavar="FOLDER",
    type=Folder(),
    callback=lambda _context, _parameter, name: folder_name(name),
    help="Only events of this folder, and those of none.",
)
@click.option("--since", type=int, metavar="ID", help="Begin behind the event with this number.")
@json_option
def command(kinds: tuple[str, ...], folder: str | None, since: int | None, as_json: bool) -> None:
    """Show what happens, as it happens: devices, links, files that changed and on which device, transfers, conflicts.

    Kinds are device, link, folder, member, sync, file, transfer, conflict, notice, offer, presence, and daemon and
    lost, which come in any case. With --json each event is an object on a line of its own (docs/api.md, "Events"). It
    goes on until Ctrl-C, or until the daemon ends: then the exit code is 3.
    """
    query = [("kind", kind) for kind in kinds]
    query += [("folder", folder)] if folder is not None else []
    query += [("since", str(since))] if since is not None else []
    with open_events(query) as events:
        for event in events:
            if as_json:
                say(json.dumps(event).replace("\x7f", "\\u007f"))
            elif text := line(event):
                say(f"{time.strftime('%H:%M:%S', time.localtime(event.get('at')))}  {text}")
            flush()  # whoever reads a pipe wants it now
    raise NotRunning(ENDED)


@contextmanager
def open_events(query: list[tuple[str, str]]) -> Iterator[EventStream]:
    """The events of the daemon of this home. Raises YpError."""
    stream = EventStream(find_control_socket(), query)
    try:
        yield stream
    finally:
        stream.close()


def line(event: dict[str, Any]) -> str:
    """An event for people; empty where it says nothing to them."""
    describe = _LINES.get(event["kind"])
    text = describe(event) if describe is not None else ""  # a later daemon may have others
    return f"{event['label']}: {text}" if text and "label" in event and event["kind"] != "offer" else text


def _daemon(event: dict[str, Any]) -> str:
    return "the daemon is stopping" if event["state"] == "stopping" else ""


def _lost(event: dict[str, Any]) -> str:
    missed = event["missed"]
    return f"{missed:,} events were missed" if missed is not None else "events were missed"


def _folder(event: dict[str, Any]) -> str:
    if event["change"] == "left":
        return "no folder of this device any more"
    where = f"shared here, at {event['path']}; " if event["change"] == "added" else ""
    if event["problem"]:
        return f"{where}{event['problem']}"
    to_fetch = f", {plural(event['to_fetch'], 'file')} to fetch" if event["to_fetch"] else ""
    return (
        f"{where}{event['state']}, {plural(event['entries'], 'file or directory', 'files and directories')}{to_fetch}"
    )


def _device(event: dict[str, Any]) -> str:
    name, change = called(event["name"]), event["change"]
    said = {
        "added": f"{name} takes part from now on",
        "removed": f"{name} takes part no more",
        "renamed": f"a device is called {name} from now on",
        "paused": f"{name} was paused here",
        "unpaused": f"{name} is paused here no more",
    }
    return said.get(change, f"{name}: {change}")


def _link(event: dict[str, Any]) -> str:
    name = called(event["name"])
    if event["connected"]:
        return f"{name} connected, at {event['address']}"
    return f"{name} is not connected: {event['reason']}"


def _member(event: dict[str, Any]) -> str:
    name = called(event["name"])
    said = {"joined": f"{name} joined, as {event['role']}", "left": f"{name} takes part no more"}
    return said.get(event["change"], f"{name} is {event['role']} from now on")


def _sync(event: dict[str, Any]) -> str:
    name = called(event["name"])
    if not event["connected"]:
        return ""  # its link says so
    if event["in_sync"]:
        return f"{name} has all of it"
    behind = f"{plural(event['behind'], 'file')} behind" if event["behind"] else ""
    return f"{name}: {', '.join(filter(None, (event['condition'], behind))) or 'comparing'}"


def _file(event: dict[str, Any]) -> str:
    path = event["path"] if event["was"] is None else f"{event['was']} -> {event['path']}"
    return f"{path} {event['change']} by {' and '.join(event['devices']) or 'somebody'}"


def _transfer(event: dict[str, Any]) -> str:
    what = event["path"] or f"{event['files']:,} {event['type']}"
    way = f"{event['direction']} {what} {'to' if event['direction'] == 'sending' else 'from'} {event['device']}"
    done = size_text(event["bytes_done"])
    if event["ended"]:
        return f"{way}: {done}, done"
    whole = f" of {size_text(event['bytes_total'])}" if event["bytes_total"] is not None else ""
    return f"{way}: {done}{whole}, {size_text(event['bytes_per_s'])}/s"


def _conflict(event: dict[str, Any]) -> str:
    if event["settled"]:
        return f"what was changed apart in {event['path']} is settled"
    return f"{event['path']} was changed on two devices apart (`yp2p conflicts`)"


def _notice(event: dict[str, Any]) -> str:
    return f"{event['path']}: {event['text']}" if event["path"] else str(event["text"])


def _offer(event: dict[str, Any]) -> str:
    if event["open"]:
        return f"{event['name']} offers the folder {event['label']} (`yp2p folder accept`)"
    return f"{event['label']} of {event['name']} is offered no more"


def _presence(event: dict[str, Any]) -> str:
    opened = event["open"]
    return f"{event['name']} has open: {', '.join(opened)}" if opened else f"{event['name']} has nothing open"


_LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "daemon": _daemon, "lost": _lost, "folder": _folder, "device": _device, "link": _link, "member": _member,
    "sync": _sync, "file": _file, "transfer": _transfer, "conflict": _conflict, "notice": _notice, "offer": _offer,
    "presence": _presence,
}  # fmt: skip


class Feed:
    """The events of the daemon, read by a thread: for what is shown until something happens.

    Args:
        kinds: which ones; all, where there are none.

    Raises:
        YpError: nobody answers, or says why not.
    """

    def __init__(self, *kinds: str) -> None:
        self._stream = EventStream(find_control_socket(), [("kind", kind) for kind in kinds])
        self._came: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self.has_ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for event in self._stream:
            with self._news:
                self._came.append(event)
                self._news.notify_all()
        with self._news:
            self.has_ended = True
            self._news.notify_all()

    def take(self, limit_s: float) -> list[dict[str, Any]]:
        """What came since the last call; waits for something, or for the end, but not longer than so."""
        with self._news:
            self._news.wait_for(lambda: self._came or self.has_ended, limit_s)
            came, self._came = self._came, []
            return came

    def close(self) -> None:
        self._stream.interrupt()
        self._thread.join(2)
        self._stream.close()
