"""Client IDs say what kind of writer they are.

Yjs takes client IDs up to 2**53. Those that a daemon draws or derives itself are in a range of their own, with the
kind of writer above 32 random or derived bits; in an update they take the five bytes that 32 bits take as well. All
other IDs belong to programs, which choose their own. A program whose random ID happens to be in the range (one of
260,000) is looked at more often than it needs to be, and nothing worse.

==========  ========  ===================================================================================
kind        IDs from  what
==========  ========  ===================================================================================
typed       0         what programs write, keystroke by keystroke: where that crosses it is plain Yjs
saved       2**32     saves, scans, imports, undo: somebody looked at a whole text, and wrote another
repair      2**33     what joins two histories that met (`documents/meeting.py`): nobody's edit
taken back  3*2**32   what does not count is taken back (`folder/taking_back.py`), or let go of: because of who may
                      write, and nobody's wish; whose it was is told so (`folder/while_out.py`)
==========  ========  ===================================================================================
"""

from __future__ import annotations

import hashlib
from enum import Enum

_BITS = 32


class Writer(Enum):
    """A kind of writer; the value is what is above the 32 bits of its IDs."""

    TYPED = 0
    SAVED = 1
    REPAIR = 2
    TAKEN_BACK = 3

    @classmethod
    def of(cls, client: int) -> Writer:
        return _KINDS.get(client >> _BITS, cls.TYPED)

    def client_id(self, number: int) -> int:
        """The client ID of this kind with these 32 bits."""
        return self.value << _BITS | number


_KINDS = {writer.value: writer for writer in Writer}


def client_id_from(writer: Writer, *parts: bytes) -> int:
    """A client ID derived from content, never 0: equal content makes equal operations (design, equal stays equal)."""
    digest = hashlib.sha256(b"yp2p client id v1" + b"".join(parts)).digest()
    return writer.client_id(int.from_bytes(digest[:4], "big") or 1)
