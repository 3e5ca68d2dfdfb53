"""Wrong uses of the command line, each as a person would type it, and the page of the answers, docs/errors.md.

    PYTHONPATH=.:tests python -m cli.wrong_uses docs/errors.md

writes that page anew. The answers are those of the real command: without a daemon, or with two of them. These are
`laptop`, with the folders `notes` and `photos`, and `desktop`, which shares `notes`. No use here changes anything.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from lab import Device, devices

from yp2p.cli.main import main

_HOME = "/home/me"  # of the person, on the page
_YP2P_HOME = "/home/me/.local/state/yp2p"
_SETTING = re.compile(r"[A-Z0-9_]+=.*")
_PROCESS = re.compile(r"\(process \d+\)")


@dataclass(frozen=True, slots=True)
class Wrong:
    """One wrong use.

    Attributes:
        line: as it is shown.
        typed: what is on standard input.
        code: the exit code that it has to have.
    """

    line: str
    words: tuple[str, ...]
    settings: dict[str, str]
    typed: str
    code: int


@dataclass(frozen=True, slots=True)
class Answer:
    wrong: Wrong
    code: int
    out: str
    err: str


def _rows(text: str) -> list[Wrong]:
    """Of each line `CODE [SETTING=VALUE] words [< standard input]`; `\\x1b` and `\\n` in a word are characters."""
    found: list[Wrong] = []
    for row in text.strip().splitlines():
        code, _, line = row.strip().partition(" ")
        command, _, typed = line.partition(" < ")
        words = [word.replace(r"\x1b", "\x1b").replace(r"\n", "\n") for word in shlex.split(command)]
        settings = dict(word.split("=", 1) for word in words[:1] if _SETTING.fullmatch(word))
        found.append(Wrong(line, tuple(words[len(settings) :]), settings, typed, int(code)))
    return found


WITHOUT_DAEMON = _rows(
    """
    2 statsu
    2 pair
    2 sync
    2 clone ~/notes
    2 rm laptop
    2 xyzzy
    2 --verbose status
    2 status now
    2 status --jsn
    2 status --watch=1
    3 events
    2 events --since yesterday
    3 status
    2 up
    2 up notes photos
    2 up ""
    2 up --detach notes
    2 daemon now
    2 daemon --port 80
    2 daemon --detach=yes
    6 YP2P_LISTEN__PORT=many daemon
    6 YP2P_LISTEN__PRT=1 daemon
    6 YP2P_DISCOVERY__STATIC=nowhere daemon
    6 YP2P_LOG__LEVEL=loud daemon
    6 YP2P_TRASH__MAX_AGE_DAYS=-1 daemon
    2 share
    2 share notes photos
    2 share ""
    2 share notes --role owner
    2 share notes --role
    2 share notes --lable x
    2 share notes --withdraw --label x
    3 share notes
    2 join
    2 join notes
    2 join 47-K7M-X2Q
    2 join 47-K7M-X2Q my notes
    2 join "" < 47-K7M-X2Q
    2 join notes --timeout soon < 47-K7M-X2Q
    2 join notes --timeout -1 < 47-K7M-X2Q
    2 join notes --at < 47-K7M-X2Q
    2 join notes --code 47-K7M-X2Q
    2 wait forever
    2 wait --timeout abc
    2 wait --timeout nan
    2 wait --timeout=-5
    2 wait --with
    2 wait --all --any
    2 wait --with laptop --all
    3 wait
    3 who
    2 who am i
    2 who --whatch
    3 notices
    2 notices --bring-back
    2 notices --bring-back first
    2 notices 3
    3 conflicts
    2 conflicts resolve
    2 conflicts resolve a.txt
    2 conflicts resolve a.txt --keep mine
    2 conflicts resolve a.txt --keep this --number one
    2 conflicts settle a.txt
    2 log
    2 log a.txt --deleted
    2 log a.txt b.txt
    3 log a.txt
    2 log --delete
    2 show
    2 show a.txt@
    2 show a.txt@tomorrow
    2 show a.txt 3
    2 show a.txt@12:60
    2 diff
    2 diff a.txt 1 2 3
    2 diff a.txt x
    2 diff a.txt 2999-01-01
    2 blame
    2 blame a.txt b.txt
    2 blame a.txt@never
    2 undo
    2 undo a.txt b.txt
    2 undo a.txt --steps x
    2 redo
    2 redo a.txt --steps many
    2 redo a.txt b.txt
    2 restore
    2 restore a.txt
    2 restore a.txt@3 --yes
    2 restore a.txt@3 --dry-run
    2 restore notes --at
    2 restore notes --at someday
    2 restore notes --at 2999-01-01
    2 trash
    2 trash put a.txt
    2 trash restore
    2 trash restore a.txt --all
    3 trash list
    3 trash empty --yes
    2 trash empty now --yes
    2 bookmark
    2 bookmark a.txt --line 3
    2 bookmark a.txt --remove
    2 bookmark a.txt here
    2 bookmark a.txt here --line x
    2 bookmark a.txt here --line 3 --remove
    2 bookmark a.txt b c --line 2
    2 folder
    2 folder create notes
    2 folder rename
    2 folder rename notes
    2 folder move notes
    2 folder move notes ""
    2 folder pause notes photos
    2 folder agree --all
    2 folder offer notes
    2 folder accept music
    2 folder leave
    2 folder choose
    2 folder choose notes --none
    3 folder leave notes
    2 folder leave notes --keep-files
    2 folder unpause notes photos
    2 folder confirm a b
    2 folder resume notes
    3 folder list
    2 folder list notes
    2 device
    2 device lst
    2 device show
    2 device show ""
    2 device show laptop desktop
    2 device remove
    2 device remove laptop phone --replaced-by desktop --yes
    2 device remove laptop --replaced-by desktop --with-those-it-let-in --yes
    2 device role laptop
    2 device role laptop owner
    3 device role laptop reader
    2 device readmit
    3 device rotate --yes
    2 device rotate laptop
    2 purge --yes
    2 purge --with-file
    2 purge a.txt b.txt
    2 forget notes/a.txt
    2 limit fast
    2 limit 2Mbit/s
    2 limit 2MB/s --upload 1MB/s
    2 limit --device desktop
    2 check notes photos
    2 check --fix
    2 doctor laptop desktop
    2 doctor --fix
    2 invite notes photos
    2 invite --uses x
    2 invite --expires soon
    2 invite --expires 5
    2 invite --role owner
    2 invite --expires
    2 identity
    2 identity export
    2 identity new
    2 identity new notes
    2 identity new letter.txt
    2 identity export key.txt
    2 identity import
    2 identity import nowhere < secret
    2 identity import letter.txt < secret
    2 identity show me
    2 recovery
    2 recovery make notes photos
    3 recovery use < zoo zoo zoo
    3 stop
    2 stop now
    2 stop --force
    2 completion
    2 completion powershell
    2 help statsu
    2 help device remov
    2 help status now
    2 --help=status
    6 YP2P_HOME=/dev/null daemon
    6 YP2P_HOME=/etc/passwd daemon
    6 YP2P_NOTIFY__DESKTOP=maybe daemon
    2 daemon --notify=yes
    2 up notes --notfy
    2 share notes --withdraw --role reader
    2 notes share
    2 folder notes pause
    2 device desktop show
    2 folder pause --for
    2 folder pause notes --all
    2 folder pause notes --for tomorrow
    2 folder pause notes --for 30
    2 folder pause notes --for 1y
    2 folder unpause notes --for 1h
    2 device pause desktop --for -1h
    2 device pause
    2 completion bash zsh
    """
)
WITH_DAEMON = _rows(
    """
    4 daemon
    4 daemon --detach
    2 events --kind files
    8 share nowhere
    8 share letter.txt
    8 share notes/sub
    8 share /
    8 share /proc
    2 share notes --label ""
    2 share notes --label other
    2 share photos --label notes
    2 share notes --withdraw
    2 share nowhere --withdraw
    8 up nowhere
    2 join empty < 47
    2 join empty < 00-000-000
    2 join empty < hello
    9 join empty --timeout 0.1 < 99-K7M-X2Q
    2 join empty --at 127.0.0.1:99999 < 99-K7M-X2Q
    2 join empty < yp2p-aaaa
    8 join notes < 99-K7M-X2Q
    8 join nowhere/at/all < 99-K7M-X2Q
    8 join letter.txt < 99-K7M-X2Q
    2 wait --with phone
    1 wait --timeout 0 --all
    2 log nowhere.txt
    2 log notes/nowhere.txt
    2 log letter.txt
    2 log --deleted --folder music
    2 show notes/a.txt@999
    2 show notes/a.txt@2001-01-01
    2 show notes/photo.bin@1
    2 diff notes/a.txt 998 999
    2 diff notes/nowhere.txt
    2 blame notes/nowhere.txt
    2 blame notes/photo.bin
    2 undo notes/b.txt
    2 undo notes/nowhere.txt
    2 undo notes/a.txt --steps 0
    2 undo notes/a.txt --steps -1
    2 undo notes/photo.bin
    2 redo notes/a.txt
    2 restore notes/a.txt@999
    2 restore notes/nowhere.txt@1
    2 restore nowhere --at now
    2 restore notes/a.txt --at now
    2 trash list
    2 trash list --folder music
    2 trash restore nowhere.txt --folder notes
    2 trash restore ../../etc/passwd --folder notes
    2 bookmark notes/a.txt here --line 0
    2 bookmark notes/a.txt here --line 999
    2 bookmark notes/a.txt here --line 1 --column 999
    2 bookmark notes/a.txt here --remove
    2 bookmark notes/photo.bin
    2 conflicts resolve notes/a.txt --keep this
    2 conflicts resolve notes/nowhere.txt --keep this
    2 purge notes/nowhere.txt --yes
    2 purge letter.txt --yes
    2 purge notes --with-file --yes
    2 notices --bring-back 999
    2 notices --bring-back -1
    2 limit 1KB/s
    2 limit 1MB/s --device phone
    2 limit 1MB/s --device laptop
    2 doctor phone
    2 folder rename music songs
    2 folder rename notes photos
    2 folder rename notes ""
    8 folder move notes photos
    8 folder move notes notes/sub
    8 folder move notes letter.txt
    2 folder move music elsewhere
    2 folder offer music desktop
    2 folder offer photos phone
    8 folder offer notes desktop
    8 folder offer photos laptop
    8 folder offer photos desktop --withdraw
    2 folder offer photos desktop --role owner
    2 folder accept music elsewhere
    2 folder accept music elsewhere --from phone
    2 folder decline music
    2 folder pause music
    2 folder pause
    8 folder agree notes
    2 folder leave music --yes
    2 folder choose music 2026
    2 folder choose notes a.txt --all
    2 folder unpause music
    8 folder unpause notes
    8 folder confirm notes
    8 folder restore notes
    8 folder revert --folder notes
    8 folder revert nowhere.txt --folder notes
    2 device show phone
    2 device remove phone --yes
    2 device remove desktop --folder music --yes
    2 device remove desktop --replaced-by phone --yes
    2 device remove desktop --replaced-by desktop --yes
    2 device role phone reader
    8 device role laptop reader --folder photos
    2 device role desktop reader --folder music
    2 device role desktop music reader
    2 device role desktop notes photos reader
    2 device readmit phone
    2 device readmit desktop
    2 invite
    2 invite music
    2 invite notes --uses 0
    2 invite notes --uses 1000000
    2 invite notes --expires 999w
    2 invite notes --expires 0m
    2 recovery make
    2 recovery use < zoo zoo zoo
    2 identity import letter.txt < secret
    2 identity export notes < secret
    8 share ~
    8 share .
    8 share notes/a.txt/
    8 share /dev/null
    8 share "\\x1b[31mred"
    2 log "notes/a\\nb.txt"
    2 folder rename notes "a\\nb"
    2 device rename desktop "\\x1b]0;x"
    2 folder pause notes --for 0s
    2 folder pause notes --for 5w
    2 folder pause --for 1h
    2 device pause laptop --for 1h
    2 device pause phone --for 1h
    2 restore notes/a.txt@1 --at now
    2 wait --timeout nan
    2 wait --timeout 1e400
    2 limit 0
    2 limit 99999999TB/s
    2 limit 2MB/h
    2 limit 1e3KB/s
    2 log notes/a.txt --limit 0
    2 show notes/a.txt@-1
    2 show notes/a.txt@99999999999999999999
    2 diff notes/a.txt@1 notes/a.txt@99
    2 undo notes
    2 restore notes/a.txt
    2 join empty
    2 recovery use notes
    2 identity export key.txt
    """
)


def _prepare(person: Path) -> None:
    """What stands in the home directory of the person."""
    for name in ("notes/sub", "photos", "empty"):
        (person / name).mkdir(parents=True)
    (person / "letter.txt").write_text("Dear Anna,\n")
    (person / "notes" / "a.txt").write_text("one\n")
    (person / "notes" / "b.txt").write_text("one\n")
    (person / "notes" / "photo.bin").write_bytes(bytes(range(256)) * 4)


def _run(wrong: Wrong, person: Path, device: Device) -> Answer:
    """Carry one out, in the person's home directory."""
    if wrong.words[0] == "daemon":  # not for this process: it sets up logs, and may begin to run
        device.environment |= wrong.settings
        done = device.run(*wrong.words)
        for name in wrong.settings:
            del device.environment[name]
        answer = done.returncode, done.stdout, done.stderr
    else:
        answer = _run_here(wrong, person, device)
    code, out, err = answer
    shown = err.replace(str(device.home), _YP2P_HOME).replace(str(person), _HOME)
    return Answer(wrong, code, out, _PROCESS.sub("(process 1234)", shown))


def _run_here(wrong: Wrong, person: Path, device: Device) -> tuple[int, str, str]:
    environment, argv, stdin, where = dict(os.environ), sys.argv, sys.stdin, os.getcwd()
    os.environ |= {"YP2P_HOME": str(device.home), "HOME": str(person), "TERM": "dumb"} | wrong.settings
    sys.argv = ["yp2p", *wrong.words]
    sys.stdin = io.TextIOWrapper(io.BytesIO(wrong.typed.encode()))
    os.chdir(person)
    code = 0
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os.chdir(where)
            sys.argv, sys.stdin = argv, stdin
            os.environ.clear()
            os.environ |= environment
    return code, out.getvalue(), err.getvalue()


def answers_without_daemon(base: Path) -> list[Answer]:
    """What is said where no daemon runs."""
    person = base / "person"
    _prepare(person)
    return [_run(wrong, person, Device(base, f"laptop-{number}")) for number, wrong in enumerate(WITHOUT_DAEMON)]


def answers_with_daemon(base: Path) -> list[Answer]:
    """What is said where a daemon runs that has two folders, one of them with another device."""
    person = base / "person"
    _prepare(person)
    with devices(base, "laptop", "desktop") as (laptop, desktop):
        laptop.dir = person / "notes"
        laptop.call("POST", "/v1/share", {"path": str(person / "photos"), "label": None})
        desktop.join(laptop)
        laptop.wait()
        desktop.wait()
        return [_run(wrong, person, laptop) for wrong in WITH_DAEMON]


def page(without: list[Answer], with_daemon: list[Answer]) -> str:
    """docs/errors.md."""
    parts = [
        "# What yp2p says to wrong uses",
        "Each answer is one line on standard error that begins with `yp2p: `: what happened, with the value, and what"
        " to do. `[2]` behind a command is its exit code; `yp2p --help` lists them. With `--json` the same comes"
        ' as `{"error": ..., "exit_code": ...}`. Behind `<` stands what is typed on standard input.',
        "This page is written by `PYTHONPATH=.:tests python -m cli.wrong_uses docs/errors.md`, and a test compares it"
        " with what the commands say.",
        "## Without a daemon",
        *_blocks(without),
        "## With a daemon",
        "The device has the folders `notes` (`/home/me/notes`) and `photos`; `desktop` shares `notes`.",
        *_blocks(with_daemon),
    ]
    return "\n\n".join(parts) + "\n"


def _blocks(answers: list[Answer]) -> list[str]:
    """A section for each command, in the order of the answers."""
    found: list[str] = []
    for name, group in groupby(answers, key=lambda answer: answer.wrong.words[0].lstrip("-")):
        shown = "\n".join(f"$ yp2p {_line(answer)}   [{answer.code}]\n{answer.err.rstrip()}" for answer in group)
        found.append(f"### {name}\n\n```console\n{shown}\n```")
    return found


def _line(answer: Answer) -> str:
    setting, _, rest = answer.wrong.line.partition(" ")
    return answer.wrong.line if not answer.wrong.settings else f"{rest}   (with {setting})"


if __name__ == "__main__":
    os.environ.setdefault("PYTEST_CURRENT_TEST", "none")  # as tests do, start no interpreter for each command
    with tempfile.TemporaryDirectory() as directory:
        Path(sys.argv[1]).write_text(
            page(answers_without_daemon(Path(directory, "1")), answers_with_daemon(Path(directory, "2")))
        )
