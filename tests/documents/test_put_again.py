"""Which words of what repairs put in again one side alone wrote."""

from __future__ import annotations

from yp2p.documents.put_again import Taken, news_in, words_of


def _taken(*runs: tuple[str, bool]) -> list[Taken]:
    return [Taken(word, is_news) for text, is_news in runs for word in words_of(text)]


def _news(put: list[str], *taken: list[Taken]) -> list[str]:
    lines = [words_of(line) for line in put]
    found = news_in(lines, taken)
    return [
        "".join(word for at, word in enumerate(line) if at in news) for line, news in zip(lines, found, strict=True)
    ]


def test_the_words_of_a_text_are_all_of_it() -> None:
    text = "<w.1> é  x\n\n\t(a == 1)\r\n b"
    assert "".join(words_of(text)) == text


def test_a_line_is_the_one_that_is_the_same() -> None:
    """Not the first one that has its signs, whatever the order."""
    old, new = _taken(("<w.15>  \n", False)), _taken(("<w.24> é\n", True))
    for taken in ([old, new], [new, old]):
        assert _news(["<w.15>  \n", "<w.24> é\n"], *taken) == ["", "<w.24> é\n"]


def test_of_equal_lines_as_many_are_news_as_were_taken_out() -> None:
    old, new = _taken(("same\n", False)), _taken(("same\n", True))
    assert _news(["same\n", "same\n", "same\n"], old, new) == ["", "same\n", ""]


def test_in_a_line_that_was_gone_on_with_the_words_are_news() -> None:
    line = _taken(("the end ", False), ("of all ", True), ("that is\n", False))
    assert _news(["the end of all that is\n"], line) == ["of all "]
    assert _news(["the end of all that is and more\n"], line) == ["of all "]


def test_a_line_goes_to_the_one_that_it_has_the_most_in_common_with() -> None:
    old, new = _taken(("alpha beta gamma 1\n", False)), _taken(("alpha beta delta\n", True))
    assert _news(["alpha beta delta 2\n", "alpha beta gamma\n"], old, new) == ["alpha beta delta\n", ""]


def test_a_line_that_is_like_none_is_not_known() -> None:
    assert _news(["x\n", "\n"], _taken(("alpha\n", True))) == ["", ""]


def test_what_is_compared_has_a_limit() -> None:
    """Lines that are the same are found in any case."""
    taken = [_taken((f"line {number} that was {number}\n", True)) for number in range(3000)]
    put = [f"line {number} that is {number}\n" for number in range(3000)]
    found = _news([*put, "line 7 that was 7\n"], *taken)
    assert found == [""] * 3000 + ["line 7 that was 7\n"]
