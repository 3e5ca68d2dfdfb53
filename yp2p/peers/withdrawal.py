"""Withdrawal: finding out, with a member's help, what of this device's changes nobody else has (`folder/unsent.py`)."""

from __future__ import annotations

import structlog
import trio

from yp2p.folder.folder import Folder
from yp2p.folder.withdrawing import withdraw
from yp2p.peers.questions import Questions
from yp2p.peers.witness import Witness

# One that cannot tell is asked again after this long.
_AGAIN_S = 1.0

log = structlog.get_logger()


class Withdrawal:
    """Has withdrawn what the peer of a session, a member, has not.

    Args:
        questions: of the session; while this runs nobody else asks.
    """

    def __init__(self, folder: Folder, questions: Questions) -> None:
        self._folder = folder
        self._witness = Witness(folder, questions)

    async def run(self) -> None:
        """Return when nothing is in question any more. Raises trio.TooSlowError, LinkClosed, PeerFault."""
        folder, unsent = self._folder, self._folder.observers.unsent
        while unsent.is_pending:
            await folder.database.pending().wait()
            documents, silenced = unsent.documents(), dict(folder.observers.uncounted.of_silenced)
            counted = await self._witness.counted(folder.clients.device, documents)
            async with unsent.withdrawing:
                if unsent.is_pending and counted is not None:
                    try:
                        done = await withdraw(folder, counted)
                    except OSError as error:
                        log.warning("not_withdrawn", folder=folder.label, reason=str(error))
                    else:
                        unsent.done(silenced)
                        log.info("changes_withdrawn", folder=folder.label, documents=len(documents), count=done)
            if unsent.is_pending:
                await trio.sleep(_AGAIN_S)
