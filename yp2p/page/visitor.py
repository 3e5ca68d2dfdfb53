"""Who is at the other end of one connection to the page: what is answered there, and what is refused.

Each request is looked at before its body is read; `listener.py` says in which order, and why.
"""

from __future__ import annotations

from typing import Protocol

import msgspec
import structlog
import trio

from yp2p.control.answers import Answer, error_answer, json_answer
from yp2p.control.requests import Request, request_of
from yp2p.control.routes import Route, Routes
from yp2p.page import guard
from yp2p.page.opened import OpenedPage
from yp2p.page.sessions import Session

_SESSION, _PROOF, _END = "/v1/session", "/v1/session/proof", "/v1/session/end"
# They end the daemon, change who it is, or give out what is for paper: at the terminal.
NOT_FOR_PAGES = frozenset(
    {
        "/v1/stop", "/v1/device/rotate", "/v1/recovery/make", "/v1/recovery/use",
        "/v1/page/open", "/v1/page/used", "/v1/page/close",
    }
)  # fmt: skip
# What a session may ask that only looks, beside every GET. Not `/v1/read`: it shows the reader's name on all devices.
READS = frozenset(
    {
        "/v1/wait", "/v1/logs", "/v1/conflicts", "/v1/conflicts/marked", "/v1/trash", "/v1/bookmarks",
        "/v1/history/log", "/v1/history/deleted", "/v1/history/show", "/v1/history/diff", "/v1/history/blame",
        "/v1/history/authors", "/v1/folder/names", "/v1/folder/files", "/v1/files", "/v1/files/search",
        "/v1/folder/usage", _END,
    }
)  # fmt: skip
# A browser has six to one host, and a WebSocket for each text beside them.
_MOST_KNOWN = 64
# A code, and some room for spaces.
_MAX_SESSION_BYTES = 256

log = structlog.get_logger()


class SessionRequest(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class ProofRequest(msgspec.Struct, forbid_unknown_fields=True):
    nonce: str


class Asked(Protocol):
    """What answers for the page; `listener.Page` does."""

    def keep(self, opened: OpenedPage) -> None: ...

    def idle_s(self) -> float: ...

    def find_live(self, request: Request) -> Route | None: ...

    def find_call(self, request: Request) -> Route | Answer: ...

    def refuse(self, opened: OpenedPage, status: int, reason: str, *, is_attempt: bool = False) -> Answer: ...


class Visitor:
    """Who is at the other end of one connection: decides what is answered there.

    Attributes:
        session: whose token was shown on this connection.
    """

    def __init__(self, page: Asked, opened: OpenedPage) -> None:
        self._page = page
        self._opened = opened
        self.session: Session | None = None

    def find(self, request: Request) -> Route | Answer:
        """The route of a request, or its refusal; the module says in which order."""
        if reason := guard.why_elsewhere(request.method, request.headers, self._opened.address):
            return self._refuse(403, reason)
        if not request.path.startswith("/v1/"):
            if guard.is_part(request.path, request.headers):
                return self._opened.files.find(request)
            return self._refuse(403, "it is asked for by another page")
        live = self._page.find_live(request)
        if not (guard.is_live(request.headers) if live is not None else guard.is_call(request.headers)):
            return self._refuse(403, "it is asked for by another page")
        if request.path in (_SESSION, _PROOF):
            return self._session_routes().find(request)
        if not self._shows_token(guard.live_token(request.headers) if live else guard.bearer(request.headers)):
            reason = "it shows no token that is good; `yp2p open` opens the page"
            return self._page.refuse(self._opened, 401, reason, is_attempt=True)
        return self._of_session(request, live)

    def _of_session(self, request: Request, live: Route | None) -> Route | Answer:
        assert self.session is not None
        if len(self._opened.known()) > _MOST_KNOWN:
            return self._refuse(503, f"the page has {_MOST_KNOWN} connections already")
        if request.path in NOT_FOR_PAGES:
            return self._refuse(403, f"{request.path} is for the command line alone")
        if not self.session.may_write and not self._only_reads(request, live):
            return self._refuse(403, "this page may only look; `yp2p open` opens one that may change something")
        if live is not None:
            return live
        if request.path == _END:
            return Routes([Route("POST", _END, "", answer=self._end)]).find(request)
        return self._page.find_call(request)

    @staticmethod
    def _only_reads(request: Request, live: Route | None) -> bool:
        return live is None and (request.method == "GET" or request.path in READS)

    def _shows_token(self, token: str) -> bool:
        found = self._opened.sessions.of(token) if token else None
        self.session = found or self.session
        if found is not None:
            self._opened.used_at = trio.current_time()
        return found is not None

    def _refuse(self, status: int, reason: str) -> Answer:
        return self._page.refuse(self._opened, status, reason)

    # --- sessions -------------------------------------------------------------------------------------------------

    def _session_routes(self) -> Routes:
        answers = {_SESSION: self._exchange, _PROOF: self._prove}
        found = answers.items()
        return Routes(Route("POST", path, "", answer=one, max_body_bytes=_MAX_SESSION_BYTES) for path, one in found)

    async def _prove(self, request: Request) -> Answer:
        """Prove that the tokens of this opening are known here."""
        try:
            nonce = request_of(request, ProofRequest).nonce
        except msgspec.ValidationError as error:
            return error_answer(f"the request is not valid: {error}", 2, 400)
        return json_answer({"proofs": self._opened.sessions.proofs(nonce)})

    async def _exchange(self, request: Request) -> Answer:
        """Give a token for a code."""
        try:
            code = request_of(request, SessionRequest).code
        except msgspec.ValidationError as error:
            return error_answer(f"the request is not valid: {error}", 2, 400)
        found = self._opened.sessions.exchange(code, trio.current_time())
        if found is None:
            reason = "the code is wrong, was used, or is more than a minute old; `yp2p open` makes another one"
            return self._page.refuse(self._opened, 401, reason, is_attempt=True)
        token, self.session = found
        self._opened.end_others()
        self._opened.used_at = trio.current_time()
        self._page.keep(self._opened)
        changed, self._opened.changed = self._opened.changed, trio.Event()
        changed.set()
        log.info("page_session_begun", may_write=self.session.may_write)
        return json_answer({"token": token, "may_write": self.session.may_write, "idle_s": self._page.idle_s()})

    async def _end(self, request: Request) -> Answer:
        """Forget the token of this session."""
        assert self.session is not None
        self._opened.sessions.end(self.session)
        self._page.keep(self._opened)
        return json_answer({"ended": True}, after=self._opened.end_others)
