"""Who may use the page: codes that are good for one exchange, and the sessions that they were exchanged for.

Theory of operation
    `yp2p open` gets a code from the control socket, which only the user of the daemon may ask. A browser exchanges it,
    once and within a minute, for a token; every request shows that token. Neither is kept: what is kept are digests,
    and they go when the port closes; a daemon that is started anew may take it up while it is open (`kept.py`). So a
    token that leaks later, or that a browser shows to whoever has the port by then, is worth nothing.

    A code and a token have 128 bits and more: nobody finds one by trying, however often. So failed attempts lock nobody
    out, or any program of this machine could keep its user from the page. They are limited in what they cost: beyond
    some a second they are refused without a look at what is said, unless it is right.

    Whoever listens at the number of the port when it has closed may be anybody. So a tab asks for a proof before it
    shows its token and sends what is typed: an HMAC over a number that it chose just now, with the digest of the token
    as the key. Who asks need not say who it is: it gets those of all tokens, and others that are nobody's.

Invariants
    * A code is exchanged once, and not after `CODE_LIFETIME_S`.
    * Whether a secret is right takes as long for any wrong one: all digests of that kind are compared.
    * There are at most `MOST_CODES` codes and `MOST_SESSIONS` sessions; a new one takes the place of the oldest.

Without I/O: the time is an argument, randomness is injected.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CODE_LIFETIME_S = 60.0
_CODE_BYTES, _TOKEN_BYTES = 16, 32
# A person opens the page in a browser or two, now and then anew.
MOST_CODES, MOST_SESSIONS = 8, 16
# What is proved stands in what the proof is of.
_PROVES = "yp2p page: "
# Wrong ones that are answered in a second; a page that was left open asks a few times before it says that it is closed.
_ANSWERED_A_SECOND = 20.0


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who may ask, until the port closes."""

    number: int
    may_write: bool


@dataclass(frozen=True, slots=True)
class _Code:
    number: int
    digest: bytes
    until: float
    may_write: bool


class Sessions:
    """Those of one opening of the port.

    Args:
        random_bytes: gives so many.
        tokens: the digests of those that were good in an earlier run, and whose they are, the oldest first.
    """

    def __init__(self, random_bytes: Callable[[int], bytes], tokens: Mapping[bytes, Session] | None = None) -> None:
        self._random_bytes = random_bytes
        self._codes: list[_Code] = []
        self._tokens = dict(list((tokens or {}).items())[-MOST_SESSIONS:])  # by digest, the oldest first
        self._last_number = max((session.number for session in self._tokens.values()), default=0)
        self._left, self._counted_at = _ANSWERED_A_SECOND, 0.0

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def tokens(self) -> Mapping[bytes, Session]:
        """The digests of those that are good, and whose they are, the oldest first."""
        return self._tokens

    def new_code(self, now: float, *, may_write: bool) -> tuple[int, str]:
        """A code for one exchange, and its number, by which others speak of it."""
        self._last_number += 1
        code = _text(self._random_bytes(_CODE_BYTES))
        made = _Code(self._last_number, _digest(code), now + CODE_LIFETIME_S, may_write)
        self._codes = [*(one for one in self._codes if one.until > now), made][-MOST_CODES:]
        return made.number, code

    def is_waiting(self, number: int, now: float) -> bool:
        """Whether that code can still be exchanged."""
        return any(one.number == number and one.until > now for one in self._codes)

    def was_used(self, number: int) -> bool:
        """Whether the code of that number was exchanged, and its session is still there."""
        return any(session.number == number for session in self._tokens.values())

    def exchange(self, code: str, now: float) -> tuple[str, Session] | None:
        """A token and its session for a code that is good; None for any other."""
        found = [one for one in self._codes if hmac.compare_digest(one.digest, _digest(code))]
        if not found or found[0].until <= now:
            return None
        self._codes.remove(found[0])
        token, session = _text(self._random_bytes(_TOKEN_BYTES)), Session(found[0].number, found[0].may_write)
        while len(self._tokens) >= MOST_SESSIONS:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[_digest(token)] = session
        return token, session

    def of(self, token: str) -> Session | None:
        """The session of a token, if there is one."""
        shown = _digest(token)
        found = [session for digest, session in self._tokens.items() if hmac.compare_digest(digest, shown)]
        return found[0] if found else None

    def proofs(self, nonce: str) -> list[str]:
        """That these tokens are known here: `MOST_SESSIONS` of them, also where there are fewer sessions."""
        keys = list(self._tokens)
        keys += [self._random_bytes(_TOKEN_BYTES) for _ in range(MOST_SESSIONS - len(keys))]
        said = f"{_PROVES}{nonce}".encode("utf-8", "surrogatepass")
        return sorted(hmac.digest(key, said, "sha256").hex() for key in keys)

    def has(self, session: Session) -> bool:
        """Whether its token is good."""
        return session in self._tokens.values()

    def end(self, session: Session) -> None:
        """Its token is good for nothing any more."""
        self._tokens = {digest: one for digest, one in self._tokens.items() if one != session}

    def failed(self, now: float) -> bool:
        """Count a failed attempt; tells whether it is one too many within this second."""
        self._left = min(_ANSWERED_A_SECOND, self._left + (now - self._counted_at) * _ANSWERED_A_SECOND)
        self._counted_at = now
        if self._left < 1:
            return True
        self._left -= 1
        return False


def _text(secret: bytes) -> str:
    return urlsafe_b64encode(secret).rstrip(b"=").decode()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
