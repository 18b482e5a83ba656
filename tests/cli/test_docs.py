"""What the documents say is what the program does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.support.server import RunningServer

from aquilon.cli.main import command_line
from aquilon.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]

COMMANDS: dict[str, Any] = {}


def collect(command: Any, path: str = "") -> None:
    COMMANDS[path] = command
    for name, inner in getattr(command, "commands", {}).items():
        collect(inner, f"{path} {name}".strip())


collect(typer.main.get_command(command_line()))


def examples() -> list[tuple[str, str]]:
    """Every ``aquilon …`` line in a shell block, and every one between backticks, with its page."""
    commands = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        lines = [
            line
            for block in re.findall(r"```sh\n(.*?)```", text, re.S)
            for line in block.replace("\\\n", " ").splitlines()
        ]
        lines += re.findall(r"`([^`\n]*)`", re.sub(r"```.*?```", "", text, flags=re.S))
        for line in lines:
            if match := re.search(r"(?:^|[|] ?|[.]venv/bin/)(aquilon [^#)]*)", line.replace("\\|", "|")):
                commands.append((page.name, match[1].strip()))
    return commands


@pytest.mark.parametrize(("page", "example"), examples())
def test_every_command_in_the_documents_exists_with_its_options(page: str, example: str) -> None:
    words = shlex.split(re.sub(r"[\[\]…]", "", example))[1:]
    path = ""
    while words and f"{path} {words[0]}".strip() in COMMANDS:
        path = f"{path} {words.pop(0)}".strip()
    if words and words[0] == "COMMAND":
        return
    assert path or not words or words[0].startswith("-"), f"{page}: there is no '{example}'"
    known = {option for parameter in COMMANDS[path].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known | {"--help"}


@pytest.mark.parametrize(
    "path", [path for path, command in COMMANDS.items() if path and not hasattr(command, "commands")]
)
def test_every_command_is_in_the_guide(path: str) -> None:
    guides = (ROOT / "docs" / "command-line.md").read_text() + (ROOT / "docs" / "models.md").read_text()
    assert f"aquilon {path}" in guides


def test_every_option_of_up_is_in_the_guide_with_its_default() -> None:
    guide = (ROOT / "docs" / "command-line.md").read_text()
    section = guide.partition("## `aquilon up`")[2].partition("## ")[0]
    options = {option for parameter in COMMANDS["up"].params for option in parameter.opts if option.startswith("--")}
    assert {option for option in options if option not in section} <= {"--home", "--help"}
    assert f"`{Settings.model_fields['host'].default}`, `{Settings.model_fields['port'].default}`" in section


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


@pytest.mark.parametrize("client", ["openai", "mistralai"])
def test_the_readme_s_python_runs(
    server: RunningServer, client: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AQUILON_API_KEY", server.api_key)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    [code] = [block for block in blocks if f"from {client}" in block]
    code = code.replace("http://127.0.0.1:8080", server.url)
    exec(code.replace('model="smollm2-135m"', 'model="smollm2-135m", max_tokens=24'), {})
    assert capsys.readouterr().out.strip()


def test_the_readme_begins_with_what_it_is_for_and_how_to_start() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = text.split("\n\n")[1].replace("\n", " ")
    assert first.startswith("Aquilon is for ")
    assert first.count(". ") == 0  # one sentence
    assert text.index("make up") < text.index("| ")
    assert text.index("export AQUILON_API_KEY=") < text.index("$AQUILON_API_KEY")
    assert text.index("make up") < text.index("export PATH=") < text.index("measured on")
