"""Builds the .deb: a wheel with everything it needs in /opt/yp2p, an environment of Debian's own Python.

    python packaging/deb/build.py dist/yp2p-*.whl --release trixie --architecture arm64 --into dist

Nothing of the package runs while it is built: pip takes the wheels of the target's Python and machine as they are. So
any machine builds for all of them, without the Debian, without a compiler, and without root. The versions are those of
config/constraints.txt, where that has the platform's wheel.

Its maintainer is who builds it: DEBFULLNAME and DEBEMAIL, as in Debian's own tools. Set them for what is published.

What there is to start, to stop and to say is in `postinst`, `prerm` and `postrm`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import HeaderParser
from email.utils import format_datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HOME = "opt/yp2p"
# Debian releases: number, and the Python that each has.
RELEASES = {"bookworm": ("12", "3.11"), "trixie": ("13", "3.13")}
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
# What pip takes for "any Linux of the last years" has to be spelled out; Debian 12 has glibc 2.36.
_LINUXES = ("manylinux2014", "manylinux_2_17", "manylinux_2_24", "manylinux_2_27", "manylinux_2_28", "manylinux_2_34")
# Debian asks for an address that works. None does for everybody who may build a package: it is that of who does.
_UNNAMED = "Whoever built this package <unnamed@yp2p.invalid>"
_SCRIPTS = ("postinst", "prerm", "postrm")


@dataclass(frozen=True, slots=True)
class Target:
    """What a package is for.

    Attributes:
        release: of Debian, by its name.
        architecture: as Debian says it.
        version: of yp2p.
    """

    release: str
    architecture: str
    version: str

    @property
    def python(self) -> str:
        """The version of its Python, such as 3.13."""
        return RELEASES[self.release][1]

    @property
    def debian_version(self) -> str:
        """That of the package: the one for Debian 13 is an upgrade of the one for Debian 12."""
        return f"{self.version}-1~deb{RELEASES[self.release][0]}"

    @property
    def file_name(self) -> str:
        return f"yp2p_{self.debian_version}_{self.architecture}.deb"


def _install(target: Target, wheel: Path, site: Path) -> None:
    """The wheel and what it depends on, as they are for the target. Raises CalledProcessError: one is missing."""
    machine = MACHINES[target.architecture]
    platforms = [word for linux in _LINUXES for word in ("--platform", f"{linux}_{machine}")]
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile",
            "--target", site, "--only-binary=:all:", "--python-version", target.python, "--implementation", "cp",
            *platforms, "--constraint", ROOT / "config/constraints.txt", wheel,
        ],
        check=True,
    )  # fmt: skip
    shutil.rmtree(site / "bin")


def _make_environment(target: Target, root: Path) -> None:
    """What makes the directory an environment of /usr/bin/python3.N, and the command in it."""
    home = root / HOME
    (home / "bin").mkdir(parents=True)
    for name in ("python", "python3"):
        (home / "bin" / name).symlink_to(f"/usr/bin/python{target.python}")
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {target.python}\n"
    )
    command = home / "bin/yp2p"
    # -I: no variable, no directory and no package of a person changes what runs.
    command.write_text(f"#!/{HOME}/bin/python -I\nimport sys\n\nfrom yp2p.cli.main import main\n\nsys.exit(main())\n")
    command.chmod(0o755)
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/yp2p").symlink_to(f"/{HOME}/bin/yp2p")


def _move_shared(site: Path, root: Path) -> None:
    """Man pages and completions of the wheel, to where Debian has them."""
    share = root / "usr/share"
    for page in sorted((site / "share/man").glob("man*/*")):
        place = share / "man" / page.parent.name / f"{page.name}.gz"
        _write_gzip(place, page.read_bytes())
    for source, place in {
        "bash-completion/completions/yp2p": "bash-completion/completions/yp2p",
        "zsh/site-functions/_yp2p": "zsh/vendor-completions/_yp2p",
        "fish/vendor_completions.d/yp2p.fish": "fish/vendor_completions.d/yp2p.fish",
    }.items():
        (share / place).parent.mkdir(parents=True)
        shutil.move(site / "share" / source, share / place)
    shutil.rmtree(site / "share")


def _write_gzip(place: Path, data: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(gzip.compress(data, 9, mtime=0))


def _copy_units(root: Path) -> None:
    """The units of the checkout; the one for a person's session runs the command of the package."""
    for unit in sorted((ROOT / "systemd").glob("*.service")):
        kind = "user" if unit.name == "yp2p.service" else "system"
        place = root / "usr/lib/systemd" / kind / unit.name
        place.parent.mkdir(parents=True, exist_ok=True)
        text = unit.read_text().replace("%h/.local/bin/yp2p", "/usr/bin/yp2p")
        place.write_text(text)


def _write_documents(target: Target, site: Path, root: Path) -> None:
    documents = root / "usr/share/doc/yp2p"
    documents.mkdir(parents=True)
    for name in ("guide.md", "install.md", "files.md", "merging.md", "editors.md", "git.md"):
        if (ROOT / "docs" / name).exists():
            shutil.copy(ROOT / "docs" / name, documents)
    (documents / "examples").mkdir()
    shutil.copy(ROOT / "config/yp2p.example.toml", documents / "examples/config.toml")
    (documents / "copyright").write_text("\n".join(_copyright(site)) + "\n")
    when = format_datetime(_time(), usegmt=False)
    change = (
        f"yp2p ({target.debian_version}) {target.release}; urgency=medium\n\n  * See CHANGELOG.md of yp2p "
        f"{target.version}.\n\n -- {_maintainer()}  {when}\n"
    )
    _write_gzip(documents / "changelog.Debian.gz", change.encode())
    _write_gzip(documents / "changelog.gz", (ROOT / "CHANGELOG.md").read_bytes())
    overrides = root / "usr/share/lintian/overrides/yp2p"
    overrides.parent.mkdir(parents=True)
    shutil.copy(HERE / "lintian-overrides", overrides)


def _maintainer() -> str:
    """Who builds it, by the variables that Debian's own tools take; without them nobody is named."""
    address = os.environ.get("DEBEMAIL", "")
    name, _, within = address.rpartition("<")
    name = name.strip() or os.environ.get("DEBFULLNAME", "")
    return f"{name} <{within.rstrip('>')}>" if name and within else _UNNAMED


def _time() -> datetime:
    """When it is built; SOURCE_DATE_EPOCH, if that is set, so that the same sources make the same package."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC).replace(microsecond=0)


def _copyright(site: Path) -> Iterator[str]:
    """The licence of yp2p, and of what is packed with it, with where each one's text is."""
    yield "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
    yield "Upstream-Name: yp2p"
    yield "Comment: Besides yp2p the package holds, unchanged, the Python packages that it depends on:"
    for information in sorted(site.glob("*.dist-info")):
        meta = HeaderParser().parsestr((information / "METADATA").read_text())
        licence = meta["License-Expression"] or (meta["License"] or "").splitlines()[:1] or _classified(meta)
        words = licence if isinstance(licence, str) else " ".join(licence)
        if meta["Name"] != "yp2p":
            yield f" {meta['Name']} {meta['Version']}: {words or 'see there'}; /{HOME}/lib/*/{information.name}"
    yield ""
    licence_text = (ROOT / "LICENSE").read_text().strip().splitlines()
    yield "Files: *"
    yield f"Copyright: {next(line for line in licence_text if line.startswith('Copyright')).partition(') ')[2]}"
    yield "License: MIT"
    body = licence_text[licence_text.index(next(line for line in licence_text if line.startswith("Permission"))) :]
    yield from (f" {line.strip() or '.'}" for line in body)


def _classified(meta: object) -> list[str]:
    found = meta.get_all("Classifier") or []  # type: ignore[attr-defined]
    return [line.rpartition(" :: ")[2] for line in found if line.startswith("License ::")][:1]


def _control(target: Target, root: Path) -> str:
    size_kib = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink()) // 1024
    minor = int(target.python.partition(".")[2])
    fields = {
        "Package": "yp2p",
        "Version": target.debian_version,
        "Architecture": target.architecture,
        "Maintainer": _maintainer(),
        "Installed-Size": str(size_kib),
        "Depends": f"python3 (>= 3.{minor}~), python3 (<< 3.{minor + 1}~), python{target.python}, libc6, libgcc-s1",
        "Suggests": "libnotify-bin",
        "Section": "net",
        "Priority": "optional",
        "Description": "keeps folders the same on every device of a LAN",
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items()) + (HERE / "description").read_text()


def _write_control(target: Target, root: Path) -> None:
    control = root / "DEBIAN"
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n" for path in files]
    text = _control(target, root)
    control.mkdir()
    (control / "control").write_text(text)
    (control / "md5sums").write_text("".join(sums))
    for script in _SCRIPTS:
        shutil.copy(HERE / script, control)
        (control / script).chmod(0o755)


def _put_modes_right(root: Path) -> None:
    """Whatever the umask is here: readable by all, writable by root."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    for library in root.rglob("*.so*"):
        library.chmod(0o644)


def build(target: Target, wheel: Path, into: Path) -> Path:
    """Build the package of a wheel; gives it. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as base:
        root = Path(base, "root")
        site = root / HOME / "lib" / f"python{target.python}" / "site-packages"
        site.mkdir(parents=True)
        _install(target, wheel, site)
        _make_environment(target, root)
        _move_shared(site, root)
        _copy_units(root)
        _write_documents(target, site, root)
        _put_modes_right(root)
        _write_control(target, root)
        into.mkdir(parents=True, exist_ok=True)
        made = into / target.file_name
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", root, made]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--release", choices=RELEASES, action="append")
    parser.add_argument("--architecture", choices=MACHINES, action="append")
    parser.add_argument("--into", type=Path, default=Path("dist"))
    asked = parser.parse_args()
    version = asked.wheel.name.split("-")[1]
    for release in asked.release or RELEASES:
        for architecture in asked.architecture or MACHINES:
            print(build(Target(release, architecture, version), asked.wheel, asked.into))


if __name__ == "__main__":
    main()
