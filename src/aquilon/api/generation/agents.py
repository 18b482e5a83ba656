"""``POST /v1/agents/completions``, Mistral's route to ask an agent without a stored conversation."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from aquilon.api.authentication import Caller
from aquilon.api.body import read_body
from aquilon.api.generation.chat import answer_chat
from aquilon.api.routes import Routes
from aquilon.chat.assistants import MODEL_PREFIX
from aquilon.conversations.dialects.chat_answers import ChatCompletion, ChatCompletionChunk
from aquilon.conversations.dialects.chat_fields import ChatCompletionRequest

routes = Routes(tag="chat")


class AgentCompletionRequest(ChatCompletionRequest):
    """A chat completion by an assistant: what isn't sent is as the assistant has it."""

    agent_id: str = Field(min_length=1, max_length=256, description="The assistant, in its present version.")
    model: str = Field("", max_length=1000, description="Without effect: the assistant has a model.")


@routes.post(
    "/v1/agents/completions",
    "Ask an assistant",
    request=AgentCompletionRequest,
    answer=ChatCompletion,
    says="The answer, or a stream of its chunks.",
    stream=[ChatCompletionChunk],
)
async def agent_completions(request: Request, caller: Caller) -> Response:
    fields = await read_body(request, AgentCompletionRequest)
    return await answer_chat(request, caller, fields.model_copy(update={"model": MODEL_PREFIX + fields.agent_id}))
