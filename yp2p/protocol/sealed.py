"""A secret in a file that only a passphrase opens.

scrypt (RFC 7914) makes a key of the passphrase and a fresh salt, slowly and with 128 MiB; ChaCha20-Poly1305 (RFC 8439)
seals the secret with it. The key is used once, so the nonce is zero. The first word of the file stands for the
parameters, so a file that somebody made takes no more memory than one of ours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from yp2p.errors import UsageError

SALT_BYTES = 16
_HEADER = "yp2p-sealed-v1"
_LOG_N, _R, _P = 17, 8, 1
_MEMORY_BYTES = 192 << 20  # scrypt takes 128 * r * n of them
_NONCE = bytes(12)


def _key(passphrase: str, salt: bytes) -> bytes:
    password = passphrase.encode("utf-8", "surrogateescape")
    return hashlib.scrypt(password, salt=salt, n=1 << _LOG_N, r=_R, p=_P, maxmem=_MEMORY_BYTES, dklen=32)


def seal(secret: bytes, passphrase: str, salt: bytes, purpose: str) -> str:
    """The text of the file: one line.

    Args:
        salt: 16 fresh random bytes.
        purpose: what the secret is; the file opens for nothing else.
    """
    sealed = ChaCha20Poly1305(_key(passphrase, salt)).encrypt(_NONCE, secret, purpose.encode())
    return f"{_HEADER} {purpose} {base64.b64encode(salt + sealed).decode()}\n"


def unseal(text: str, passphrase: str, purpose: str) -> bytes:
    """The secret. Raises UsageError: the text is no such file, or the passphrase is another one."""
    parts = text.split()
    if len(parts) != 3 or parts[:2] != [_HEADER, purpose]:
        raise UsageError(f"it is not a file that holds an {purpose} as this version of yp2p writes it")
    try:
        data = base64.b64decode(parts[2], validate=True)
    except binascii.Error:
        raise UsageError("it is damaged: a part of it is no base64") from None
    salt, sealed = data[:SALT_BYTES], data[SALT_BYTES:]
    try:
        return ChaCha20Poly1305(_key(passphrase, salt)).decrypt(_NONCE, sealed, purpose.encode())
    except InvalidTag:
        raise UsageError("the passphrase is another one, or the file is damaged") from None
