"""What this device does when another one asks it to remove the past of files (`folder/purges.py`).

Theory of operation
    It tells who asks for what, how many versions that is here, and how to answer. Then it waits: `--agree` does it at
    once, `--refuse` never, and after a day in which the daemon ran it does it by itself. Time that the other device
    writes counts for nothing. `[history] purge` says otherwise: "ask" waits for a person for ever, "refuse" refuses.

    A version that was made here counts as the deletion of its file by the guard of mass deletions (`folder/guard.py`),
    a text of a former generation as another file, and each item of the trash as one more, with its bytes. What is more
    than that allows is not done by itself, but waits for a person.

    So an administrator who is an attacker can remove the past of no more files than it could delete, a day after each
    device has said so, and never what a file holds now.

Invariants
    * Nothing is done for who is no administrator at the moment when it is done.
    * What is done, or refused by a person, is durable before it is said.
    * What a person refused is not done: that is asked again when all others that remove something have ended, and once
      more when everything is locked and nothing is removed yet. Who refuses later is told that it is being done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Set
from typing import Any

import structlog
import trio

from yp2p.config import PurgeMode
from yp2p.device.folders import Folders
from yp2p.errors import CrdtPanic, FolderError, InvalidUpdate, MissingDependency, UsageError, YpError
from yp2p.files.trash import Item
from yp2p.folder.folder import Folder
from yp2p.folder.notices import NoticeKind
from yp2p.folder.purges import FINAL, Asked, paths_of
from yp2p.history import purge
from yp2p.identity import ID_BYTES, EntryID
from yp2p.printable import plural
from yp2p.protocol.names import encode_path
from yp2p.store.database import Database
from yp2p.trust.purges import Outcome

WAITS_S = 86400.0
_LOOK_S = 300.0
_NO_ENTRY = EntryID(bytes(ID_BYTES))
# What is more than the guard allows waits for a person; whether it is still more is looked at so often.
_GUARD_S = 3600.0
# A fault in here is told, and ends nothing.
_FAULTS = (YpError, CrdtPanic, InvalidUpdate, MissingDependency, OSError)
# Names in one sentence.
_MOST_NAMES = 3

log = structlog.get_logger()


class AskedPurges:
    """Answers, for all folders of this device. `run` does the work.

    Args:
        alone: held while the past of something is removed.
    """

    def __init__(self, folders: Folders, database: Database, mode: PurgeMode, alone: trio.Lock) -> None:
        self._folders = folders
        self._database = database
        self._mode = mode
        self._alone = alone
        self._woken = trio.Event()
        self._begun: Asked | None = None  # of which something is removed at this moment
        self._guarded_until: dict[bytes, float] = {}  # requests that were more than the guard allows, trio's clock
        folders.on_purge_asked = self._wake

    def use(self, mode: PurgeMode) -> None:
        """Do so from now on."""
        self._mode = mode
        self._wake()

    def _wake(self) -> None:
        event, self._woken = self._woken, trio.Event()
        event.set()

    async def run(self) -> None:
        """Work until cancelled."""
        before = trio.current_time()
        while True:
            woken, now = self._woken, trio.current_time()
            for folder in list(self._folders.by_id.values()):
                for asked in folder.observers.purges.undecided():
                    await self._look_at(folder, folder.observers.purges.waited(asked, now - before))
            before = now
            with trio.move_on_after(_LOOK_S):
                await woken.wait()

    async def _look_at(self, folder: Folder, asked: Asked) -> None:
        purges = folder.observers.purges
        try:
            if self._mode == "refuse":
                purges.answer(asked, Outcome.REFUSED)
                return
            if purges.own_answer(asked) is None:
                await self._tell(folder, asked)
                purges.answer(asked, Outcome.WAITS)
            if self._mode == "day" and asked.waited_s >= WAITS_S and not await self._refused_by_guard(folder, asked):
                await self._do(folder, asked, is_agreed=False)
        except _FAULTS as error:  # it is tried again
            log.info("purge_waits", folder=folder.label, number=asked.number, reason=str(error))
        except Exception:  # the last catch: what is wrong with one request is wrong with no other
            log.exception("purge_failed", folder=folder.label, number=asked.number)

    async def _tell(self, folder: Folder, asked: Asked) -> None:
        """Tell people here what is asked. Raises FolderError: that cannot be looked up now."""
        found = await purge.preview_asked(folder, asked)
        paths = paths_of(folder, asked.request.entries)
        named = ", ".join(paths[:_MOST_NAMES]) + (
            f" and {len(paths) - _MOST_NAMES} more" if paths[_MOST_NAMES:] else ""
        )
        when = "it is done once yp2p has run here for a day, unless you say" if self._mode == "day" else "say"
        text = (
            f"{folder.name_of(asked.request.issuer_id)} asks to remove the past of {named or 'files that are not here'}"
            f" ({_goes(found)}): {when} `yp2p purge --refuse {asked.number}`"
            f" or `--agree {asked.number}`"
        )
        folder.notices.add(NoticeKind.PURGE_ASKED, paths[0] if paths else "", text, _NO_ENTRY)

    async def _refused_by_guard(self, folder: Folder, asked: Asked) -> bool:
        """Whether so many versions that were made here, and items of the trash, go that a person has to say so."""
        now = trio.current_time()
        if now < self._guarded_until.get(asked.request.id, now):
            return True
        found = await purge.preview_asked(folder, asked)
        is_refused = bool(folder.state.guard.refuses(self._sizes(folder, found), self._count(folder), now))
        if is_refused:
            self._guarded_until[asked.request.id] = now + _GUARD_S
        return is_refused

    def _sizes(self, folder: Folder, found: purge.Purged) -> Mapping[EntryID, int]:
        """All that goes, as deletions, with the bytes."""
        records = {entry: folder.files.get(entry) for entry in found.made_here}
        sizes = {entry: record.stamp.size if record is not None else 0 for entry, record in records.items()}
        sizes |= {EntryID(document): 0 for document in found.made_before}
        return sizes | {_entry_for(item): item.size for item in found.files.in_trash}

    def _count(self, folder: Folder) -> int:
        return len(folder.catalogue.layout().path_of)

    async def _do(self, folder: Folder, asked: Asked, *, is_agreed: bool) -> None:
        """Raises FolderError: not now, or not any more."""
        async with self._alone:
            self._check(folder, asked, is_agreed=is_agreed)
            forget_versions = self._folders.disks[folder.id].forget_versions

            async def forget(entries: Set[EntryID], has_name: Callable[[str], bool]) -> list[str]:
                """The first step that removes something, once it was waited for everything else."""
                if self._begun is None:
                    self._check(folder, asked, is_agreed=is_agreed)
                    self._begun = asked
                return await forget_versions(entries, has_name)

            try:
                await self._carry_out(folder, asked, forget)
            finally:
                self._begun = None

    async def _carry_out(self, folder: Folder, asked: Asked, forget: purge.ForgetVersions) -> None:
        try:
            found = await purge.purge_asked(folder, asked, forget)
        finally:  # what was removed by then is not to be read any more
            with trio.CancelScope(shield=True):
                await purge.erase(self._database)
        self._count_done(folder, found)
        await folder.database.pending().wait()
        folder.observers.purges.answer(asked, Outcome.DONE)
        log.info("purged_for_another", folder=folder.label, number=asked.number, versions=found.versions)

    def _check(self, folder: Folder, asked: Asked, *, is_agreed: bool) -> None:
        """Raises FolderError: it is not to be done, whatever it was when this began to wait."""
        purges = folder.observers.purges
        if self._folders.by_id.get(folder.id) is not folder:
            raise FolderError("the folder is not shared here any more")
        if not purges.counts(asked.request):
            raise FolderError("who asked for it is no administrator any more")
        if is_agreed:
            return
        if purges.own_answer(asked) in FINAL:
            raise FolderError("it was answered meanwhile")
        if self._mode != "day":
            raise FolderError("the setting is another meanwhile")

    def _count_done(self, folder: Folder, found: purge.Purged) -> None:
        for entry, size in self._sizes(folder, found).items():
            folder.state.guard.count(entry, trio.current_time(), size)

    # --- what people say, and see -------------------------------------------------------------------------------

    async def decide(self, number: int, *, agree: bool) -> dict[str, Any]:
        """A person says what to do with a request. Raises UsageError: there is none such. FolderError: not now."""
        for folder in self._folders.by_id.values():
            asked = folder.observers.purges.get(number)
            if asked is None:
                continue
            said = folder.observers.purges.own_answer(asked)
            if said is Outcome.DONE:
                raise UsageError(f"what request {number} asks for is done already")
            if agree:
                await self._do(folder, asked, is_agreed=True)
            elif self._begun is not None and self._begun.request == asked.request:
                raise FolderError(f"what request {number} asks for is being done at this moment")
            else:
                folder.observers.purges.answer(asked, Outcome.REFUSED)
                await folder.database.pending().wait()
            return {"number": number, "folder": folder.label, "agreed": agree}
        raise UsageError(f"there is no request {number}; `yp2p purge` lists them")

    def listed(self) -> list[dict[str, Any]]:
        """All requests that are known, of this device as well, with who has answered what."""
        return [
            self._shown(folder, asked) for folder in self._folders.by_id.values() for asked in folder.observers.purges
        ]

    def waiting(self, folder: Folder) -> list[dict[str, Any]]:
        """Those that wait for a person here, or for their day."""
        return [self._shown(folder, asked) for asked in folder.observers.purges.undecided()]

    def _shown(self, folder: Folder, asked: Asked) -> dict[str, Any]:
        purges, name_of = folder.observers.purges, folder.name_of
        own = purges.own_answer(asked)
        is_own = asked.request.issuer_id == folder.clients.device
        left = max(0.0, WAITS_S - asked.waited_s) if self._mode == "day" and purges.counts(asked.request) else None
        return {
            "number": asked.number,
            "folder": folder.label,
            "device": name_of(asked.request.issuer_id),
            "is_own": is_own,
            "paths": paths_of(folder, asked.request.entries),
            "at": asked.received_at,
            "answer": _word(own),
            "done_in_s": left if own not in FINAL else None,
            "answers": [
                {"device": name_of(device), "answer": _word(outcome)}
                for device, outcome in sorted(purges.answers(asked).items())
                if device != folder.clients.device
            ],
            "silent": sorted(map(name_of, purges.silent(asked) - {folder.clients.device, asked.request.issuer_id})),
        }


def _entry_for(item: Item) -> EntryID:
    """What an item of the trash is counted as by the guard."""
    return EntryID(hashlib.sha256(encode_path(item.name)).digest()[:ID_BYTES])


def _goes(found: purge.Purged) -> str:
    """What would be removed here, and what of the trash not, as it may be of other files that had such a name."""
    stays = f"; {len(found.files.kept)} that may be of other files stay" if found.files.kept else ""
    versions, items = plural(found.versions, "version"), plural(len(found.files.in_trash), "item")
    return f"{versions} and {items} of the trash here{stays}"


def _word(outcome: Outcome | None) -> str:
    return outcome.name.lower().replace("_", " ") if outcome is not None else ""
