"""A program that carries a link: what it writes to standard error is read, and only its end is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import trio
from transport.ends import ONE, TWO

from yp2p.transport.command import Command, dial_through
from yp2p.transport.dialer import NotReached


async def _fails(program: str) -> str:
    command = Command((sys.executable, "-c", program), "a program")
    with pytest.raises(NotReached) as refused:
        async with dial_through(command, ONE, TWO.public.noise_key):
            raise AssertionError("nobody answered")
    return str(refused.value)


async def test_what_a_program_says_last_is_told() -> None:
    assert await _fails("import sys; print('first\\n\\x1b[1mlast', file=sys.stderr)") == "\\x1b[1mlast"


async def test_however_much_it_says_nothing_of_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with trio.fail_after(30):
        said = await _fails("import sys; sys.stderr.write(('y' * 99 + chr(10)) * 100_000)")
    assert said == "y" * 99
    assert os.listdir(tmp_path) == []
