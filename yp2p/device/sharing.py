"""Sharing a directory, and joining the folder of another device with a code."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
import trio

from yp2p.config import DEFAULT_PORT, Files
from yp2p.device.choosing import paths_in
from yp2p.device.discovery import Discoverer
from yp2p.device.folder_changes import check_label
from yp2p.device.folders import Folders
from yp2p.discovery.addresses import Address, parse_address
from yp2p.errors import FolderError, NotShown, PairingError, UsageError
from yp2p.folder.choice import Chosen
from yp2p.folder.folder import Folder
from yp2p.identity import Identity, PublicIdentity, format_device_id
from yp2p.pairing.exchange import Code, PairingWindow, parse_code
from yp2p.pairing.host import PairingHost
from yp2p.pairing.invited import Invited
from yp2p.pairing.joiner import JOIN_LIMIT_S, Candidate, Joined, Joiner
from yp2p.pairing.listing import Shown
from yp2p.pairing.preview import look_at
from yp2p.pairing.standing import token_of
from yp2p.pairing.tokens import Token, is_token, parse_token
from yp2p.peers.peers import Peers
from yp2p.trust.statements import Role

log = structlog.get_logger()


class Sharing:
    """What `share` and `join` do.

    Args:
        joined: is told that another device is expected to link.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        files: Files,
        folders: Folders,
        peers: Peers,
        discoverer: Discoverer,
        pairing_host: PairingHost,
        joined: Callable[[], None],
    ) -> None:
        self._identity = identity
        self.name = name
        self.files = files
        self._folders = folders
        self._peers = peers
        self._discoverer = discoverer
        self._host = pairing_host
        self._joined = joined
        self._making = trio.Lock()  # two who ask for one directory, or for one folder, get one
        self._joining: set[Path] = set()

    async def share(self, directory: str, label: str | None, role: Role, *, is_page: bool = False) -> dict[str, Any]:
        """Share a directory (or show a code for one that is shared already); who joins gets a role.

        Args:
            is_page: a page asks that shows the code while it is good. There is none where this device may let nobody
                in, nor after wrong guesses, until a person asks for one.

        Raises:
            FolderError: the directory cannot be shared. PairingError: a new code has to wait.
        """
        folder = await self.make(directory, label)
        may_let_in = folder.membership.may(Role.ADMINISTRATOR)
        if not is_page:
            window: PairingWindow | None = self._host.open_window(folder, role)
        else:
            window = self._host.renew_window(folder, role) if may_let_in else None
        return {
            "code": str(window.code) if window is not None else None,
            "expires_in_s": round(window.closes_at - trio.current_time()) if window is not None else 0,
            "folder": folder.id.hex(),
            "label": folder.label,
            "path": str(folder.path),
            "devices": len(folder.membership.devices) - 1,
            "locked": may_let_in and window is None,
        }

    def take_back(self, directory: str) -> dict[str, Any]:
        """Let nobody in with the code that is shown for a directory. Raises UsageError: none is."""
        path = Path(os.path.realpath(directory))
        folder = self._folders.at(path)
        if folder is None:
            raise UsageError(f"{path} is not shared; `yp2p folder list` lists the folders")
        window = self._host.take_back(folder)
        if window is None:
            raise UsageError(f"no code lets anybody into {folder.label!r} now; there is nothing to take back")
        return {"code": str(window.code), "label": folder.label}

    async def make(self, directory: str, label: str | None) -> Folder:
        """The folder of a directory, a new one where there is none. Raises FolderError, UsageError."""
        path = self._folders.check(directory)
        if label is not None:
            check_label(label)
        async with self._making:
            folder = self._folders.at(path)
            if folder is None:
                name = label or "".join(c if c.isprintable() else "?" for c in path.name)
                folder = await self._folders.create(path, name, self.name)
            elif label is not None and label != folder.label:
                raise UsageError(
                    f"{path} is shared already as {folder.label!r}; `yp2p folder rename` gives it another label"
                )
            else:
                await self._folders.take_up(folder)
        return folder

    async def join(
        self,
        text: str,
        directory: str,
        limit_s: float | None,
        at: str | None = None,
        chosen: Sequence[str] = (),
        *,
        is_forced: bool = False,
    ) -> dict[str, Any]:
        """Pair with the device that shows the code, or made the invite, and take part in its folder.

        Args:
            at: HOST or HOST:PORT where that device is, beside those that are found.
            chosen: the paths of the folder that are to be on this disk; none: everything.
            is_forced: also where there is no room for it. The code or the invite is as good as before where it is not.

        Raises:
            UsageError: the code is not one. FolderError, PairingError: it did not work; the text says why.
        """
        limit_s = limit_s if limit_s is not None else JOIN_LIMIT_S
        path = self.directory(directory)
        paths = paths_in(path, chosen)
        if path in self._joining:
            raise FolderError(
                f"another join into {path} is under way; wait until it is over, or name another directory"
            )
        self._joining.add(path)
        try:
            return await self._join(text, path, limit_s, at, paths, is_forced=is_forced)
        finally:
            self._joining.remove(path)

    async def _join(
        self, text: str, path: Path, limit_s: float, at: str | None, paths: Sequence[str], *, is_forced: bool
    ) -> dict[str, Any]:
        unchecked = "" if is_forced else await self._check_room(text, path, limit_s, at, paths)

        async def accept(joined: Joined) -> None:
            await self._accept(joined, path, paths)

        if is_token(text):
            joined = await self._invited(parse_token(text), _places(at)).join(accept, limit_s)
        else:
            code, joiner = self._joiner(text, _places(at))
            joined = await joiner.join(code, accept, limit_s)
        folder = self._folders.at(path)
        if folder is not None:
            for impostor in joined.impostors:
                folder.notices.tell_impostor(impostor.host)
        impostors = [impostor.host for impostor in joined.impostors]
        return self._has_joined(joined, path) | {"impostors": impostors, "room_unknown": unchecked}

    async def join_through(self, device: PublicIdentity, label: str, directory: str, limit_s: float) -> None:
        """Take part in a folder of a device whose settings let this one in.

        Args:
            label: of the folder there; empty means the only one.

        Raises:
            FolderError, PairingError: it did not work; the text says why.
        """
        path = self.directory(directory)

        async def accept(joined: Joined) -> None:
            await self._accept(joined, path)

        invited = self._invited(token_of(self._identity, device, label), ())
        self._has_joined(await invited.join(accept, limit_s), path)

    async def take_part(self, joined: Joined, path: Path, chosen: Sequence[str]) -> None:
        """Take part in a folder that this device was let into over a link. Raises FolderError, MessageFault."""
        await self._accept(joined, path, chosen)
        self._joined()
        log.info("folder_joined", folder=joined.grant.label)

    async def _accept(self, joined: Joined, path: Path, chosen: Sequence[str] = ()) -> None:
        async with self._making:
            await self._folders.accept(joined, path, chosen)

    def _has_joined(self, joined: Joined, path: Path) -> dict[str, Any]:
        self._joined()
        self._peers.devices.seen(joined.sharer.device_id, (joined.address,))
        log.info("folder_joined", folder=joined.grant.label)
        return {
            "folder": joined.grant.folder.hex(),
            "label": joined.grant.label,
            "path": str(path),
            "device": format_device_id(joined.sharer.device_id),
            "name": joined.grant.name,
        }

    async def preview(
        self,
        text: str,
        directory: str,
        limit_s: float | None,
        at: str | None = None,
        chosen: Sequence[str] = (),
        *,
        only_room: bool = False,
    ) -> dict[str, Any]:
        """What joining would do with a directory; nothing is changed, and code or invite stay good. Raises as `join`.

        Args:
            only_room: only whether there is room for it: no file is read.
        """
        path = self.directory(directory)
        paths = Chosen(paths_in(path, chosen))
        try:
            shown = await self._look(text, limit_s if limit_s is not None else JOIN_LIMIT_S, at)
        except NotShown as error:
            raise NotShown(f"{error}; join without looking (`yp2p join DIR`)") from error
        impostors = {"impostors": [impostor.host for impostor in shown.impostors]}
        about = {"label": shown.label, "name": shown.name, "path": str(path)}
        return about | await look_at(path, shown.entries, self.files, paths, only_room=only_room) | impostors

    async def _check_room(self, text: str, path: Path, limit_s: float, at: str | None, paths: Sequence[str]) -> str:
        """Why it is not known whether a folder finds room; empty where it does. Raises as `join`, where it does not."""
        try:
            shown = await self._look(text, limit_s, at)
        except NotShown as error:
            log.info("joined_without_looking", reason=str(error))
            return str(error)
        found = await look_at(path, shown.entries, self.files, Chosen(paths), only_room=True)
        if found["no_room"]:
            raise FolderError(str(found["no_room"]))
        return "" if found["bytes_free"] is not None else "its file system does not say how much of it is free"

    async def _look(self, text: str, limit_s: float, at: str | None) -> Shown:
        """What a folder has. Raises NotShown, UsageError, PairingError."""
        if is_token(text):
            return await self._invited(parse_token(text), _places(at)).look(limit_s)
        code, joiner = self._joiner(text, _places(at))
        return await joiner.look(code, limit_s)

    def directory(self, directory: str) -> Path:
        """The directory to take part with. Raises FolderError."""
        path = self._folders.check(directory)
        folder = self._folders.at(path)
        if folder is not None and self._folders.is_member(folder) and not self._folders.has_lost_marker(folder):
            raise FolderError(f"{path} is shared already; join into another directory")
        return path

    def _invited(self, token: Token, places: tuple[Address, ...]) -> Invited:
        discoverer = self._discoverer
        if token.inviter == self._identity.public.noise_key:
            raise PairingError("this device made that invite itself; use it on another one")
        return Invited(
            self._identity,
            self.name,
            token,
            lambda: (*places, *discoverer.holders(token.hint_key)),
            discoverer.wait_for_sighting,
        )

    def _joiner(self, text: str, places: tuple[Address, ...]) -> tuple[Code, Joiner]:
        code = parse_code(text)
        if code.digits in self._host.digits():
            raise PairingError("that is the code of this device; type it on the other one")
        discoverer = self._discoverer
        given = [Candidate(str(place), (place,), announced=False, named=True) for place in places]
        return code, Joiner(
            self._identity,
            self.name,
            lambda digits: (*given, *discoverer.candidates(digits)),
            discoverer.wait_for_sighting,
            lambda: discoverer.looking_since,
        )


def _places(at: str | None) -> tuple[Address, ...]:
    """Raises UsageError: it is no HOST or HOST:PORT."""
    if at is None:
        return ()
    has_port = at.rpartition(":")[0] and (at.count(":") == 1 or "]:" in at)
    try:
        return (parse_address(at if has_port else f"[{at.strip('[]')}]:{DEFAULT_PORT}"),)
    except ValueError:
        raise UsageError(
            f"{at!r} is no HOST or HOST:PORT; an IPv6 address with a port is written [ADDRESS]:PORT"
        ) from None
