"""The libraries that are tried: each has a program that calls a function and gives a structured answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.clients.agents import Place
from tests.clients.installs import Packages, node_folder
from tests.clients.scripted_model import NAME

from aquilon.settings import DEFAULT_MODEL

PROGRAMS = Path(__file__).parent / "programs"


def _exports(place: Place) -> dict[str, str]:
    return {"AQUILON_URL": place.url, "AQUILON_API_KEY": place.key}


def _llm(place: Place) -> dict[str, str]:
    """`llm` finds its models in a file in its user's folder."""
    models = "".join(place.settings("extra-openai-models.yaml", model) for model in (NAME, DEFAULT_MODEL))
    (place.home / "extra-openai-models.yaml").write_text(models)
    return _exports(place) | {"LLM_USER_PATH": str(place.home)}


@dataclass(frozen=True)
class Library:
    name: str
    packages: Packages
    program: Path
    variables: Callable[[Place], dict[str, str]] = _exports

    def command(self, place: Place) -> list[str]:
        if self.program.suffix == ".py":
            return [place.program("python"), str(self.program)]
        if self.program.suffix == ".sh":
            return ["bash", "-euo", "pipefail", str(self.program), place.program("llm")]
        # node looks for packages beside the program
        program = self.packages.folder / self.program.name
        program.write_bytes(self.program.read_bytes())
        return [str(node_folder() / "node"), str(program)]


_AI_SDK = Packages(("ai", "@ai-sdk/openai-compatible", "@ai-sdk/openai", "zod"), npm=True)

LIBRARIES = [
    Library("langchain-openai", Packages(("langchain-openai",)), PROGRAMS / "langchain_openai_chat.py"),
    Library("langchain-mistralai", Packages(("langchain-mistralai",)), PROGRAMS / "langchain_mistral_chat.py"),
    Library("llama-index", Packages(("llama-index-llms-openai-like",)), PROGRAMS / "llama_index_llm.py"),
    Library("litellm", Packages(("litellm",)), PROGRAMS / "litellm_completion.py"),
    Library("llm", Packages(("llm",)), PROGRAMS / "llm_prompt.sh", _llm),
    Library("mistralai-1", Packages(("mistralai<2",)), PROGRAMS / "mistralai_fine_tuning.py"),
    Library("openai-agents", Packages(("openai-agents",)), PROGRAMS / "openai_agents_run.py"),
    Library("pydantic-ai", Packages(("pydantic-ai-slim[openai]",)), PROGRAMS / "pydantic_ai_run.py"),
    Library("ai-sdk", _AI_SDK, PROGRAMS / "ai_sdk.mjs"),
]
