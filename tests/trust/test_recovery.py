"""Recovery keys: 24 words are a key, and words that were mistyped are none."""

from __future__ import annotations

import pytest

from yp2p.errors import ConfigError, UsageError
from yp2p.identity import Identity
from yp2p.trust import recovery
from yp2p.trust.recovery import identity_of, words_of

SEED = bytes(range(32))
# BIP 39, test vectors of the reference implementation: 256 bits of zeros.
ZEROS = "abandon " * 23 + "art"


def test_words_are_a_seed_in_the_standard_way() -> None:
    assert words_of(bytes(32)) == ZEROS
    assert identity_of(words_of(SEED)) == Identity(SEED)
    assert identity_of("  " + words_of(SEED).upper().replace(" ", "\n\t")) == Identity(SEED)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "has 24 words; these are 0"),
        (ZEROS + " art", "these are 25"),
        (ZEROS.replace("art", "arts"), "'arts' is no word"),
        (ZEROS.replace("art", "able"), "do not fit each other"),
    ],
)
def test_what_was_mistyped_is_said(words: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        identity_of(words)


@pytest.mark.parametrize("name", ["recovery key", " Recovery  Key"])
def test_no_device_is_called_like_a_recovery_key(name: str) -> None:
    with pytest.raises(ConfigError, match="another name"):
        recovery.checked_name(name)
    assert recovery.checked_name("recovery keys") == "recovery keys"


def test_each_key_is_shown_by_a_name_that_no_device_may_have() -> None:
    one, other = (Identity(bytes([number]) * 32).device_id for number in (1, 2))
    shown = [recovery.shown_name(recovery.NAME, device) for device in (one, other)]
    assert len(set(shown)) == 2
    for name in shown:
        assert recovery.is_called_so(name)
        with pytest.raises(ConfigError, match="another name"):
            recovery.checked_name(name)
    assert recovery.shown_name("phone", one) == "phone"
