"""Patterns against git itself, against a library, and against those who want them to take long."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from effort import many
from pathspec import GitIgnoreSpec

from yp2p.files.gitignore import MAX_NAMES, MAX_PATTERN_CHARS, Pattern, Patterns, expression
from yp2p.files.ignore import IgnoreRules, readable
from yp2p.protocol.names import MAX_NAME_BYTES, MAX_PATH_NAMES, path_problem

# ASCII: git counts bytes.
_NAMES = ("a", "b", "ab", "aab", "abab", "a.b", ".a", "b a", "a-b", "[a]", "a*b", "\\a", "B")
_PIECES = (
    "a", "b", "ab", "*", "*", "?", "[ab]", "[!a]", "[^b]", "[a-c]", "[]a]", "[[:alpha:]]", "[[:upper:]]", "\\*", "\\[",
    ".", "-", "\\\\", "[b-a]", "[\\]a]", "[a-]",
)  # fmt: skip


def _glob(rng: random.Random) -> str:
    return "".join(rng.choices(_PIECES, k=rng.randint(1, 4)))


def _line(rng: random.Random) -> str:
    names = [rng.choice(("**", _glob(rng), _glob(rng), _glob(rng))) for _ in range(rng.randint(1, 3))]
    return rng.choice(("", "", "!")) + rng.choice(("", "", "/")) + "/".join(names) + rng.choice(("", "", "/"))


def _path(rng: random.Random) -> str:
    return "/".join(rng.choices(_NAMES, k=rng.randint(1, 4)))


def _ignored_by_git(repository: Path, lines: list[str], paths: list[str]) -> set[str]:
    (repository / ".gitignore").write_text("\n".join(lines) + "\n")
    said = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=repository, input="\0".join(paths).encode(), capture_output=True, check=False,
    )  # fmt: skip
    assert said.returncode in (0, 1), said.stderr
    return set(said.stdout.decode().split("\0")) - {""}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q"], cwd=path, check=True)
    return path


@pytest.mark.parametrize("seed", range(many(40)))
def test_what_git_ignores_is_ignored(repository: Path, seed: int) -> None:
    rng = random.Random(seed)
    lines = [_line(rng) for _ in range(rng.randint(1, 6))]
    paths = sorted({_path(rng) for _ in range(100)})
    rules = IgnoreRules(readable("\n".join(lines))[0])
    ours = {path for path in paths if rules.ignores(path)}
    assert ours == _ignored_by_git(repository, lines, paths), lines


@pytest.mark.parametrize("seed", range(many(200)))
def test_a_pattern_stands_for_what_the_library_says(seed: int) -> None:
    """One pattern of a name, which the library puts into one regular expression."""
    rng = random.Random(seed)
    glob = _glob(rng)
    if "[" in glob.replace("\\[", "") or "\\" in glob:
        return  # where they differ, git decides (above)
    spec, rules = GitIgnoreSpec.from_lines([glob]), Patterns([glob])
    for name in (*_NAMES, *("".join(rng.choices("ab.", k=5)) for _ in range(20))):
        assert bool(rules.decide(name, directory=False)) == spec.match_file(name), (glob, name)


@pytest.mark.parametrize(
    ("line", "matches", "others"),
    [
        ("build/", ["build/", "x/build/"], ["build", "x/build"]),
        ("/a", ["a"], ["b/a"]),
        ("a/b", ["a/b"], ["x/a/b", "a"]),
        ("**/a", ["a", "x/a", "x/y/a"], ["b"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a/c"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["b", "a/x"]),
        ("a/**/b/**/c", ["a/b/c", "a/b/b/c", "a/x/b/y/c"], ["a/c", "a/b"]),
        ("**", ["a", "a/b"], []),
        ("a**b", ["ab", "axb"], ["a/b"]),
        ("\\#a", ["#a"], ["a"]),
        ("\\!a", ["!a"], ["a"]),
        ("a ", ["a"], ["a "]),
        ("a\\ ", ["a "], ["a"]),
        ("*a*b*c*", ["abc", "xaxbxc", "aabbcc"], ["acb", "ab"]),
        ("?ü[ö-ü]*", ["xüö", "xüüx"], ["üö", "xüa"]),
        ("a*ab", ["aab", "aabab"], ["ab", "aba"]),
    ],
)
def test_what_a_pattern_matches(line: str, matches: list[str], others: list[str]) -> None:
    rules = Patterns([line])
    for path in matches:
        assert rules.decide(path.removesuffix("/"), directory=path.endswith("/")), path
    for path in others:
        assert rules.decide(path, directory=False) is None, path


@pytest.mark.parametrize(
    ("line", "why"),
    [("a[b", "never closed"), ("a\\", "backslash"), ("[[:no:]]", "no class")],
)
def test_what_stands_for_nothing_is_told(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Pattern.parse(line)
    patterns, problem = readable(f"{line}\n*.log\n")
    assert patterns == ["*.log"]
    assert why in problem
    with pytest.raises(ValueError, match=why):
        IgnoreRules([line])


def test_no_pattern_is_tried_twice() -> None:
    """Each of these took minutes, or more, with a regular expression for the path."""
    name, path = "a" * MAX_NAME_BYTES, "/".join(["a" * 20] * MAX_PATH_NAMES)
    for line in ("*a*a*/*a*a*/*a*a*/b", "/".join(["*a*a*"] * 40) + "/b", "**/a*/" * 40 + "b", "*a" * 1000 + "b"):
        patterns, problem = readable(line)
        assert not problem
        rules = IgnoreRules(patterns)
        assert not rules.ignores(f"{name}/{name}/{name}/c")
        assert not rules.ignores(path)
    assert ".*?" not in expression("*a*").replace("(?>.*?", ""), "what is taken between two stars is taken for good"


def test_there_is_an_end_to_patterns() -> None:
    with pytest.raises(ValueError, match="more than 4096"):
        Pattern.parse("a" * (MAX_PATTERN_CHARS + 1))
    with pytest.raises(ValueError, match="names in the patterns"):
        readable("\n".join(["a/" * 100 + "b"] * (MAX_NAMES // 100)))


def test_a_path_has_an_end() -> None:
    """Deeper ones made each device run out of its stack, or of its memory."""
    assert path_problem("/".join(["a"] * MAX_PATH_NAMES)) is None
    too_deep = "/".join(["a"] * 1500)
    assert "directories deep" in (path_problem(too_deep) or "")
    assert IgnoreRules(["b/"]).ignores(too_deep)
