"""The page of `yp2p up`: the code while it is good, the devices, what is on its way, and what happened.

Theory of operation
    A thread follows the events of the daemon, over the control socket, whether it runs in this process or in another
    one, and asks for its status whenever something has happened. `lines` is pure: the page of a status. What is noted
    on it is what `yp2p events` prints. The code is asked for again when it ran out or was used (`share` with `page`);
    after wrong guesses the daemon gives none, and the page says what a person can do. Nor does the page ask for one
    that somebody took back, until somebody shows one again.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from yp2p.cli.events import Feed, line
from yp2p.cli.offers import offer_lines
from yp2p.cli.options import call, size_text
from yp2p.cli.output import Screen
from yp2p.cli.transfers import transfer_table
from yp2p.errors import YpError
from yp2p.printable import minutes_text, plural
from yp2p.sentences import of_folder

# What happens within a moment is shown at once. While nothing happens the code gets older, and rates go to nothing.
_SETTLES_S, _ANEW_S, _TRY_AGAIN_S = 0.3, 2.0, 0.3
# Kinds of events that people want to hear of; the rest is on the page itself.
_NOTED = ("link", "member", "conflict", "notice", "folder")
_EVENTS, _TRANSFERS = 8, 8
# Acknowledgements and the like are less, in bytes a second.
_SHOWN_RATE = 1024
# A code that ends so soon is not shown any more: nobody types it in time.
_LAST_S = 1.0


@dataclass(slots=True)
class Shown:
    """What the page is about: the folder that was shared, and its code until it ends.

    Attributes:
        mark: how many members and wrong codes the folder had then. Where these change, the code may have ended.
        is_taken_back: somebody took the code back.
    """

    shared: dict[str, Any]
    since: float
    mark: tuple[int, int]
    is_taken_back: bool = False

    def left_s(self, now: float) -> float:
        """How long the code is good."""
        return float(self.shared["expires_in_s"]) - (now - self.since) if self.shared["code"] is not None else 0.0


@dataclass(slots=True)
class Traffic:
    """Bytes a second with each device, between two statuses."""

    at: float = 0.0
    bytes: dict[str, tuple[int, int]] = field(default_factory=dict)
    rates: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, status: dict[str, Any], now: float) -> None:
        """What was sent and received until now."""
        found = {one["id"]: (one["sent_bytes"], one["received_bytes"]) for one in status["devices"]}
        passed = now - self.at
        self.rates = {
            device: (max(0, sent - self.bytes[device][0]) / passed, max(0, got - self.bytes[device][1]) / passed)
            for device, (sent, got) in found.items()
            if device in self.bytes and passed > 0
        }
        self.at, self.bytes = now, found


class Page:
    """Stands on the terminal while it is open.

    Args:
        ending: what Ctrl-C does.
    """

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._screen = Screen()
        self._noted: deque[str] = deque(maxlen=_EVENTS)
        self._shown: Shown | None = None
        self._last_noted = ""
        self._traffic = Traffic()
        self._feed: Feed | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Page:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._feed is not None:
            self._feed.close()
        if self._thread.is_alive():
            self._thread.join(2)
        self._screen.leave()

    def show(self, shared: dict[str, Any]) -> None:
        """Begin to show it: the answer of `share`."""
        self._shown = Shown(shared, time.monotonic(), (shared["devices"], -1))
        self._thread.start()

    def note(self, text: str) -> None:
        """A line among what happened."""
        self._noted.append(f"{time.strftime('%H:%M')}  {text}")

    def wait(self) -> None:
        """Until the daemon ends, or Ctrl-C."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            pass

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._feed = Feed(*_NOTED, "transfer", "sync", "offer")
            except YpError:
                self._ended.wait(_TRY_AGAIN_S)  # it is about to start
                continue
            try:
                self._follow(self._feed)
            except YpError:
                pass  # the daemon has ended
            finally:
                self._feed.close()
            return

    def _follow(self, feed: Feed) -> None:
        """Until the daemon ends. Raises YpError."""
        while not (self._ended.is_set() or feed.has_ended):
            status = call("GET", "/v1/status")
            self._renew(status)
            now = time.monotonic()
            self._traffic.take(status, now)
            assert self._shown is not None
            self._screen.show(lines(self._shown, status, self._traffic.rates, list(self._noted), now, self._ending))
            self._ended.wait(_SETTLES_S)
            for event in feed.take(_ANEW_S):
                if (text := noted(event)) and text != self._last_noted:
                    self._last_noted = text
                    self.note(text)

    def _renew(self, status: dict[str, Any]) -> None:
        """Ask for the code again, where the one that is shown ran out or was used. Raises YpError."""
        shown = self._shown
        assert shown is not None
        now = time.monotonic()
        folder = next((f for f in status["folders"] if f["id"] == shown.shared["folder"]), None)
        if folder is None:
            return  # a person left it: it is not shared again behind their back
        mark = (len(folder["devices"]), folder["notices"]["wrong-code"])
        if shown.shared["code"] is None and not shown.shared["locked"]:
            return
        was_taken_back, shown.is_taken_back = shown.is_taken_back, folder["code_taken_back"]
        if shown.is_taken_back:
            return
        if shown.left_s(now) < _LAST_S or mark != shown.mark or was_taken_back:
            shared = call("POST", "/v1/share", {"path": shown.shared["path"], "page": True})
            self._shown = Shown(shared, now, mark)


def noted(event: dict[str, Any]) -> str:
    """An event as a line on the page; empty where it is not for that."""
    is_state = event["kind"] == "folder" and event["change"] == "changed" and not event["problem"]
    return line(event) if event["kind"] in _NOTED and not is_state else ""


def lines(
    shown: Shown,
    status: dict[str, Any],
    rates: dict[str, tuple[float, float]],
    noted: list[str],
    now: float,
    ending: str,
) -> list[str]:
    """The page."""
    found: list[str] = []
    for folder in status["folders"]:
        found += [f"{folder['label']}  {folder['path']}", f"    {of_folder(folder)}"]
    is_here = any(folder["id"] == shown.shared["folder"] for folder in status["folders"])
    found += ["", *(_code(shown, now) if is_here else _not_here(shown)), ""]
    width = max((len(device["name"]) for device in status["devices"]), default=0)
    for device in status["devices"]:
        found.append(f"{device['name']:<{width}}  {_device(device, status, rates)}")
    if status["devices"]:
        found.append("")
    if on_its_way := transfer_table(status, _TRANSFERS):
        found += [*on_its_way, ""]
    if offered := offer_lines(status["offers"]):
        found += [*offered, ""]
    if noted:
        found += [*noted, ""]
    return [*found, ending]


def _device(device: dict[str, Any], status: dict[str, Any], rates: dict[str, tuple[float, float]]) -> str:
    if not device["connected"]:
        return device["reason"] or "not connected"
    members = [member for folder in status["folders"] for member in folder["devices"] if member["id"] == device["id"]]
    behind = sum(member["behind"] or 0 for member in members)
    parts = ["connected"]
    if behind:
        parts.append(f"{plural(behind, 'file')} behind")
    sent, received = rates.get(device["id"], (0.0, 0.0))
    for way, rate in (("sending", sent), ("receiving", received)):
        if rate >= _SHOWN_RATE:
            parts.append(f"{way} {size_text(round(rate))}/s")
    return ", ".join(parts)


def _not_here(shown: Shown) -> list[str]:
    path = shown.shared["path"]
    return [f"{path} is no folder of this device any more. To share it again: yp2p share {shlex.quote(path)}"]


def _code(shown: Shown, now: float) -> list[str]:
    if shown.is_taken_back:
        return [f"The code was taken back. For a new one: yp2p share {shlex.quote(shown.shared['path'])}"]
    if shown.shared["locked"]:
        return ["Somebody typed wrong codes. For a new one: yp2p share DIR"]
    left = shown.left_s(now)
    if left < _LAST_S:
        return ["Only an administrator of this folder can let other devices in (`yp2p device list`)."]
    time_left = minutes_text(left)
    return [
        f"The code is  {shown.shared['code']}  (for {time_left}). On another device, on the same network, type:",
        "",
        "    yp2p daemon --detach",
        "    yp2p join DIR",
        "",
        "where DIR is the directory there; it asks for the code.",
    ]
