"""The layout is one tree, whatever the manifest says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yp2p.documents.layout import LayoutIndex, conflict_path, layout
from yp2p.identity import EntryID
from yp2p.protocol.names import path_problem

names = st.sampled_from(["a", "b", "a.txt", "x.conflict-00000000"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
entry_ids = st.binary(min_size=16, max_size=16).map(EntryID)


@given(st.dictionaries(entry_ids, paths, max_size=12), st.randoms())
def test_every_entry_has_one_place_and_no_file_is_a_directory(wanted: dict[EntryID, str], rng: object) -> None:
    items = list(wanted.items())
    result = layout(items)
    rng.shuffle(items)  # type: ignore[attr-defined]
    assert layout(items) == result
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


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.tuples(paths, st.booleans())), max_size=30), st.data())
def test_the_index_never_differs(changes: list[tuple[int, tuple[str, bool] | None]], data: st.DataObject) -> None:
    index = LayoutIndex()
    wanted: dict[EntryID, tuple[str, bool]] = {}
    before: dict[EntryID, str] = {}
    for number, want in changes:
        entry = EntryID(bytes([number]) * 16)
        index.want(entry, want)
        if want is None:
            wanted.pop(entry, None)
        else:
            wanted[entry] = want
        if data.draw(st.booleans()):
            expected = layout(
                [(entry, path) for entry, (path, is_directory) in wanted.items() if not is_directory],
                [(entry, path) for entry, (path, is_directory) in wanted.items() if is_directory],
            )
            found = index.get()
            assert (found.path_of, found.entry_at) == (expected.path_of, expected.entry_at)
            after = dict(found.path_of)
            assert index.take_moved() >= {e for e in before.keys() | after if before.get(e) != after.get(e)}
            before = after


def test_whatever_names_are_taken_there_is_another_one() -> None:
    """Who takes all names with a number of two bytes on purpose."""
    one, other = EntryID(bytes(16)), EntryID(b"\xff" * 16)
    taken = [
        conflict_path("a", other),
        *(conflict_path("a", EntryID(k.to_bytes(2, "big") + other), 36) for k in range(1 << 16)),
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
