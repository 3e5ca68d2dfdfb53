"""Who made a file and when, in the name of its conflict copy: one name of it everywhere, and none that harms."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yp2p.documents.layout import conflict_digits, conflict_path, is_conflict_name, plain_name
from yp2p.documents.origins import MAX_ORIGIN_BYTES, decode_origin, origin_of
from yp2p.identity import EntryID
from yp2p.printable import printable
from yp2p.protocol.names import path_problem

_ENTRY = EntryID(b"\x1f\x2e\x3d\x4c" + bytes(12))
_DAY = time.mktime((2026, 11, 29, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("device", "origin"),
    [
        ("desk", "desk-2026-11-29"),
        ("Anna's MacBook Pro", "Annas-MacBook-Pro-2026-11-29"),
        ("Rechner im Büro", "Rechner-im-Büro-2026-11-29"),
        ("Bu\u0308ro", "Büro-2026-11-29"),
        ("ноутбук", "ноутбук-2026-11-29"),
        ("host.example.org", "host-example-org-2026-11-29"),
        ("../../etc/passwd", "etc-passwd-2026-11-29"),
        ("a\u202egnp.exe\x1b[31m\n", "a-gnp-exe-31m-2026-11-29"),
        ("-- ..", "2026-11-29"),
        ("\U0001f5a5", "2026-11-29"),
        ("", "2026-11-29"),
        ("x" * 300, "x" * 40 + "-2026-11-29"),
        ("ü" * 300, "ü" * 20 + "-2026-11-29"),
    ],
)
def test_a_name_is_words_and_a_day(device: str, origin: str) -> None:
    assert origin_of(device, _DAY) == origin
    assert decode_origin(origin.encode()) == origin


@given(st.text(max_size=80), st.integers(0, 4_000_000_000))
@example("e'\u0301", 0)
@example("\u0301", 0)
def test_what_is_written_is_what_is_read(device: str, at: int) -> None:
    origin = origin_of(device, at)
    assert decode_origin(origin.encode()) == origin
    assert len(origin.encode()) <= MAX_ORIGIN_BYTES


@pytest.mark.parametrize(
    "value",
    [
        *(
            f"{device}-2026-11-29".encode()
            for device in (
                "", "a/b", "..", ".git", "a.b", "a\x00", "a b", "a--b", "a\n", "a:b", "a*", "-a", "a-", "a\u202eb",
                "a\u200bb", "a\u2028b", "Bu\u0308ro", "\U0001f5a5", "x" * 41,
            )
        ),
        *(
            f"desk-{day}".encode()
            for day in ("2026-13-01", "2026-02-30", "0001-01-01", "\uff12026-11-29", "2026-11-29\n")
        ),
        b"", b"desk", b"desk2026-11-29", b"2026-11-29-desk", b"\xff-2026-11-29", b"\xed\xa0\x80-2026-11-29",
        b"x" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_such_name_is_none(value: bytes) -> None:
    assert decode_origin(value) == ""


_NEARLY = st.builds(
    lambda name, day: f"{name}-{day}".encode("utf-8", "surrogatepass"),
    st.text(max_size=12),
    st.sampled_from(["2026-11-29", "9999-12-31"]),
)


@given(_NEARLY | st.binary(max_size=64))
def test_whatever_a_register_says_the_name_is_one_that_every_disk_and_terminal_takes(value: bytes) -> None:
    path = conflict_path("d/a.txt", _ENTRY, decode_origin(value))
    name = path.removeprefix("d/")
    assert path_problem(path) is None
    assert "/" not in name
    assert name.startswith("a.conflict-")
    assert name.endswith("1f2e3d4c.txt")
    assert printable(name) == name
    assert unicodedata.normalize("NFC", name) == name
    assert not set(name) & set('<>:"\\|?*')
    assert is_conflict_name(path)
    assert plain_name(path) == "d/a.txt"
    assert conflict_digits(path) == "1f2e3d4c"


def test_which_characters_are_letters_does_not_depend_on_the_version_of_unicode() -> None:
    """A letter that came with Unicode 14 is none on any device: one with an older Python would not know it."""
    new = "\u0870"
    assert unicodedata.category(new) == "Lo"
    assert sys.version_info >= (3, 11)
    assert decode_origin(f"a{new}-2026-11-29".encode()) == ""
    assert origin_of(f"a{new}", _DAY) == "a-2026-11-29"
