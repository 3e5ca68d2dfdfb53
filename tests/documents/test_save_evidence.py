"""The rule for what a save was made of, as a table: pure, without files or clocks."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from yp2p.documents.save_evidence import (
    OPEN_S,
    Circumstances,
    Decision,
    MadeOf,
    NoEdit,
    Older,
    Replaces,
    Stands,
    decide,
)

OLDER = "".join(f"line {number} of the file\n" for number in range(10))
NEWER = OLDER.replace("line 7 of the file", "line 7 from elsewhere")
ADDED = OLDER.replace("line 7 of the file\n", "line 7 of the file\nanother line from elsewhere\n")
REMOVED = OLDER.replace("line 7 of the file\n", "")
SAVE = OLDER.replace("line 2 of the file", "line 2 typed here")
MERGED = NEWER.replace("line 2 of the file", "line 2 typed here")

OPEN = Older(OLDER, opened_ago_s=60.0)
LOCKED = replace(OPEN, has_lock=True)
PLAIN = Circumstances()
READ = Circumstances(was_read=True)
REPLACES, MADE_OF, NO_EDIT, STANDS = Replaces(), MadeOf(0), NoEdit(0), Stands(0)


# What was open, what is known besides, what was on the disk, what was saved; what that was made of.
ROWS: dict[str, tuple[list[Older], Circumstances, str, str, Decision]] = {
    # --- was the older version open?
    "nobody had opened the older version": ([], PLAIN, NEWER, SAVE, REPLACES),
    "opened a minute ago": ([OPEN], PLAIN, NEWER, SAVE, MADE_OF),
    "opened four hours ago": ([replace(OPEN, opened_ago_s=OPEN_S)], PLAIN, NEWER, SAVE, MADE_OF),
    "opened longer ago": ([replace(OPEN, opened_ago_s=OPEN_S + 1)], PLAIN, NEWER, SAVE, REPLACES),
    "opened longer ago, with a lock": ([replace(LOCKED, opened_ago_s=OPEN_S + 1)], PLAIN, NEWER, SAVE, REPLACES),
    # --- was the newer version read?
    "read since": ([OPEN], READ, NEWER, SAVE, REPLACES),
    "read since, with a lock": ([LOCKED], READ, NEWER, SAVE, MADE_OF),
    "not read, with a lock": ([LOCKED], PLAIN, NEWER, SAVE, MADE_OF),
    # --- what is in the save?
    "has what came": ([OPEN], PLAIN, NEWER, MERGED, REPLACES),
    "has what came, with a lock": ([LOCKED], READ, NEWER, MERGED, REPLACES),
    "lacks a line that was added": ([OPEN], PLAIN, ADDED, SAVE, MADE_OF),
    "has a line that was removed": ([OPEN], PLAIN, REMOVED, SAVE, MADE_OF),
    "appends to what came": ([OPEN], PLAIN, NEWER, NEWER + "appended\n", REPLACES),
    "appends to the older version": ([OPEN], PLAIN, NEWER, OLDER + "appended\n", MADE_OF),
    "both appended": ([OPEN], PLAIN, OLDER + "elsewhere\n", OLDER + "here\n", MADE_OF),
    "has half of what came": (
        [OPEN], PLAIN, NEWER.replace("line 8 of the file", "line 8 from elsewhere"),
        SAVE.replace("line 7 of the file", "line 7 from elsewhere"), MADE_OF,
    ),
    "has most of what came": (
        [OPEN], PLAIN, NEWER.replace("line 8 of the file", "line 8 from a"),
        SAVE.replace("line 7 of the file", "line 7 from elsewhere"), REPLACES,
    ),
    "edits the line that came": (
        [OPEN], PLAIN, NEWER, NEWER.replace("7 from elsewhere", "7 from elsewhere and here"), REPLACES,
    ),
    "has hardly a line of what was left alone": ([OPEN], PLAIN, NEWER, "something else\n" + OLDER[:40], REPLACES),
    "has nothing of it": ([OPEN], PLAIN, NEWER, "something else\n", REPLACES),
    "is empty": ([OPEN], PLAIN, NEWER, "", REPLACES),
    "is empty, with a lock": ([LOCKED], READ, NEWER, "", REPLACES),
    "was empty before": ([replace(OPEN, text="")], PLAIN, "elsewhere\n", "here\n", MADE_OF),
    "only an added brace came": ([OPEN], PLAIN, OLDER + "}\n", SAVE, MADE_OF),
    "only an added brace came, and is there": ([OPEN], PLAIN, OLDER + "}\n", SAVE + "}\n", REPLACES),
    # --- does the save change all that came?
    "the same line": ([OPEN], PLAIN, NEWER, OLDER.replace("line 7 of the file", "line 7 typed here"), STANDS),
    "the same line, with a lock": (
        [LOCKED], READ, NEWER, OLDER.replace("line 7 of the file", "line 7 typed here"), MADE_OF,
    ),
    "the same line and another one": ([OPEN], PLAIN, NEWER, SAVE.replace("7 of the file", "7 typed here"), STANDS),
    "the same line, but another one came too": (
        [OPEN], PLAIN, NEWER.replace("line 4 of the file", "line 4 from elsewhere"),
        OLDER.replace("line 7 of the file", "line 7 typed here"), MADE_OF,
    ),
    "every line is another": (
        [OPEN], PLAIN, OLDER.replace("of the file", "elsewhere"), OLDER.replace("of the file", "here"), STANDS,
    ),
    "a counter": ([replace(OPEN, text="3\n")], PLAIN, "4\n", "5\n", STANDS),
    "a counter under a heading": ([replace(OPEN, text="count\n3\n")], PLAIN, "count\n4\n", "count\n5\n", STANDS),
    "the line that came was removed here": ([OPEN], PLAIN, NEWER, OLDER.replace("line 7 of the file\n", ""), MADE_OF),
    # --- is it a restore?
    "the older version itself": ([replace(OPEN, is_save=True)], PLAIN, NEWER, OLDER, REPLACES),
    "a former version": ([OPEN], Circumstances(is_former=True), NEWER, SAVE, REPLACES),
    "a former version, with a lock": ([LOCKED], Circumstances(is_former=True), NEWER, SAVE, REPLACES),
    "what an editor with a lock has open": ([replace(LOCKED, is_save=True)], PLAIN, NEWER, OLDER, NO_EDIT),
    "what an editor with a lock has open, read since": ([replace(LOCKED, is_save=True)], READ, NEWER, OLDER, NO_EDIT),
    "what an editor had open too long ago": (
        [replace(LOCKED, is_save=True, opened_ago_s=OPEN_S + 1)], PLAIN, NEWER, OLDER, REPLACES,
    ),
    "what an editor with a lock had open before it saved": (
        [replace(LOCKED, is_save=True), replace(LOCKED, text=SAVE)], PLAIN, MERGED, OLDER, REPLACES,
    ),
    # --- who else writes?
    "git is at work": ([OPEN], Circumstances(in_git=True), NEWER, SAVE, REPLACES),
    "git is at work, with a lock": ([LOCKED], Circumstances(in_git=True), NEWER, SAVE, REPLACES),
    "one of a wave": ([OPEN], Circumstances(in_wave=True), NEWER, SAVE, REPLACES),
    "one of a wave, with a lock": ([LOCKED], Circumstances(in_wave=True), NEWER, SAVE, REPLACES),
    # --- several versions may be open
    "the nearest of two": ([OPEN, replace(OPEN, text=SAVE)], PLAIN, MERGED, SAVE + "more\n", MadeOf(1)),
    "the older of two": ([OPEN, replace(OPEN, text=ADDED)], PLAIN, ADDED + "more\n", SAVE, MADE_OF),
    "the newest of equals": ([OPEN, OPEN], PLAIN, NEWER, SAVE, MadeOf(1)),
    "only the one with a lock, once it was read": (
        [LOCKED, replace(OPEN, text=SAVE)], READ, MERGED, SAVE + "more\n", MADE_OF,
    ),
    "one that was open too long ago counts for nothing": (
        [OPEN, replace(OPEN, text=SAVE, opened_ago_s=OPEN_S + 1)], PLAIN, MERGED, SAVE + "more\n", MADE_OF,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_what_a_save_was_made_of(name: str) -> None:
    older, circumstances, newer, save, decision = ROWS[name]
    assert decide(older, newer, save, circumstances) == decision


def test_evidence_that_is_missing_only_ever_makes_a_save_replace() -> None:
    """Taking evidence for an open older version away never makes a merge of what was none."""
    for older, circumstances, newer, save, decision in ROWS.values():
        if decision == REPLACES:
            for weaker in (replace(circumstances, was_read=True), replace(circumstances, in_git=True)):
                without = [replace(one, has_lock=False, opened_ago_s=one.opened_ago_s + OPEN_S) for one in older]
                assert decide(without, newer, save, weaker) == REPLACES


def test_whoever_writes_all_lines_never_makes_a_mixture() -> None:
    """A state file: every writer writes values of its own on all lines, as many lines as there were before."""
    rng = random.Random(1)
    for _ in range(200):
        rows = rng.randint(1, 12)
        older, newer, save = ("".join(f"{key} = {rng.random()}\n" for key in range(rows)) for _ in range(3))
        assert decide([Older(older, 1.0)], newer, save, PLAIN) in (STANDS, REPLACES)
