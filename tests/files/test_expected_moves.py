"""Which moves are no news: one report for each file that this process has put in place."""

from __future__ import annotations

from yp2p.files.expected_moves import ExpectedMoves


def test_one_report_of_each_file_is_no_news() -> None:
    moves = ExpectedMoves()
    with moves.moving({"a", "b"}) as placed:
        assert moves.take("a")
        assert not moves.take("a"), "the second is somebody else's"
        assert not moves.take("c")
        placed |= {"a", "b"}
    assert moves.take("b")


def test_where_nothing_was_put_nothing_is_expected() -> None:
    moves = ExpectedMoves()
    with moves.moving({"a", "b"}) as placed:
        placed.add("a")
    assert not moves.take("b")


def test_what_was_put_in_place_has_been_told_with_the_next_reading() -> None:
    moves = ExpectedMoves()
    with moves.moving({"a"}) as placed:
        placed.add("a")
    with moves.reading():
        pass  # the kernel told nothing: the directory was not watched
    assert not moves.take("a")


def test_a_reading_that_began_before_may_not_have_it() -> None:
    moves = ExpectedMoves()
    with moves.reading(), moves.moving({"a"}) as placed:
        placed.add("a")
    assert moves.take("a")


def test_what_lies_in_directories_that_went_is_told() -> None:
    moves = ExpectedMoves()
    with moves.moving({"d/a", "d/b", "dd/c", "e"}):
        moves.take("d/a")
        assert moves.beneath({"d"}) == {"d/a", "d/b"}
    assert moves.beneath({"d"}) == set()
