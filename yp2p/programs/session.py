"""One program that has one text open, over any channel: what it hears of the text, and of the others."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import trio

from yp2p.documents.provider import Provider
from yp2p.documents.synced import Channel
from yp2p.programs.document import ProgramDocument
from yp2p.programs.echo import Echo
from yp2p.programs.news import News
from yp2p.programs.programs import Program
from yp2p.programs.screen import Screen
from yp2p.programs.wanted import Device, Found, Wanted
from yp2p.protocol.channel import Showed, Shown, Since


class Session:
    """What one program does with the text that it asked for."""

    def __init__(self, device: Device, found: Found, wanted: Wanted) -> None:
        folder, entry = found.folder, found.entry
        self._device = device
        self._folder = folder
        self._programs = device.programs(folder)
        self._wanted = wanted
        self._asked = ExitStack()
        self.live = folder.texts.open(entry.document)
        self._program = Program(entry.id, wanted.client, is_this_file=bool(wanted.file))
        served = self._programs.served
        if found.former_path is not None:
            self._program.is_former = True
            self._program.earlier = served.at(found.former_path) - {entry.document}
        elif not wanted.file and (path := folder.catalogue.layout().path_of.get(entry.id)) is not None:
            self._program.earlier = served.note(path, entry.document)

    @property
    def refused(self) -> int:
        """How often something of what the program wrote was not taken."""
        return self._program.refused

    async def run(self, channel: Channel) -> None:
        """Keep the program in step until the channel ends.

        Raises:
            YpError, CrdtPanic: what it sent, or has, cannot be taken, or the text is not here any more.
        """
        programs, program, live, wanted = self._programs, self._program, self.live, self._wanted
        document = ProgramDocument(
            self._folder,
            live,
            program,
            programs.max_text_bytes,
            programs.displaced_in(live.id),
            is_synced=lambda: provider.synced.is_set(),
            tell=partial(programs.refused, program),
        )
        screen = Screen(live, wanted.client or 0, channel)

        def was_shown(message: Shown | Since | Showed) -> None:
            screen.answered(message) if isinstance(message, Showed) else document.was_shown(message)

        provider = Provider(
            document,
            channel,
            source=program,
            must_relay=lambda source: True,  # nobody else tells it
            on_awareness=lambda data: programs.said(program, data),
            on_shown=was_shown,
            batches=wanted.takes_lists,
            pace_s=live.pace_s,
            was_away=False,  # keystrokes of a restart are merged as all keystrokes are
        )
        programs.add(program)
        try:
            async with trio.open_nursery() as nursery:
                if wanted.is_asked and wanted.client is not None:
                    self._asked.enter_context(live.shown.screens.asking(screen.ask))
                if wanted.is_echoed:
                    echo = Echo(live, program, channel)
                    nursery.start_soon(echo.run)
                news = News(self._device, self._folder, program, wanted)
                nursery.start_soon(news.run, channel)
                await provider.start()
                nursery.cancel_scope.cancel()
        finally:
            self._asked.close()
            screen.end()
            programs.remove(program)
