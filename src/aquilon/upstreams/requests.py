"""Writes the canonical request as an upstream's: messages and tools are passed on, no template is rendered."""

from __future__ import annotations

from typing import Any

import msgspec

from aquilon.errors import invalid
from aquilon.request import (
    ChatPrompt,
    Choice,
    FillPrompt,
    GenerationRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    OutputFormat,
    Regex,
    TextPrompt,
    TokenPrompt,
    ToolUse,
)
from aquilon.text.messages import ImagePart, Message, Tool, ToolCall
from aquilon.upstreams.messages_requests import messages_body
from aquilon.upstreams.upstream import UpstreamKind

_encode = msgspec.json.Encoder().encode
_SPEAKS_VLLM: frozenset[UpstreamKind] = frozenset({"openai", "aquilon"})
"""Kinds that may understand vLLM's fields, for grammars and for continuing a message."""

_ROUTING_FIELDS = frozenset(
    {"model", "models", "fallbacks", "route", "provider", "transforms", "plugins"}
    | {"api_base", "base_url", "api_key", "api_version", "headers", "extra_headers", "user_config", "metadata_headers"}
)
"""Fields with which clients of other routers choose model, provider or address: here the operator chooses."""
_UNKNOWN_TO_MISTRAL = frozenset(
    {"user", "store", "service_tier", "safety_identifier", "verbosity"}
    | {"chat_template_kwargs", "echo", "priority", "length_penalty"}
)
"""OpenAI's and vLLM's fields: Mistral refuses a request with a field that it doesn't know."""


def path_of(request: GenerationRequest, kind: UpstreamKind) -> str:
    """The path of the endpoint to ask."""
    if kind == "anthropic":
        return "messages"
    if isinstance(request.prompt, ChatPrompt):
        return "chat/completions"
    if isinstance(request.prompt, FillPrompt) and kind in ("aquilon", "mistral"):
        return "fim/completions"
    return "completions"


def body_of(
    request: GenerationRequest, kind: UpstreamKind, remote: str, *, reasoning: bool, thoughts: bool = True
) -> bytes:
    """JSON; ``remote`` is the model's name there. Raises ApiError 400 for what this kind of upstream can't do.

    ``reasoning``: whether the model reasons; ``thoughts``: whether the server then takes its earlier thoughts.
    """
    if kind == "anthropic":
        return _encode(messages_body(request, remote, reasoning=reasoning))
    body = {name: value for name, value in request.upstream_fields.items() if name not in _ROUTING_FIELDS}
    body |= {"model": remote, "stream": True}
    if kind == "mistral":  # it always reports its usage
        body = {name: value for name, value in body.items() if name not in _UNKNOWN_TO_MISTRAL}
    else:
        body["stream_options"] = {"include_usage": True}
    if isinstance(request.prompt, ChatPrompt):
        _put_chat(body, request.prompt, kind, thoughts=reasoning and thoughts)
    elif isinstance(request.prompt, FillPrompt):
        body |= {"prompt": request.prompt.prefix, "suffix": request.prompt.suffix}
    elif isinstance(request.prompt, TextPrompt):
        body["prompt"] = request.prompt.text
        if not request.prompt.add_special:
            body["add_special_tokens"] = False
        if not request.prompt.parse_special:
            body["parse_special"] = False
    else:
        assert isinstance(request.prompt, TokenPrompt)
        body["prompt"] = list(request.prompt.ids)
    if request.format is not None:
        _put_format(body, request.format, kind)
    _put_sampling(body, request, kind, reasoning=reasoning)
    return _encode(body)


def repeated_prefix(request: GenerationRequest, kind: UpstreamKind) -> str:
    """The assistant's message that the answer repeats, where this kind of upstream doesn't repeat it itself."""
    prompt = request.prompt
    repeats = isinstance(prompt, ChatPrompt) and prompt.continue_final and prompt.repeats_final
    return request.prefix if kind in ("anthropic", "openai") and repeats else ""


def _put_chat(body: dict[str, Any], prompt: ChatPrompt, kind: UpstreamKind, *, thoughts: bool) -> None:
    messages = [_message(message, kind) for message in prompt.messages]
    if thoughts:
        for fields, message in zip(messages, prompt.messages, strict=True):
            _put_thoughts(fields, message, kind)
    body["messages"] = messages
    if prompt.continue_final:
        if kind == "mistral" or (kind == "aquilon" and prompt.repeats_final):
            messages[-1]["prefix"] = True
        elif kind in ("aquilon", "openai"):
            # of the servers that speak OpenAI's contract, vLLM alone would repeat it: llama.cpp ignores ``echo``
            body |= {"continue_final_message": True, "add_generation_prompt": False, "echo": False}
        else:
            raise invalid("Azure's models can't continue an assistant's message", param="messages")
    elif not prompt.generation_prompt and kind in ("aquilon", "openai"):
        body["add_generation_prompt"] = False
    if prompt.tool_use is not None:
        _put_tools(body, prompt.tool_use, kind)


def _put_tools(body: dict[str, Any], use: ToolUse, kind: UpstreamKind) -> None:
    body["tools"] = [_tool(tool, kind) for tool in use.tools]
    if use.choice == "named":
        body["tool_choice"] = {"type": "function", "function": {"name": use.named}}
    elif use.choice == "required":
        body["tool_choice"] = "any" if kind == "mistral" else "required"
    else:
        body["tool_choice"] = use.choice
    if not use.parallel:
        body["parallel_tool_calls"] = False


def _tool(tool: Tool, kind: UpstreamKind) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.parameters or kind == "mistral":  # Mistral requires parameters
        function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    more: dict[str, Any] = tool.more.get("function", {})
    if kind == "mistral":
        strict = {"strict": more["strict"]} if "strict" in more else {}
        return {"type": "function", "function": function | strict}
    return {"type": "function"} | tool.more | {"function": more | function}


def _put_format(body: dict[str, Any], format: OutputFormat, kind: UpstreamKind) -> None:
    if isinstance(format, JsonObject):
        body["response_format"] = {"type": "json_object"}
    elif isinstance(format, JsonSchema):
        schema: dict[str, Any] = {"name": format.name, "schema": format.schema}
        if format.description is not None:
            schema["description"] = format.description
        if format.strict is not None:
            schema["strict"] = format.strict
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif kind not in _SPEAKS_VLLM:
        raise invalid(
            "The upstream that computes this model's answers supports JSON formats only", param="structured_outputs"
        )
    elif isinstance(format, Regex):
        body["structured_outputs"] = {"regex": format.pattern}
    elif isinstance(format, Choice):
        body["structured_outputs"] = {"choice": list(format.options)}
    else:
        assert isinstance(format, Grammar)
        body["structured_outputs"] = {"grammar": format.text}
        if kind == "openai" and "::=" in format.text:
            body["grammar"] = format.text  # llama.cpp's name


def _put_sampling(body: dict[str, Any], request: GenerationRequest, kind: UpstreamKind, *, reasoning: bool) -> None:
    """Add the parameters that differ from the defaults, which are the same at all servers."""
    sampling = request.sampling
    if sampling.prompt_logprobs is not None:
        raise invalid("Only models of this server's own engine have prompt log probabilities", param="prompt_logprobs")
    if request.temperature is not None:
        body["temperature"] = request.temperature
    for name, default in _DEFAULTS.items():
        if (value := getattr(sampling, name)) != default:
            body[name] = value
    if sampling.logit_bias:
        body["logit_bias"] = {str(token_id): bias for token_id, bias in sampling.logit_bias.items()}
    if sampling.stop_token_ids:
        body["stop_token_ids"] = list(sampling.stop_token_ids)
    if sampling.seed is not None:
        body["random_seed" if kind == "mistral" else "seed"] = sampling.seed
    if sampling.max_tokens is not None:
        limits_completion = (
            isinstance(request.prompt, ChatPrompt) and kind != "mistral" and (reasoning or request.limits_completion)
        )
        body["max_completion_tokens" if limits_completion else "max_tokens"] = sampling.max_tokens
    if sampling.logprobs is not None:
        if isinstance(request.prompt, ChatPrompt):
            body |= {"logprobs": True, "top_logprobs": sampling.logprobs}
        else:
            body["logprobs"] = sampling.logprobs
    if request.stop:
        body["stop"] = list(request.stop)
    if request.n > 1:
        body["n"] = request.n


_DEFAULTS: dict[str, Any] = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
    "min_tokens": 0,
    "ignore_eos": False,
}


def _message(message: Message, kind: UpstreamKind) -> dict[str, Any]:
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.parts:
        fields["content"] = [
            _image(part) if isinstance(part, ImagePart) else {"type": "text", "text": part.text}
            for part in message.parts
        ]
    if message.name is not None and (kind != "mistral" or message.role == "tool"):
        fields["name"] = message.name
    if message.tool_calls:
        fields["content"] = message.content or None
        fields["tool_calls"] = [_call(call, kind) for call in message.tool_calls]
    if message.tool_call_id is not None:
        fields["tool_call_id"] = message.tool_call_id
    return fields | _other_fields(message, kind)


def _put_thoughts(fields: dict[str, Any], message: Message, kind: UpstreamKind) -> None:
    """Add the assistant's earlier thoughts, unless the fields that the client sent have them already."""
    if not message.reasoning or fields.get("reasoning_content") or fields.get("reasoning"):
        return
    content = fields["content"]
    if kind == "mistral":
        if not isinstance(content, list):
            said = [{"type": "text", "text": content}] if content else []
            thoughts = {"type": "thinking", "thinking": [{"type": "text", "text": message.reasoning}]}
            fields["content"] = [thoughts, *said]
    elif not isinstance(content, list) or all(part["type"] != "thinking" for part in content):
        fields["reasoning_content"] = message.reasoning


def _call(call: ToolCall, kind: UpstreamKind) -> dict[str, Any]:
    more = {} if kind == "mistral" else call.more
    function = {"name": call.function.name, "arguments": call.function.arguments}
    return more | {"id": call.id, "type": "function", "function": function}


def _other_fields(message: Message, kind: UpstreamKind) -> dict[str, Any]:
    """The client's other fields that this kind of server understands."""
    more = message.more
    if kind == "mistral":
        more = {"content": more["content"]} if more.get("content") else {}
    elif kind != "aquilon" and isinstance(more.get("content"), list):  # only Mistral's API has thoughts as a part
        parts = [part for part in more["content"] if part["type"] != "thinking"]
        more = {name: value for name, value in more.items() if name != "content"} | (
            {"content": parts} if parts else {}
        )
    return more


def _image(part: ImagePart) -> dict[str, Any]:
    image = {"url": part.url}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}
