"""What two devices say of a folder that one of them is out of, as the other one sees it.

Theory of operation
    A device that was removed and has not heard of it dials the others, and is told by which statements. Two devices
    that removed each other both see the other one as out: each would tell and neither would listen. So what the other
    one says of such a folder is heard as well, if it is statements of the membership: these are signed, and what
    follows from them does not depend on who brought them (`trust/membership.py`). Which of both stays follows from what
    both have then, so both are told who heard of which removal first (`trust/evidence.py`), and the one that is out
    says so to its people.

    Nor would either of them dial. So former members that others removed are dialled too, where they were last: rarely,
    less and less often, and one at a time. They are looked for nowhere else: no announcement is for who was removed.

    Where they share another folder there is a link anyway, and they say it over that one (`folder_sessions.py`).

Invariants
    * Nothing but statements goes over a link with a former member, in either direction, and only of folders that this
      device is a member of. Where both have said all that they know, the link ends.
    * A former member is spoken with once a minute at most, whoever dials. What is heard from all of them together is
      paid from one budget (`folder/budget.py`), and is bounded for each talk.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping

import trio

from yp2p.errors import PeerFault
from yp2p.folder.budget import Budget, charged, rest
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID, Identity
from yp2p.peers.known_devices import KnownDevices, proving
from yp2p.protocol.messages import MAX_STATEMENTS, STATEMENTS_OF_PART, Hello, Membership
from yp2p.transport.dialer import dial
from yp2p.transport.handshake import Secured
from yp2p.transport.link import Link, LinkClosed, open_link

# So long a device that was removed may take to read why, and to answer.
LISTENS_S = 2.0
_TALK_LIMIT_S = 20.0
# When it is dialled first (one that was connected has been told by then), and how often at most from then on: the wait
# doubles while this device stays where it is, as the other one may be gone for good, or know it and not answer.
_DIALLED_AFTER_S, _DIALLED_EVERY_S, _LONGEST_S = 60.0, 300.0, 3600.0
# Twice as many as all statements that there may be take: both may say some again.
_MOST_PARTS = 2 * (MAX_STATEMENTS // STATEMENTS_OF_PART)


class AboutRemovals:
    """What is said over one link of the folders that the device at its other end was removed from."""

    def __init__(self, own: DeviceID, device: DeviceID, link: Link, folders: Mapping[FolderID, Folder]) -> None:
        self._own = own
        self._device = device
        self._link = link
        self._folders = folders
        self._spoken_of = {folder.id for folder in folders.values() if self._is_about(folder)}
        self._told: dict[FolderID, set[bytes]] = defaultdict(set)
        self._heard: Counter[FolderID] = Counter()  # messages

    def _is_about(self, folder: Folder) -> bool:
        """Whether the other device is out of a folder of which this one is a member.

        It was removed, or whoever had let it in.
        """
        members, evaluation = folder.membership.members, folder.membership.evaluation
        is_out = self._device in evaluation.removals or self._device in evaluation.put_out_by
        return self._own in members and is_out and self._device not in members

    def is_needed(self) -> bool:
        """Whether there is anything to tell."""
        return any(map(self._is_about, self._folders.values()))

    async def tell(self) -> None:
        """Say by which statements it was removed, of each folder."""
        for folder in list(self._folders.values()):
            if self._is_about(folder):
                self._spoken_of.add(folder.id)
                await self._tell(folder)

    async def _tell(self, folder: Folder) -> None:
        told = self._told[folder.id]
        news = [one for one in folder.membership.about_removal(self._device) if one not in told]
        told.update(news)
        for part in Membership.parts(folder.id, news):
            await self._link.send(part)

    async def hear(self, message: Membership) -> None:
        """Take what it says of a folder, and answer. Raises MessageFault where nobody signed that.

        Of one that this device is out of itself by what was said so far, the rest is taken as well.
        """
        folder = self._folders.get(message.folder)
        if folder is None or self._heard[folder.id] >= _MOST_PARTS:
            return
        if self._is_about(folder):
            self._spoken_of.add(folder.id)
        elif folder.id not in self._spoken_of:
            return
        self._heard[folder.id] += 1
        commit = await folder.membership.receive(message.statements)
        if commit is not None:
            await commit.wait()  # our answer may follow from it
            await self._tell(folder)


class FormerDevices:
    """Tells devices that share no folder with this one any more, and hears them. `run` dials them.

    Args:
        hello: what this device says of itself.
    """

    def __init__(
        self,
        identity: Identity,
        devices: KnownDevices,
        folders: Mapping[FolderID, Folder],
        hello: Callable[[], Hello],
    ) -> None:
        self._identity = identity
        self._devices = devices
        self._folders = folders
        self._hello = hello
        self._budget = Budget(self)
        self._waits: dict[DeviceID, tuple[float, float]] = {}  # since when each waits, and for how long
        self._changed = trio.Event()

    def members_changed(self) -> None:
        """Members came or went."""
        event, self._changed = self._changed, trio.Event()
        event.set()

    def network_changed(self) -> None:
        """This device came to another network: a former member may be there."""
        self._waits = {one: (since, min(wait_s, _DIALLED_EVERY_S)) for one, (since, wait_s) in self._waits.items()}
        self.members_changed()

    async def run(self) -> None:
        """Dial former members, until cancelled."""
        while True:
            changed, now = self._changed, trio.current_time()
            former = self._devices.roster.former()
            self._waits = {
                device: self._waits.get(device, (now, _DIALLED_AFTER_S))
                for device in former
                if self._devices.contact(device).addresses and not self._devices.roster.is_never_dialled(device)
            }
            for device, (since, wait_s) in list(self._waits.items()):
                if since + wait_s <= now:
                    self._waits[device] = now, min(max(2 * wait_s, _DIALLED_EVERY_S), _LONGEST_S)
                    await self._dial(device, former[device].noise_key)
            first = min((since + wait_s for since, wait_s in self._waits.values()), default=math.inf)
            with trio.move_on_at(first):
                await changed.wait()

    async def _dial(self, device: DeviceID, noise_key: bytes) -> None:
        contact = self._devices.contact(device)
        if contact.choice.is_paused or contact.is_banned(trio.current_time()):
            return
        for address in sorted(contact.addresses, key=lambda one: -contact.addresses[one]):
            try:
                secured = await dial(address.host, address.port, self._identity, noise_key)
            except OSError:
                continue
            await self.talk(device, secured, None)
            return

    async def talk(self, device: DeviceID, secured: Secured, confirmed: Link | None) -> None:
        """Run a link with a former member to its end; `confirmed` is None where we dialled."""
        if not self._devices.contact(device).is_told_again(trio.current_time()):
            await trio.aclose_forcefully(secured.stream)
            return
        try:
            await charged(self._budget, self._talk, device, secured, confirmed)
        except* (LinkClosed, PeerFault, OSError, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # whatever it does is nobody's concern any more

    async def _talk(self, device: DeviceID, secured: Secured, confirmed: Link | None) -> None:
        async with open_link(secured, self._hello(), confirmed) as link:
            if confirmed is None and proving(secured, link.peer, self._devices.roster.former()) != device:
                link.close("both keys have to be proved")
                return
            link.is_wanted = lambda head, size: False  # nothing that is said here is large
            about = AboutRemovals(self._identity.device_id, device, link, self._folders)
            with trio.move_on_after(_TALK_LIMIT_S):
                await about.tell()
                while True:
                    message = None
                    with trio.move_on_after(LISTENS_S):
                        message = await link.receive()
                    if message is None:
                        break
                    if isinstance(message, Membership):
                        await rest()
                        await about.hear(message)
            link.close("no folder is shared with this device any more")
