"""Wrong uses of the command line: one or two plain sentences that name the value, as docs/errors.md shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli.wrong_uses import Answer, answers_with_daemon, answers_without_daemon, page

from yp2p.printable import printable

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
_LONGEST = 320
_NOT_RUNNING = 3
# The folders that there are; a file that is in the way; nothing at all; a secret, of which only the length may be said.
_NAMED = (
    "'photos', 'notes'",
    "device.key",
    "''",
    "is empty",
    "6 characters",
    "88 letters",
    "or give --deleted",
    "not 2",
)
# Words of the program's own parts, of its language and of its libraries.
_INTERNAL = re.compile(
    r"\b(entry|entries|manifest|render|session|epoch|CRDT|Traceback|Errno|float|integer|boolean|None|NoneType|dict|"
    r"struct|msgspec|click|errno|exception|kwargs|payload)\b|Error:|0x[0-9a-f]"
)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Answer], list[Answer]]:
    without = answers_without_daemon(tmp_path_factory.mktemp("without"))
    return without, answers_with_daemon(tmp_path_factory.mktemp("with"))


def _sentences(text: str) -> int:
    return len(re.findall(r"[.?!](?=\s+[A-Z`]|$)", text.rstrip().rstrip(".") + "."))


def _names_a_value(answer: Answer) -> bool:
    """Whether a part of what was typed is in the answer, or what the person can choose from instead."""
    typed = printable(
        " ".join([*answer.wrong.words, *answer.wrong.settings, *answer.wrong.settings.values(), answer.wrong.typed])
    )
    said = answer.err.lower()
    parts = set(re.split(r"[ =@/-]+", typed.lower())) - {""}
    return any(part in said for part in parts) or any(named in said for named in _NAMED)


def test_there_are_many_and_no_two_are_alike(answers: tuple[list[Answer], list[Answer]]) -> None:
    lines = [[answer.wrong.line for answer in some] for some in answers]
    assert sum(map(len, lines)) >= 340
    for some in lines:
        assert sorted(some) == sorted(set(some))


def test_each_answer_is_a_plain_sentence_or_two(answers: tuple[list[Answer], list[Answer]]) -> None:
    bad: list[tuple[str, str]] = []
    for answer in [*answers[0], *answers[1]]:
        faults = {
            f"exit code {answer.code}": answer.code != answer.wrong.code,
            "prints": bool(answer.out),
            "does not say who speaks": not answer.err.startswith("yp2p: "),
            "more than a line": answer.err.count("\n") != 1,
            "more than two sentences": _sentences(answer.err) > 2,
            "too long": len(answer.err) > _LONGEST,
            "an internal word": _INTERNAL.search(answer.err) is not None,
            "no value": not _names_a_value(answer) and answer.code != _NOT_RUNNING,
            "not what to do": answer.code == _NOT_RUNNING and "`yp2p daemon`" not in answer.err,
        }
        bad += [(answer.wrong.line, f"{fault}: {answer.err}") for fault, is_so in faults.items() if is_so]
    assert bad == []


def test_the_page_shows_what_is_said(answers: tuple[list[Answer], list[Answer]]) -> None:
    assert _PAGE.read_text() == page(*answers), (
        "write it anew: PYTHONPATH=.:tests python -m cli.wrong_uses docs/errors.md"
    )
