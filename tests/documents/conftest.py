"""What a live document promises a program holds whoever answers it: its outline, or the library."""

from __future__ import annotations

import pytest

from yp2p.documents import followed
from yp2p.documents.outline import Outline


@pytest.fixture(params=["outline", "library"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text has an outline from the first edit on, or never one."""
    if request.param == "outline":
        monkeypatch.setattr(followed, "_FIRST_WALKS", 1)
        monkeypatch.setattr(followed, "_CHARACTERS_A_BLOCK", 1 << 30)
    else:
        monkeypatch.setattr(Outline, "of", lambda *_: None)
