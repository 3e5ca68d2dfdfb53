"""The folders that the settings name are shared or joined at a start, for machines where nobody types a command.

`[[folders]]` names directories. One that is a folder of this device already is left as it is: the settings only begin
things, and what people do afterwards counts. So a restart changes nothing, a folder that is taken out of the settings
stays, and one that a person left here (`yp2p folder leave`) is not begun again, until a person shares or joins it. Any
other directory is shared, or joined with an invite or through a device that names this one in its own settings
(`introductions.py`). What fails, because nobody answers yet, a disk is not mounted or a file is missing, is tried again
with longer and longer pauses. After a refused invite the next attempt is an hour away: it was used up or has expired,
which only a person can change.

What has not worked yet is in `problems`, for `status`, and in the log when it changes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import structlog
import trio

from yp2p.config import SharedFolder, expanded
from yp2p.device.folders import Folders
from yp2p.device.introductions import Introductions
from yp2p.device.sharing import Sharing
from yp2p.errors import ConfigError, FolderError, InviteRefused, PairingError, UsageError, YpError
from yp2p.machine import Patience, read_regular, reason
from yp2p.pairing.tokens import parse_token

# An invite is looked for as long as this, and every device that is seen meanwhile is tried at once.
_LOOK_S = 30.0
_FIRST_RETRY_S, _LONGEST_RETRY_S = 5.0, 60.0
_REFUSED_RETRY_S = 3600.0

log = structlog.get_logger()


class Provisioning:
    """Carries out the settings. `run` does the work.

    Raises:
        ConfigError: an invite is none.
    """

    def __init__(
        self, settings: Sequence[SharedFolder], folders: Folders, sharing: Sharing, introductions: Introductions
    ) -> None:
        self.check(settings)
        self._settings = settings
        self._folders = folders
        self._sharing = sharing
        self._introductions = introductions
        self._problems: dict[SharedFolder, str] = {}
        self._tried: dict[SharedFolder, trio.CancelScope] = {}
        self._nursery: trio.Nursery | None = None

    @staticmethod
    def check(settings: Sequence[SharedFolder]) -> None:
        """Raises ConfigError: an invite is none."""
        for setting in settings:
            _check(setting)

    def use(self, settings: Sequence[SharedFolder]) -> None:
        """Carry out these from now on; what was begun stays, and what waits and is wanted no more is given up."""
        self._settings = settings
        for setting in self._tried.keys() - set(settings):
            self._tried[setting].cancel()
        self._begin_all()

    def _begin_all(self) -> None:
        if self._nursery is not None:
            for setting in self._settings:
                if setting not in self._tried:
                    scope = self._tried[setting] = trio.CancelScope()
                    self._nursery.start_soon(self._provide, setting, scope)

    @property
    def problems(self) -> dict[str, str]:
        """Those that there are now: a person may have done by hand what the settings wait for."""
        waiting = {setting: why for setting, why in self._problems.items() if not self._is_settled(setting)}
        return {**{_title(setting): why for setting, why in waiting.items()}, **self._introductions.problems}

    def missing_folder(self) -> str:
        """The first folder that the settings want here and that is not here yet, with the reason."""
        for setting in self._settings:
            if not self._is_settled(setting):
                return f"{_title(setting)}: {self._problems.get(setting, 'it is about to begin')}"
        return ""

    def _is_settled(self, setting: SharedFolder) -> bool:
        """Whether there is nothing to begin: the folder is here, or a person left it."""
        path = _resolved(setting)
        return self._folders.at(path) is not None or self._folders.departed.was_at(path)

    async def run(self) -> None:
        """Carry out the settings, and let in whom they name, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._introductions.run)
            self._nursery = nursery
            self._begin_all()

    async def _provide(self, setting: SharedFolder, scope: trio.CancelScope) -> None:
        """Have a folder where the setting wants one."""
        patience = Patience(_FIRST_RETRY_S, _LONGEST_RETRY_S)
        try:
            with scope:
                while not self._is_settled(setting):
                    try:
                        await self._begin(setting, str(_resolved(setting)))
                    except (FolderError, PairingError, UsageError) as error:
                        self._tell(setting, error)
                        await trio.sleep(_REFUSED_RETRY_S if isinstance(error, InviteRefused) else patience.next_s())
        finally:
            del self._tried[setting]
        self._problems.pop(setting, None)

    async def _begin(self, setting: SharedFolder, path: str) -> None:
        """Raises FolderError, PairingError, UsageError."""
        if setting.invite or setting.invite_file:
            token = setting.invite or _read_token(setting.invite_file)
            # Nobody is there to choose less: what finds no room waits, and `status` says so.
            await self._sharing.join(token, path, _LOOK_S, is_forced=True)
            return
        device = self._introductions.keys_of(setting.device) if setting.device else None
        if device is None:
            await self._sharing.make(path, setting.label or None)
            return
        try:
            await self._sharing.join_through(device, setting.label, path, _LOOK_S)
        except InviteRefused:
            raise
        except PairingError as error:
            log.info("introduction_failed", device=setting.device, reason=str(error))
            raise PairingError(
                f"{setting.device} was not found, or does not let this device in: is its daemon running in this"
                " network, and do its settings name this device's key under [[devices]], with this folder"
                f"{'' if setting.label else ' alone (else say its label here)'}?"
            ) from error

    def _tell(self, setting: SharedFolder, error: YpError) -> None:
        what, problem, before = _title(setting), str(error), self._problems.get(setting)
        self._problems[setting] = problem
        if problem == before:
            return
        if type(error) is PairingError:  # the other device may start later
            log.info("setting_waits", setting=what, reason=problem)
        else:
            log.warning("setting_waits", setting=what, reason=problem)


def _title(setting: SharedFolder) -> str:
    return f"[[folders]] {setting.path}"


def _resolved(setting: SharedFolder) -> Path:
    """Where the directory is now: a link on the way may lead elsewhere later."""
    return Path(os.path.realpath(expanded(setting.path)))


def _check(setting: SharedFolder) -> None:
    """Raises ConfigError: its invite is none."""
    try:
        if setting.invite:
            parse_token(setting.invite)
    except UsageError as error:
        raise ConfigError(f"[[folders]] {setting.path}: invite: {error}") from None


def _read_token(file: str) -> str:
    """Raises UsageError: it cannot be read, or holds no invite."""
    try:
        text = read_regular(expanded(file)).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"invite_file {file} cannot be read: {why}") from error
    try:
        parse_token(text)
    except UsageError as error:
        raise UsageError(f"invite_file {file}: {error}") from None
    return text
