"""`yp2p --version`: the versions of the program, of the protocol and of the store's schema."""

from __future__ import annotations

import json

from click.testing import CliRunner

from yp2p import __version__
from yp2p.cli.group import group
from yp2p.errors import UsageError
from yp2p.protocol.messages import PROTOCOL_VERSIONS
from yp2p.store.schema import SCHEMA_VERSION


def test_the_version_for_people() -> None:
    for option in ("--version", "-V"):
        done = CliRunner().invoke(group, [option])
        assert done.output == f"yp2p {__version__} (protocol 1, schema {SCHEMA_VERSION})\n"
        assert done.exit_code == 0


def test_the_version_for_programs() -> None:
    done = CliRunner().invoke(group, ["--version", "--json"])
    assert json.loads(done.output) == {
        "yp2p": __version__,
        "protocol": list(PROTOCOL_VERSIONS),
        "schema": SCHEMA_VERSION,
    }


def test_json_without_a_command_or_in_front_of_one_is_refused() -> None:
    for words in (["--json"], ["--json", "status"]):
        done = CliRunner().invoke(group, words)
        assert isinstance(done.exception, UsageError), done
        assert "belongs behind a command" in str(done.exception)


def test_without_anything_the_help_is_shown() -> None:
    done = CliRunner().invoke(group, [])
    assert "Usage: " in done.output
    assert "--json" not in done.output
