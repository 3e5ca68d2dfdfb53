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

# Program text that nothing here parses, with brackets in pairs, commas between members, and backslashes at the ends of
# lines that go on.
_CODE = frozenset({
    ".awk", ".bash", ".c", ".cc", ".cjs", ".cpp", ".cs", ".css", ".cts", ".cxx", ".dart", ".fish", ".glsl", ".go",
    ".gradle", ".graphql", ".groovy", ".h", ".hh", ".hpp", ".hxx", ".java", ".js", ".json5", ".jsonc", ".jsx", ".kt",
    ".kts", ".less", ".lua", ".m", ".mjs", ".mk", ".mm", ".mts", ".nix", ".php", ".pl", ".pm", ".proto", ".ps1", ".r",
    ".rb", ".rs", ".scala", ".scss", ".sh", ".sol", ".sql", ".swift", ".tcl", ".tf", ".ts", ".tsx", ".vala", ".vue",
    ".zig", ".zsh",
})  # fmt: skip
_CODE_NAMES = frozenset({"makefile", "dockerfile", "containerfile", "justfile", "jenkinsfile", "gnumakefile"})


def is_code(path: str) -> bool:
    """Whether a file is program text that is not parsed, by its name."""
    name = path.rpartition("/")[2].lower()
    return name in _CODE_NAMES or ("." in name and "." + name.rpartition(".")[2] in _CODE)


def language_of(path: str) -> str | None:
    """The language of a file, by its name; None where its syntax is not checked."""
    name = path.rpartition("/")[2].lower()
    found = _NAMES.get(name)
    return found or (_LANGUAGES.get("." + name.rpartition(".")[2]) if "." in name else None)
