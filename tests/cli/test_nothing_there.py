"""Commands that list something say so where there is nothing to list."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from yp2p.cli.main import main


@pytest.mark.parametrize(
    ("words", "answer", "said"),
    [
        (("conflicts",), [], "No conflicts.\n"),
        (("trash", "list"), [], "The trash is empty.\n"),
        (
            ("folder", "list"),
            {"folders": [], "offers": {"received": [], "made": []}},
            "No folders yet: `yp2p share DIR`",
        ),
    ],
)
def test_a_list_of_nothing_says_so(
    words: tuple[str, ...],
    answer: Any,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("yp2p.control.call.call", lambda *_: answer)
    for more, wanted in (((), said), (("--json",), "")):
        monkeypatch.setattr(sys, "argv", ["yp2p", *words, *more])
        with pytest.raises(SystemExit):
            main()
        out = capsys.readouterr().out
        assert out.startswith(wanted)
        assert (said in out) == (not more)
