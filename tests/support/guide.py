"""Reading a guide's examples and running them. ``tests/docs/test_guides.py`` says how one is written."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.frontend import FRONTEND, frontend
from tests.support.prepared import command_folder
from tests.support.server import RunningServer, start_server

URL = "http://127.0.0.1:8080"
"""As guides write the server's address."""
KEY = "aq-…"
"""As guides write an API key that isn't taken from the environment."""
UP = re.compile(r"^((?:\w+=\S+ )*)aquilon up((?: .*)?)$")
RUNNABLE = ("sh", "python", "ts")
BLOCK_SECONDS = 120


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    language: str
    name: str
    """``output``, or the file that it is; else empty."""
    text: str
    line: int
    """In the guide, of its first fence."""
    runs: bool

    @property
    def code(self) -> tuple[str, str, str]:
        """What a translation has too: everything but the comments."""
        mark = "//" if self.language == "ts" else "#"
        lines = [line.partition(f"  {mark} ")[0].rstrip() for line in self.text.splitlines()]
        return self.language, self.name, "\n".join(line for line in lines if not line.lstrip().startswith(f"{mark} "))


def blocks(guide: Path) -> list[Block]:
    all_blocks = []
    text = guide.read_text(encoding="utf-8")
    for match in re.finditer(
        r"(<!-- (?:not run|pas exécuté)[^\n]*-->\n)?^```(\w*)(?: (\S+))?\n(.*?)^```$", text, re.S | re.M
    ):
        skipped, language, name, body = match.groups()
        runs = not skipped and (language in RUNNABLE or (name or "output") != "output")
        all_blocks.append(Block(language, name or "", body, text.count("\n", 0, match.start(2)) + 1, runs))
    return all_blocks


@dataclass
class GuideRun:
    """One guide's server, folder and variables while its examples run."""

    home: Path
    folder: Path
    replaced: Mapping[str, str]
    """What a guide writes, and what is there in its place today."""
    server: RunningServer | None = None
    variables: dict[str, str] = field(default_factory=dict)
    python: dict[str, Any] = field(default_factory=dict)
    """Names that python blocks have defined."""
    output: str = ""
    """Of the last block that ran."""
    key: str = ""

    def run(self, block: Block) -> None:
        """Raises AssertionError or CalledProcessError where the example doesn't do what the guide says."""
        text = self._replace(block.text)
        if block.name == "output":
            assert re.fullmatch(_pattern(text), self.output.strip(), re.S), f"line {block.line}: it says {self.output}"
        elif block.name == "aquilon.toml":
            (self.home / block.name).write_text(text, encoding="utf-8")
            self.stop()
        elif block.name:
            (self.folder / block.name).write_text(text, encoding="utf-8")
        else:
            self.output = getattr(self, f"_run_{block.language}")(text)

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()
        self.server = None

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """The server, on the port that it had before."""
        settings = {name: value for name, value in self.variables.items() if name.startswith("AQUILON_")}
        self.use(start_server(self.home, environment={**settings, **(environment or {})}))

    def use(self, server: RunningServer) -> None:
        """What runs from now on asks this server."""
        self.server = server
        self.key = server.api_key or self.key
        self.variables |= {
            "AQUILON_PORT": server.url.rpartition(":")[2],
            "AQUILON_HOME": str(server.home),
            "AQUILON_API_KEY": self.key,
            "PATH": os.pathsep.join([str(command_folder()), str(Path(sys.executable).parent), os.environ["PATH"]]),
        }

    def _replace(self, text: str) -> str:
        if self.server is None:
            self.start()
        assert self.server is not None
        for written, real in {URL: self.server.url, KEY: self.key, **self.replaced}.items():
            text = text.replace(written, real)
        return text

    def _run_sh(self, text: str) -> str:
        written, lines = "", []
        for line in text.splitlines():
            if (up := UP.match(line)) is None:
                lines.append(line)
                continue
            written += self._shell("\n".join(lines))
            lines.clear()
            self.stop()
            self.start(_settings(*up.groups()))
        return written + self._shell("\n".join(lines))

    def _shell(self, text: str) -> str:
        """What the commands export is there for those that follow."""
        if not text.strip():
            return ""
        exported = self.folder / ".exported"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{text}\nenv -0 > {exported}"],
            cwd=self.folder,
            env=os.environ | self.variables,
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS,
        )
        assert done.returncode == 0, f"{text}\nended with {done.returncode}: {done.stderr}{done.stdout}"
        now = dict(line.split("=", 1) for line in exported.read_text().split("\0") if "=" in line)
        exported.unlink()
        self.variables |= {name: value for name, value in now.items() if os.environ.get(name) != value}
        return done.stdout

    def _run_python(self, text: str) -> str:
        before, folder = dict(os.environ), Path.cwd()
        os.environ.update(self.variables)
        os.chdir(self.folder)
        try:
            with redirect_stdout(io.StringIO()) as written:
                exec(compile(text, "guide", "exec"), self.python)
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(before)
        return written.getvalue()

    def _run_ts(self, text: str) -> str:
        """Checked by TypeScript's compiler and run by node, with the packages of the front end."""
        frontend()
        modules = self.folder / "node_modules"
        if not modules.exists():
            modules.symlink_to(FRONTEND / "node_modules")
            (self.folder / "package.json").write_text('{"type": "module"}')
        (self.folder / "example.ts").write_text(text)
        node = shutil.which("node") or str(_node_from_pypi())
        compiler = FRONTEND / "node_modules" / "typescript" / "lib" / "tsc.js"
        options = ["--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"]
        written = ""
        for command in ([node, str(compiler), *options, "--lib", "es2022,dom", "example.ts"], [node, "example.js"]):
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=os.environ | self.variables,
                capture_output=True,
                text=True,
                timeout=BLOCK_SECONDS,
            )
            assert done.returncode == 0, f"{text}\nended with {done.returncode}: {done.stderr}{done.stdout}"
            written = done.stdout
        return written


def _settings(assignments: str, options: str) -> dict[str, str]:
    """What ``NAME=value aquilon up --option value`` sets, as the environment has it."""
    settings = dict(assignment.split("=", 1) for assignment in assignments.split())
    words = options.partition(" #")[0].split()
    for option, value in zip(words[::2], words[1::2], strict=True):
        name = {"--model": "AQUILON_MODELS"}.get(option, f"AQUILON_{option[2:].upper().replace('-', '_')}")
        settings[name] = f"{settings[name]},{value}" if name in settings and option == "--model" else value
    return settings


def _pattern(expected: str) -> str:
    return ".*".join(re.escape(part) for part in expected.strip().split("…"))


def _node_from_pypi() -> Path | None:
    path: Path | None = frontend()._node_from_pypi()
    return path
