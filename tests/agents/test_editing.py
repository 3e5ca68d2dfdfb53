"""Edits that name the version that they were made of, with the real store and disk, in the middle of others' edits."""

from __future__ import annotations

import random
import threading
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import pytest
import trio
from bridge import PEER, Bridge, clock, open_bridge, over_directory, replica_like, run_with_directory
from effort import many

from yp2p.agents import editing, finding, taking_back, versions
from yp2p.agents.editing import Wanted
from yp2p.agents.finding import Place, matches
from yp2p.agents.patches import Block
from yp2p.agents.taking_back import take_back
from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.documents.text import TextReplica
from yp2p.errors import CrdtPanic, FolderError, UsageError, VersionUnknown, YpError
from yp2p.folder import named_writers
from yp2p.folder.members import Membership
from yp2p.folder.merger import InlineMerger
from yp2p.history.file_log import log
from yp2p.history.undo import redo, undo
from yp2p.history.versions import When, blame_lines, restore
from yp2p.identity import EntryID
from yp2p.protocol.entries import Kind
from yp2p.threeway.merge import Merged

NAME = "a.txt"
LINES = "".join(f"line {number}\n" for number in range(10))
_MAX_BYTES = 1 << 16


async def _read(bridge: Bridge, path: str = NAME) -> tuple[str, str]:
    bridge.folder.state.settled = True
    _, text, version = await versions.read(bridge.folder, path)
    return text, version


async def _edit(
    bridge: Bridge, version: str | None, text: str | None = None, *, by: str | None = "agent", **more: Any
) -> Any:
    partly = more.pop("partly", False)
    wanted = Wanted(bridge.folder, more.pop("path", NAME), version, text, **more)
    answer = await editing.edit([wanted], by, _MAX_BYTES, partly=partly, until_on_disk=False)
    await bridge.render()
    return answer["files"][0] | {"done": answer["done"]}


async def _take_back(bridge: Bridge, name: str, path: str = NAME) -> list[dict[str, Any]]:
    bridge.folder.state.settled = True
    found = await take_back(bridge.folder, path, name, until_on_disk=False)
    await bridge.render()
    return found


def _changed(rng: random.Random, text: str, who: str, number: int) -> str:
    """A text with some lines of its writer more, others changed or gone, and none of anybody else touched."""
    lines = text.splitlines(keepends=True)
    for _ in range(rng.randint(1, 3)):
        own = [at for at, line in enumerate(lines) if line.startswith(who)]
        if not own or rng.random() < 0.6:
            lines.insert(rng.randint(0, len(lines)), f"{who} {number} {rng.random()}\n")
        elif rng.random() < 0.5:
            del lines[rng.choice(own)]
        else:
            lines[rng.choice(own)] = f"{who} {number} {rng.random()} 😀\n"
    return "".join(lines)


async def _remote(bridge: Bridge, text: str, client: int) -> None:
    """Another device makes a text of what is there now."""
    peer = replica_like(bridge, NAME, client)
    update = peer.edit(hunks(peer.text(), text))
    if update is not None:
        await bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
        await bridge.render()


@over_directory
async def test_an_edit_is_made_of_the_version_that_it_names(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(LINES)
    async with open_bridge(base) as bridge:
        text, version = await _read(bridge)
        assert text == LINES
        await _remote(bridge, LINES.replace("line 2\n", "line 2, of others\n"), 1 << 32 | 5)
        answer = await _edit(bridge, version, text.replace("line 7\n", "line 7, of the agent\n"))
        wanted = LINES.replace("line 2\n", "line 2, of others\n").replace("line 7\n", "line 7, of the agent\n")
        assert path.read_text() == wanted
        assert answer["done"]
        assert answer["changed"]
        assert [by["name"] for by in answer["between"]["authors"]] == [None]
        assert "+line 2, of others" in answer["between"]["diff"]
        assert [line for line in answer["diff"] if line[0] in "+-"] == ["-line 7", "+line 7, of the agent"]
        assert answer["both"] == answer["not_applied"] == []
        assert (await _read(bridge)) == (wanted, answer["version"])
        bridge.folder.state.settled = True
        blamed = await blame_lines(bridge.folder, NAME, When())
        assert [line["name"] for line in blamed] == [None] * 7 + ["agent"] + [None] * 2
        assert (await log(bridge.folder, NAME, 10))["versions"][-1]["writers"] == ["agent"]
        assert bridge.folder.edits.named.here()[0]["name"] == "agent"
        again = await _edit(bridge, answer["version"], wanted)
        assert (again["changed"], again["version"]) == (False, answer["version"])
    async with open_bridge(base) as bridge:
        bridge.folder.state.settled = True
        blamed = await blame_lines(bridge.folder, NAME, When())
        assert blamed[7]["name"] == "agent"
        assert (await _read(bridge)) == (wanted, answer["version"])


@over_directory
async def test_lines_that_both_changed_are_told(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(LINES)
    async with open_bridge(base) as bridge:
        text, version = await _read(bridge)
        await _remote(bridge, LINES.replace("line 3\n", "theirs\n"), 1 << 32 | 5)
        answer = await _edit(bridge, version, text.replace("line 3\n", "mine\n"))
        (both,) = answer["both"]
        assert (both["yours"], both["theirs"]) == ("mine\n", "theirs\n")
        assert both["stands"] in path.read_text()
        notice = list(bridge.folder.notices)[-1]
        assert notice.kind == "both-changed"
        assert "(agent)" in notice.text


@over_directory
async def test_a_version_that_is_not_this_file_s_is_told_and_changes_nothing(base: Path) -> None:
    for name in (NAME, "b.txt"):
        (base / "dir" / name).write_text(LINES)
    async with open_bridge(base) as bridge:
        _, version = await _read(bridge)
        seq, digest = version.split("-")
        for wrong in (f"{int(seq) + 1000}-{digest}", f"{seq}-{'0' * 16}", f"0-{digest}"):
            with pytest.raises(VersionUnknown, match="is not kept here any more"):
                await _edit(bridge, wrong, "x")
        with pytest.raises(VersionUnknown):
            await _edit(bridge, version, "x", path="b.txt")
        for none in ("", "x", "1", f"{version}\n", "9" * 40 + "-" + digest, "\N{ARABIC-INDIC DIGIT ONE}-" + digest):
            with pytest.raises((UsageError, VersionUnknown)):
                await _edit(bridge, none, "x")
        for text, reason in (("a\0b", "NUL"), ("x" * (_MAX_BYTES + 1), "at most")):
            with pytest.raises(UsageError, match=reason):
                await _edit(bridge, version, text)
        with pytest.raises(UsageError, match="either its whole text"):
            await _edit(bridge, version, "x", diff="@@ -1 +1 @@\n")
        assert (base / "dir" / NAME).read_text() == LINES
        assert (await _read(bridge))[1] == version


@over_directory
async def test_pieces_that_do_not_fit_are_told_and_nothing_or_the_rest_is_done(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(LINES)
    async with open_bridge(base) as bridge:
        _, version = await _read(bridge)
        blocks = [Block("line 1\n", "LINE 1\n"), Block("nowhere", "x")]
        answer = await _edit(bridge, version, blocks=blocks)
        assert (answer["done"], [one["number"] for one in answer["not_applied"]]) == (False, [2])
        assert path.read_text() == LINES
        answer = await _edit(bridge, version, blocks=blocks, partly=True)
        assert answer["done"]
        assert path.read_text() == LINES.replace("line 1\n", "LINE 1\n")


@over_directory
async def test_several_edits_are_all_made_or_none(base: Path) -> None:
    for name in (NAME, "b.txt"):
        (base / "dir" / name).write_text(LINES)
    async with open_bridge(base) as bridge:
        first, second = [await _read(bridge, name) for name in (NAME, "b.txt")]
        bad = Wanted(bridge.folder, "b.txt", second[1], blocks=[Block("nowhere", "x")])
        good = Wanted(bridge.folder, NAME, first[1], "all new\n")
        answer = await editing.edit([good, bad], "agent", _MAX_BYTES, partly=False, until_on_disk=False)
        assert not answer["done"]
        await bridge.render()
        assert (base / "dir" / NAME).read_text() == LINES
        with pytest.raises(UsageError, match="more than once"):
            await editing.edit([good, good], "agent", _MAX_BYTES, partly=False, until_on_disk=False)
        bad = Wanted(bridge.folder, "b.txt", second[1], "new as well\n")
        assert (await editing.edit([good, bad], "agent", _MAX_BYTES, partly=False, until_on_disk=False))["done"]
        await bridge.render()
        assert [(base / "dir" / name).read_text() for name in (NAME, "b.txt")] == ["all new\n", "new as well\n"]


@over_directory
async def test_no_file_is_made_in_one_that_is_made_with_it(base: Path) -> None:
    """A name is a file or a directory: one of both would stand beside the other as a conflict copy."""
    async with open_bridge(base) as bridge:
        for inner in ("a/b", "a/b/c"):
            wanted = [Wanted(bridge.folder, path, None, "text\n") for path in (inner, "ab", "a")]
            with pytest.raises(UsageError, match=f"{inner} would be in a, which is to be a file"):
                await editing.edit(wanted, "agent", _MAX_BYTES, partly=False, until_on_disk=False)
        await bridge.render()
        assert not (base / "dir/a").exists()
        wanted = [Wanted(bridge.folder, path, None, "text\n") for path in ("a/b", "a/c", "ab")]
        assert (await editing.edit(wanted, "agent", _MAX_BYTES, partly=False, until_on_disk=False))["done"]


@over_directory
async def test_a_file_that_went_is_told(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(LINES)
    async with open_bridge(base) as bridge:
        _, version = await _read(bridge)
        path.unlink()
        await bridge.look()
        with pytest.raises(UsageError, match="was deleted, and nothing was changed"):
            await _edit(bridge, version, "x")


@over_directory
async def test_a_file_is_made_and_has_its_author(base: Path) -> None:
    path = base / "dir/sub/deep/new.txt"
    async with open_bridge(base) as bridge:
        answer = await _edit(bridge, None, "one\ntwo\n", path="sub/deep/new.txt")
        assert (answer["done"], answer["changed"], answer["from"]) == (True, True, None)
        assert path.read_text() == "one\ntwo\n"
        assert (await _read(bridge, "sub/deep/new.txt")) == ("one\ntwo\n", answer["version"])
        again = await _edit(bridge, answer["version"], "one\n2\n", path="sub/deep/new.txt", by="other")
        bridge.folder.state.settled = True
        blamed = await blame_lines(bridge.folder, "sub/deep/new.txt", When())
        assert [line["name"] for line in blamed] == ["agent", "other"]
        with pytest.raises(UsageError, match="is there already, and nothing was changed"):
            await _edit(bridge, None, "x", path="sub/deep/new.txt")
    async with open_bridge(base) as bridge:
        assert (await _read(bridge, "sub/deep/new.txt")) == ("one\n2\n", again["version"])
        found = await _take_back(bridge, "other", "sub/deep/new.txt")
        assert path.read_text() == "one\ntwo\n"
        assert [one["path"] for one in found] == ["sub/deep/new.txt"]
        await _take_back(bridge, "agent", "sub/deep/new.txt")
        assert not path.exists()
        await redo(
            bridge.folder, bridge.folder.catalogue.entries[_entry(bridge, "sub/deep/new.txt")], "sub/deep/new.txt", 1
        )
        await bridge.render()
        assert path.read_text() == "one\ntwo\n"


def _entry(bridge: Bridge, path: str) -> EntryID:
    (found,) = [one.id for one in bridge.folder.catalogue.entries.values() if one.path == path]
    return found


@over_directory
async def test_a_file_into_which_others_wrote_stays_with_what_they_wrote(base: Path) -> None:
    async with open_bridge(base) as bridge:
        answer = await _edit(bridge, None, "mine\n", path="new.txt")
        await _edit(bridge, answer["version"], "mine\ntheirs\n", path="new.txt", by=None)
        await _take_back(bridge, "agent", "new.txt")
        assert (base / "dir/new.txt").read_text() == "theirs\n"


@over_directory
async def test_a_file_that_was_made_without_a_name_is_one_step(base: Path) -> None:
    path = base / "dir/new.txt"
    async with open_bridge(base) as bridge:
        for text in ("one\n", ""):
            await _edit(bridge, None, text, path="new.txt", by=None)
            assert path.read_text() == text
            bridge.folder.state.settled = True
            entry = bridge.folder.catalogue.entries[_entry(bridge, "new.txt")]
            await undo(bridge.folder, entry, "new.txt", 1)
            await bridge.render()
            assert not path.exists()


@over_directory
async def test_a_file_that_is_made_where_one_was_deleted_goes_on_with_its_history(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(LINES)
    async with open_bridge(base) as bridge:
        path.unlink()
        await bridge.look()
        entry = _entry(bridge, NAME)
        await _edit(bridge, None, LINES.replace("line 3\n", "new line\n"))
        assert path.read_text() == LINES.replace("line 3\n", "new line\n")
        assert bridge.folder.catalogue.layout().entry_at[NAME] == entry
        bridge.folder.state.settled = True
        blamed = await blame_lines(bridge.folder, NAME, When())
        assert [line["name"] for line in blamed] == [None] * 3 + ["agent"] + [None] * 6


@over_directory
async def test_where_no_file_can_be_none_is_made(base: Path) -> None:
    (base / "dir" / NAME).write_text(LINES)
    (base / "dir/sub").mkdir()
    (base / "dir/link").symlink_to("sub")
    async with open_bridge(base) as bridge:
        await bridge.leave_out("*.tmp")
        (base / "dir/unseen.txt").write_text("made a moment ago")
        clock().autojump_threshold = 0.01  # it is waited for
        entries = dict(bridge.folder.catalogue.entries)
        for path, words in [
            (NAME, "is there already"), ("sub", "is there already"), ("link/x.txt", "link is no directory"),
            (f"{NAME}/x.txt", f"{NAME} is no directory"), ("x.tmp", "is ignored here"), ("unseen.txt", "is there"),
            (".git/hooks/x", "reserved name"), ("a" * 300, "more than 255 bytes"), ("../x", "not in normal form"),
        ]:  # fmt: skip
            with pytest.raises(UsageError, match=words):
                await _edit(bridge, None, "x", path=path)
        for more in ({"diff": "@@ -1 +1 @@\n"}, {"blocks": [Block("a", "b")]}):
            with pytest.raises(UsageError, match="say its whole text"):
                await _edit(bridge, None, path="new.txt", **more)
        with pytest.raises(UsageError, match="NUL"):
            await _edit(bridge, None, "\0", path="new.txt")
        _, version = await _read(bridge)
        wanted = [
            Wanted(bridge.folder, "new.txt", None, "new\n"),
            Wanted(bridge.folder, NAME, version, blocks=[Block("nowhere", "")]),
        ]
        assert not (await editing.edit(wanted, "agent", _MAX_BYTES, partly=False, until_on_disk=False))["done"]
        assert bridge.folder.catalogue.entries == entries
        wanted[1] = Wanted(bridge.folder, NAME, version, "all new\n")
        assert (await editing.edit(wanted, "agent", _MAX_BYTES, partly=False, until_on_disk=False))["done"]
        await bridge.render()
        assert [(base / "dir" / name).read_text() for name in ("new.txt", NAME)] == ["new\n", "all new\n"]


class _SlowMerger(InlineMerger):
    """Something happens while texts are merged."""

    def __init__(self, happens: Callable[[], Awaitable[None]]) -> None:
        self._happens = happens

    async def merge(self, path: str, base: str, ours: str, theirs: str, back: Collection[str] = ()) -> Merged:
        await self._happens()
        return await super().merge(path, base, ours, theirs, back)


async def _edit_while(bridge: Bridge, happens: Callable[[], Awaitable[None]]) -> None:
    """Edit two files, of which one has to be merged with what came since; something happens meanwhile."""
    first, second = [await _read(bridge, name) for name in (NAME, "b.txt")]
    await _remote(bridge, LINES.replace("line 2\n", "of others\n"), 1 << 32 | 5)
    bridge.folder.edits.meetings.merger = _SlowMerger(happens)
    wanted = [
        Wanted(bridge.folder, "b.txt", second[1], LINES + "b\n"), Wanted(bridge.folder, NAME, first[1], LINES + "a\n"),
    ]  # fmt: skip
    await editing.edit(wanted, "agent", _MAX_BYTES, partly=False, until_on_disk=False)


@over_directory
async def test_a_text_that_becomes_no_text_while_an_edit_of_it_is_merged_is_told(base: Path) -> None:
    for name in (NAME, "b.txt"):
        (base / "dir" / name).write_text(LINES)
    async with open_bridge(base) as bridge:

        async def becomes_a_blob() -> None:
            (base / "dir" / NAME).write_bytes(b"\0\1\2")
            await bridge.look()

        entry = bridge.folder.files.at[NAME]
        with pytest.raises(VersionUnknown):
            await _edit_while(bridge, becomes_a_blob)
        assert bridge.folder.catalogue.entries[entry].kind is Kind.BLOB
        assert (await _read(bridge, "b.txt"))[0] == LINES


@over_directory
async def test_who_becomes_a_reader_while_an_edit_is_merged_has_nothing_of_it(base: Path) -> None:
    for name in (NAME, "b.txt"):
        (base / "dir" / name).write_text(LINES)
    with pytest.MonkeyPatch.context() as patch:
        async with open_bridge(base) as bridge:

            async def becomes_a_reader() -> None:
                patch.setattr(Membership, "is_reader", True)

            with pytest.raises(FolderError, match="may only read"):
                await _edit_while(bridge, becomes_a_reader)
            assert [(await _read(bridge, name))[0] for name in (NAME, "b.txt")] == [
                LINES.replace("line 2\n", "of others\n"), LINES,
            ]  # fmt: skip


@over_directory
async def test_who_becomes_a_reader_while_something_is_taken_back_has_the_text_as_it_was(base: Path) -> None:
    (base / "dir" / NAME).write_text(LINES)
    with pytest.MonkeyPatch.context() as patch:
        async with open_bridge(base) as bridge:
            text, version = await _read(bridge)
            edited = "agent\n" + text
            await _edit(bridge, version, edited)
            entry = bridge.folder.catalogue.entries[bridge.folder.files.at[NAME]]
            document = bridge.document(NAME)
            update = bridge.folder.texts.at(document.id, bridge.folder.database.last_seq).fork(5).edit(hunks("", "x"))
            assert update is not None
            patch.setattr(Membership, "is_reader", True)
            for change in (
                undo(bridge.folder, entry, NAME, 1),
                restore(bridge.folder, NAME, When(version=int(version.partition("-")[0]))),
            ):
                with pytest.raises(YpError):
                    await change
                assert document.text.text() == edited
            with pytest.raises(FolderError):
                bridge.folder.edits.apply_own(document, update)
            assert document.text.text() == edited


@over_directory
async def test_what_is_taken_back_is_looked_at_anew_where_the_text_goes_on(base: Path) -> None:
    """Else a word comes back alone, of a line that others removed meanwhile. Who types on and on is not waited for."""
    (base / "dir" / NAME).write_text(LINES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taking_back, "_INLINE_SIZE", 0)
        async with open_bridge(base) as bridge:
            text, version = await _read(bridge)
            await _edit(bridge, version, text.replace("line 2", "line two").replace("line 7", "line seven"))
            loop, looks, plan = trio.lowlevel.current_trio_token(), list[bool](), taking_back._plan

            def plan_meanwhile(*given: Any) -> Any:
                found, in_thread = plan(*given), threading.current_thread() is not threading.main_thread()
                looks.append(in_thread)
                if in_thread:
                    trio.from_thread.run(goes_on, trio_token=loop)
                return found

            async def goes_on() -> None:
                now = bridge.document(NAME).text.text()
                await _remote(bridge, now.replace("line two\n", "") + f"typed {len(looks)}\n", len(looks))

            patch.setattr(taking_back, "_plan", plan_meanwhile)
            await _take_back(bridge, "agent")
            assert looks == [True] * taking_back._TRIES + [False]
            typed = "".join(f"typed {number}\n" for number in range(1, len(looks)))
            assert (base / "dir" / NAME).read_text() == LINES.replace("line 2\n", "") + typed


@over_directory
async def test_a_name_of_which_nothing_was_written_is_nobody(base: Path) -> None:
    (base / "dir" / NAME).write_text(LINES)
    with pytest.MonkeyPatch.context() as patch:
        async with open_bridge(base) as bridge:
            text, version = await _read(bridge)
            named = bridge.folder.edits.named

            def fails(self: TextReplica, update: bytes) -> bytes | None:
                raise CrdtPanic("on purpose")

            patch.setattr(TextReplica, "apply", fails)
            with pytest.raises(CrdtPanic):
                await _edit(bridge, version, text + "more\n")
            patch.undo()
            assert named.names == {}
            assert (await _edit(bridge, version, text + "more\n"))["changed"]
            assert list(named.names.values()) == ["agent"]
    async with open_bridge(base) as bridge:
        assert list(bridge.folder.edits.named.names.values()) == ["agent"]
        await _take_back(bridge, "agent")
        assert (base / "dir" / NAME).read_text() == LINES


@over_directory
async def test_who_has_another_name_each_time_is_told_so(base: Path) -> None:
    (base / "dir" / NAME).write_text(LINES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(named_writers, "_MAX_NAMES", 3)
        async with open_bridge(base) as bridge:
            for number in range(3):
                text, version = await _read(bridge)
                await _edit(bridge, version, f"{text}{number}\n", by=f"bot {number}")
            text, version = await _read(bridge)
            with pytest.raises(UsageError, match=r"3 names have edited .* nothing was changed"):
                await _edit(bridge, version, text + "x\n", by="bot 3")
            assert await _read(bridge) == (text, version)
            for by in ("bot 1", None):
                text, version = await _read(bridge)
                assert (await _edit(bridge, version, f"{text}{by}\n", by=by))["changed"]


@over_directory
async def test_what_takes_long_keeps_nobody_waiting(base: Path) -> None:
    (base / "dir" / NAME).write_text(LINES)
    threads = list[threading.Thread]()

    def noted(work: Any) -> Any:
        def run(*arguments: Any) -> Any:
            threads.append(threading.current_thread())
            return work(*arguments)

        return run

    with pytest.MonkeyPatch.context() as patch:
        async with open_bridge(base) as bridge:
            _, version = await _read(bridge)
            for module, name in ((finding, "matches"), (editing, "with_diff"), (editing, "with_blocks")):
                patch.setattr(module, name, noted(getattr(module, name)))
            place = Place(bridge.folder, glob="**/*.txt")
            assert [one["path"] for one in (await finding.listed(place, 1))["files"]] == [NAME]
            assert [one["line"] for one in (await finding.search(place, "7", 1, ignore_case=False))["lines"]] == [8]
            await _edit(bridge, version, diff="@@ @@\n-line 1\n+line\n")
            await _edit(bridge, version, blocks=[Block("line 2", "x")])
            assert len(threads) == 4
            assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    ("glob", "path", "is_meant"),
    [
        ("*.md", "a/b.md", True), ("a/*.md", "a/b.md", True), ("a/*.md", "a/c/b.md", False),
        ("a/**/*.md", "a/b.md", True), ("a/**/*.md", "a/c/d/b.md", True), ("**/c/**", "a/c/d/b.md", True),
        ("**/c/**", "a/c", True), ("**/**/b.md", "b.md", True), ("a/**", "b/a/c", False), ("a/**/c/d", "a/c/c/d", True),
        ("**/x/" * 90, "x/" * 3000 + "x", True), ("**/x/" * 90 + "y", "x/" * 3000 + "x", False),
    ],
)  # fmt: skip
def test_which_paths_a_pattern_means(glob: str, path: str, *, is_meant: bool) -> None:
    assert matches(path, glob) == is_meant


@pytest.mark.parametrize("seed", range(many(8)))
def test_taking_back_by_name_takes_back_that_and_nothing_else(seed: int) -> None:
    """Two who edit by name, a person who saves, another device: each in lines of their own, and lines they share."""
    rng = random.Random(seed)

    async def test(base: Path) -> None:
        path = base / "dir" / NAME
        path.write_text(LINES)
        async with open_bridge(base) as bridge:
            old = await _read(bridge)
            for number in range(30):
                who = rng.choice(["ann", "bob", "person", "other"])
                if who == "other":
                    await _remote(bridge, _changed(rng, path.read_text(), who, number), 1 << 32 | (1000 + number))
                elif who == "person":
                    text = path.read_text()
                    await bridge.take_events()
                    path.write_text(_changed(rng, text, who, number))
                    await bridge.look()
                else:
                    text, version = old if rng.random() < 0.3 else await _read(bridge)
                    answer = await _edit(bridge, version, _changed(rng, text, who, number), by=who)
                    assert answer["done"]
                if rng.random() < 0.3:
                    old = await _read(bridge)
            before = path.read_text()
            for who in ("ann", "bob"):
                if f"{who} " in path.read_text():
                    await _take_back(bridge, who, rng.choice(["", NAME]))
                wanted = [line for line in before.splitlines() if not line.startswith(("ann", who))]
                assert path.read_text().splitlines() == wanted
                with pytest.raises(UsageError):
                    await _take_back(bridge, who)

    run_with_directory(test)


@over_directory
async def test_taking_back_can_be_undone_and_done_again(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(LINES)
    async with open_bridge(base) as bridge:
        entry = bridge.folder.catalogue.entries[bridge.folder.files.at[NAME]]
        text, version = await _read(bridge)
        edited = text.replace("line 4\n", "").replace("line 6\n", "line 6 and more\n")
        await _edit(bridge, version, edited)
        for _ in range(2):
            (found,) = await _take_back(bridge, "agent")
            assert not found["coarse"]
            assert path.read_text() == LINES
            bridge.folder.state.settled = True
            await undo(bridge.folder, entry, NAME, 1)
            await bridge.render()
            assert path.read_text() == edited
        with pytest.raises(UsageError, match="nobody called 'x'"):
            await _take_back(bridge, "x")
        # What was put back stays, when more is taken back later.
        await _take_back(bridge, "agent")
        text = path.read_text()
        await bridge.take_events()
        path.write_text(text.replace("line 4\n", ""))
        await bridge.look()
        text, version = await _read(bridge)
        await _edit(bridge, version, text + "late\n")
        await _take_back(bridge, "agent")
        assert path.read_text() == LINES.replace("line 4\n", "")


@over_directory
async def test_an_edit_without_a_name_is_this_device_s_and_undone_as_such(base: Path) -> None:
    path = base / "dir" / NAME
    path.write_text(LINES)
    async with open_bridge(base) as bridge:
        text, version = await _read(bridge)
        await _edit(bridge, version, text + "mine\n", by=None)
        text, version = await _read(bridge)
        await _edit(bridge, version, "agent\n" + text)
        bridge.folder.state.settled = True
        await undo(bridge.folder, bridge.folder.catalogue.entries[bridge.folder.files.at[NAME]], NAME, 1)
        await bridge.render()
        assert path.read_text() == "agent\n" + LINES
