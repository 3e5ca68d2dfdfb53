"""What one program is told beside its text: what of its own was refused, and who else has the file open."""

from __future__ import annotations

import math
import os
import time
from typing import Protocol
from urllib.parse import quote

import trio

from yp2p.errors import FileGone
from yp2p.folder.folder import Folder
from yp2p.programs.awareness_feed import RENEWED_S, AwarenessFeed
from yp2p.programs.programs import PRESENCE_AGE_S, Program, states_for
from yp2p.programs.refusals import READS_ONLY
from yp2p.programs.wanted import Device, Wanted
from yp2p.protocol import awareness
from yp2p.protocol.awareness import as_json
from yp2p.protocol.channel import AwarenessUpdate, Denied, encode
from yp2p.protocol.entries import Kind

# The client ID under which the daemon says who else is there: no document has it.
_DAEMON_CLIENT = 0
_PRESENCE_DELAY_S = 0.05


class Listener(Protocol):
    """Who is told."""

    async def send(self, message: bytes) -> None: ...


class News:
    """For one program."""

    def __init__(self, device: Device, folder: Folder, program: Program, wanted: Wanted) -> None:
        self._device = device
        self._folder = folder
        self._program = program
        self._programs = device.programs(folder)
        self._wanted = wanted
        self._document = folder.catalogue.entries[program.entry].document

    async def run(self, channel: Listener) -> None:
        """What was refused, and who else has the file open and where it is, whenever that changes."""
        folder, program, programs, wanted = self._folder, self._program, self._programs, self._wanted
        feed = AwarenessFeed(programs.clocks(program.entry))
        last = -math.inf
        while True:
            changed = folder.state.changed
            if all(folder is not one for one in self._device.folders):
                raise FileGone(f"this device has left the folder of {wanted.path}")
            if not self._is_its_file():
                raise FileGone("the file is another one by now, or no text any more")
            if program.refusals:
                reasons, program.refusals = dict.fromkeys(program.refusals), []
                await channel.send(encode(Denied("; ".join(reasons))))
            if program.to_give_back is not None:
                word, program.to_give_back = program.to_give_back, None
                await channel.send(encode(AwarenessUpdate(awareness.encode([word]))))
            states = self._as_list() if wanted.takes_others else self._as_states()
            is_due = not wanted.takes_others and trio.current_time() - last >= RENEWED_S
            if (news := feed.news(states, time.time_ns() // 1_000_000, renew=is_due)) is not None:
                programs.told(program, states)
                last = trio.current_time()
                await channel.send(encode(AwarenessUpdate(news)))
            if not wanted.takes_others or programs.is_current(program.entry):
                with trio.move_on_at(math.inf if wanted.takes_others else last + RENEWED_S):
                    await changed.wait()
            delay_s = max(_PRESENCE_DELAY_S, programs.delay_s(program.entry))
            # Not woken by every keystroke meanwhile; and all at one moment, so that what they are told is made once.
            await trio.sleep_until((trio.current_time() // delay_s + 1) * delay_s)

    def _is_its_file(self) -> bool:
        found = self._folder.catalogue.entries.get(self._program.entry)
        return found is not None and found.kind is Kind.TEXT and found.document == self._document

    def _as_list(self) -> dict[int, str]:
        """One awareness state with all others in it."""
        folder, program = self._folder, self._program
        path = folder.catalogue.layout().path_of.get(program.entry, "")
        where = quote(os.fsencode(f"{folder.path}/{path}")) if path else None  # any name, also one that is not UTF-8
        others = self._programs.others(program, self._device.present(folder), self._device.shown_id, PRESENCE_AGE_S)
        is_reader = folder.membership.is_reader
        note = READS_ONLY if is_reader else folder.state.note
        more = f',"note":{as_json(note)},"reader":{as_json(is_reader)}' if note else ""
        return {_DAEMON_CLIENT: f'{{"others":{others},"path":{as_json(where)}{more}}}'}

    def _as_states(self) -> dict[int, str]:
        """Each of the others as an awareness client."""
        folder, program = self._folder, self._program
        path = folder.catalogue.layout().path_of.get(program.entry, "")
        carets = self._programs.carets_besides(program)
        states = states_for(program, carets, self._device.present(folder), self._device.shown_id, path)
        return {client: as_json(state) for client, state in states.items()}
