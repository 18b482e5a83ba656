"""Encodes a request's prompt to token ids that fit the model."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence

from msgspec import UNSET

from aquilon.catalogue.card import ModelCard
from aquilon.catalogue.text_models import LoadedText
from aquilon.errors import ApiError, LimitReached, invalid
from aquilon.request import ChatPrompt, FillPrompt, Prompt, PromptCut, TextPrompt, TokenPrompt
from aquilon.text.guard import strings_in
from aquilon.text.messages import Tool
from aquilon.text.template_errors import NotBrief, TemplateError
from aquilon.text.tokenizer import Tokenizer

_INLINE_CHARACTERS = 8_000
"""Longer prompts are encoded in a thread, so that other requests' tokens keep flowing."""
_CHARACTERS_A_MESSAGE = 200
"""The work of rendering a message beside its text, counted as characters."""

_MOST_TO_CUT = 1_000_000
"""Characters of a prompt that is encoded, whatever the context, to be cut."""

CHARACTERS_A_TOKEN = 64
"""No real text has more on average: a longer prompt is refused before it is encoded."""


async def encode(prompt: Prompt, card: ModelCard, loaded: LoadedText) -> list[int]:
    """The prompt's token ids. In a conversation, only the template and the tokenizer write control tokens.

    Raises ApiError 400 for a prompt that can't be encoded or that the template refuses.
    """
    if characters(prompt) + _work_beside_text(prompt) <= _INLINE_CHARACTERS:
        with contextlib.suppress(NotBrief):
            return _encode(prompt, card, loaded, brief=True)
    return await asyncio.to_thread(_encode, prompt, card, loaded, brief=False)


async def encode_to_fit(
    prompt: Prompt,
    card: ModelCard,
    loaded: LoadedText,
    *,
    context: int,
    max_tokens: int | None = None,
    cut: PromptCut | None = None,
) -> list[int]:
    """The same for a prompt that will be answered: at least one token, cut as the client asks.

    Raises ApiError 400. A prompt that is far too long for ``context`` tokens is refused before it is encoded.
    """
    length = characters(prompt)
    least = length // CHARACTERS_A_TOKEN
    if least > context and (cut is None or length > _MOST_TO_CUT):
        raise too_long(prompt_tokens=least, max_tokens=None, context=context, at_least=True)
    ids = await encode(prompt, card, loaded)
    if cut is not None:
        answer = context // 4 if max_tokens is None else max_tokens
        most = max(1, context - answer) if cut.tokens is None else cut.tokens
        if len(ids) > most:
            ids = ids[len(ids) - most :] if cut.keeps_end else ids[:most]
    if not ids:
        raise invalid("The prompt is empty: there is nothing to continue", param="prompt", code="empty_prompt")
    return ids


def characters(prompt: Prompt) -> int:
    """The characters of a prompt's text; each token id counts as one. Templates may leave out earlier thoughts."""
    if isinstance(prompt, ChatPrompt):
        size = sum(len(message.content) for message in prompt.messages)
        size += sum(len(call.function.arguments) for message in prompt.messages for call in message.tool_calls)
        return size + sum(len(json.dumps(tool.parameters)) + len(tool.description) for tool in shown_tools(prompt))
    if isinstance(prompt, FillPrompt):
        return len(prompt.prefix) + len(prompt.suffix)
    return len(prompt.text) if isinstance(prompt, TextPrompt) else len(prompt.ids)


def _work_beside_text(prompt: Prompt) -> int:
    """The work of rendering a conversation beside its text, in characters."""
    if not isinstance(prompt, ChatPrompt):
        return 0
    texts = [*(message.reasoning for message in prompt.messages), *strings_in(prompt.template_variables)]
    return sum(map(len, texts)) + _CHARACTERS_A_MESSAGE * len(prompt.messages)


def check_token_ids(ids: Sequence[int], loaded: LoadedText, *, param: str) -> None:
    """Raises ApiError 400 for an id that the model doesn't have."""
    size = loaded.text.tokenizer.vocab_size
    for token_id in ids:
        if not 0 <= token_id < size:
            raise invalid(
                f"{token_id} is not a token id of this model: they go from 0 to {size - 1}",
                param=param,
                code="invalid_token_id",
            )


def too_long(*, prompt_tokens: int, max_tokens: int | None, context: int, at_least: bool = False) -> ApiError:
    total = prompt_tokens + (max_tokens or 0)
    parts = f" ({prompt_tokens} in the prompt and {max_tokens} to generate)" if max_tokens else " in its prompt"
    return invalid(
        f"This model's context holds {context} tokens, and the request has {'at least ' if at_least else ''}"
        f"{total} tokens{parts}: shorten the prompt or ask for less",
        param="max_tokens" if max_tokens and prompt_tokens < context else "messages",
        code="context_length_exceeded",
        limit=LimitReached("context_tokens", context, needed=total, at_least=at_least or UNSET),
    )


def _encode(prompt: Prompt, card: ModelCard, loaded: LoadedText, *, brief: bool) -> list[int]:
    tokenizer = loaded.text.tokenizer
    if isinstance(prompt, TokenPrompt):
        check_token_ids(prompt.ids, loaded, param="prompt")
        return list(prompt.ids)
    if isinstance(prompt, FillPrompt):
        if loaded.text.fill is None:
            raise invalid(
                f"The model '{card.name}' can't fill a gap in a text: it has no tokens that mark the text before and "
                "after the gap. Code models have them, such as Qwen2.5-Coder, StarCoder, CodeLlama and Codestral",
                param="model",
                code="not_a_fim_model",
            )
        try:
            return loaded.text.fill.encode(prompt.prefix, prompt.suffix)
        except ValueError as error:
            raise invalid(f"The text can't be encoded: {error}", param="prompt", code="text_not_encodable") from error
    if isinstance(prompt, TextPrompt):
        try:
            return tokenizer.encode(prompt.text, add_special=prompt.add_special, parse_special=prompt.parse_special)
        except ValueError as error:
            raise invalid(f"The prompt can't be encoded: {error}", param="prompt", code="text_not_encodable") from error
    if loaded.text.template is None:
        raise invalid(
            f"The model '{card.name}' has no chat template: it continues text, ask /v1/completions",
            param="model",
            code="not_a_chat_model",
            values={"name": card.name},
        )
    if any(message.parts for message in prompt.messages):
        raise invalid(
            f"The model '{card.name}' reads text alone, no images",
            param="messages",
            code="no_vision",
            values={"name": card.name},
        )
    try:
        ids = loaded.text.encode_chat(
            prompt.messages,
            tools=shown_tools(prompt),
            add_generation_prompt=prompt.generation_prompt and not prompt.continue_final,
            continue_final=prompt.continue_final,
            variables=prompt.template_variables,
            brief=brief,
        )
        return [*_beginning(tokenizer), *ids] if prompt.add_special else ids
    except TemplateError as error:
        raise invalid(str(error), param="messages", code="template_error") from error


def _beginning(tokenizer: Tokenizer) -> list[int]:
    """The token that the model's texts begin with, if they do."""
    return [token_id for token_id in tokenizer.encode("")[:1] if token_id == tokenizer.bos_id]


def shown_tools(prompt: ChatPrompt) -> tuple[Tool, ...]:
    """The tools that the prompt shows to the model: none if it may not call any."""
    use = prompt.tool_use
    return use.tools if use is not None and use.choice != "none" else ()
