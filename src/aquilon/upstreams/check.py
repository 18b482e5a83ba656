"""Checks an upstream: whether it answers, with which models, and what is wrong if it doesn't."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from aquilon.upstreams.failures import UpstreamFailure
from aquilon.upstreams.upstream import Upstream

_MOST_SECONDS = 15.0
_MOST_MODELS = 1000


@dataclass(frozen=True)
class RemoteModel:
    name: str
    max_context: int | None
    """None if the upstream doesn't report it."""


@dataclass(frozen=True)
class Check:
    """The upstream's answer to the request for its models."""

    problem: str
    """What is wrong, and what would be right; empty if nothing is wrong."""
    models: tuple[RemoteModel, ...] = ()
    milliseconds: int = 0


async def check(upstream: Upstream) -> Check:
    """Ask an upstream for its models, on a new connection. An upstream's failure is a `problem`, never raised."""
    if upstream.problem:
        return Check(upstream.problem)
    from aquilon.upstreams.client import UpstreamClient  # aiohttp is loaded only if needed

    client = UpstreamClient(upstream)
    started_at = time.monotonic()
    try:
        path = f"models?limit={_MOST_MODELS}" if upstream.kind == "anthropic" else "models"
        answer = await client.get(path, min(_MOST_SECONDS, upstream.timeouts.first_token))
    except UpstreamFailure as failure:
        return Check(f"{upstream.base_url} {_advice(upstream, str(failure))}")
    finally:
        await client.close()
    milliseconds = round((time.monotonic() - started_at) * 1000)
    models = _models(answer)
    if models is None:
        vendor = "Anthropic" if upstream.kind == "anthropic" else "OpenAI"
        return Check(f"{upstream.base_url} answers, but not with a list of models: is its API {vendor}'s?")
    return Check(_missing(upstream, models), tuple(models), milliseconds)


def _advice(upstream: Upstream, reason: str) -> str:
    if "status 401" in reason or "status 403" in reason:
        if upstream.api_key is None:
            return f"wants a key ({reason}): give it one"
        return f"refuses the key ({reason}): check it, and that the kind '{upstream.kind}' is the right one"
    if "status 404" in reason:
        hint = "" if upstream.base_url.endswith("/v1") or upstream.kind != "openai" else ", should it end with /v1"
        return f"has no list of models ({reason}): is the base URL right{hint}?"
    if "redirection" in reason:
        return f"{reason}: give the address that it leads to as the base URL"
    return f"can't be used: {reason}"


def _models(answer: Any) -> list[RemoteModel] | None:
    """None for an answer that is not a list of models."""
    if isinstance(answer, dict) and isinstance(answer.get("model_name"), str):  # Azure AI's /info
        return [RemoteModel(answer["model_name"], None)]
    entries = answer.get("data", answer.get("models")) if isinstance(answer, dict) else answer
    if not isinstance(entries, list):
        return None
    models = []
    for entry in entries[:_MOST_MODELS]:
        name = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(name, str) and 0 < len(name) <= 256 and name.isprintable():
            models.append(RemoteModel(name, _context(entry)))
    return models


def _context(entry: dict[str, Any]) -> int | None:
    """The model's context, in the field of vLLM, of Mistral and Aquilon, of Anthropic, or of llama.cpp."""
    meta = entry.get("meta")
    meta_fields = meta if isinstance(meta, dict) else {}
    fields = ("max_model_len", "max_context_length", "max_input_tokens")
    for value in (*map(entry.get, fields), meta_fields.get("n_ctx")):
        if isinstance(value, int) and value > 0:
            return value
    return None


def _missing(upstream: Upstream, models: list[RemoteModel]) -> str:
    """The problem of models that the upstream doesn't list. Azure lists possible models, not the deployments."""
    if upstream.kind in ("azure", "azure_ai"):
        return ""
    names = {model.name for model in models}
    missing = [model.remote for model in upstream.models if model.remote not in names]
    if not missing:
        return ""
    listed = ", ".join(sorted(names)[:20]) or "none"
    return f"{upstream.base_url} has no model {', '.join(missing)}; its models are: {listed}"
