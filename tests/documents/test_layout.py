"""The layout is one tree, whatever the manifest says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yp2p.documents.layout import conflict_path, layout
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


def test_conflict_names() -> None:
    entry = EntryID(b"\x1f\x2e\x3d\x4c" + bytes(12))
    assert conflict_path("d/a.txt", entry) == "d/a.conflict-1f2e3d4c.txt"
    assert conflict_path("Makefile", entry) == "Makefile.conflict-1f2e3d4c"
    assert conflict_path(".bashrc", entry) == ".bashrc.conflict-1f2e3d4c"
    assert len(conflict_path("é" * 127, entry).encode()) <= 255
