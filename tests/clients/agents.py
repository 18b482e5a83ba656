"""The agents that are tried: how each is installed, set up by a user, and given a task.

Their settings are those of ``docs/guides/clients.md``, with the name of the scripted model.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.clients.installs import Packages
from tests.clients.scripted_model import NAME
from tests.support.guide import URL, blocks
from tests.support.server import ROOT

GUIDE = ROOT / "docs" / "guides" / "clients.md"
GUIDE_MODEL = "ministral"


@dataclass(frozen=True)
class Place:
    """Where a client runs, and the server that it asks."""

    packages: Packages
    home: Path
    work: Path
    url: str
    key: str

    def program(self, name: str) -> str:
        folder = self.packages.folder / ("node_modules/.bin" if self.packages.npm else "bin")
        return str(folder / name)

    def settings(self, block: str, model: str = NAME) -> str:
        """A block of the guide, with this server's address, key and model."""
        [text] = [found.text for found in blocks(GUIDE) if found.name == block]
        return text.replace(URL, self.url).replace(GUIDE_MODEL, model).replace("$AQUILON_API_KEY", self.key)


@dataclass(frozen=True)
class Agent:
    name: str
    packages: Packages
    settings: str
    """The guide's block: a file in the user's home or the folder of the work, or what a shell exports."""
    command: Callable[[Place, str, bool], list[str]]
    """For a prompt, in a new session or in the last one."""
    model: str = NAME
    exports: dict[str, str] = field(default_factory=dict)
    """What only a trial needs: no updates."""

    def configure(self, place: Place) -> dict[str, str]:
        """Write what a user writes; returns what a user exports."""
        text = place.settings(self.settings, self.model)
        if text.startswith("export "):
            lines = [shlex.split(line)[1:] for line in text.splitlines()]
            return self.exports | dict(entry.split("=", 1) for line in lines for entry in line)
        inside = self.settings.removeprefix("~/")
        file = (place.work if inside == self.settings else place.home) / inside
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return self.exports | {"AQUILON_API_KEY": place.key}


def _codex(place: Place, prompt: str, again: bool) -> list[str]:
    codex = [place.program("codex"), "exec", "--skip-git-repo-check", "--sandbox", "danger-full-access"]
    return [*codex, *(["resume", "--last"] if again else []), prompt]


def _claude_code(place: Place, prompt: str, again: bool) -> list[str]:
    claude = [place.program("claude"), "--print", "--allowedTools", "Read,Write,Edit"]
    return [*claude, *(["--continue"] if again else []), "--", prompt]


def _vibe(place: Place, prompt: str, again: bool) -> list[str]:
    vibe = [place.program("vibe"), "--trust", "--auto-approve"]
    return [*vibe, *(["--continue"] if again else []), "--prompt", prompt]


def _open_code(place: Place, prompt: str, again: bool) -> list[str]:
    return [place.program("opencode"), "run", "--auto", *(["--continue"] if again else []), prompt]


CODEX = Packages(("@openai/codex",), npm=True)
CODEX_FILE = "~/.codex/config.toml"
CLAUDE_CODE = Packages(("@anthropic-ai/claude-code",), npm=True, postinstall="install.cjs")
AGENTS = [
    Agent("codex", CODEX, CODEX_FILE, _codex),
    # with models of OpenAI's names it has other tools: a patch, or JavaScript that calls the tools
    Agent("codex-gpt-5.5", CODEX, CODEX_FILE, _codex, model="gpt-5.5"),
    Agent("codex-gpt-6-sol", CODEX, CODEX_FILE, _codex, model="gpt-6-sol"),
    Agent("claude-code", CLAUDE_CODE, "claude-code", _claude_code),
    Agent("claude-code-sonnet", CLAUDE_CODE, "claude-code", _claude_code, model="sonnet"),
    Agent("vibe", Packages(("mistral-vibe",), python="3.12"), "~/.vibe/config.toml", _vibe),
    Agent(
        "opencode",
        Packages(("opencode-ai",), npm=True, postinstall="postinstall.mjs"),
        "opencode.json",
        _open_code,
        exports={"OPENCODE_DISABLE_AUTOUPDATE": "1"},
    ),
]
