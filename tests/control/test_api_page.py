"""docs/api.md is what the routes, the structs of their bodies, the events and real answers make of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from control.api_page import page, routes, samples
from control.samples import FILE, STATED, STATED_EVENTS, difference, printable, tell

from yp2p.device.events import KINDS

_ROOT = Path(__file__).resolve().parents[2]
_AGAIN = "write it anew: PYTHONPATH=.:tests python -m control.api_page docs/api.md"
# What is another one each time: which messages went over a link, what was logged, and who edited a file a moment ago.
_FREE = (".exchanged_bytes", ".lines", ".presence[0].files")


def test_the_page_is_what_the_routes_say() -> None:
    assert (_ROOT / "docs" / "api.md").read_text() == page(), _AGAIN


def test_every_route_is_described() -> None:
    for route in routes():
        summary, _, rest = route.about.partition("\n\n")
        assert summary.endswith("."), f"{route.path}: the docstring of its handler says what it does"
        assert "Answer: " in rest, f"{route.path}: the docstring of its handler says what it answers"


def test_every_request_and_event_has_a_sample() -> None:
    answers, events = samples()
    asked = {f"{route.method} {route.path}" for route in routes()} - {"GET /v1/events"}
    assert asked == answers.keys(), "tell of it in tests/control/samples.py"
    assert KINDS.keys() == events.keys()


def test_no_sample_shows_a_place_of_the_machine_it_was_made_on() -> None:
    assert not re.findall(r'"/(?!home/me|v1)[^"]*"', FILE.read_text())


def test_what_is_said_to_be_answered_is_answered() -> None:
    """The fields that a docstring names first, of an answer that is one object or a list of one kind."""
    answers, _ = samples()
    for route in routes():
        named = re.search(r"Answer: `\[?\{([^{}`]*)", route.about)
        sample = answers.get(f"{route.method} {route.path}", {}).get("answer")
        found = sample[0] if isinstance(sample, list) and sample else sample
        if named is None or not isinstance(found, dict) or "kind" in found:
            continue
        words = [word.partition(":")[0].strip() for word in named[1].split(",")]
        for word in words[:-1] if route.about[named.end()] == "{" else words:
            if word.isidentifier():
                assert word in found, f"{route.path}: {word}"


def test_two_answers_are_alike_when_their_fields_are() -> None:
    assert not difference({"a": 1, "b": [{"c": "x"}]}, {"a": 2.5, "b": []})
    assert not difference({"a": None}, {"a": {"b": 1}})
    assert difference({"a": 1}, {"a": 1, "b": 2})
    assert difference({"a": [{"b": 1}]}, {"a": [{"c": 1}]})
    assert difference({"a": True}, {"a": 1})
    assert difference({"a": "1"}, {"a": 1})


@pytest.mark.long
def test_the_samples_are_what_daemons_answer(tmp_path: Path) -> None:
    answers, events = samples()
    found = printable(tell(tmp_path), tmp_path)
    again = "write them anew: PYTHONPATH=.:tests python -m control.samples"
    for request, sample in answers.items():
        if request not in STATED:
            differs = difference(sample["answer"], found["answers"][request]["answer"], _FREE)
            assert not differs, f"{request}{differs}: {again}"
    for kind in events.keys() - STATED_EVENTS.keys():
        differs = difference(events[kind], found["events"][kind], _FREE)
        assert not differs, f"{kind}{differs}: {again}"
