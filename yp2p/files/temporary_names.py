"""The names of files in `.yp2p/tmp`: after a crash they tell what each file is for.

<16 hex digits>                      it was being made: what it holds is elsewhere, too
<entry>-<seq>-<content>-<inode>      a replacement (`Purpose`); with another inode, what it has replaced
<the same>.aside                     what makes room for it, where names cannot be exchanged (`replace.py`)
park-<entry>                         it waits until its place is free
left-<entry>-<content>               it is not to be on this disk any more, and may still be written to
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from yp2p.files.root import LEFT, PARKED, TMP
from yp2p.identity import ID_BYTES

# What the old file is called while it makes room, where names cannot be exchanged.
ASIDE = ".aside"
# Of the hash of a version in the name of its temporary file: the store may have been brought back from a backup, and
# then the number of a version is another one's.
_HASH_BYTES = 8

_PURPOSE = re.compile(
    rf"(?P<entry>[0-9a-f]{{{2 * ID_BYTES}}})-(?P<seq>[0-7][0-9a-f]{{15}})"
    rf"-(?P<content>[0-9a-f]{{0,{2 * _HASH_BYTES}}})-(?P<inode>[0-9a-f]{{1,16}})"
)
_PARKED = re.compile(rf"{re.escape(PARKED)}([0-9a-f]{{{2 * ID_BYTES}}})")
_LEFT = re.compile(rf"{re.escape(LEFT)}([0-9a-f]{{{2 * ID_BYTES}}})-([0-9a-f]{{{2 * _HASH_BYTES}}})")
_FRESH = re.compile(rf"{re.escape(TMP)}/[0-9a-f]{{16}}")


@dataclass(frozen=True, slots=True)
class Temporary:
    """A file in `.yp2p/tmp`, ready to be put in place."""

    name: str
    inode: int


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a temporary file is to replace: the version `seq` of an entry, whose SHA-256 begins with `content`."""

    entry: bytes
    seq: int
    content: bytes

    @classmethod
    def of(cls, entry: bytes, seq: int, content: bytes) -> Purpose:
        return cls(entry, seq, content[:_HASH_BYTES])


def purpose_name(purpose: Purpose, inode: int) -> str:
    """What a temporary file is called that is to be put in place."""
    return f"{TMP}/{purpose.entry.hex()}-{purpose.seq:016x}-{purpose.content.hex()}-{inode:x}"


def read_purpose(name: str) -> tuple[Purpose, Temporary] | None:
    """What a replacement is for, from the name of its temporary file, if it is one."""
    found = _PURPOSE.fullmatch(name.rpartition("/")[2])
    if found is None or len(found["content"]) % 2:
        return None
    purpose = Purpose(bytes.fromhex(found["entry"]), int(found["seq"], 16), bytes.fromhex(found["content"]))
    return purpose, Temporary(name, int(found["inode"], 16))


def parked_name(entry: bytes) -> str:
    """Where a file waits until its place is free."""
    return f"{PARKED}{entry.hex()}"


def read_parked(name: str) -> bytes | None:
    """The entry of a parked file, from its name, if it is one."""
    found = _PARKED.fullmatch(name)
    return bytes.fromhex(found[1]) if found is not None else None


def left_name(entry: bytes, content: bytes) -> str:
    """Where the file of an entry goes that is not to be on this disk any more, while it may still be written to."""
    return f"{LEFT}{entry.hex()}-{content[:_HASH_BYTES].hex()}"


def read_left(name: str) -> tuple[bytes, bytes] | None:
    """The entry of such a file, and how its content's hash begins, from the name, if it is one."""
    found = _LEFT.fullmatch(name)
    return (bytes.fromhex(found[1]), bytes.fromhex(found[2])) if found is not None else None


def is_fresh(name: str) -> bool:
    """Whether a file in `.yp2p/tmp` has the name of one that was being made: it holds what is elsewhere, too."""
    return _FRESH.fullmatch(name) is not None
