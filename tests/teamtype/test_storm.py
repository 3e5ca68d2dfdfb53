"""Four unmodified Neovims on two devices at work in one file: all buffers and both disks are the same in the end."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from lab import Device, devices, eventually
from teamtype.neovim import Neovim, needs_neovim, neovim

pytestmark = [needs_neovim, pytest.mark.teamtype]

SEEDS = range(*map(int, os.environ.get("YP2P_TEAMTYPE_SEEDS", "0:1").split(":")))
COMMANDS = int(os.environ.get("YP2P_TEAMTYPE_COMMANDS", "400"))
TEXT = "".join(f"line {number}: some words, an é and a 💚\n" for number in range(8))
_LIMIT_S = 300  # that it ends is tried, and not how long it takes on a machine that has much to do
# Anything that people do without a mode that stays; undo takes back what others wrote as well, as Neovim has it.
NORMAL = (
    "ix", "a yz", "Iab", "Aend", "onew line", "Oabove", "i\né", "a💚", "x", "X", "dd", "dw", "D", "cwword", "J", "~",
    "rq", "yyp", "yyP", "xp", "ddp", ">>", "<<", "u", "u", "\x12", "gUiw", "dG", "dgg", "3dd", "ggOtop", "GoBottom",
    "dj", "dk", "cc", "S", "p", "P", ".", "yw$p", "gJ", "5x",
)  # fmt: skip
MOVES = ("h", "j", "k", "l", "gg", "G", "0", "$", "w", "b", "3j", "3k", "10l", "")


def _random_command(rng: random.Random, lines: int = 10) -> str:
    """With what removes most of the text now and then only, and lines only while there are some.

    Of a text without words little is left to go wrong, and of a buffer of two empty lines the plugin does not tell that
    one of them was deleted.
    """
    keys = rng.choice(NORMAL)
    if (keys in ("dG", "dgg") and rng.random() < 0.7) or (lines < 6 and keys[-1] in "djkGg"):
        keys = "GoBottom"
    return rng.choice(MOVES) + keys


def _work(rng: random.Random, editors: list[Neovim], commands: int, now_and_then: Callable[[int], None]) -> None:
    for number in range(commands * len(editors)):
        editor = rng.choice(editors)
        editor.normal(_random_command(rng, editor.call("nvim_buf_line_count", 0)))
        if rng.random() < 0.1:
            time.sleep(rng.random() * 0.02)  # so that some of what is typed is not in flight
        now_and_then(number)


def _all_are_the_same(pair: list[Device], editors: list[Neovim]) -> bool:
    texts = {editor.content for editor in editors}
    return len(texts) == 1 and all(
        (device.dir / "a.txt").read_bytes() == texts.copy().pop().encode() for device in pair
    )


def _tell(pair: list[Device], editors: list[Neovim]) -> str:
    found = [(editor.content, editor.messages()[-500:]) for editor in editors]
    return "\n".join(map(repr, [*found, *((device.dir / "a.txt").read_text() for device in pair)]))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", SEEDS)
def test_all_have_the_same_in_the_end(tmp_path: Path, seed: int) -> None:
    """A daemon is killed and started again in the middle, and a program that knows nothing of yp2p saves the file."""
    rng = random.Random(seed)
    with devices(tmp_path, "one", "two") as pair, ExitStack() as stack:
        one, two = pair
        (one.dir / "a.txt").write_text(TEXT)
        two.join(one)
        for device in pair:
            device.wait()
        editors = [stack.enter_context(neovim(device)) for device in (one, one, two, two)]
        for editor, device in zip(editors, (one, one, two, two), strict=True):
            editor.open(device.dir / "a.txt")
        total = COMMANDS * len(editors)

        def now_and_then(number: int) -> None:
            if number == total // 3:
                two.kill()
            elif number == total // 2:
                two.start()
            elif number in (total // 4, 3 * total // 4):
                saved = one.dir / "a.txt"
                saved.write_text(saved.read_text() + f"saved by something else {number}\n")

        _work(rng, editors, COMMANDS, now_and_then)
        try:
            eventually(lambda: _all_are_the_same(pair, editors), _LIMIT_S)
        except AssertionError:
            raise AssertionError(_tell(pair, editors)) from None
