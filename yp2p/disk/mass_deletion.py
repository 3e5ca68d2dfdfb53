"""What a person decided about a mass deletion that the folder was paused for (`folder/guard.py`)."""

from __future__ import annotations

import structlog
import trio

from yp2p.disk.ingest.ingest import Ingest
from yp2p.documents.manifest import Change
from yp2p.folder.folder import Folder
from yp2p.identity import EntryID

log = structlog.get_logger()


async def decide(folder: Folder, ingest: Ingest, *, accept: bool) -> None:
    """Let the deletions happen, or bring back what was deleted, here and elsewhere.

    Everything on the disk has been looked at since, so what is missing here is known to `ingest`.
    """
    missing = [record for path in ingest.pending.missing if (record := folder.files.by_path(path)) is not None]
    doomed = {entry for entry in folder.files if not _is_alive(folder, entry)}
    if accept:
        folder.state.guard.approve(doomed | {record.entry for record in missing})
    else:
        for record in missing:
            ingest.damage.recreate(record)
        done = folder.state.guard.done(trio.current_time())
        dead = {e for e in doomed | done if e in folder.catalogue.entries and not _is_alive(folder, e)}
        folder.state.guard.reset()
        if dead:
            await folder.catalogue.write([Change(entry, revive=True) for entry in sorted(dead)]).wait()
    folder.render_queue.want_all(doomed)
    folder.state.hold("")
    log.info("mass_deletion_decided", folder=folder.label, accepted=accept)


def _is_alive(folder: Folder, entry: EntryID) -> bool:
    found = folder.catalogue.entries.get(entry)
    return found is not None and folder.catalogue.is_alive(found)
