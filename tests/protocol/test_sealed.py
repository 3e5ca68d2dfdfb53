"""A secret in a file: only its passphrase opens it, for what it was made for."""

from __future__ import annotations

import base64

import pytest

from yp2p.errors import UsageError
from yp2p.protocol import sealed
from yp2p.protocol.sealed import seal, unseal

SALT = bytes(range(16))
# Of `seal(b"a secret", "pass phrase", SALT, "identity")`: a file of today opens with every later version.
TEXT = "yp2p-sealed-v1 identity AAECAwQFBgcICQoLDA0OD/MI11nc//oMD/PCLeEp3jlsc+u8eFN8hA==\n"


def test_what_was_sealed_is_opened() -> None:
    assert seal(b"a secret", "pass phrase", SALT, "identity") == TEXT
    assert unseal(TEXT, "pass phrase", "identity") == b"a secret"
    assert b"a secret" not in base64.b64decode(TEXT.split()[2])


def test_a_guess_costs_a_tenth_of_a_gigabyte() -> None:
    assert 128 * sealed._R << sealed._LOG_N == 128 << 20


@pytest.mark.parametrize(
    ("text", "passphrase", "reason"),
    [
        (TEXT, "pass phrasE", "passphrase is another one"),
        (TEXT.replace("AA", "AB", 1), "pass phrase", "passphrase is another one"),
        (TEXT.replace("identity", "other"), "pass phrase", "not a file that holds"),
        ("", "pass phrase", "not a file that holds"),
        ("yp2p-sealed-v1 identity !!", "pass phrase", "no base64"),
        ("yp2p-sealed-v1 identity AAAA", "pass phrase", "passphrase is another one"),
    ],
)
def test_anything_else_is_not(text: str, passphrase: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        unseal(text, passphrase, "identity")
