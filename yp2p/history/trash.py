"""What a person can take back: files from the trash, and text that a save removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import trio

from yp2p.errors import FolderError, UsageError
from yp2p.files import trash
from yp2p.files.replace import Outcome
from yp2p.files.root import Root
from yp2p.folder.folder import Folder
from yp2p.folder.notices import Undo
from yp2p.identity import DocumentID
from yp2p.machine import reason as reason_of
from yp2p.store.writer import Commit


async def on_root(folder: Folder, work: Callable[[Root], Any]) -> Any:
    """Do something with the files of a folder in a thread, between two batches of its disk actor.

    Raises FolderError: the root cannot be used.
    """

    def run() -> Any:
        root = Root(folder.path)
        try:
            root.make_own_directories()
            root.probe()
            return work(root)
        finally:
            root.close()

    if folder.state.problem:
        raise FolderError(folder.state.problem)
    try:
        async with folder.files.writing:
            return await trio.to_thread.run_sync(run)
    except OSError as error:
        raise FolderError(f"the trash of {folder.path} cannot be used: {reason_of(error)}") from error


async def list_trash(folder: Folder) -> list[dict[str, Any]]:
    """What is in the trash, the oldest first."""
    found: list[trash.Item] = await on_root(folder, trash.items)
    return [{"item": item.name, "path": item.path, "bytes": item.size, "removed_at": item.removed_at} for item in found]


async def restore_trash(folder: Folder, names: list[str], *, everything: bool) -> dict[str, Any]:
    """Put files back where they were; of several with one path the newest.

    Args:
        names: paths in the folder, directories of it, or items as `list_trash` names them.

    Raises:
        UsageError: a name is not in the trash.
    """

    def work(root: Root) -> dict[str, Any]:
        newest = {item.path: item for item in trash.items(root)}
        by_name = {item.name: item for item in trash.items(root)}
        chosen = list(newest.values()) if everything else []
        for name in names:
            plain = name.rstrip("/")
            found = [newest[plain]] if plain in newest else [by_name[plain]] if plain in by_name else []
            found = found or [item for path, item in newest.items() if path.startswith(plain + "/")]
            if not found:
                raise UsageError(f"{name!r} is not in the trash; `yp2p trash list` shows what is")
            chosen += found
        restored: list[str] = []
        skipped: list[dict[str, str]] = []
        for item in chosen:
            result = trash.restore(root, item)
            if result.outcome is Outcome.DONE:
                restored.append(item.path)
            else:
                reason = result.reason or "something stands at its place"
                skipped.append({"path": item.path, "reason": reason})
        return {"restored": restored, "skipped": skipped}

    answer: dict[str, Any] = await on_root(folder, work)
    return answer


async def empty_trash(folder: Folder) -> int:
    """Remove everything in the trash for good; gives how many files that were."""

    def work(root: Root) -> int:
        found = trash.items(root)
        for item in found:
            trash.remove(root, item)
        return len(found)

    count: int = await on_root(folder, work)
    return count


def list_notices(folders: Iterable[Folder]) -> list[dict[str, Any]]:
    """All notices, the oldest first."""
    return sorted(
        (
            {
                "number": notice.id, "folder": folder.label, "at": notice.at, "kind": notice.kind.value,
                "path": notice.path, "text": notice.text,
                "can_be_brought_back": notice.undo is not None and notice.versions is None,
                "can_be_settled": notice.versions is not None and not notice.versions.settled,
            }
            for folder in folders
            for notice in folder.notices
        ),
        key=lambda notice: int(str(notice["number"])),
    )  # fmt: skip


async def bring_back_removed(folders: Iterable[Folder], number: int) -> dict[str, Any]:
    """Bring back what a save removed. Raises UsageError: there is no such notice, or nothing to bring back."""
    for folder in folders:
        await folder.database.pending().wait()  # so that the store has all of it
        notice = folder.notices.get(number)
        if notice is None:
            continue
        undo = folder.notices.whole_undo(notice)
        if undo is None or notice.versions is not None:
            raise UsageError(f"notice {number} says {notice.kind.value!r}; there is nothing to bring back")
        folder.membership.check_may_write()
        commit = _bring_back(folder, undo)
        if commit is None:
            raise UsageError(f"there is nothing left to bring back of notice {number}; the file may be gone")
        folder.notices.is_done(notice)
        await commit.wait()
        return {"path": notice.path}
    raise UsageError(f"there is no notice {number}; `yp2p notices` lists them")


def _bring_back(folder: Folder, undo: Undo) -> Commit | None:
    """Take back what a save removed; None when nothing of it is left to take back."""
    document = DocumentID(undo.document)
    if document not in folder.catalogue.entry_of or document not in folder.texts.digests:
        return None
    fork = folder.texts.at(document, undo.seq).fork(folder.edits.own_claims.fresh_client())
    update = fork.edit(undo.changes())
    live = folder.texts.open(document)
    news = live.replica.apply(update) if update is not None else None
    if news is None:
        return None
    commit = folder.edits.record(live, news, None)
    folder.render_queue.want(folder.catalogue.entry_of[document])
    return commit
