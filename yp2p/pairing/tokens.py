"""The token of an invite: what is handed to a machine where no person can type a code.

A token holds the Noise key of the device that made it, and a secret of 20 random bytes. From the secret come the
invite's ID, the ID of a look, the pre-shared key of the handshake, and the key of a hint by which only its holder
recognises that device over mDNS. In text it is ``yp2p-`` and 88 characters of base32, the last of them from two check
bytes of SHA-256, so that a letter that was left out is told before anything is tried.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from yp2p.errors import UsageError
from yp2p.identity import KEY_BYTES

_SECRET_BYTES, _CHECK_BYTES = 20, 2
_FORMAT = 1
_PREFIX = "yp2p-"
_TOKEN = re.compile(_PREFIX + r"[a-z2-7]{88}")


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, b"yp2p invite v1 " + purpose, "sha256")


@dataclass(frozen=True, slots=True)
class Token:
    """What is handed to the machine: `str` of it is what a person copies."""

    inviter: bytes  # its Noise key
    secret: bytes

    def __str__(self) -> str:
        body = bytes([_FORMAT]) + self.inviter + self.secret
        body += hashlib.sha256(body).digest()[:_CHECK_BYTES]
        return _PREFIX + base64.b32encode(body).decode().lower()

    def __repr__(self) -> str:
        return "Token(...)"

    @property
    def id(self) -> bytes:
        """16 bytes, which the inviter knows the invite by."""
        return _derived(self.secret, b"id")[:16]

    @property
    def look_id(self) -> bytes:
        """16 bytes by which the inviter knows it of somebody who wants to look, and not to join yet."""
        return _derived(self.secret, b"look")[:16]

    @property
    def psk(self) -> bytes:
        """The pre-shared key of the handshake, 32 bytes."""
        return _derived(self.secret, b"psk")

    @property
    def hint_key(self) -> bytes:
        """What the hint is made with that the inviter announces."""
        return _derived(self.secret, b"hint")


def new_token(inviter: bytes) -> Token:
    """A token with a secret that nobody has seen, of the device with this Noise key."""
    return Token(inviter, secrets.token_bytes(_SECRET_BYTES))


def is_token(text: str) -> bool:
    """Whether somebody meant a token, and no code."""
    return text.strip().lower().startswith(_PREFIX)


def parse_token(text: str) -> Token:
    """Raises UsageError: it is none."""
    bare = text.strip().lower()
    if not _TOKEN.fullmatch(bare):
        raise UsageError(
            f"this is no whole invite: that is {_PREFIX} and 88 letters and digits; copy all that `yp2p invite` prints"
        )
    try:
        data = base64.b32decode(bare.removeprefix(_PREFIX).upper())
    except binascii.Error:
        data = b""
    body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if hashlib.sha256(body).digest()[:_CHECK_BYTES] != check:
        raise UsageError("this invite is mistyped: its check characters do not match")
    if body[0] != _FORMAT:
        raise UsageError("this invite was made by a newer yp2p; install that version here")
    return Token(body[1 : 1 + KEY_BYTES], body[1 + KEY_BYTES :])
