"""The layout is one tree, whatever the manifest says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yp2p.documents.layout import LayoutIndex, conflict_path, is_conflict_name, layout, plain_name
from yp2p.identity import EntryID
from yp2p.protocol.names import path_problem

names = st.sampled_from(["a", "b", "a.txt", "x.conflict-00000000", "a.conflict-desk-2026-11-29-00000000"])
origins = st.sampled_from(["", "", "desk-2026-11-29", "lap-2026-11-29"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
entry_ids = st.binary(min_size=16, max_size=16).map(EntryID)


@given(st.dictionaries(entry_ids, st.tuples(paths, origins), max_size=12), st.randoms())
def test_every_entry_has_one_place_and_no_file_is_a_directory(
    entries: dict[EntryID, tuple[str, str]], rng: object
) -> None:
    wanted = {entry: path for entry, (path, _) in entries.items()}
    made = {entry: origin for entry, (_, origin) in entries.items() if origin}
    items = list(wanted.items())
    result = layout(items, origins=made)
    rng.shuffle(items)  # type: ignore[attr-defined]
    assert layout(items, origins=made) == result
    assert set(result.path_of) == set(wanted)
    assert {entry: path for path, entry in result.entry_at.items()} == result.path_of
    for path in result.entry_at:
        assert path_problem(path) is None
        assert not any(other.startswith(path + "/") for other in result.entry_at)
    for entry, path in wanted.items():
        assert (result.path_of[entry] == path) == (entry not in result.conflicts)


def test_directories_are_there_for_all_who_need_them() -> None:
    entries = [EntryID(bytes([number]) * 16) for number in range(6)]
    result = layout(
        [(entries[0], "d"), (entries[1], "e/f"), (entries[2], "x/y"), (entries[3], "x")],
        [(entries[4], "d"), (entries[5], "e"), (EntryID(bytes([9]) * 16), "d")],
    )
    assert result.path_of[entries[4]] == result.path_of[EntryID(bytes([9]) * 16)] == "d"
    assert result.path_of[entries[5]] == "e"
    assert result.path_of[entries[1]] == "e/f"
    assert result.conflicts == {entries[0], entries[3]}
    assert result.entry_at["d"] in (entries[4], EntryID(bytes([9]) * 16))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.tuples(paths, st.booleans()), origins), max_size=30),
    st.data(),
)
def test_the_index_never_differs(changes: list[tuple[int, tuple[str, bool] | None, str]], data: st.DataObject) -> None:
    index = LayoutIndex()
    wanted: dict[EntryID, tuple[str, bool]] = {}
    made: dict[EntryID, str] = {}
    before: dict[EntryID, str] = {}
    for number, want, origin in changes:
        entry = EntryID(bytes([number]) * 16)
        index.want(entry, want, origin)
        made[entry] = origin
        if want is None:
            wanted.pop(entry, None)
        else:
            wanted[entry] = want
        if data.draw(st.booleans()):
            expected = layout(
                [(entry, path) for entry, (path, is_directory) in wanted.items() if not is_directory],
                [(entry, path) for entry, (path, is_directory) in wanted.items() if is_directory],
                made,
            )
            found = index.get()
            assert (found.path_of, found.entry_at, found.conflicts) == (
                expected.path_of,
                expected.entry_at,
                expected.conflicts,
            )
            after = dict(found.path_of)
            assert index.take_moved() >= {e for e in before.keys() | after if before.get(e) != after.get(e)}
            before = after


def test_whatever_names_are_taken_there_is_another_one() -> None:
    """Who takes all names with a number of two bytes on purpose."""
    one, other = EntryID(bytes(16)), EntryID(b"\xff" * 16)
    taken = [
        conflict_path("a", other),
        *(conflict_path("a", EntryID(k.to_bytes(2, "big") + other), digits=36) for k in range(1 << 16)),
    ]
    wanted = [(one, "a"), (other, "a"), *((EntryID(k.to_bytes(16, "big")), path) for k, path in enumerate(taken, 1))]
    result = layout(wanted)
    assert len(set(result.path_of.values())) == len(wanted) == 65_539
    assert path_problem(result.path_of[other]) is None


def test_conflict_names() -> None:
    entry = EntryID(b"\x1f\x2e\x3d\x4c" + bytes(12))
    assert conflict_path("d/a.txt", entry) == "d/a.conflict-1f2e3d4c.txt"
    assert conflict_path("Makefile", entry) == "Makefile.conflict-1f2e3d4c"
    assert conflict_path(".bashrc", entry) == ".bashrc.conflict-1f2e3d4c"
    assert len(conflict_path("é" * 127, entry).encode()) <= 255


def test_conflict_names_that_say_who_made_the_file_and_when() -> None:
    entry, made = EntryID(b"\x1f\x2e\x3d\x4c" + bytes(12)), "desk-2026-11-29"
    assert conflict_path("d/a.txt", entry, made) == "d/a.conflict-desk-2026-11-29-1f2e3d4c.txt"
    assert conflict_path("Makefile", entry, made) == "Makefile.conflict-desk-2026-11-29-1f2e3d4c"
    for mark in ("lap-2025-01-01-00112233", "2025-01-01-00112233", "00112233"):
        before = f"a.conflict-{mark}.txt"
        assert conflict_path(before, entry, made) == "a.conflict-desk-2026-11-29-1f2e3d4c.txt", "a copy of a copy"
        assert plain_name(f"d/{before}") == "d/a.txt"
    for plain in ("a.conflict-desk.txt", "a.conflict-desk-2026-11-29.txt", "conflict-00112233.txt", "a.conflict-1.txt"):
        assert not is_conflict_name(plain)
        assert plain_name(plain) == plain


def test_a_conflict_name_is_no_longer_than_a_disk_takes() -> None:
    entry, made = EntryID(bytes(16)), "ü" * 20 + "-2026-11-29"
    for path in ("é" * 127, "d" * 255, f"{'d' * 250}/" * 12 + "e" * 60, f"{'x' * 254}.{'é' * 20}"):
        assert path_problem(conflict_path(path, entry, made)) is None
        assert path_problem(conflict_path(path, entry)) is None


def test_who_takes_the_name_of_another_ones_copy_has_it_named_by_its_id_alone() -> None:
    one, two, three = (EntryID(bytes([number]) * 16) for number in (1, 2, 3))
    named = conflict_path("a", two, "desk-2026-11-29")
    made = {two: "desk-2026-11-29"}
    assert layout([(one, "a"), (two, "a")], origins=made).path_of[two] == named
    assert layout([(one, "a"), (two, "a"), (three, named)], origins=made).path_of == {
        one: "a", two: conflict_path("a", two), three: named,
    }  # fmt: skip
    assert layout([(one, "a"), (two, "a"), (three, f"{named}/x")], origins=made).path_of[two] == conflict_path("a", two)


def test_an_entry_has_its_own_name_again_once_that_is_free() -> None:
    index = LayoutIndex()
    one, two = (EntryID(bytes([number]) * 16) for number in (1, 2))
    index.want(one, ("a", False))
    index.want(two, ("a", False))
    assert index.get().path_of[two] == conflict_path("a", two)
    index.take_moved()
    index.want(two, ("a", False), "desk-2026-11-29")
    assert index.get().path_of[two] == conflict_path("a", two, "desk-2026-11-29")
    assert index.take_moved() == {two}
    index.want(one, None)
    assert index.get().path_of == {two: "a"}


def test_what_is_contested_costs_only_those_who_contest_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything was laid out anew for each change, once a path was contested."""
    placed: list[EntryID] = []
    place = LayoutIndex._place

    def counting(index: LayoutIndex, entry: EntryID) -> None:
        placed.append(entry)
        place(index, entry)

    monkeypatch.setattr(LayoutIndex, "_place", counting)
    monkeypatch.setattr("yp2p.documents.layout.layout", None)
    index, beside = LayoutIndex(), EntryID(b"\xff" * 16)
    for number in range(300):
        index.want(EntryID(number.to_bytes(16, "big")), (f"d{number % 7}/{number}.txt", False))
    index.want(beside, ("d0/0.txt", False))
    assert index.get().conflicts == {beside}
    assert placed == [beside]
    for number in range(1, 300):  # renamed
        index.want(EntryID(number.to_bytes(16, "big")), (f"e{number % 7}/{number}.txt", False))
        assert index.get().path_of[beside] == "d0/0.conflict-ffffffff.txt"
    assert placed == [beside]
    index.want(EntryID(bytes(16)), None)
    assert index.get().path_of[beside] == "d0/0.txt"
    assert not index.get().conflicts
    assert placed == [beside]


def test_who_stands_beside_moves_as_others_take_and_leave_its_name() -> None:
    first, second, third, fourth = (EntryID(bytes([7, 7, 7, 7, number]) + bytes(11)) for number in range(4))
    index = LayoutIndex()
    for entry in (first, second, third):
        index.want(entry, ("a.txt", False))
    long = [conflict_path("a.txt", EntryID(bytes(2) + entry), digits=36) for entry in (second, third)]
    assert index.get().path_of == {first: "a.txt", second: "a.conflict-07070707.txt", third: long[1]}
    index.want(fourth, ("a.conflict-07070707.txt", False))
    assert index.get().path_of == {
        first: "a.txt", second: long[0], third: long[1], fourth: "a.conflict-07070707.txt",
    }  # fmt: skip
    index.take_moved()
    index.want(fourth, None)
    index.want(second, None)
    assert index.get().path_of == {first: "a.txt", third: "a.conflict-07070707.txt"}
    assert index.take_moved() == {second, third, fourth}
