"""Looking at an upstream: does it answer, with which models, and what is wrong if it doesn't."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from aquilon.upstreams.client import UpstreamClient
from aquilon.upstreams.failures import UpstreamFailure
from aquilon.upstreams.upstream import Upstream

_MOST_SECONDS = 15.0
_MOST_MODELS = 1000


@dataclass(frozen=True)
class RemoteModel:
    name: str
    max_context: int | None
    """None where the upstream doesn't say."""


@dataclass(frozen=True)
class Check:
    """What an upstream answered when it was asked for its models."""

    problem: str
    """Empty where all is well; else what is wrong, and what would be right."""
    models: tuple[RemoteModel, ...] = ()
    milliseconds: int = 0


async def check(upstream: Upstream) -> Check:
    """Ask for its models, over a connection of its own; never raises for what an upstream does."""
    if upstream.problem:
        return Check(upstream.problem)
    client = UpstreamClient(upstream)
    begun = time.monotonic()
    try:
        answer = await client.get("models", min(_MOST_SECONDS, upstream.timeouts.first_token))
    except UpstreamFailure as failure:
        return Check(f"{upstream.base_url} {_advice(upstream, str(failure))}")
    finally:
        await client.close()
    milliseconds = round((time.monotonic() - begun) * 1000)
    models = _models(answer)
    if models is None:
        return Check(f"{upstream.base_url} answers, but not with a list of models: is it an OpenAI-compatible server?")
    return Check(_missing(upstream, models), tuple(models), milliseconds)


def _advice(upstream: Upstream, reason: str) -> str:
    if "status 401" in reason or "status 403" in reason:
        if upstream.api_key is None:
            return f"wants a key ({reason}): give it one"
        return f"refuses the key ({reason}): check it, and that the kind '{upstream.kind}' is the right one"
    if "status 404" in reason:
        more = "" if upstream.base_url.endswith("/v1") or upstream.kind != "openai" else ", should it end with /v1"
        return f"has no list of models ({reason}): is the base URL right{more}?"
    if "redirection" in reason:
        return f"{reason}: give the address that it leads to as the base URL"
    return f"can't be used: {reason}"


def _models(answer: Any) -> list[RemoteModel] | None:
    """None for what is no list of models."""
    if isinstance(answer, dict) and isinstance(answer.get("model_name"), str):  # Azure AI's /info
        return [RemoteModel(answer["model_name"], None)]
    entries = answer.get("data", answer.get("models")) if isinstance(answer, dict) else answer
    if not isinstance(entries, list):
        return None
    found = []
    for entry in entries[:_MOST_MODELS]:
        name = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(name, str) and 0 < len(name) <= 256 and name.isprintable():
            found.append(RemoteModel(name, _context(entry)))
    return found


def _context(entry: dict[str, Any]) -> int | None:
    """vLLM, Mistral and Aquilon, llama.cpp each have a name for it."""
    meta = entry.get("meta")
    inner = meta if isinstance(meta, dict) else {}
    for value in (entry.get("max_model_len"), entry.get("max_context_length"), inner.get("n_ctx")):
        if isinstance(value, int) and value > 0:
            return value
    return None


def _missing(upstream: Upstream, models: list[RemoteModel]) -> str:
    """Azure lists the models that could be deployed, not the deployments."""
    if upstream.kind in ("azure", "azure_ai"):
        return ""
    there = {model.name for model in models}
    gone = [model.remote for model in upstream.models if model.remote not in there]
    if not gone:
        return ""
    names = ", ".join(sorted(there)[:20]) or "none"
    return f"{upstream.base_url} has no model {', '.join(gone)}; its models are: {names}"
