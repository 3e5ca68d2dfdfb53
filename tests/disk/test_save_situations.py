"""What becomes of a file that somebody saves after another device's change came, program by program.

Each situation uses the program's own system calls, or the program itself where every machine has it. The file has
twelve lines; another device changes line 9 (`ARRIVED`), and what is saved here has a change in line 3 (`SAVED`). Three
things can come of it: both changes are there (the save was made of the older version, and that is told), the file is
the save, or the save was no edit. docs/editors.md is this table for people.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import unittest.mock
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from bridge import PEER, Bridge, clock, open_bridge, replica_like, run_with_directory

from yp2p.documents.diff import hunks
from yp2p.documents.synced import PeerState
from yp2p.files.reads import Reads
from yp2p.files.recent_writes import WAVE_FILES
from yp2p.files.watch import Batch
from yp2p.folder.notices import NoticeKind

NAME = "notes.txt"
TEXT = "".join(f"line {number} of the file\n" for number in range(12))
ARRIVED = TEXT.replace("line 9 of the file", "line 9 from elsewhere")
ADDED = TEXT.replace("line 9 of the file\n", "line 9 of the file\nanother line from elsewhere\n")
SAVED = TEXT.replace("line 3 of the file", "line 3 typed here")
BOTH = ARRIVED.replace("line 3 of the file", "line 3 typed here")
HOUR_S = 3600.0
_DEAD_PID = 2**22 + 1  # above the kernel's limit: no process has it


class Becomes(Enum):
    """What the file holds in the end."""

    BOTH = BOTH
    SAVE = SAVED
    NEWER = ARRIVED
    OLDER = TEXT


@dataclass
class Scene:
    """A folder with the file in it, watched by a daemon's parts, and a person's programs."""

    bridge: Bridge
    directory: Path
    expected: str | None = None  # the text in the end, where it is not that of `Becomes`
    removed_is_told: bool = False
    both_are_told: bool = False

    @property
    def path(self) -> Path:
        return self.directory / NAME

    def read(self) -> str:
        """Some program reads the file, all of it."""
        return self.path.read_text()

    async def arrive(self, before: str = TEXT, after: str = ARRIVED) -> None:
        """Another device's change comes, and is put in place."""
        await self.bridge.look()
        peer = replica_like(self.bridge, NAME, 77)
        text = peer.text()
        update = peer.edit(hunks(text, text.replace(before, after) if before != TEXT else after))
        assert update is not None
        await self.bridge.document(NAME).receive(update, PEER, PeerState(peer.clocks(), is_answer=False))
        await self.bridge.render()
        assert self.bridge.document(NAME).text.content() == self.bridge.folder.files.by_path(NAME).content  # type: ignore[union-attr]

    async def look_and_meanwhile(self, do: Callable[[], Awaitable[None]]) -> None:
        """The file is looked at, and once it was read something else happens to it."""
        inspector = self.bridge.ingest._inspector
        real = inspector.inspect_known

        async def inspect_known(*arguments: Any) -> Any:
            findings = await real(*arguments)
            await do()
            return findings

        with unittest.mock.patch.object(inspector, "inspect_known", inspect_known):
            await self.bridge.ingest.inspect([NAME])
        await self.bridge.take_events()

    async def hours_pass(self, hours: float = 5) -> None:
        """After five, whatever may have been opened at the start of the daemon does not count any more."""
        await self.bridge.take_events()
        await self.bridge.ingest.readers.last_opened.take_pending()
        clock().jump(hours * HOUR_S)

    def run(self, *command: str, **environment: str) -> str:
        """Run a program in the folder; gives what it says."""
        done = subprocess.run(
            command, cwd=self.directory, check=True, capture_output=True, env={**os.environ, **environment},
            text=True, timeout=20,
        )  # fmt: skip
        return done.stdout

    def python(self, script: str) -> None:
        self.run(sys.executable, "-I", "-c", script)

    # --- how programs write ---------------------------------------------------------------------------------------

    def write(self, text: str | None = None) -> None:
        """In place: open, truncate, write (vim, nano, ed, cp, Python, VS Code)."""
        self.path.write_text(SAVED if text is None else text)

    def rename_over(self, temporary: str, text: str | None = None) -> None:
        """A temporary file beside, renamed over (git, rsync, gedit, sed -i)."""
        beside = self.path.with_name(temporary)
        beside.write_text(SAVED if text is None else text)
        beside.rename(self.path)

    def swap(self, pid: int | None = None) -> Path:
        """vim's swap file."""
        head = b"b0VIM 9.0".ljust(24, b"\x00") + (pid or os.getpid()).to_bytes(4, "little")
        swap = self.path.with_name(f".{NAME}.swp")
        swap.write_bytes(head.ljust(4096, b"\x00"))
        return swap

    def begin_repository(self) -> None:
        """The folder is a repository from now on, and the file as it is its first commit."""
        self.git("init", "-q")
        self.git("add", NAME)
        self.git("commit", "-qm", "one")

    def git(self, *words: str) -> str:
        return self.run(
            "git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main", "-c", "gc.auto=0",
            *words, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_NOSYSTEM="1",
        )  # fmt: skip


Situation = Callable[[Scene], Awaitable[None]]
SITUATIONS: list[tuple[str, Becomes, Situation]] = []


def situation(becomes: Becomes) -> Callable[[Situation], Situation]:
    def add(function: Situation) -> Situation:
        SITUATIONS.append((function.__name__, becomes, function))
        return function

    return add


# --- an older version is open, and saved: both changes stay ---------------------------------------------------------


@situation(Becomes.BOTH)
async def writes_in_place_what_it_had_read(scene: Scene) -> None:  # nano, ed, vim -n
    scene.read()
    await scene.arrive()
    scene.write()


@situation(Becomes.BOTH)
async def had_read_the_file_hours_ago(scene: Scene) -> None:
    await scene.hours_pass()
    scene.read()
    await scene.hours_pass(3.9)
    await scene.arrive()
    scene.write()


@situation(Becomes.BOTH)
async def laptop_slept_over_night(scene: Scene) -> None:
    """The clock on the wall goes on by ten hours, the one that evidence is measured with by one."""
    scene.read()
    clock().jump(HOUR_S)
    with unittest.mock.patch("time.time", return_value=time.time() + 10 * HOUR_S):
        await scene.arrive()
        scene.write()
        await scene.bridge.look()


@situation(Becomes.BOTH)
async def vim_with_a_backup(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    scene.path.rename(scene.path.with_name(f"{NAME}~"))
    scene.write()


@situation(Becomes.BOTH)
async def vim_while_an_indexer_reads(scene: Scene) -> None:
    scene.read()
    scene.swap()
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()
    scene.write()


@situation(Becomes.BOTH)
async def vim_whose_predecessor_is_reported_late_to_have_quit(scene: Scene) -> None:
    scene.read()
    swap = scene.swap()
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()
    scene.bridge.ingest.readers.take(Batch(released=[(NAME, swap.name, False)]))  # of another run of vim, before
    scene.write()


@situation(Becomes.SAVE)
async def vim_of_which_nobody_told_that_it_quit(scene: Scene) -> None:
    """The kernel's queue overflowed, or the directory has no watch: a scan finds the lock gone."""
    scene.read()
    swap = scene.swap()
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()
    swap.unlink()
    os.read(scene.bridge.watcher.fileno(), 1 << 16)
    await scene.bridge.ingest.inspect([NAME], is_scan=True)
    scene.write()
    scene.removed_is_told = True


@situation(Becomes.BOTH)
async def vim_that_quits_before_its_save_is_reported(scene: Scene) -> None:
    scene.read()
    swap = scene.swap()
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()
    scene.write()
    swap.unlink()
    await scene.bridge.ingest.inspect([NAME])


@situation(Becomes.BOTH)
async def vim_that_saves_and_quits_while_the_file_is_looked_at(scene: Scene) -> None:
    scene.read()
    swap = scene.swap()
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()

    async def save_and_quit() -> None:
        scene.write()
        swap.unlink()
        await scene.bridge.take_events()

    await scene.look_and_meanwhile(save_and_quit)


@situation(Becomes.BOTH)
async def renamed_over_while_the_file_is_looked_at_and_read_then(scene: Scene) -> None:
    """Who reads the save has not read what had come before it."""
    scene.read()
    await scene.arrive()

    async def save() -> None:
        scene.rename_over(f"{NAME}.new")

    await scene.look_and_meanwhile(save)
    scene.read()


@situation(Becomes.BOTH)
async def written_in_place_while_the_file_is_looked_at_and_read_then(scene: Scene) -> None:
    scene.read()
    await scene.arrive()

    async def save() -> None:
        scene.write()
        await scene.bridge.take_events()

    await scene.look_and_meanwhile(save)
    scene.read()


@situation(Becomes.BOTH)
async def vim_that_quits_after_the_save(scene: Scene) -> None:
    scene.read()
    swap = scene.swap()
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()
    scene.write()
    swap.unlink()


@situation(Becomes.BOTH)
async def vim_opened_before_the_daemon_started_to_watch(scene: Scene) -> None:
    scene.swap()
    await scene.hours_pass()
    await scene.arrive()
    scene.write()


@situation(Becomes.BOTH)
async def emacs_with_unsaved_changes(scene: Scene) -> None:
    scene.read()
    lock = scene.path.with_name(f".#{NAME}")
    lock.symlink_to(f"me@here.{os.getpid()}:1700000000")
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()
    scene.rename_over(f"{NAME}.new")
    lock.unlink()


@situation(Becomes.BOTH)
async def libreoffice(scene: Scene) -> None:
    scene.read()
    scene.path.with_name(f".~lock.{NAME}#").write_text(",me,here,,;")
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()
    scene.rename_over("lu1234.tmp")


@situation(Becomes.BOTH)
async def jetbrains_safe_write(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    new, old = scene.path.with_name(f"{NAME}___jb_tmp___"), scene.path.with_name(f"{NAME}___jb_old___")
    new.write_text(SAVED)
    scene.path.rename(old)
    new.rename(scene.path)
    old.unlink()


@situation(Becomes.BOTH)
async def gedit(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    scene.rename_over(".goutputstream-ABC123")


@situation(Becomes.BOTH)
async def vscode_with_a_dirty_buffer(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    descriptor = os.open(scene.path, os.O_WRONLY | os.O_TRUNC)
    for part in (SAVED[:100], SAVED[100:]):
        os.write(descriptor, part.encode())
    os.close(descriptor)


@situation(Becomes.BOTH)
async def python_script_that_keeps_the_text(scene: Scene) -> None:
    text = scene.read()
    await scene.arrive()
    changed = text.replace("line 3 of the file", "line 3 typed here")
    scene.python(f"import pathlib; pathlib.Path({NAME!r}).write_text({changed!r})")


@situation(Becomes.BOTH)
async def program_that_saved_before_and_never_reads(scene: Scene) -> None:
    first = TEXT.replace("line 5 of the file", "line 5 as it was saved first")
    scene.write(first)
    await scene.bridge.look()
    await scene.arrive("line 9 of the file", "line 9 from elsewhere")
    scene.write(SAVED)


@situation(Becomes.BOTH)
async def two_changes_came_and_only_the_first_was_opened(scene: Scene) -> None:
    scene.read()
    await scene.arrive(after=TEXT.replace("line 9 of the file", "line 9 from"))
    text = scene.read()
    await scene.bridge.take_events()
    await scene.arrive("line 9 from", "line 9 from elsewhere")
    scene.write(text.replace("line 3 of the file", "line 3 typed here"))


@situation(Becomes.BOTH)
async def any_file_may_have_been_opened_after_an_overflow(scene: Scene) -> None:
    await scene.hours_pass()
    scene.bridge.ingest.readers.last_opened.take(Reads(overflow=True))
    await scene.arrive()
    scene.write()


@situation(Becomes.BOTH)
async def a_line_was_removed_elsewhere(scene: Scene) -> None:
    scene.read()
    shorter = TEXT.replace("line 9 of the file\n", "")
    await scene.arrive(after=shorter)
    scene.write()
    scene.expected = shorter.replace("line 3 of the file", "line 3 typed here")


# --- the save replaces what came --------------------------------------------------------------------------------------


@situation(Becomes.OLDER)
async def cp_of_an_old_copy(scene: Scene) -> None:
    copy = scene.directory.parent / "copy"
    shutil.copy(scene.path, copy)
    await scene.arrive()
    scene.run("cp", str(copy), NAME)
    scene.removed_is_told = True


@situation(Becomes.OLDER)
async def cp_that_keeps_the_times(scene: Scene) -> None:
    copy = scene.directory.parent / "copy"
    shutil.copy2(scene.path, copy)
    await scene.arrive()
    scene.run("cp", "-p", str(copy), NAME)
    scene.removed_is_told = True


@situation(Becomes.OLDER)
async def mv_of_an_old_copy(scene: Scene) -> None:
    copy = scene.directory.parent / "copy"
    shutil.copy(scene.path, copy)
    await scene.arrive()
    scene.run("mv", str(copy), NAME)
    scene.removed_is_told = True


@situation(Becomes.OLDER)
async def restore_of_a_version_before_the_last(scene: Scene) -> None:
    scene.write(SAVED)
    await scene.bridge.look()
    await scene.arrive(after=BOTH)
    scene.write(TEXT)
    scene.removed_is_told = True


@situation(Becomes.OLDER)
async def git_checkout_of_the_file(scene: Scene) -> None:
    scene.begin_repository()
    await scene.arrive()
    scene.git("checkout", "-q", "--", NAME)
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def git_checkout_of_a_branch(scene: Scene) -> None:
    scene.begin_repository()
    scene.git("checkout", "-qb", "other")
    scene.write(SAVED)
    scene.git("commit", "-qam", "two")
    scene.git("checkout", "-q", "main")
    scene.path.touch()
    await scene.bridge.look()
    scene.read()
    await scene.arrive()
    scene.git("checkout", "-qf", "other")
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def git_reset_while_vim_has_the_file_open(scene: Scene) -> None:
    scene.begin_repository()
    scene.write(SAVED)
    scene.git("commit", "-qam", "two")
    scene.write(TEXT)
    await scene.bridge.look()
    scene.read()
    scene.swap()
    await scene.arrive()
    scene.git("reset", "-q", "--hard")
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def git_stash_pop(scene: Scene) -> None:
    scene.begin_repository()
    scene.write(SAVED)
    scene.git("stash", "-q")
    await scene.bridge.look()
    scene.read()
    await scene.arrive()
    scene.git("checkout", "-qf", "HEAD")  # without that it refuses
    scene.git("stash", "pop", "-q")
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def git_rebase(scene: Scene) -> None:
    scene.git("init", "-q")
    (scene.directory / "other.txt").write_text("other\n")
    scene.git("add", NAME, "other.txt")
    scene.git("commit", "-qm", "one")
    scene.git("checkout", "-qb", "topic")
    scene.write(SAVED)
    scene.git("commit", "-qam", "two")
    scene.git("checkout", "-q", "main")
    (scene.directory / "other.txt").write_text("another\n")
    scene.git("commit", "-qam", "three")
    await scene.bridge.look()
    scene.read()
    await scene.arrive()
    scene.git("checkout", "-qf", "HEAD")
    scene.git("rebase", "-q", "main", "topic")
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def one_of_many_files_of_cp_r(scene: Scene) -> None:
    source = scene.directory.parent / "source"
    source.mkdir()
    for number in range(2 * WAVE_FILES):
        (source / f"file-{number}").write_text("x\n")
    (source / NAME).write_text(SAVED)
    scene.read()
    await scene.arrive()
    scene.run("cp", "-r", f"{source}/.", ".")
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def one_of_many_files_of_tar(scene: Scene) -> None:
    source = scene.directory.parent / "source"
    source.mkdir()
    for number in range(2 * WAVE_FILES):
        (source / f"file-{number}").write_text("x\n")
    (source / NAME).write_text(SAVED)
    scene.read()
    await scene.arrive()
    scene.run("sh", "-c", f"tar -C {source} -c . | tar -x")
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def one_of_many_files_of_rsync(scene: Scene) -> None:
    """Temporary files of its own names, renamed one after the other."""
    scene.read()
    await scene.arrive()
    for number in range(WAVE_FILES):
        beside = scene.directory / f".other-{number}.AbCdEf"
        beside.write_text("x\n")
        beside.rename(scene.directory / f"other-{number}")
    scene.rename_over(f".{NAME}.AbCdEf")
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def copy_with_changes_where_nobody_had_opened_the_file(scene: Scene) -> None:
    await scene.hours_pass()
    copy = scene.directory.parent / "copy"
    copy.write_text(SAVED)
    await scene.arrive()
    scene.run("cp", str(copy), NAME)
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def had_opened_the_file_too_long_ago(scene: Scene) -> None:
    scene.read()
    await scene.hours_pass(4.1)
    await scene.arrive()
    scene.write()
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def had_read_what_came(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    text = scene.read()
    await scene.bridge.take_events()
    scene.write(text.replace("line 9 from elsewhere", "line 9 of the file").replace("3 of the file", "3 typed here"))
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def had_read_what_came_in_a_new_vim(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()
    scene.swap()
    scene.write()
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def vim_that_crashed_left_its_swap_file(scene: Scene) -> None:
    scene.swap(_DEAD_PID)
    await scene.hours_pass()
    await scene.arrive()
    scene.write()
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def vim_was_closed_before(scene: Scene) -> None:
    scene.read()
    swap = scene.swap()
    await scene.arrive()
    swap.unlink()
    scene.read()
    await scene.bridge.take_events()
    scene.write()
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def editor_without_a_lock_after_an_indexer_read(scene: Scene) -> None:
    """Where evidence cannot tell: told, and one undo away."""
    scene.read()
    await scene.arrive()
    scene.read()
    await scene.bridge.take_events()
    scene.write()
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def state_file_of_which_the_same_line_came(scene: Scene) -> None:
    scene.read()
    await scene.arrive(after=TEXT.replace("line 3 of the file", "line 3 from elsewhere"))
    scene.write()
    scene.both_are_told = True


@situation(Becomes.SAVE)
async def state_file_with_other_lines_altogether(scene: Scene) -> None:
    scene.read()
    await scene.arrive(after="".join(f"elsewhere {number}\n" for number in range(8)))
    scene.write("".join(f"here {number}\n" for number in range(5)))
    scene.expected = "".join(f"here {number}\n" for number in range(5))
    scene.both_are_told = True


@situation(Becomes.SAVE)
async def emptied(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    scene.run("sh", "-c", f": > {NAME}")
    scene.expected = ""
    scene.removed_is_told = True


@situation(Becomes.SAVE)
async def formatter_that_reads_and_writes(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    scene.python(f"import pathlib; p = pathlib.Path({NAME!r}); p.write_text(p.read_text().upper())")
    scene.expected = ARRIVED.upper()
    scene.removed_is_told = True


# --- the save has what came: nothing to decide ------------------------------------------------------------------------


@situation(Becomes.SAVE)
async def sed_i(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    scene.run("sed", "-i", "s/line 3 of the file/line 3 typed here/", NAME)
    scene.expected = BOTH


@situation(Becomes.SAVE)
async def git_apply(scene: Scene) -> None:
    scene.git("init", "-q")
    scene.git("add", NAME)
    scene.write(SAVED)
    patch = scene.git("diff", "--", NAME)
    scene.write(TEXT)
    await scene.bridge.look()
    await scene.arrive()
    (scene.directory.parent / "patch").write_text(patch)
    scene.git("apply", str(scene.directory.parent / "patch"))
    scene.expected = BOTH


@situation(Becomes.SAVE)
async def shell_that_appends(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    scene.run("sh", "-c", f"echo appended >> {NAME}")
    scene.expected = ARRIVED + "appended\n"


@situation(Becomes.SAVE)
async def tee_a(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    scene.run("sh", "-c", f"echo appended | tee -a {NAME}")
    scene.expected = ARRIVED + "appended\n"


@situation(Becomes.SAVE)
async def dd_over_a_part(scene: Scene) -> None:
    """Written in place without truncating: the rest is what came."""
    scene.read()
    await scene.arrive()
    scene.run("sh", "-c", f"printf 'LINE' | dd of={NAME} conv=notrunc status=none")
    scene.expected = "LINE" + ARRIVED[4:]


# --- no edit ----------------------------------------------------------------------------------------------------------


@situation(Becomes.NEWER)
async def vim_wq_without_a_change(scene: Scene) -> None:
    scene.read()
    swap = scene.swap()
    await scene.arrive()
    scene.write(TEXT)
    swap.unlink()


@situation(Becomes.NEWER)
async def touch(scene: Scene) -> None:
    scene.read()
    await scene.arrive()
    scene.run("touch", NAME)


@situation(Becomes.NEWER)
async def cp_of_what_is_there(scene: Scene) -> None:
    await scene.arrive()
    copy = scene.directory.parent / "copy"
    copy.write_text(ARRIVED)
    scene.run("cp", str(copy), NAME)


@pytest.mark.parametrize(("becomes", "act"), [row[1:] for row in SITUATIONS], ids=[row[0] for row in SITUATIONS])
def test_situation(becomes: Becomes, act: Situation) -> None:
    async def run(base: Path) -> None:
        directory = base / "dir"
        (directory / NAME).write_text(TEXT)
        async with open_bridge(base) as bridge:
            scene = Scene(bridge, directory)
            await act(scene)
            for _ in range(3):
                await bridge.look()
                await bridge.render()
            expected = scene.expected if scene.expected is not None else becomes.value
            assert scene.path.read_text() == expected
            assert bridge.document(NAME).text.text() == expected
            told = [notice.kind for notice in bridge.folder.notices if notice.path == NAME]
            wanted = [NoticeKind.OLDER_SAVE_MERGED] if becomes is Becomes.BOTH else []
            wanted += [NoticeKind.REMOVED_OTHERS_TEXT] if scene.removed_is_told else []
            wanted += [NoticeKind.BOTH_CHANGED] if scene.both_are_told else []
            assert told == wanted

    run_with_directory(run, in_memory=True)


def test_there_are_at_least_forty_situations() -> None:
    assert len(SITUATIONS) >= 40
