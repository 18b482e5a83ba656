"""``POST /tokenize`` and ``/detokenize``: what a model makes of a text, as vLLM's clients ask it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import Fields, read_body
from aquilon.api.generation.chat_fields import MAX_MESSAGES, MessageFields, chat_prompt
from aquilon.api.generation.sampling_fields import TokenId
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.errors import invalid
from aquilon.generation.prompts import characters, check_token_ids, encode
from aquilon.request import Prompt, TextPrompt

routes = Routes(tag="tokens")

MAX_CHARACTERS = 1_000_000
MAX_TOKENS = 1_000_000


class TokenizeRequest(Fields):
    """A text, or a conversation as the model's chat template renders it."""

    model: str = Field(min_length=1, max_length=1000)
    prompt: str | None = None
    messages: Annotated[list[MessageFields], Field(min_length=1, max_length=MAX_MESSAGES)] | None = None
    add_special_tokens: bool = Field(True, description="Whether a text gets the model's beginning token.")
    return_token_strs: bool | None = None


class Tokens(msgspec.Struct, frozen=True):
    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class DetokenizeRequest(Fields):
    model: str = Field(min_length=1, max_length=1000)
    tokens: list[TokenId] = Field(max_length=MAX_TOKENS)


class Text(msgspec.Struct, frozen=True):
    prompt: str


@routes.post("/tokenize", "Text to token ids", request=TokenizeRequest, answer=Tokens, says="The token ids")
async def tokenize(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, TokenizeRequest)
    if (fields.prompt is None) == (fields.messages is None):
        raise invalid("Send either 'prompt' or 'messages'", param="prompt")
    prompt: Prompt
    if fields.messages is not None:
        prompt = chat_prompt(fields.messages, continue_final=False)
    else:
        prompt = TextPrompt(fields.prompt or "", fields.add_special_tokens)
    if (length := characters(prompt)) > MAX_CHARACTERS:
        raise invalid(f"The text has {length} characters; {MAX_CHARACTERS} are taken at once", param="prompt")
    local = services(request).local_models
    card, loaded = await local.text(fields.model, caller)
    ids = await encode(prompt, card, loaded)
    tokenizer = loaded.text.tokenizer
    strings = [tokenizer.token_text(token_id) for token_id in ids] if fields.return_token_strs else None
    body = Tokens(len(ids), local.context(card, loaded), ids, strings)
    return Response(msgspec.json.encode(body), media_type="application/json")


@routes.post("/detokenize", "Token ids to text", request=DetokenizeRequest, answer=Text, says="The text")
async def detokenize(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, DetokenizeRequest)
    _, loaded = await services(request).local_models.text(fields.model, caller)
    check_token_ids(fields.tokens, loaded, param="tokens")
    text = loaded.text.tokenizer.decode(fields.tokens, skip_special=False)
    return Response(msgspec.json.encode(Text(text)), media_type="application/json")
