"""``POST /api/chat``."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.body import read_body
from aquilon.api.ollama.asking import LINES, answer, known_name, load_or_unload
from aquilon.api.ollama.callers import CallerOrOpen
from aquilon.api.routes import Routes
from aquilon.api.services import services
from aquilon.conversations.dialects.chat_fields import MAX_MESSAGES
from aquilon.conversations.dialects.ollama_answers import ChatLine, Clock
from aquilon.conversations.dialects.ollama_fields import AnswerFields
from aquilon.conversations.dialects.ollama_messages import OllamaMessage, conversation
from aquilon.conversations.dialects.tool_fields import MAX_TOOLS, ToolFields, tool_use
from aquilon.request import ChatPrompt

routes = Routes(tag="ollama")


class OllamaChatRequest(AnswerFields):
    """A conversation in Ollama's shape."""

    messages: list[OllamaMessage] | None = Field(
        None, max_length=MAX_MESSAGES, description="Without messages, the model is loaded, or unloaded."
    )
    tools: list[ToolFields] | None = Field(
        None, max_length=MAX_TOOLS, description="The functions that the model may call."
    )

    def prompt(self) -> ChatPrompt:
        """The canonical conversation. Raises ApiError 400."""
        messages = conversation(self.messages or [])
        last = messages[-1]
        tools = [fields.tool(position) for position, fields in enumerate(self.tools or ())]
        return ChatPrompt(
            messages,
            continue_final=last.role == "assistant" and bool(last.content) and not last.tool_calls,
            tool_use=tool_use(tools, None, parallel=True),
            template_variables=self.template_variables,
        )


@routes.post(
    "/api/chat",
    "Answer a conversation in Ollama's shape",
    request=OllamaChatRequest,
    answer=ChatLine,
    says="The answer, or a stream of its lines.",
    other=LINES,
)
async def ollama_chat(request: Request, caller: CallerOrOpen) -> Response:
    state = services(request)
    clock = Clock(state.engine.ready_since)
    fields = await read_body(request, OllamaChatRequest, any_type=True)
    name = await known_name(state.catalogue, fields.model, caller)
    if not fields.messages:
        return await load_or_unload(request, caller, fields, kind="chat", name=name)
    return await answer(request, caller, fields, kind="chat", name=name, prompt=fields.prompt(), clock=clock)
