"""``POST /api/generate``: answers one prompt, continues a raw text, or fills a gap."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.body import read_body
from aquilon.api.ollama.asking import LINES, answer, known_name, load_or_unload
from aquilon.api.ollama.callers import CallerOrOpen
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.fields import FIRST_FAULT_ENDS
from aquilon.conversations.dialects.ollama_answers import Clock, GenerateLine
from aquilon.conversations.dialects.ollama_fields import AnswerFields
from aquilon.conversations.dialects.ollama_messages import Images, with_images
from aquilon.errors import invalid
from aquilon.request import ChatPrompt, FillPrompt, Prompt, TextPrompt
from aquilon.text.messages import Message

routes = Routes(tag="ollama")

_MOST_CHARACTERS = 10_000_000


class OllamaGenerateRequest(AnswerFields):
    """A single prompt in Ollama's shape."""

    prompt: str | None = Field(None, description="Without a prompt, the model is loaded, or unloaded.")
    suffix: str | None = Field(
        None, max_length=_MOST_CHARACTERS, description="The text after the gap, for models that can fill gaps."
    )
    system: str | None = None
    template: str | None = Field(None, description="Refused: it is a Go template. Send `raw` with the rendered prompt.")
    raw: bool | None = Field(None, description="Whether the model continues the prompt as it is, without its template.")
    images: Images | None = None
    context: Annotated[list[int], FIRST_FAULT_ENDS] | None = Field(
        None, description="Without effect: send the conversation to `/api/chat`."
    )

    def canonical_prompt(self, *, chats: bool) -> Prompt:
        """``chats``: whether the model has a chat template. Raises ApiError 400."""
        text = self.prompt or ""
        if self.template:
            raise invalid(
                "'template' is a template of Ollama's, and a model here has its own: send 'raw': true with the prompt "
                "as the template writes it",
                param="template",
                code="unsupported",
            )
        if (self.raw or self.suffix) and (self.system or self.images):
            raise invalid("'system' and 'images' can't be combined with 'raw' or 'suffix'", param="raw")
        if self.suffix:
            return FillPrompt(text, self.suffix)
        if self.raw or not (chats or self.system or self.images):
            return TextPrompt(text)
        system = (Message("system", self.system),) if self.system else ()
        user = Message("user", text, parts=with_images(text, self.images or [], param="images"))
        return ChatPrompt((*system, user), template_variables=self.template_variables)


@routes.post(
    "/api/generate",
    "Answer a prompt, continue a text or fill a gap in Ollama's shape",
    request=OllamaGenerateRequest,
    answer=GenerateLine,
    says="The answer, or a stream of its lines.",
    other=LINES,
)
async def ollama_generate(request: Request, caller: CallerOrOpen) -> Response:
    state = services(request)
    clock = Clock(state.engine.ready_since)
    fields = await read_body(request, OllamaGenerateRequest, any_type=True)
    name = await known_name(state.catalogue, fields.model, caller)
    if not (fields.prompt or fields.suffix):
        return await load_or_unload(request, caller, fields, kind="generate", name=name)
    prompt = fields.canonical_prompt(chats=state.catalogue.card(name, caller).chat)
    return await answer(request, caller, fields, kind="generate", name=name, prompt=prompt, clock=clock)
