"""Which language a file is in, by its name. (The parsers take memory: who only asks this does not load them.)"""

from __future__ import annotations

_LANGUAGES = {
    ".py": "python",
    ".pyi": "python",
    ".json": "json",
    ".webmanifest": "json",
    ".geojson": "json",
    ".ipynb": "notebook",
    ".toml": "toml",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".xml": "xml",
    ".svg": "xml",
    ".xhtml": "xml",
    ".plist": "xml",
}
_NAMES = {
    "pipfile": "toml",
    "cargo.lock": "toml",
    "poetry.lock": "toml",
    "uv.lock": "toml",
    "pipfile.lock": "json",
    "composer.lock": "json",
    "flake.lock": "json",
    ".clang-format": "yaml",
}


def language_of(path: str) -> str | None:
    """The language of a file, by its name; None where its syntax is not checked."""
    name = path.rpartition("/")[2].lower()
    found = _NAMES.get(name)
    return found or (_LANGUAGES.get("." + name.rpartition(".")[2]) if "." in name else None)
