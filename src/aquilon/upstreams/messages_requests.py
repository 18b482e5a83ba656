"""Writes the canonical request for an upstream with Anthropic's API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec

from aquilon.errors import ApiError, invalid
from aquilon.request import ChatPrompt, GenerationRequest, JsonSchema, ToolUse
from aquilon.text.messages import ImagePart, Message, Part, TextPart, Tool, ToolCall

DEFAULT_MAX_TOKENS = 8192
"""The most tokens to ask for if the client names no number: Anthropic's API requires one."""

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")
_CHOICES = {"auto": "auto", "required": "any", "named": "tool", "none": "none"}
_EFFORTS = {"minimal": "low"}
"""OpenAI's efforts that Anthropic's API doesn't have."""


def messages_body(request: GenerationRequest, remote: str, *, reasoning: bool) -> dict[str, Any]:
    """``remote`` is the model's name there. Raises ApiError 400 for what Anthropic's API can't do.

    Penalties, ``seed``, ``min_p`` and other sampling parameters that it doesn't have are left out.
    """
    prompt, sampling = request.prompt, request.sampling
    if not isinstance(prompt, ChatPrompt):
        raise _unable("only answers conversations", "prompt")
    if request.n > 1:
        raise _unable(f"gives one answer, not {request.n}", "n")
    if sampling.logprobs is not None or sampling.prompt_logprobs is not None:
        raise _unable("reports no log probabilities", "logprobs")
    body: dict[str, Any] = {
        **request.anthropic_fields,
        "model": remote,
        "stream": True,
        "max_tokens": DEFAULT_MAX_TOKENS if sampling.max_tokens is None else sampling.max_tokens,
        "messages": _turns(prompt.messages),
    }
    if system := "\n\n".join(message.content for message in prompt.messages if message.role == "system"):
        body["system"] = system
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.temperature is not None:
        body["temperature"] = min(request.temperature, 1.0)
    if sampling.top_p != 1.0:
        body["top_p"] = sampling.top_p
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if prompt.tool_use is not None:
        _put_tools(body, prompt.tool_use)
    _put_output(body, request, reasoning=reasoning)
    return body


def _put_tools(body: dict[str, Any], use: ToolUse) -> None:
    body["tools"] = [_tool(tool) for tool in use.tools]
    choice: dict[str, Any] = {"type": _CHOICES[use.choice]}
    if use.choice == "named":
        choice["name"] = use.named
    if not use.parallel and use.choice != "none":
        choice["disable_parallel_tool_use"] = True
    body["tool_choice"] = choice


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object"} | tool.parameters}
    if tool.description:
        fields["description"] = tool.description
    if tool.more.get("function", {}).get("strict"):
        fields["strict"] = True
    return fields


def _put_output(body: dict[str, Any], request: GenerationRequest, *, reasoning: bool) -> None:
    """Add the format of the answer and the effort, and the thoughts that belong to it."""
    output: dict[str, Any] = dict(request.anthropic_fields.get("output_config", {}))
    if isinstance(request.format, JsonSchema):
        output["format"] = {"type": "json_schema", "schema": request.format.schema}
    elif request.format is not None:
        raise _unable("knows no format but a JSON schema", "response_format")
    effort = request.upstream_fields.get("reasoning_effort")
    if effort == "none":
        body.setdefault("thinking", {"type": "disabled"})
    elif isinstance(effort, str) and reasoning and "effort" not in output:  # from another API than Anthropic's
        output["effort"] = _EFFORTS.get(effort, effort)
        body.setdefault("thinking", {"type": "adaptive"})
    if output:
        body["output_config"] = output


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Turns of the user and the assistant by turns; results of tools are the user's."""
    turns = []
    others = [message for message in messages if message.role != "system"]
    for by_assistant, group in groupby(others, key=lambda message: message.role == "assistant"):
        if blocks := [block for message in group for block in _blocks(message)]:
            turns.append({"role": "assistant" if by_assistant else "user", "content": blocks})
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    content = _content(message)
    if message.role == "tool":
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id or "")}
        if content:
            result["content"] = content
        return [result | ({"is_error": True} if message.failed else {})]
    thoughts = [
        {"type": "redacted_thinking", "data": each.signature}
        if each.redacted
        else {"type": "thinking", "thinking": each.text, "signature": each.signature}
        for each in message.signed_thoughts
    ]
    return [*thoughts, *content, *map(_call, message.tool_calls)]


def _content(message: Message) -> list[dict[str, Any]]:
    parts: Sequence[Part] = message.parts or [TextPart(message.content)]
    return [
        _image(part) if isinstance(part, ImagePart) else {"type": "text", "text": part.text}
        for part in parts
        if isinstance(part, ImagePart) or part.text
    ]


def _image(part: ImagePart) -> dict[str, Any]:
    kind, _, data = part.url.removeprefix("data:").partition(";base64,")
    if data and part.url.startswith("data:"):
        return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}
    return {"type": "image", "source": {"type": "url", "url": part.url}}


def _call(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = msgspec.json.decode(call.function.arguments)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        arguments = None
    inputs = arguments if isinstance(arguments, dict) else {}
    return {"type": "tool_use", "id": _id(call.id), "name": call.function.name, "input": inputs}


def _id(id_: str) -> str:
    """Anthropic's API refuses other characters in ids."""
    return _NOT_IN_IDS.sub("_", id_) or "_"


def _unable(what: str, param: str) -> ApiError:
    return invalid(f"The upstream that computes this model's answers {what}", param=param)
