"""The agents that are tried: how each is installed, set up by a user, and given a task."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.clients.installs import Packages
from tests.clients.scripted_model import NAME


@dataclass(frozen=True)
class Place:
    """Where an agent runs, and the server that it asks."""

    packages: Packages
    home: Path
    work: Path
    url: str
    key: str

    def program(self, name: str) -> str:
        folder = self.packages.folder / ("node_modules/.bin" if self.packages.npm else "bin")
        return str(folder / name)


@dataclass(frozen=True)
class Agent:
    name: str
    packages: Packages
    configure: Callable[[Place], dict[str, str]]
    """Writes what a user writes; returns what a user exports."""
    command: Callable[[Place, str, bool], list[str]]
    """For a prompt, in a new session or in the last one."""


def _codex(model: str) -> Callable[[Place], dict[str, str]]:
    def configure(place: Place) -> dict[str, str]:
        (place.home / ".codex").mkdir()
        (place.home / ".codex" / "config.toml").write_text(
            f'model = "{model}"\n'
            'model_provider = "aquilon"\n'
            "[model_providers.aquilon]\n"
            'name = "Aquilon"\n'
            f'base_url = "{place.url}/v1"\n'
            'env_key = "AQUILON_API_KEY"\n'
            "[analytics]\n"
            "enabled = false\n"
        )
        return {"AQUILON_API_KEY": place.key}

    return configure


def _codex_command(place: Place, prompt: str, again: bool) -> list[str]:
    codex = [place.program("codex"), "exec", "--skip-git-repo-check"]
    session = ["resume", "--last"] if again else []
    return [*codex, "--sandbox", "danger-full-access", *session, prompt]


def _claude_code(place: Place) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": place.url,
        "ANTHROPIC_AUTH_TOKEN": place.key,
        "ANTHROPIC_MODEL": NAME,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _claude_code_command(place: Place, prompt: str, again: bool) -> list[str]:
    claude = [place.program("claude"), "--print", "--allowedTools", "Read,Write,Edit"]
    return [*claude, *(["--continue"] if again else []), "--", prompt]


def _vibe(place: Place) -> dict[str, str]:
    (place.home / ".vibe").mkdir()
    (place.home / ".vibe" / "config.toml").write_text(
        f'active_model = "{NAME}"\n'
        "enable_telemetry = false\n"
        "enable_update_checks = false\n"
        "[[providers]]\n"
        'name = "aquilon"\n'
        f'api_base = "{place.url}/v1"\n'
        'api_key_env_var = "AQUILON_API_KEY"\n'
        "[[models]]\n"
        f'name = "{NAME}"\n'
        'provider = "aquilon"\n'
        f'alias = "{NAME}"\n'
    )
    return {"AQUILON_API_KEY": place.key}


def _vibe_command(place: Place, prompt: str, again: bool) -> list[str]:
    vibe = [place.program("vibe"), "--trust", "--auto-approve"]
    return [*vibe, *(["--continue"] if again else []), "--prompt", prompt]


def _open_code(place: Place) -> dict[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{place.url}/v1", "apiKey": "{env:AQUILON_API_KEY}"},
        "models": {NAME: {}},
    }
    settings = {
        "provider": {"aquilon": provider},
        "model": f"aquilon/{NAME}",
        "permission": "allow",
        "autoupdate": False,
    }
    (place.work / "opencode.json").write_text(json.dumps(settings, indent=2))
    return {"AQUILON_API_KEY": place.key}


def _open_code_command(place: Place, prompt: str, again: bool) -> list[str]:
    return [place.program("opencode"), "run", *(["--continue"] if again else []), prompt]


_CODEX = Packages(("@openai/codex",), npm=True)
_CLAUDE_CODE = Packages(("@anthropic-ai/claude-code",), npm=True, postinstall="install.cjs")
_OPEN_CODE = Packages(("opencode-ai",), npm=True, postinstall="postinstall.mjs")

AGENTS = [
    Agent("codex", _CODEX, _codex(NAME), _codex_command),
    Agent("codex-gpt-5.5", _CODEX, _codex("gpt-5.5"), _codex_command),
    Agent("codex-gpt-6-sol", _CODEX, _codex("gpt-6-sol"), _codex_command),
    Agent("claude-code", _CLAUDE_CODE, _claude_code, _claude_code_command),
    Agent("vibe", Packages(("mistral-vibe",), python="3.12"), _vibe, _vibe_command),
    Agent("opencode", _OPEN_CODE, _open_code, _open_code_command),
]
"""Codex has other tools for models of OpenAI's names: a patch with 5.5; JavaScript that calls the tools with 6."""
