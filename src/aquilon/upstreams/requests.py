"""From the one request to what an upstream is asked: messages and tools as they are, nothing rendered."""

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
from aquilon.text.messages import ImagePart, Message
from aquilon.upstreams.upstream import UpstreamKind

_encode = msgspec.json.Encoder().encode
_SPEAKS_VLLM: frozenset[UpstreamKind] = frozenset({"openai", "aquilon"})
"""Those that may know vLLM's fields: grammars, going on with a message."""

_OPERATORS = frozenset(
    {"model", "models", "fallbacks", "route", "provider", "transforms", "plugins"}
    | {"api_base", "base_url", "api_key", "api_version", "headers", "extra_headers", "user_config", "metadata_headers"}
)
"""Fields by which routers elsewhere let a client choose model, provider or address: that is the operator's choice."""


def path_of(request: GenerationRequest, kind: UpstreamKind) -> str:
    """The endpoint, as OpenAI names it."""
    if isinstance(request.prompt, ChatPrompt):
        return "chat/completions"
    if isinstance(request.prompt, FillPrompt) and kind in ("aquilon", "mistral"):
        return "fim/completions"
    return "completions"


def body_of(request: GenerationRequest, kind: UpstreamKind, remote: str, *, reasoning: bool) -> bytes:
    """JSON; ``remote`` is the model there. Raises ApiError 400 for what this kind of upstream can't be asked."""
    body = {name: value for name, value in request.upstream_fields.items() if name not in _OPERATORS}
    body |= {"model": remote, "stream": True, "stream_options": {"include_usage": True}}
    if isinstance(request.prompt, ChatPrompt):
        _put_chat(body, request.prompt, kind)
        if request.format is not None:
            _put_format(body, request.format, kind)
    elif isinstance(request.prompt, FillPrompt):
        body |= {"prompt": request.prompt.prefix, "suffix": request.prompt.suffix}
    elif isinstance(request.prompt, TextPrompt):
        body["prompt"] = request.prompt.text
        if not request.prompt.add_special:
            body["add_special_tokens"] = False
    else:
        assert isinstance(request.prompt, TokenPrompt)
        body["prompt"] = list(request.prompt.ids)
    _put_sampling(body, request, kind, reasoning=reasoning)
    return _encode(body)


def _put_chat(body: dict[str, Any], prompt: ChatPrompt, kind: UpstreamKind) -> None:
    messages = [_message(message) for message in prompt.messages]
    body["messages"] = messages
    if prompt.continue_final:
        if kind == "mistral" or (kind == "aquilon" and prompt.repeats_final):
            messages[-1]["prefix"] = True
        elif kind in ("aquilon", "openai"):
            body |= {"continue_final_message": True, "add_generation_prompt": False, "echo": prompt.repeats_final}
        else:
            raise invalid("Azure's models can't go on with an assistant's message", param="messages")
    if prompt.tool_use is not None:
        _put_tools(body, prompt.tool_use, kind)


def _put_tools(body: dict[str, Any], use: ToolUse, kind: UpstreamKind) -> None:
    body["tools"] = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
        }
        for tool in use.tools
    ]
    if use.choice == "named":
        body["tool_choice"] = {"type": "function", "function": {"name": use.named}}
    elif use.choice == "required":
        body["tool_choice"] = "any" if kind == "mistral" else "required"
    else:
        body["tool_choice"] = use.choice
    if not use.parallel:
        body["parallel_tool_calls"] = False


def _put_format(body: dict[str, Any], format: OutputFormat, kind: UpstreamKind) -> None:
    if isinstance(format, JsonObject):
        body["response_format"] = {"type": "json_object"}
    elif isinstance(format, JsonSchema):
        schema = {"name": format.name, "schema": format.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif kind not in _SPEAKS_VLLM:
        raise invalid(
            "The upstream that computes this model's answers knows JSON formats alone", param="structured_outputs"
        )
    elif isinstance(format, Regex):
        body["structured_outputs"] = {"regex": format.pattern}
    elif isinstance(format, Choice):
        body["structured_outputs"] = {"choice": list(format.options)}
    else:
        assert isinstance(format, Grammar)
        body["structured_outputs"] = {"grammar": format.text}


def _put_sampling(body: dict[str, Any], request: GenerationRequest, kind: UpstreamKind, *, reasoning: bool) -> None:
    """What differs from a default; the defaults are everybody's."""
    sampling = request.sampling
    if sampling.prompt_logprobs is not None:
        raise invalid(
            "Prompt log probabilities are there for models of this server's own engine alone", param="prompt_logprobs"
        )
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
        chat = isinstance(request.prompt, ChatPrompt)
        body["max_completion_tokens" if reasoning and chat else "max_tokens"] = sampling.max_tokens
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


def _message(message: Message) -> dict[str, Any]:
    made: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.parts:
        made["content"] = [
            _image(part) if isinstance(part, ImagePart) else {"type": "text", "text": part.text}
            for part in message.parts
        ]
    if message.name is not None:
        made["name"] = message.name
    if message.tool_calls:
        made["content"] = message.content or None
        made["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        made["tool_call_id"] = message.tool_call_id
    return made


def _image(part: ImagePart) -> dict[str, Any]:
    image = {"url": part.url}
    if part.detail is not None:
        image["detail"] = part.detail
    return {"type": "image_url", "image_url": image}
