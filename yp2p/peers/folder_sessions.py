"""The sessions over one link: one for each folder that both devices take part in.

Invariants
    * A peer's fault in a folder ends that folder's session and nothing else (invariant 15): `_run` is the one place
      where it stops. The store's faults go on through, and so does the end of the link.
    * The other device is told when there is no session here for a folder that it believes to be shared: what it
      believed of the disk here holds no more.
    * A session lasts no longer than both devices are members: who is removed from a folder hears no more of it, and the
      link ends with the last folder that is shared. So it does when the peer has to wait in all of them.
    * Of a folder that one of both was removed from, as the other one sees it, statements are exchanged (`removed.py`).
    * Of a folder that this device has left, what the peer says of members is still read for a moment: it says then that
      it has heard. So it is of one that this device is out of as a removed one had let it in: a member that lets it in
      again says so in answer to the statements that are here, and any other one refuses the link.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import structlog
import trio

from yp2p.errors import MessageFault, PeerFault, YpError, first_reason
from yp2p.folder.folder import Folder
from yp2p.identity import DeviceID, FolderID
from yp2p.peers.contact import Contact
from yp2p.peers.presence import FolderPresence
from yp2p.peers.removed import LISTENS_S, AboutRemovals
from yp2p.peers.session import FolderSession
from yp2p.protocol.messages import Condition, FolderCondition, FolderMessage, Membership, subject_of
from yp2p.transport.link import Link, LinkClosed

log = structlog.get_logger()


class FolderSessions:
    """See above. `keep` does the work, `deliver` takes the peer's messages.

    Args:
        own, peer: this device and the other one.
        contact: what is known of the other one.
    """

    def __init__(
        self,
        own: DeviceID,
        peer: DeviceID,
        link: Link,
        contact: Contact,
        folders: Mapping[FolderID, Folder],
        presence: Callable[[Folder], FolderPresence],
    ) -> None:
        self._own = own
        self._peer = peer
        self._link = link
        self._contact = contact
        self._folders = folders
        self._presence = presence
        self._about_removals = AboutRemovals(own, peer, link, folders)
        self._scopes: dict[FolderID, trio.CancelScope] = {}
        self._changed = trio.Event()
        self._banned_until: dict[
            FolderID, float
        ] = {}  # folders in which the peer was at fault on this link, until when
        self._told_no_session: set[FolderID] = set()  # folders of which the peer knows that there is no session here
        self.by_folder: dict[FolderID, FolderSession] = {}

    def wake(self) -> None:
        """A folder or a member came or went."""
        event, self._changed = self._changed, trio.Event()
        event.set()

    def _is_shared(self, folder: Folder | None) -> bool:
        return folder is not None and {self._own, self._peer} <= folder.membership.members.keys()

    def open(self, nursery: trio.Nursery) -> None:
        """A session for every folder that both are members of and that has none, unless the peer has to wait there."""
        now = trio.current_time()
        for folder in self._folders.values():
            is_banned = now < self._banned_until.get(folder.id, 0.0) or self._contact.is_banned_from(folder.id, now)
            if not self._is_shared(folder) or folder.id in self.by_folder:
                continue
            if is_banned:
                self._tell_no_session(folder.id)
            else:
                was_apart = folder.id in self._told_no_session
                self._told_no_session.discard(folder.id)
                session = FolderSession(
                    folder, self._link, self._peer, self._presence(folder), self._contact.budget, was_apart=was_apart
                )  # fmt: skip
                # no await since the link took its place among the links: nobody hears of the one without the other
                self.by_folder[folder.id] = session
                scope = self._scopes[folder.id] = trio.CancelScope()
                session.register()
                nursery.start_soon(self._run, folder, session, scope)

    def _tell_no_session(self, folder: FolderID) -> None:
        if folder not in self._told_no_session:
            self._told_no_session.add(folder)
            self._link.send_nowait(FolderCondition(folder, Condition.APART))

    async def keep(self, nursery: trio.Nursery) -> None:
        """Begin and end sessions as folders and members come and go. Raises LinkClosed when nothing is shared."""
        if self._about_removals.is_needed() and self._contact.is_told_again(trio.current_time()):
            await self._about_removals.tell()
        is_asked = self._ask_to_be_let_in()
        while True:
            changed = self._changed
            is_told, is_asked = self._end_sessions() or is_asked, False
            if not any(map(self._is_shared, self._folders.values())):
                if is_told:  # it ends the link when it has read that; what it had not read would go with the link
                    await trio.sleep(LISTENS_S)
                    continue
                self._link.close("no folder is shared with this device any more")
                raise LinkClosed("no folder is shared with it any more")
            self.open(nursery)
            now, held = trio.current_time(), self._contact.folders_until
            first = min((until for until in held.values() if until > now), default=math.inf)
            if not self.by_folder and first < math.inf:
                self._contact.quarantined_until = first  # it is not dialled until then
                self._link.close(f"a fault in all folders that are shared: {self._contact.last_error}")
                raise LinkClosed("it has to wait in all folders that are shared")
            with trio.move_on_at(first):
                await changed.wait()

    def _ask_to_be_let_in(self) -> bool:
        """Say what is known here of the folders into which the peer may have let this device in again."""
        asked = [folder for folder in self._folders.values() if self._may_let_in(folder)]
        for folder in asked:
            for part in Membership.parts(folder.id, folder.membership.statements()):
                self._link.send_nowait(part)
        return bool(asked)

    def _may_let_in(self, folder: Folder) -> bool:
        return self._peer in folder.membership.members and folder.membership.may_be_let_in_again(self._own)

    def _end_sessions(self) -> bool:
        """End those of folders that are not shared any more; tells whether the peer is told who is out."""
        is_told = False
        for folder_id, scope in list(self._scopes.items()):
            folder = self._folders.get(folder_id)
            if not self._is_shared(folder):
                if folder is not None:  # whoever was removed is told so, by those who removed it
                    is_told |= self._own in folder.membership.members or folder.membership.has_left()
                    for part in Membership.parts(folder_id, folder.membership.statements()):
                        self._link.send_nowait(part)
                scope.cancel()
        return is_told

    def waits_for(self, head: bytes, size: int) -> bool:
        """Whether a session would take a large message that begins with these bytes, and has so many."""
        try:
            kind, folder, about = subject_of(head)
        except MessageFault:
            return False
        session = self.by_folder.get(folder)
        return session is not None and session.waits_for(kind, about, size)

    async def deliver(self, message: FolderMessage, size: int = 0) -> None:
        """Give a message, of so many bytes, to the session of its folder; it is dropped where there is none."""
        session = self.by_folder.get(message.folder)
        if isinstance(message, Membership) and self._is_out_of(message.folder):
            await self._folders[message.folder].membership.receive(message.statements)
            return
        is_over = session is None or self._scopes[message.folder].cancel_called
        try:
            if isinstance(message, Membership) and is_over:
                await self._about_removals.hear(message)
            elif session is not None:
                await session.deliver(message, size)
        except trio.BrokenResourceError:
            pass  # the session has ended meanwhile
        except PeerFault as fault:
            if message.folder in self._scopes:
                self._scopes[message.folder].cancel()
            self._is_at_fault(self._folders[message.folder], str(fault))

    def _is_out_of(self, folder_id: FolderID) -> bool:
        """Whether this device is out of a folder of which the peer is a member: that says who is one by now.

        It has left, or may be let in again.
        """
        folder = self._folders.get(folder_id)
        if folder is None:
            return False
        has_left = self._peer in folder.membership.members and folder.membership.has_left()
        return has_left or self._may_let_in(folder)

    async def _run(self, folder: Folder, session: FolderSession, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await session.run()
        except* (LinkClosed, trio.TooSlowError, trio.BrokenResourceError, OSError):
            raise  # the end of the link, or what this machine does not allow: no fault of the peer
        except* PeerFault as group:
            self._is_at_fault(folder, first_reason(group))
        except* YpError:
            raise
        except* Exception as group:
            self._ban(folder, first_reason(group))
            log.exception("session_failed", folder=folder.label, reason=first_reason(group))
        finally:
            del self.by_folder[folder.id], self._scopes[folder.id]
            self.wake()

    def _is_at_fault(self, folder: Folder, reason: str) -> None:
        self._ban(folder, reason)
        log.warning("peer_fault", folder=folder.label, reason=reason, advice="is the same version running there?")

    def _ban(self, folder: Folder, reason: str) -> None:
        self._contact.note_session_fault(folder.id, reason, trio.current_time())
        self._banned_until[folder.id] = self._contact.folders_until[folder.id]
        self._tell_no_session(folder.id)
