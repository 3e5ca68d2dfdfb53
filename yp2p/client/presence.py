"""Who has a file open, as a file of this process says and hears it, and what the daemon says of the file itself.

The daemon tells both in one message: the other programs and devices, where the file is by now, what hinders it, and
whether this device may only read it.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import unquote_to_bytes

from yp2p.control.names import is_text
from yp2p.documents.positions import Position
from yp2p.protocol import awareness, channel
from yp2p.protocol.awareness import Presence

_OTHERS = "others"
_LONGEST_NAME = 100


class FilePresence:
    """What was said last of one file, by this process and by the daemon.

    Attributes:
        path: where it is, which changes when it is renamed.
        others: who else has it open (`File.awareness`).
        note: what hinders it on the disk, as a sentence; empty when nothing does.
        is_reader: whether this device may only read the folder; None: nobody said yet.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.others: list[dict[str, Any]] = []
        self.note = ""
        self.is_reader: bool | None = None
        self._own: dict[str, Any] = {}
        self._own_clock = 0  # how often something was said here

    def say(self, name: str | None, cursor: Position | None, anchor: Position | None) -> None:
        """Have this said from now on (`File.set_awareness`). Raises ValueError."""
        if name is not None and not (isinstance(name, str) and len(name) <= _LONGEST_NAME and is_text(name)):
            raise ValueError(f"a name is a text of at most {_LONGEST_NAME} characters, and not {name!r:.50}")
        ends = {"cursor": cursor, "anchor": anchor if anchor != cursor else None}
        for what, end in ends.items():
            if end is not None and not isinstance(end, Position):
                raise ValueError(f"a cursor is a Position, and not {end!r:.50} (its {what})")
        self._own = {
            **({"name": name} if name is not None else {}),
            **{what: end.to_json() for what, end in ends.items() if end is not None},
        }
        self._own_clock += 1

    def message(self, client: int) -> bytes | None:
        """What tells the daemon what was said here; None where nothing was."""
        if not self._own_clock:
            return None
        presence = Presence(client, self._own_clock, self._own)
        return channel.encode(channel.AwarenessUpdate(awareness.encode([presence])))

    def take(self, states: bytes) -> bool:
        """Take what the daemon says; tells whether something is another than before."""
        before = self.others, self.path, self.note
        for presence in awareness.decode(states):
            state = presence.state or {}
            self.others = list(state.get(_OTHERS, []))
            self.note, self.is_reader = str(state.get("note", "")), bool(state.get("reader"))
            if state.get("path"):
                self.path = os.fsdecode(unquote_to_bytes(state["path"]))  # it may have been renamed
        return before != (self.others, self.path, self.note)
