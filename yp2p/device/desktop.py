"""Telling the person at the desktop: a conflict, a mass deletion that waits, a device that joined.

Theory of operation
    `notify-send` says it, where this process has the session bus of a desktop. It is the whole of the interface that we
    need, and part of every desktop; a D-Bus library would be a dependency for one call. Whoever has something to say
    puts it into a bounded queue and goes on; one task takes from there. What comes within a moment is one notification
    a folder and kind, and there are no more than a few within some seconds: a join with a hundred conflicts is one
    sentence. A `notify-send` that hangs is killed. What it says is in `yp2p notices` and `yp2p status` as well, so that
    nothing is lost where it fails.

    No line of a file is shown: a notification may be seen on a locked screen.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from enum import Enum

import structlog
import trio

from yp2p.config import Notify
from yp2p.folder.folder import Folder
from yp2p.folder.notices import Notice, NoticeKind
from yp2p.printable import printable
from yp2p.trust.membership import Member

_COMMAND = "notify-send"
# More is in one sentence with the others: nobody reads a hundred notifications.
_MOST_WAITING = 256
# What belongs together comes within so long.
_GATHER_S = 1.0
# At most so many at once, and then so long nothing.
_AT_ONCE, _PAUSE_S = 3, 10.0
# It returns at once where anybody shows it; else D-Bus waits for half a minute.
_LIMIT_S = 5.0
_MOST_CHARS = 200

log = structlog.get_logger()


class Subject(Enum):
    """What is told; the value is what several of them are called."""

    CONFLICT = "{} things were changed on several devices at a time; `yp2p conflicts` lists them"
    MASS_DELETION = "{} mass deletions wait for your decision; `yp2p status` says how to answer"
    PURGE = "{} requests to remove the past of files came; `yp2p purge` lists them"
    JOINED = "{} devices joined; `yp2p device list` shows them"


_CONFLICTS = (NoticeKind.CONFLICT_COPY, NoticeKind.BOTH_CHANGED, NoticeKind.DIVERGED)


def has_session_bus(environment: Mapping[str, str]) -> bool:
    """Whether this process belongs to a session that may have a desktop."""
    if environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return True
    runtime = environment.get("XDG_RUNTIME_DIR")
    try:
        return bool(runtime) and stat.S_ISSOCK(os.stat(f"{runtime}/bus").st_mode)
    except OSError:
        return False


def lacks(environment: Mapping[str, str]) -> str:
    """What this process lacks to tell anything on a desktop, and what helps; empty where it has all of it."""
    if not has_session_bus(environment):
        return "there is no session bus ($DBUS_SESSION_BUS_ADDRESS); start the daemon in the session of the desktop"
    if shutil.which(_COMMAND, path=environment.get("PATH")) is None:
        return f"there is no {_COMMAND}; install it (Debian: libnotify-bin)"
    return ""


class Desktop:
    """What is told on the desktop; `is_on` says whether anything is."""

    def __init__(self, settings: Notify, environment: Mapping[str, str] = os.environ) -> None:
        self._command = shutil.which(_COMMAND, path=environment.get("PATH"))
        self._is_possible = not lacks(environment)
        self.use(settings)
        self._queue, self._waiting = trio.open_memory_channel[tuple[str, Subject, str]](_MOST_WAITING)

    def use(self, settings: Notify) -> None:
        """Tell, or do not, from now on."""
        self.is_on = settings.desktop and self._is_possible

    def follow(self, folder: Folder) -> None:
        """Tell what happens in a folder from now on."""
        tell_admission = folder.membership.on_admitted

        def admitted(member: Member) -> None:
            tell_admission(member)
            self._admitted(folder, member)

        folder.membership.on_admitted = admitted
        folder.notices.on_added = lambda notice: self._added(folder, notice)
        folder.state.question.asked = lambda reason: self._tell(
            folder, Subject.MASS_DELETION, f"{reason}. Nothing is done until you decide: `yp2p status`"
        )

    def _added(self, folder: Folder, notice: Notice) -> None:
        if notice.kind is NoticeKind.PURGE_ASKED:
            self._tell(
                folder,
                Subject.PURGE,
                "another device asks to remove the past of files; `yp2p purge` says how to answer",
            )
        if notice.kind in _CONFLICTS and folder.notices.is_own(notice):
            name = notice.path.rpartition("/")[2]
            self._tell(
                folder, Subject.CONFLICT, f"{name} was changed on several devices at a time; `yp2p conflicts` shows how"
            )

    def _admitted(self, folder: Folder, member: Member) -> None:
        if member.identity.device_id != folder.clients.device:
            self._tell(folder, Subject.JOINED, f"{member.name} joined, as {member.role.name.lower()}")

    def _tell(self, folder: Folder, subject: Subject, text: str) -> None:
        if not self.is_on:
            return
        try:
            self._queue.send_nowait((folder.label, subject, text))
        except trio.WouldBlock:
            pass  # so many are one sentence anyway

    async def run(self) -> None:
        """Show what is told, until cancelled."""
        async for first in self._waiting:
            await trio.sleep(_GATHER_S)
            found = [first]
            while self._waiting.statistics().current_buffer_used:
                found.append(self._waiting.receive_nowait())
            about: dict[tuple[str, Subject], list[str]] = {}
            for label, subject, text in found:
                about.setdefault((label, subject), []).append(text)
            for (label, subject), texts in list(about.items())[:_AT_ONCE]:
                await self._show(label, texts[0] if len(texts) == 1 else subject.value.format(len(texts)))
            await trio.sleep(_PAUSE_S)

    async def _show(self, label: str, text: str) -> None:
        assert self._command is not None
        shown = printable(text)
        shown = shown if len(shown) <= _MOST_CHARS else shown[:_MOST_CHARS] + "..."
        body = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")  # some desktops read markup
        command = [self._command, "--app-name=yp2p", "--", f"yp2p: {printable(label)[:_MOST_CHARS]}", body]
        try:
            with trio.fail_after(_LIMIT_S):
                await trio.run_process(command, stdin=b"", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError, trio.TooSlowError) as error:
            log.debug("notification_failed", command=_COMMAND, reason=str(error))
