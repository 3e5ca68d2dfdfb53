"""A real Emacs without a screen, with its own LSP client (eglot), driven as `emacsclient --eval` drives it."""

from __future__ import annotations

import functools
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import Device, eventually

EMACS = shutil.which("emacs")
_RUN = "from yp2p.cli.main import main; main()"
_PAGE = Path(__file__).parents[2] / "docs" / "editors.md"
# What a person has in a file of Emacs' own; and what counts the offers that it took and refused.
_PLAIN = """(progn
  (require 'cl-lib)
  (set-language-environment "UTF-8")
  (setq inhibit-message t make-backup-files nil auto-save-default nil require-final-newline nil)
  t)"""
_COUNTED = """(progn
  (defvar test-taken 0) (defvar test-refused 0)
  (advice-add 'eglot--apply-text-edits :around
    (lambda (do &rest arguments)
      (condition-case refusal (prog1 (apply do arguments) (cl-incf test-taken))
        (error (cl-incf test-refused) (signal (car refusal) (cdr refusal))))))
  t)"""


def configuration(server: str) -> str:
    """What docs/editors.md says is to be typed, with this program in place of the one in `PATH`."""
    block = _PAGE.read_text().split("```elisp\n")[1].split("```")[0]
    assert '"yp2p" "lsp"' in block
    block = block.replace('"yp2p" "lsp"', server)
    return f"(progn {block} t)"


class EmacsFailed(Exception):
    """An error of Emacs'."""


@functools.cache
def _has_eglot() -> bool:
    if EMACS is None:
        return False
    found = subprocess.run([EMACS, "-q", "--batch", "--eval", "(require 'eglot)"], capture_output=True, timeout=60)
    return found.returncode == 0


needs_eglot = pytest.mark.skipif(not _has_eglot(), reason="needs Emacs with eglot (Debian: emacs-nox, elpa-eglot)")


def quoted(text: str) -> str:
    """A string of Lisp."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Emacs:
    """One Emacs with one window.

    Attributes:
        pastes: whether it writes lines at once. Where each letter is told of by itself, two people who write at one
            place write into one line, and who takes out that line takes out both.
    """

    pastes = False

    def __init__(self, socket_path: Path) -> None:
        self._socket = socket_path

    def is_there(self) -> bool:
        try:
            return self.lisp("t") == "t"
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def lisp(self, form: str) -> str:
        """Evaluate a form; gives what it prints as. Raises EmacsFailed."""
        # As emacsclient asks: & quotes itself, spaces, line ends and hyphens.
        asked = form.replace("&", "&&").replace("-", "&-").replace("\n", "&n").replace(" ", "&_")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(str(self._socket))
            connection.sendall(f"-current-frame -eval {asked}\n".encode())
            answer = b""
            while data := connection.recv(1 << 16):
                answer += data
        printed = ""
        for line in answer.decode().splitlines():
            word, _, rest = line.partition(" ")
            text = _unquoted(rest)
            if word == "-error":
                raise EmacsFailed(text)
            if word in ("-print", "-print-nonl"):
                printed += text
        return printed.rstrip("\n")

    def string(self, form: str) -> str:
        """The string that a form gives."""
        printed = self.lisp(form)
        assert printed.startswith('"'), printed
        return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], printed[1:-1])

    def open(self, path: Path) -> None:
        """Show a file, with its server."""
        self.lisp(f"(progn (find-file {quoted(str(path))}) (text-mode) (call-interactively #'eglot) t)")
        eventually(lambda: self.lisp(self._here("(and (eglot-managed-p) t)")) == "t", 30, "the server being attached")

    def _here(self, form: str) -> str:
        """A form in the buffer that the window shows."""
        return f"(with-current-buffer (window-buffer) {form})"

    def keys(self, keys: str) -> None:
        """What is typed, as `kbd` writes it. What cannot be done rings the bell and is no fault."""
        self.lisp(f"(ignore-errors (execute-kbd-macro (kbd {quoted(keys)})) t)")

    def write(self, line: int, text: str) -> None:
        """Go to a line, and put a new one before it: typed, or at once."""
        if self.pastes:
            form = f"(progn (goto-char (point-min)) (forward-line {line}) (insert {quoted(text + chr(10))}) t)"
            self.lisp(self._here(form))
            return
        self.lisp(
            self._here(
                f"(progn (goto-char (point-min)) (forward-line {line})"
                f' (execute-kbd-macro (concat {quoted(text)} "\\C-m")) t)'
            )
        )

    def kill_line(self, text: str) -> bool:
        """Take out the line that has a text in it; whether there is one."""
        form = (
            f"(progn (goto-char (point-min)) (if (search-forward {quoted(text)} nil t)"
            ' (progn (execute-kbd-macro (kbd "C-a C-S-<backspace>")) t) nil))'
        )
        return self.lisp(self._here(form)) == "t"

    def save(self) -> None:
        self.lisp(self._here("(progn (save-buffer) t)"))

    @property
    def content(self) -> str:
        return self.string(self._here("(buffer-substring-no-properties (point-min) (point-max))"))

    @property
    def offers(self) -> tuple[int, int]:
        """How many offers of the server it took, and refused."""
        taken, refused = self.lisp('(format "%d %d" test-taken test-refused)').strip('"').split()
        return int(taken), int(refused)

    def messages(self) -> str:
        return self.string('(with-current-buffer "*Messages*" (buffer-substring-no-properties 1 (point-max)))')


def _unquoted(text: str) -> str:
    words = {"&&": "&", "&-": "-", "&n": "\n", "&_": " "}
    found, at = [], 0
    while at < len(text):
        two = text[at : at + 2]
        found.append(words.get(two, text[at]))
        at += 2 if two in words else 1
    return "".join(found)


@contextmanager
def emacs(device: Device, *forms: str) -> Iterator[Emacs]:
    """An Emacs of a person of this device.

    Args:
        forms: what it is to evaluate first; none: what makes it a client of the language server.
    """
    assert EMACS is not None
    home = device.home.parent / "emacs"
    home.mkdir(exist_ok=True)
    place = home / "s"
    server = " ".join(quoted(word) for word in (sys.executable, "-c", _RUN, "lsp", "--as", device.name))
    environment = {**device.environment, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            [EMACS, "-q", f"--fg-daemon={place}"], env=environment, cwd=device.dir,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    found = Emacs(place)
    try:
        eventually(found.is_there, 30, lambda: (home / "log").read_text())
        for form in (_PLAIN, *(forms or (configuration(server), _COUNTED))):
            found.lisp(form)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
