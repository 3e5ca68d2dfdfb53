"""`yp2p purge` through two daemons: the past goes on one device and then on the other, and both go on merging."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Device, devices, eventually
from terminal import terminal_of

SECRET = "hunter2-correct-horse"


def _save(device: Device, text: str) -> None:
    path = device.dir / "a.txt"
    path.read_bytes() if path.exists() else None
    path.write_text(text)


def _text(device: Device) -> str:
    return (device.dir / "a.txt").read_text()


def _found(device: Device) -> list[str]:
    """The files of a device, also of its daemon, that have the secret."""
    places = (device.home, device.dir)
    return [
        path.name
        for place in places
        for path in sorted(place.rglob("*"))
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


@pytest.mark.long
def test_the_past_goes_on_each_device_that_is_asked_to(tmp_path: Path) -> None:
    with devices(tmp_path, "one", "two") as (one, two):
        _save(one, "one\n")
        two.join(one)
        for device in (one, two):
            device.wait()
        for text in (f"one\n{SECRET}\n", "one\ntwo\n"):
            _save(one, text)
            one.wait()
            two.wait()
        eventually(lambda: bool(_found(one) and _found(two)), what="the secret in both histories")
        plan = one.cli("purge", str(one.dir / "a.txt"), "--dry-run")
        assert "2 versions of 1 file will be removed." in plan
        assert "two: asked to do the same, within a day." in plan
        assert _found(one)
        refused = one.run("purge", str(one.dir / "a.txt"))  # nobody answers the question
        assert refused.returncode == 2
        assert "needs an answer, and standard input has none" in refused.stderr
        assert _found(one)
        assert "2 versions of 1 file removed from this device." in one.cli("purge", str(one.dir / "a.txt"), "--yes")
        assert _found(one) == []
        assert _found(two)
        assert len(one.cli("log", str(one.dir / "a.txt")).splitlines()) == 2, "a header, and the version that is left"
        for device, text in ((two, "zero\none\ntwo\n"), (one, "zero\none\ntwo\nthree\n")):
            _save(device, text)
            for other in (one, two):
                eventually(lambda other=other, text=text: _text(other) == text, 20, text)  # type: ignore[misc]
        status = two.cli("status")
        assert "one asks to remove the past of a.txt: this device does it when yp2p has run for 24 hours more" in status
        assert "two: waits." in one.cli("purge")
        (asked,) = two.call("GET", "/v1/purges")["asked"]
        two.cli("purge", "--agree", str(asked["number"]))
        assert _found(two) == [], "also of the version that the other one has written since"
        eventually(lambda: one.call("GET", "/v1/purges")["asked"][0]["silent"] == [], what="the answer")
        assert "two: done." in one.cli("purge")
        one.stop()
        two.stop()
        assert _found(one) == _found(two) == []
        for device in (one, two):
            device.start()
            device.wait()
            assert _text(device) == "zero\none\ntwo\nthree\n"
            assert "asks to remove the past of a.txt" in device.cli("purge")


@pytest.mark.long
@pytest.mark.parametrize("answers", [("n",), ("y", "n"), ("y", "y")])
def test_a_person_is_asked_twice_and_a_no_changes_nothing(answers: tuple[str, ...], tmp_path: Path) -> None:
    questions = ("Purge a.txt? [y/N]", "Are you sure? [y/N]")
    with devices(tmp_path, "one") as (one,):
        one.cli("share", str(one.dir))
        for text in (f"one\n{SECRET}\n", "one\ntwo\n"):
            _save(one, text)
            one.cli("wait", "--alone-is-fine")
        assert _found(one)
        with terminal_of(one, "purge", str(one.dir / "a.txt")) as terminal:
            for question, answer in zip(questions, answers, strict=False):
                terminal.shows(question)
                assert _found(one), "nothing is done before the last answer"
                terminal.types(answer)
            code = terminal.ends()
        assert "1 version of 1 file will be removed." in terminal.text
        if answers == ("y", "y"):
            assert (code, _found(one)) == (0, [])
            assert "1 version of 1 file removed from this device." in terminal.text
        else:
            assert code == 130
            assert "Nothing was changed." in terminal.text
            assert questions[len(answers) :] == () or questions[len(answers)] not in terminal.text
            assert len(one.cli("log", str(one.dir / "a.txt")).splitlines()) == 3, "a header, and both versions"
