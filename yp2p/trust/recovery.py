"""Recovery keys: an administrator that is 24 words on paper.

A recovery key is an identity like that of a device, of a seed that is shown once as words (BIP 39, English list, with
its checksum) and kept nowhere. It is let into a folder as an administrator under a name that all of them have, so that
it is listed and can be removed like a device; people are shown the beginning of its ID as well, to tell one from
another. It never connects. Whoever types the words on a device that has the folder makes that device an administrator.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from yp2p.errors import ConfigError, UsageError
from yp2p.identity import SEED_BYTES, DeviceID, Identity, short_id

if TYPE_CHECKING:
    from mnemonic import Mnemonic

# What it is called in the statements; no device is dialled that is called so.
NAME = "recovery key"
WORDS = 24


def is_called_so(name: str) -> bool:
    """Whether nobody could tell a device of this name from a recovery key: in any case, width and spacing."""
    seen = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) != "Cf")
    return f"{' '.join(seen.split())} ".casefold().startswith(f"{NAME} ")


def shown_name(name: str, device: DeviceID) -> str:
    """What people are shown for the name in a statement: `recovery key K7MX2QA`, so that each has its own."""
    return f"{NAME} {short_id(device)}" if name == NAME else name


def checked_name(name: str) -> str:
    """The name of a device. Raises ConfigError: it is called as recovery keys are."""
    if is_called_so(name):
        raise ConfigError(f"no device can be called {name!r}, for recovery keys are: set another name in [device]")
    return name


def words_of(seed: bytes) -> str:
    """The 24 words of a 32-byte seed."""
    return str(_list().to_mnemonic(seed))


def identity_of(words: str) -> Identity:
    """The recovery key of 24 words, in any case and with any white space. Raises UsageError: they are none."""
    found = words.lower().split()
    if len(found) != WORDS:
        raise UsageError(f"a recovery key has {WORDS} words; these are {len(found)}")
    unknown = [word for word in found if word not in _list().wordlist]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no word of a recovery key; is it mistyped?")
    try:
        seed = bytes(_list().to_entropy(found))
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise UsageError("these words are no recovery key: they do not fit each other; is one in another place?")
    return Identity(seed)


@cache
def _list() -> Mnemonic:
    from mnemonic import Mnemonic  # it takes 50 ms, which no start has to wait for

    return Mnemonic("english")
