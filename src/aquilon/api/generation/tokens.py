"""``POST /tokenize`` and ``/detokenize``, ``GET /tokenizer_info``: a text's tokens for a model, in vLLM's shape."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.chat_fields import (
    MAX_MESSAGES,
    TEMPLATE_VARIABLES,
    MessageFields,
    TemplateVariables,
    chat_prompt,
    opens_answer,
    template_variables,
)
from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS, Fields
from aquilon.conversations.dialects.token_fields import TokenId
from aquilon.conversations.dialects.tool_fields import MAX_TOOLS, ToolChoice, ToolChoiceWord, ToolFields, tool_use
from aquilon.errors import invalid
from aquilon.generation.prompts import characters, check_token_ids, encode
from aquilon.request import Prompt, TextPrompt
from aquilon.text.tokenizer import Tokenizer

routes = Routes(tag="tokens")

MAX_CHARACTERS = 1_000_000
MAX_TOKENS = 500_000
MAX_PIECES = 50_000
_INLINE_TOKENS = 8192
"""More tokens than this are decoded in a thread."""


OptionalModel = Annotated[
    str | None,
    Field(min_length=1, max_length=1000, description="By default the model that answers where none is named."),
]


class TokenizeRequest(Fields):
    """A text, or a conversation as the model's chat template renders it."""

    model: OptionalModel = None
    prompt: str | None = None
    messages: Annotated[list[MessageFields], Field(min_length=1, max_length=MAX_MESSAGES)] | None = None
    add_special_tokens: bool | None = Field(
        None,
        description="Whether the model's beginning token comes before the rest: by default before a text, and not "
        "before what a chat template writes.",
    )
    parse_special: bool = Field(
        True, description="Whether the name of a control token in a text becomes that token (llama.cpp)."
    )
    add_generation_prompt: bool | None = Field(
        None,
        description="Whether an answer is opened after the last message; by default unless that message is continued.",
    )
    continue_final_message: bool | None = Field(
        None, description="Whether the last message, the assistant's, stays open."
    )
    tools: list[ToolFields] | None = Field(
        None, max_length=MAX_TOOLS, description="The functions, as in a chat completion."
    )
    tool_choice: ToolChoiceWord | ToolChoice | None = Field(
        None, description="The choice of tools, as in a chat completion; none hides the tools."
    )
    chat_template_kwargs: TemplateVariables | None = Field(None, description=TEMPLATE_VARIABLES)
    return_token_strs: bool | None = Field(
        None, description="With true, the answer has the tokens as the model's vocabulary spells them."
    )

    return_pieces: bool | None = Field(
        None,
        description=f"With true, the answer has each token with its text and bytes, of at most {MAX_PIECES} tokens.",
    )

    def to_encode(self) -> Prompt:
        """The canonical prompt. Raises ApiError 400."""
        if (self.prompt is None) == (self.messages is None):
            raise invalid("Send either 'prompt' or 'messages', and not both", param="prompt")
        if self.messages is None:
            return TextPrompt(self.prompt or "", self.add_special_tokens is not False, self.parse_special)
        generation_prompt = opens_answer(self.continue_final_message, self.add_generation_prompt)
        last = self.messages[-1]
        if self.continue_final_message and (last.role != "assistant" or not last.content):
            raise invalid(
                "continue_final_message needs a last message of the assistant that has content",
                param="continue_final_message",
            )
        tools = [fields.tool(position) for position, fields in enumerate(self.tools or ())]
        return chat_prompt(
            self.messages,
            continue_final=bool(self.continue_final_message or (last.role == "assistant" and last.prefix)),
            tool_use=tool_use(tools, self.tool_choice, parallel=True),
            generation_prompt=generation_prompt,
            template_variables=template_variables(self.chat_template_kwargs),
            add_special=bool(self.add_special_tokens),
        )


class TokenPiece(msgspec.Struct, frozen=True):
    id: int
    text: str
    """The token's text, or a control token's name; bytes that are only parts of a character become U+FFFD."""
    bytes: list[int]
    """The UTF-8 bytes that it adds to a text; none for a control token."""
    control: bool


class Tokens(msgspec.Struct, frozen=True):
    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None
    pieces: list[TokenPiece] | None = None


class DetokenizeRequest(Fields):
    model: OptionalModel = None
    tokens: Annotated[list[TokenId], Field(max_length=MAX_TOKENS), FIRST_FAULT_ENDS]


class Text(msgspec.Struct, frozen=True):
    prompt: str


class TokenizerInfo(msgspec.Struct, frozen=True):
    """The names of the tokens that begin and end a model's texts; null where it has none."""

    model: str
    vocab_size: int
    bos_token: str | None
    eos_token: str | None


@routes.post("/tokenize", "Turn a text into token ids", request=TokenizeRequest, answer=Tokens, says="The token ids.")
async def tokenize(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, TokenizeRequest)
    prompt = fields.to_encode()
    if (length := characters(prompt)) > MAX_CHARACTERS:
        raise invalid(f"The text has {length} characters; at most {MAX_CHARACTERS} are allowed", param="prompt")
    local = services(request).local_models
    card, loaded = await local.text(await _named(fields.model, request), caller)
    ids = await encode(prompt, card, loaded)
    tokenizer = loaded.text.tokenizer
    strings = [tokenizer.token_piece(token_id) for token_id in ids] if fields.return_token_strs else None
    pieces = _pieces(ids, tokenizer) if fields.return_pieces else None
    body = Tokens(len(ids), local.context(card, loaded), ids, strings, pieces)
    return Response(msgspec.json.encode(body), media_type="application/json")


def _pieces(ids: Sequence[int], tokenizer: Tokenizer) -> list[TokenPiece]:
    """Raises ApiError 400 for too many."""
    if len(ids) > MAX_PIECES:
        raise invalid(
            f"The text has {len(ids)} tokens; return_pieces is for at most {MAX_PIECES}", param="return_pieces"
        )
    return [
        TokenPiece(
            token_id,
            tokenizer.token_text(token_id),
            list(tokenizer.token_bytes(token_id)),
            tokenizer.is_control(token_id),
        )
        for token_id in ids
    ]


@routes.post("/detokenize", "Turn token ids into text", request=DetokenizeRequest, answer=Text, says="The text.")
async def detokenize(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, DetokenizeRequest)
    state = services(request)
    _, loaded = await state.local_models.text(await _named(fields.model, request), caller)

    def decode() -> str:
        check_token_ids(fields.tokens, loaded, param="tokens")
        return loaded.text.tokenizer.decode(fields.tokens, skip_special=False)

    if len(fields.tokens) <= _INLINE_TOKENS:
        text = decode()
    else:
        text = await asyncio.get_running_loop().run_in_executor(state.large_bodies, decode)
    return Response(msgspec.json.encode(Text(text)), media_type="application/json")


@routes.get("/tokenizer_info", "Name the tokens that begin and end texts", answer=TokenizerInfo, says="The tokens.")
async def tokenizer_info(
    request: Request,
    caller: Caller,
    model: Annotated[
        str | None,
        Query(min_length=1, max_length=1000, description="By default the model that answers where none is named."),
    ] = None,
) -> Response:
    card, loaded = await services(request).local_models.text(await _named(model, request), caller)
    tokenizer = loaded.text.tokenizer
    bos, eos = tokenizer.bos_id, min(tokenizer.eos_ids, default=None)
    body = TokenizerInfo(
        card.name,
        tokenizer.vocab_size,
        None if bos is None else tokenizer.token_text(bos),
        None if eos is None else tokenizer.token_text(eos),
    )
    return Response(msgspec.json.encode(body), media_type="application/json")


async def _named(model: str | None, request: Request) -> str:
    """The model to use; raises ApiError 400 if none is named and there is no default."""
    catalogue = services(request).catalogue
    if model is not None:
        return model
    await catalogue.refresh()
    return catalogue.default_name()
