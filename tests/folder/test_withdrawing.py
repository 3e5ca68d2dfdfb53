"""What a device wrote before it was made a reader, and no member has, is taken out of its documents."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from peers.removed_device import DEMOTION, NOTES, ROOM, TEXT, make, text_of
from peers.test_links import TWO, Node, _run

from yp2p.folder.brought import Counted
from yp2p.folder.notices import NoticeKind
from yp2p.folder.withdrawing import withdraw


@pytest.mark.parametrize("part", ["catalogue", "edits"])
def test_what_was_cut_short_is_looked_at_on_the_disk_and_compared_anew(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link ends when entries were set back, or a text: nobody sets these back again who would tell."""
    started_over: list[bool] = []

    async def test(two: Node) -> None:
        folder = two.folders[NOTES]
        for name in ("a.txt", "b.txt"):
            make(folder, name)
        await folder.database.pending().wait()
        await folder.membership.receive([DEMOTION])
        counted = {document: Counted() for document in folder.observers.unsent.documents()}
        monkeypatch.setattr(folder.observers, "start_over", lambda: started_over.append(True))
        with trio.CancelScope() as scope:
            set_back = getattr(folder, part).set_back

            def set_back_and_end(*arguments: Any) -> Any:
                scope.cancel()
                return set_back(*arguments)

            with monkeypatch.context() as patched:
                patched.setattr(getattr(folder, part), "set_back", set_back_and_end)
                await withdraw(folder, counted)
        assert scope.cancelled_caught
        assert folder.files.local.is_outdated
        assert started_over
        await withdraw(folder, counted)
        assert not folder.catalogue.entries
        assert not folder.observers.unsent.documents()
        make(folder, "a.txt")  # as a file that comes again, with the same IDs
        assert text_of(folder, "a.txt") == TEXT

    _run(test, (TWO, {NOTES: ROOM}))


def test_what_goes_to_the_trash_as_no_file_has_it_is_told() -> None:
    async def test(two: Node) -> None:
        folder = two.folders[NOTES]
        make(folder, "a.txt")
        await folder.database.pending().wait()
        await folder.membership.receive([DEMOTION])
        await withdraw(folder, {document: Counted() for document in folder.observers.unsent.documents()})
        (kept,) = [path for path in folder.path.glob(".yp2p/trash/*/*") if path.is_file()]
        assert (kept.name, kept.read_text()) == ("a.txt", TEXT)
        (notice,) = [one for one in folder.notices if one.kind is NoticeKind.TAKEN_BACK]
        assert notice.path == "a.txt"
        assert "made a reader" in notice.text
        assert "`yp2p trash list`" in notice.text

    _run(test, (TWO, {NOTES: ROOM}))
