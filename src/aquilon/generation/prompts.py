"""From a request's prompt to token ids that fit the model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from aquilon.catalogue.catalogue import LoadedText, ModelCard
from aquilon.errors import ApiError, invalid
from aquilon.request import ChatPrompt, FillPrompt, Prompt, TextPrompt, TokenPrompt
from aquilon.text.messages import Tool
from aquilon.text.model import TextModel
from aquilon.text.template import ChatTemplate, TemplateError
from aquilon.text.tool_calls.preamble import with_tools

_INLINE_CHARACTERS = 8_000
"""Longer prompts are encoded in a thread, so that other requests' tokens keep flowing."""

CHARACTERS_A_TOKEN = 64
"""No real text has more on average: a longer prompt is refused before it is encoded."""


async def encode(prompt: Prompt, card: ModelCard, loaded: LoadedText) -> list[int]:
    """Token ids, control tokens only where the template or the tokenizer itself put them.

    Raises ApiError 400 for a prompt that can't be encoded or that the template refuses.
    """
    if characters(prompt) > _INLINE_CHARACTERS:
        return await asyncio.to_thread(_encode, prompt, card, loaded)
    return _encode(prompt, card, loaded)


async def encode_to_fit(prompt: Prompt, card: ModelCard, loaded: LoadedText, context: int) -> list[int]:
    """The same for a prompt that is to be answered: at least one token, and not hopelessly many.

    Raises ApiError 400. A prompt that can't fit ``context`` tokens is refused without being encoded.
    """
    least = characters(prompt) // CHARACTERS_A_TOKEN
    if least > context:
        raise too_long(prompt_tokens=least, max_tokens=None, context=context, at_least=True)
    ids = await encode(prompt, card, loaded)
    if not ids:
        raise invalid("The prompt is empty: there is nothing to continue", param="prompt", code="empty_prompt")
    return ids


def characters(prompt: Prompt) -> int:
    """Of text; token ids count one each."""
    if isinstance(prompt, ChatPrompt):
        size = sum(len(message.content) for message in prompt.messages)
        size += sum(len(call.function.arguments) for message in prompt.messages for call in message.tool_calls)
        return size + sum(len(json.dumps(tool.parameters)) + len(tool.description) for tool in shown_tools(prompt))
    if isinstance(prompt, FillPrompt):
        return len(prompt.prefix) + len(prompt.suffix)
    return len(prompt.text) if isinstance(prompt, TextPrompt) else len(prompt.ids)


def check_token_ids(ids: Sequence[int], loaded: LoadedText, *, param: str) -> None:
    """Raises ApiError 400 for an id that the model doesn't have."""
    size = loaded.text.tokenizer.vocab_size
    for token_id in ids:
        if not 0 <= token_id < size:
            raise invalid(f"{token_id} is not a token id of this model: they go from 0 to {size - 1}", param=param)


def too_long(*, prompt_tokens: int, max_tokens: int | None, context: int, at_least: bool = False) -> ApiError:
    wanted = prompt_tokens + (max_tokens or 0)
    parts = f" ({prompt_tokens} in the prompt and {max_tokens} to generate)" if max_tokens else " in its prompt"
    return invalid(
        f"This model's context holds {context} tokens, and the request has {'at least ' if at_least else ''}"
        f"{wanted} tokens{parts}: shorten the prompt or ask for less",
        param="messages" if not max_tokens else "max_tokens",
        code="context_length_exceeded",
    )


def _encode(prompt: Prompt, card: ModelCard, loaded: LoadedText) -> list[int]:
    tokenizer = loaded.text.tokenizer
    if isinstance(prompt, TokenPrompt):
        check_token_ids(prompt.ids, loaded, param="prompt")
        return list(prompt.ids)
    if isinstance(prompt, FillPrompt):
        if loaded.text.fill is None:
            raise invalid(
                f"The model '{card.name}' can't fill a gap in a text: it has no tokens for what stands before and "
                "after one. Code models have, such as Qwen2.5-Coder, StarCoder, CodeLlama and Codestral",
                param="model",
                code="not_a_fim_model",
            )
        try:
            return loaded.text.fill.encode(prompt.prefix, prompt.suffix)
        except ValueError as error:
            raise invalid(f"The text can't be encoded: {error}", param="prompt") from error
    if isinstance(prompt, TextPrompt):
        try:
            return tokenizer.encode(prompt.text, add_special=prompt.add_special)
        except ValueError as error:
            raise invalid(f"The prompt can't be encoded: {error}", param="prompt") from error
    template = loaded.text.template
    if template is None:
        raise invalid(
            f"The model '{card.name}' has no chat template: it continues text, ask /v1/completions",
            param="model",
            code="not_a_chat_model",
        )
    if any(message.parts for message in prompt.messages):
        raise invalid(f"The model '{card.name}' reads text alone, no images", param="messages", code="no_vision")
    try:
        return _encode_chat(prompt, loaded.text, template)
    except TemplateError as error:
        raise invalid(str(error), param="messages", code="template_error") from error


def shown_tools(prompt: ChatPrompt) -> tuple[Tool, ...]:
    """The tools that the model is told of: none where it may not call any."""
    use = prompt.tool_use
    return use.tools if use is not None and use.choice != "none" else ()


def _encode_chat(prompt: ChatPrompt, text: TextModel, template: ChatTemplate) -> list[int]:
    generates, continues, tools = not prompt.continue_final, prompt.continue_final, shown_tools(prompt)
    speaks_of_tools = tools or any(message.tool_calls or message.role == "tool" for message in prompt.messages)
    if text.tools.renders_tools or not speaks_of_tools:
        return template.encode(prompt.messages, tools=tools, add_generation_prompt=generates, continue_final=continues)
    try:
        messages = with_tools(prompt.messages, tools)
        return template.encode(messages, add_generation_prompt=generates, continue_final=continues)
    except TemplateError:
        if not tools:
            raise
        messages = with_tools(prompt.messages, tools, system=False)
        return template.encode(messages, add_generation_prompt=generates, continue_final=continues)
