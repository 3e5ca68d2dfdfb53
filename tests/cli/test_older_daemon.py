"""A daemon that is older, or newer, than the command and does not say what it looks for: that is a sentence."""

from __future__ import annotations

import copy
import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cli.test_output import ANSWERS, SHOWN, _Events

from yp2p import __version__
from yp2p.cli.main import main
from yp2p.control.call import read_answer
from yp2p.printable import printable

_OLDER = "0.0.1"
_Way = tuple[str | int, ...]


def _fields(answer: Any, way: _Way = ()) -> Iterator[_Way]:
    """The ways to all fields of an answer; of a list to those of its first element."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            yield (*way, key)
            yield from _fields(value, (*way, key))
    elif isinstance(answer, list) and answer:
        yield from _fields(answer[0], (*way, 0))


def _without(answer: Any, way: _Way) -> Any:
    found = copy.deepcopy(answer)
    *to, last = way
    place = found
    for step in to:
        place = place[step]
    del place[last]
    return found


class _Daemon:
    """Says what `ANSWERS` has, but for one field."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.lacks: tuple[str, _Way] | None = None

    def call(self, _socket: object, _method: object, path: str, *_: object) -> Any:
        return self._says(path, ANSWERS[path])

    def events(self, *_: object) -> _Stream:
        return _Stream(self._says("events", list(_Events("", ""))))

    def _says(self, path: str, answer: Any) -> Any:
        self.asked[path] = answer
        if isinstance(answer, str):
            return answer  # text, which has no fields
        if self.lacks is not None and self.lacks[0] == path:
            answer = _without(answer, self.lacks[1])
        return read_answer(json.dumps(answer).encode(), _OLDER)


class _Stream(list[Any]):
    def close(self) -> None:
        pass


@pytest.mark.parametrize("arguments", SHOWN, ids=lambda arguments: printable(" ".join(arguments)))
def test_a_field_that_the_daemon_does_not_know_is_a_sentence(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = _Daemon()
    monkeypatch.setattr("yp2p.control.call.call", daemon.call)
    monkeypatch.setattr("yp2p.cli.events.EventStream", daemon.events)
    monkeypatch.setattr(sys, "argv", ["yp2p", *arguments])

    def run() -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text\n")))
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().err

    usual, _ = run()
    for path, answer in list(daemon.asked.items()):
        for way in _fields(answer):
            daemon.lacks = path, way
            code, err = run()
            assert "Traceback" not in err, f"{path} without {way}"
            if code != usual:
                assert code == 1
                assert f"does not say {way[-1]!r}" in err, f"{path} without {way}"
                assert f"the daemon is yp2p {_OLDER}, and the program that asks is yp2p {__version__}" in err
                assert "the daemon is the older one; restart it" in err


def test_something_is_looked_for_in_most_answers() -> None:
    """Else the test above would say nothing."""
    assert sum(len(list(_fields(answer))) for answer in ANSWERS.values()) > 300


@pytest.mark.parametrize("read", [lambda found: found["of"]["line"], lambda found: found["of"]["all"][0]["number"]])
def test_what_is_looked_for_deep_in_an_answer_is_said_too(read: Callable[[Any], Any]) -> None:
    from yp2p.control.call import RemoteError

    found = read_answer(b'{"of": {"all": [{}]}}', _OLDER)
    with pytest.raises(RemoteError, match=r"does not say '(line|number)'"):
        read(found)
