"""Command lines that cannot be carried out: one sentence that says what is wrong, and one part of what to do.

click says it in four lines, in words of its own parser. Here the command, the word that was typed and what is close to
it make one line, as every other error of yp2p is.
"""

from __future__ import annotations

import difflib
import re
import shlex

import click

_TOO_MANY = re.compile(r"^Got unexpected extra arguments? \((?P<words>.*)\)$", re.DOTALL)
_NO_NUMBER = re.compile(r"^(?P<value>.*) is not a valid (?P<kind>float|integer)\.$", re.DOTALL)
_LONGEST_WORD = 80
# A word that shares fewer letters with a command's name is another word.
_NEAR = 0.7
_MOST_SHOWN = 4
# What is never guessed from letters: it removes what cannot be had back.
_REMOVING = ("purge", "trash empty", "folder leave")
# What people type who come from elsewhere, and what it is called here. The commands of the groups need no line: each is
# known by its own name as well.
_ELSEWHERE = {
    "add": "share", "init": "share", "create": "share", "new": "share", "start": "daemon", "run": "up",
    "serve": "daemon", "sync": "wait", "list": "status", "info": "status", "peers": "device list",
    "devices": "device list", "folders": "folder list", "pair": "join", "connect": "join", "clone": "join",
    "history": "log", "versions": "log", "cat": "show", "revert": "restore", "rm": "device remove",
    "kick": "device remove", "unshare": "folder leave", "resume": "folder unpause", "mv": "folder move",
    "du": "folder usage", "size": "folder usage", "reject": "folder decline", "refuse": "folder decline",
    "limits": "limit", "bandwidth": "limit", "throttle": "limit", "quit": "stop", "kill": "stop", "annotate": "blame",
    "token": "invite", "id": "identity show", "forget": "purge", "erase": "purge", "wipe": "purge", "shred": "purge",
    "expunge": "purge", "scrub": "purge", "version": "--version", "man": "help",
}  # fmt: skip
# The same for words of a group.
_IN_GROUPS = {
    "folder": {
        "resume": "folder unpause", "continue": "folder unpause", "unshare": "folder leave", "remove": "folder leave",
        "delete": "folder leave", "size": "folder usage", "du": "folder usage", "undo": "folder restore",
        "reject": "folder decline", "create": "share", "new": "share", "add": "share", "init": "share",
        "mv": "folder move",
    },
}  # fmt: skip
# Options that people try, and what is right there.
_OPTIONS_ELSEWHERE = {
    "join": dict.fromkeys(
        ("--code", "--token", "--invite", "--pin"), "leave it out: `yp2p join DIR` asks for the code, or the invite"
    ),
    "share": dict.fromkeys(("--read-only", "--readonly", "--receive-only"), "say --role reader"),
    "offer": dict.fromkeys(("--read-only", "--readonly", "--receive-only"), "say --role reader"),
    "leave": dict.fromkeys(("--keep-files", "--keep"), "leave it out: your files stay"),
    "check": {"--fix": "say --repair", "--mend": "say --repair"},
    "doctor": {"--fix": "it changes nothing, and says what helps; `yp2p check --repair` mends store and history"},
}  # fmt: skip


class NoSuchCommand(click.UsageError):
    """A word is no command of a group; the message says what is close to it."""

    def __init__(self, context: click.Context, group: click.Group, word: str, following: str = "") -> None:
        super().__init__(_no_such_command(context, group, word, following), context)


def _no_such_command(context: click.Context, group: click.Group, word: str, following: str) -> str:
    path = context.command_path
    if following in group.list_commands(context):
        typed = shlex.quote(_short(word))
        return f"'{path} {_short(word)}' is no command; the command comes first: '{path} {following} {typed}'"
    near = _meant(context, group, word)[:_MOST_SHOWN]
    what = f"'{path} {_short(word)}' is no command"
    if not near:
        return f"{what}; '{path} --help' lists them"
    return f"{what}; did you mean {_either([f'yp2p {name}' for name in near])}?"


def _meant(context: click.Context, group: click.Group, word: str) -> list[str]:
    """The commands that a word can mean: what it is called here, that of the same name elsewhere, or what is close."""
    if context.parent is None:
        elsewhere, own = _ELSEWHERE.get(word), _by_name(context, group)
        named = own.get(word, [])
    else:
        place, main = context.info_name or "", context.parent.command
        elsewhere = _IN_GROUPS.get(place, {}).get(word)
        own = {name: [f"{place} {name}"] for name in group.list_commands(context)}
        named = [word] if isinstance(main, click.Group) and word in main.list_commands(context.parent) else []
    if elsewhere is not None:
        return [elsewhere, *(name for name in named if name != elsewhere and name not in _REMOVING)]
    if named:
        return named
    near = [own[name] for name in difflib.get_close_matches(word, own, n=2, cutoff=_NEAR)]
    every = [name for names in near for name in (names[:1] if " " not in names[0] else names)]
    return [name for name in every if name not in _REMOVING]


def _by_name(context: click.Context, group: click.Group) -> dict[str, list[str]]:
    """Every command by its last word: those of the groups as well."""
    found = {name: [name] for name in group.list_commands(context)}
    for place in list(found):
        command = group.get_command(context, place)
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                found.setdefault(name, []).append(f"{place} {name}")
    return found


def sentence(error: click.ClickException) -> str:
    """What click found, as one sentence without `yp2p: ` in front."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, NoSuchCommand):
        return error.message
    if isinstance(error, click.BadOptionUsage):
        return _option_alone(error)
    if context is None:
        return _plain(error.format_message())
    path = context.command_path
    see = f"'{path} --help' says how it is used"
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and isinstance(context.command, click.Group):
        names = ", ".join(context.command.list_commands(context))
        return f"'{path}' needs one of its commands: {names}; '{path} --help' says what each does"
    if isinstance(error, click.NoSuchOption):
        near = list(error.possibilities or ())
        what = f"'{path}' has no option {_short(error.option_name)}"
        known = _OPTIONS_ELSEWHERE.get(context.info_name or "", {})
        if error.option_name in known:
            return f"{what}; {known[error.option_name]}"
        return f"{what}; did you mean {_either(near)}?" if near else f"{what}; '{path} --help' lists those it has"
    if isinstance(error, click.MissingParameter):
        return f"'{path}' needs {_name(error.param, context)}; {see}"
    if isinstance(error, click.BadParameter) and error.param is not None:
        return f"{_name(error.param, context)}: {_plain_value(error.message)}; {see}"
    found = _TOO_MANY.match(error.message)
    if found is not None:
        return f"'{path}' cannot take '{_short(found['words'])}' as well; put quotes around a name that has spaces"
    return f"{_plain(error.message)}; {see}"


def _option_alone(error: click.BadOptionUsage) -> str:
    """An option without the value that it needs, or with one that it does not take."""
    if "does not take a value" in error.message:
        return f"{error.option_name} takes no value: leave out the '=' and what is behind it"
    return f"{error.option_name} needs a value behind it; '--help' says which"


def _plain_value(message: str) -> str:
    """What click says of a value, without the names of the types of a programmer."""
    found = _NO_NUMBER.match(message)
    if found is None:
        return _plain(message)
    whole = "whole " if found["kind"] == "integer" else ""
    return f"{found['value']} is not a {whole}number"


def _name(parameter: click.Parameter | None, context: click.Context) -> str:
    """An option or an argument as the help writes it."""
    if isinstance(parameter, click.Option):
        return parameter.opts[0]
    metavar = parameter.make_metavar(context) if parameter is not None else "a value"
    return metavar if parameter is None or parameter.metavar is not None else metavar.strip("[]")


def _plain(message: str) -> str:
    """A sentence of click as the end of one of ours."""
    message = message.rstrip(".")
    return message[:1].lower() + message[1:] if message[:2].istitle() else message


def _either(words: list[str]) -> str:
    return " or ".join(f"'{word}'" for word in words)


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST_WORD else f"{word[:_LONGEST_WORD]}..."
