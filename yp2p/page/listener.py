"""The port of the page: there while a person wants it, for a browser of this machine, and for nobody without a token.

Theory of operation
    No port is open until `yp2p open` asks for one at the control socket. Then there is one at 127.0.0.1, with a number
    that the kernel chooses, served as the control socket is (`control/server.py`): the same requests have the same
    answers. It closes when nobody with a token has asked for `[page] idle_s`, or `yp2p open --close` says so, and with
    it go all codes, tokens and files of the page: what is left is this object, and the requests that are being carried
    out, to their end. Where the daemon ends to be started anew, and the port can be kept open meanwhile (`kept.py`),
    the page does not close: the next one takes it up, and its tabs go on.

    Who connects may be anybody: another web page in the same browser, another user of this machine. So each request is
    looked at before its body is read (`visitor.py`), in this order: the address that it is for and the page that it is
    from (`guard.py`); whether it is for a file of the page, which has no secret in it; whether it shows a token
    (`sessions.py`); whether pages may ask that at all. The first of these that is not so is the answer, and ends the
    connection.

    What a tab asks before it shows its token, as it may be speaking with somebody else by now, is whether its token is
    known here (`Sessions.proofs`).

    Somebody without a token can open connections all the same. They are few at a time, and the oldest of them gives way
    to a new one: so nobody can hold them all and keep the browser out, which asks as soon as it is connected.

Invariants
    * While the page is closed no port is open, and no code, token or file of it is in memory.
    * Without a token nothing of the device is answered, only files of the page, proofs and refusals.
    * A token is good for one opening of the port: whoever has the number later is told tokens that are worth nothing.
    * A connection that shows no token counts as no use of the page: it does not keep the port open.
    * How many connections there are is bounded, with a token and without, and so is what each may send.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import structlog
import trio

from yp2p.config import Config, expanded
from yp2p.config import Page as Settings
from yp2p.control.answers import Answer, error_answer
from yp2p.control.requests import Request
from yp2p.control.routes import Finder, Route, Routes
from yp2p.control.server import Connection, Manner, to_its_end
from yp2p.control.versions import API, API_HEADER
from yp2p.errors import ListenError, NotInstalled
from yp2p.page import assets
from yp2p.page.kept import Keeper
from yp2p.page.opened import HOST, OpenedPage
from yp2p.page.sessions import CODE_LIFETIME_S, Sessions
from yp2p.page.visitor import Visitor

# Without a token: of a browser that loads the page these are six.
_MOST_UNKNOWN = 16
_BACKLOG = 64
_READ_LIMIT_S = 30.0
# How often it is looked whether anybody still uses it, at least.
_LOOK_S = 60.0
# Refusals are told in the log so often at most.
_TOLD_EVERY_S = 60.0
_MANNER = Manner(
    (*assets.HEADERS, assets.NO_DOCUMENT, (API_HEADER, str(API)), ("cache-control", "no-store")),
    part_limit_s=_READ_LIMIT_S,
)

log = structlog.get_logger()


class Page:
    """The page of one device, open or not. `run` serves it.

    Args:
        read_files: gives the files of a directory; blocks. Raises NotInstalled.
        random_bytes: gives so many.
        keeper: keeps the port open while the daemon is started anew.
    """

    def __init__(
        self,
        settings: Settings,
        read_files: Callable[[Path], Mapping[str, assets.File]] = assets.read,
        random_bytes: Callable[[int], bytes] = os.urandom,
        keeper: Keeper | None = None,
    ) -> None:
        self._settings = settings
        self._keeper = keeper or Keeper()
        self._read_files = read_files
        self._random_bytes = random_bytes
        self._opened: OpenedPage | None = None
        self._wanted = trio.Event()
        self._calls: Finder = Routes([])
        self._live: Finder = Routes([])
        self._refused = Counter[str]()
        self._told_at = -_TOLD_EVERY_S

    def use(self, config: Config) -> None:
        """These settings count from now on."""
        self._settings = config.page

    async def run(self, calls: Finder, live: Finder) -> None:
        """Serve the page whenever it is open, until cancelled.

        Args:
            calls: knows the requests of the control socket.
            live: knows those of the socket for programs.
        """
        self._calls, self._live = calls, live
        try:
            await self._take_up()
            # Of all openings: what is being carried out when the page closes does not keep the next one waiting.
            async with trio.open_nursery() as visits:
                while True:
                    await self._wanted.wait()
                    self._wanted = trio.Event()
                    if self._opened is not None:
                        await self._serve(self._opened, visits)
        finally:
            self._end()

    async def _take_up(self) -> None:
        """Open what an earlier run had open, if that was kept: its tabs are waiting."""
        earlier = self._keeper.take(self._settings.idle_s)
        if earlier is None:
            return
        earlier.sock.close()
        try:
            files = await self._files()
        except NotInstalled:
            self._keeper.forget()
            return
        if self._opened is None:
            self._begin(files)

    async def _files(self) -> Mapping[str, assets.File]:
        """Raises NotInstalled."""
        directory = self._settings.directory
        place = expanded(directory) if directory else assets.PLACE
        try:
            return await trio.to_thread.run_sync(self._read_files, place)
        except NotInstalled:
            if directory:
                raise NotInstalled(
                    f"[page] directory is {directory!r}, and the page is not in it; name the directory that `make web`"
                    " fills, or leave the setting out"
                ) from None
            raise

    def _begin(self, files: Mapping[str, assets.File]) -> None:
        """Open the page, at the port that was kept or at a new one. Raises ListenError."""
        earlier = self._keeper.take(self._settings.idle_s)
        if earlier is None:
            sock = _bound()
            self._keeper.hold(sock)
            self._opened = OpenedPage(sock, Sessions(self._random_bytes), files)
        else:
            self._opened = OpenedPage(
                earlier.sock, Sessions(self._random_bytes, earlier.tokens), files, earlier.unused_s
            )
        self._wanted.set()
        log.info("page_opened", port=self._opened.port, sessions=len(self._opened.sessions))

    def _end(self) -> None:
        """The daemon ends. The port goes on where it is kept."""
        if self._opened is not None:
            self._keeper.used(0.0 if self._opened.known() else trio.current_time() - self._opened.used_at)
        self._shut("the daemon ends")

    async def _serve(self, opened: OpenedPage, visits: trio.Nursery) -> None:
        try:
            with opened.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._close_when_idle, opened)
                    visit = partial(self._visit, opened)
                    await trio.serve_listeners(visit, [opened.listener], handler_nursery=visits)
        except* trio.ClosedResourceError:
            pass  # somebody connected at the moment of the end

    # --- what is asked at the control socket ----------------------------------------------------------------------

    async def open(self, *, may_write: bool) -> dict[str, object]:
        """Open the page if it is closed, and give a code for it, as a part of an address.

        Raises:
            NotInstalled: this installation has no page. ListenError: there is no port.
        """
        if self._opened is None:
            files = await self._files()
            # no await: it is opened once
            if self._opened is None:
                self._begin(files)
        opened = self._opened
        assert opened is not None
        opened.used_at = trio.current_time()
        number, code = opened.sessions.new_code(trio.current_time(), may_write=may_write)
        return {
            "url": f"http://{opened.address}/#open={code}", "port": opened.port, "number": number,
            "may_write": may_write, "expires_in_s": CODE_LIFETIME_S, "idle_s": self._settings.idle_s,
        }  # fmt: skip

    async def used(self, number: int, limit_s: float) -> str:
        """Return when the code of that number can be exchanged no more, or at the limit: `used`, `waiting`, `over`."""
        opened = self._opened
        with trio.move_on_after(limit_s):
            while opened is not None and opened.sessions.is_waiting(number, trio.current_time()):
                with trio.move_on_after(1.0):
                    await opened.changed.wait()
        if opened is None or opened is not self._opened:
            return "over"
        if opened.sessions.is_waiting(number, trio.current_time()):
            return "waiting"
        return "used" if opened.sessions.was_used(number) else "over"

    def close(self, reason: str) -> bool:
        """Close the page, with all that is connected to it; tells whether it was open."""
        self._keeper.forget()
        return self._shut(reason)

    def _shut(self, reason: str) -> bool:
        opened, self._opened = self._opened, None
        if opened is None:
            return False
        opened.close()
        self._tell_refused()
        log.info("page_closed", reason=reason)
        return True

    async def _close_when_idle(self, opened: OpenedPage) -> None:
        while True:
            if opened.known():
                opened.used_at = trio.current_time()
            self._keeper.used(trio.current_time() - opened.used_at)
            left = opened.used_at + self._settings.idle_s - trio.current_time()
            if left <= 0:
                self.close("nobody used it")
            await trio.sleep(min(max(left, 0.0), _LOOK_S))

    # --- what is asked at its port --------------------------------------------------------------------------------

    async def _visit(self, opened: OpenedPage, stream: trio.SocketStream) -> None:
        """One connection, to its end."""
        async with to_its_end(stream):
            if opened is not self._opened:
                return  # it closed before this began
            visitor = Visitor(self, opened)
            unknown = [connection for one, connection in opened.visitors.items() if one.session is None]
            if len(unknown) >= _MOST_UNKNOWN:
                unknown[0].end()
            opened.visitors[visitor] = connection = Connection(stream, visitor, _MANNER)
            try:
                await connection.serve()
            finally:
                del opened.visitors[visitor]
                if visitor.session is not None:
                    opened.used_at = trio.current_time()

    def keep(self, opened: OpenedPage) -> None:
        """Other tokens than before are good at it."""
        if opened is self._opened:
            self._keeper.save(opened.sessions.tokens)

    def idle_s(self) -> float:
        """So long nobody has to use it until it closes."""
        return self._settings.idle_s

    def find_live(self, request: Request) -> Route | None:
        """The WebSocket at this path, if there is one."""
        found = self._live.find(request)
        return found if isinstance(found, Route) and found.live is not None else None

    def find_call(self, request: Request) -> Route | Answer:
        return self._calls.find(request)

    def refuse(self, opened: OpenedPage, status: int, reason: str, *, is_attempt: bool = False) -> Answer:
        """The answer that it is not answered, which is counted.

        Args:
            is_attempt: whether a secret was wrong.
        """
        self._refused[reason] += 1
        now = trio.current_time()
        if now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            self._tell_refused()
        if is_attempt and opened.sessions.failed(now):
            return error_answer("too many attempts that were wrong; ask again in a second", 1, 429)
        return error_answer(f"this is refused: {reason}", 1, status)

    def _tell_refused(self) -> None:
        if self._refused:
            log.info("page_refused", reasons=dict(self._refused))
            self._refused.clear()


def _bound() -> socket.socket:
    """A port of this machine alone. Raises ListenError."""
    try:
        return socket.create_server((HOST, 0), backlog=_BACKLOG)
    except OSError as error:
        raise ListenError(f"there is no port at {HOST} for the page: {os.strerror(error.errno or 0)}") from error
