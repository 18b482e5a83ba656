"""The request of ``POST /v1/responses``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from aquilon.conversations.dialects.chat_fields import (
    TEMPLATE_VARIABLES,
    Metadata,
    TemplateVariables,
    template_variables,
)
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.format_fields import Schema, schema_object
from aquilon.conversations.dialects.prompts_of_items import joined_instructions, prompt_messages
from aquilon.conversations.dialects.responses_items import ADDED_TOOLS, InputItem, items
from aquilon.conversations.dialects.responses_tools import FILE_SEARCH, ChosenTool, ResponsesTool, functions
from aquilon.conversations.dialects.sampling_fields import TokenCount
from aquilon.conversations.dialects.token_fields import TopLogprobs
from aquilon.conversations.dialects.tool_fields import MAX_TOOLS, ToolChoiceWord, tool_use
from aquilon.conversations.items import Item
from aquilon.conversations.visible import BEGINNING
from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import invalid, not_found, unsupported
from aquilon.request import ChatPrompt, GenerationRequest, JsonObject, JsonSchema, OutputFormat, ToolUse
from aquilon.text.messages import Message

MAX_ITEMS = 4096
WITH_LOGPROBS = "message.output_text.logprobs"
"""In ``include`` it asks for the log probability of every token of the answer."""
WITH_RESULTS = "file_search_call.results"
"""In ``include`` it asks for the passages that a search found."""

ShortText = Annotated[str, Field(max_length=512)]


class TextFormat(Fields):
    type: str = Field(max_length=100, description="`text`, `json_object` or `json_schema`.")
    name: str | None = Field(None, max_length=256)
    description: str | None = None
    schema_: Schema | None = Field(None, alias="schema")
    strict: bool | None = None


class TextOptions(Fields):
    format: TextFormat | None = None
    verbosity: ShortText | None = Field(None, description="For upstreams that know it. Repeated in the answer.")


class ReasoningOptions(Fields):
    effort: ShortText | None = Field(
        None,
        description="How long the model thinks, if it knows efforts; `none` and `minimal` turn its thoughts off where "
        "it has that choice.",
    )
    summary: ShortText | None = Field(None, description="Accepted, without effect.")


class ResponsesStreamOptions(Fields):
    include_obfuscation: bool | None = Field(None, description="Accepted, without effect.")


ConversationId = Annotated[str, Field(max_length=256)]


class ConversationRefFields(Fields):
    id: ConversationId
    parent_id: ConversationId | None = Field(
        None,
        description="The item below which the input is added: on another branch, if something is below it. With null, "
        "at the beginning; without it, below the conversation's last item.",
    )
    request_id: str | None = Field(
        None,
        min_length=16,
        max_length=64,
        description="An id that the client chooses for this request, at random. A request that arrives twice in the "
        "conversation, as over a bad network, is answered once: both get the same response.",
    )

    @property
    def below(self) -> str | None:
        """As in `Conversations.within`."""
        return self.parent_id or (BEGINNING if "parent_id" in self.model_fields_set else None)


class ResponsesRequest(Fields):
    """OpenAI's newer shape of a conversation, which the server keeps unless `store` is false."""

    model: str | None = Field(
        None, min_length=1, max_length=1000, description="The model; without it, the default chat model."
    )
    input: str | Annotated[list[InputItem], Field(max_length=MAX_ITEMS)] | None = Field(
        None,
        description="An empty list answers once more what the conversation has at the place: the new answer is on a "
        "branch beside the others.",
    )
    instructions: str | None = Field(None, description="A system message, placed before all others.")
    prefix: str | None = Field(
        None,
        min_length=1,
        description="The beginning of the answer: the model goes on from it, and the answer repeats it. So an answer "
        "that was stopped is continued, as another answer to the same question.",
    )
    tools: Annotated[list[ResponsesTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: ToolChoiceWord | ChosenTool | None = Field(
        None,
        description="Whether tools are called: auto, none, required, the tool to call, or the allowed tools.",
    )
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    max_output_tokens: TokenCount | None = Field(None, description="With null, the answer may fill the context.")
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    top_logprobs: TopLogprobs | None = None
    include: Annotated[list[ShortText], Field(max_length=50)] | None = Field(
        None,
        description=f"`{WITH_LOGPROBS}` adds log probabilities, `{WITH_RESULTS}` the passages that a search found; "
        "other values have no effect.",
    )
    reasoning: ReasoningOptions | None = None
    metadata: Metadata | None = Field(None, description="Stored with the answer, and repeated in it.")
    stream: bool | None = None
    stream_options: ResponsesStreamOptions | None = None
    store: bool | None = Field(
        None,
        description="Whether the answer and its input are kept, to be read, followed and continued. Without it they "
        "are, unless the organization keeps nothing.",
    )
    memory: bool | None = Field(
        None,
        description="Whether the model reads the caller's memory first (`/v1/memories`). Without it, it does for a "
        "person who is signed in and has it on, in a stored conversation that they alone see. With `true`, also "
        "elsewhere, and for a key that its person has allowed.",
    )
    previous_response_id: str | None = Field(None, max_length=256, description="The stored response to go on from.")
    conversation: ConversationId | ConversationRefFields | None = Field(
        None, description="The stored conversation to answer in, by its id or as an object with an `id`."
    )
    prompt: Any = Field(None, description="Refused with 404: prompts aren't stored.")
    moderation: Any = Field(None, description="Refused: an answer is moderated as the server's operator has set it.")
    background: bool | None = Field(
        None,
        description="With `true`, the answer begins as `queued` and is written without a client that waits for it.",
    )
    truncation: Literal["auto", "disabled"] | None = Field(
        None,
        description="With `auto`, the oldest turns are left out if the conversation doesn't fit the model's context; "
        "otherwise the request is refused.",
    )
    context_management: Any = Field(
        None, description="Without effect: a client compacts with /v1/responses/compact, or sends `truncation`."
    )
    max_tool_calls: int | None = Field(
        None, description="Repeated in the answer, without effect: a file search is one call."
    )
    user: ShortText | None = Field(None, description="Repeated in the answer, without effect.")
    safety_identifier: ShortText | None = Field(None, description="Repeated in the answer, without effect.")
    prompt_cache_key: ShortText | None = Field(None, description="For upstreams. Here prefixes are always cached.")
    service_tier: ShortText | None = Field(None, description="For upstreams.")
    chat_template_kwargs: TemplateVariables | None = Field(None, description=TEMPLATE_VARIABLES)

    @property
    def wants_logprobs(self) -> bool:
        return bool(self.top_logprobs) or WITH_LOGPROBS in (self.include or ())

    @property
    def shows_results(self) -> bool:
        return WITH_RESULTS in (self.include or ())

    @property
    def file_search(self) -> ResponsesTool | None:
        """The tool with the libraries to search before the answer. Raises ApiError 400 for several, or one without."""
        tools = [(name, at, tool) for name, offer in self.offers for at, tool in enumerate(offer)]
        searches = [(f"{name}.{at}", tool) for name, at, tool in tools if tool.type == FILE_SEARCH]
        if not searches or self.tool_choice == "none":
            return None
        if len(searches) > 1:
            raise invalid("Send one tool 'file_search', with all libraries to search", param=searches[1][0])
        [(param, tool)] = searches
        if tool.vector_store_ids is None:
            raise invalid("The tool 'file_search' needs 'vector_store_ids'", param=f"{param}.vector_store_ids")
        return tool

    @property
    def offers(self) -> list[tuple[str, list[ResponsesTool]]]:
        """The request's own tools and those of its items, each list with the name of its field."""
        items = self.input if isinstance(self.input, list) else []
        added = [(f"input.{at}.tools", item.tools or []) for at, item in enumerate(items) if item.type == ADDED_TOOLS]
        return [("tools", self.tools or []), *added]

    @property
    def conversation_id(self) -> str | None:
        return self.conversation if isinstance(self.conversation, str | None) else self.conversation.id

    @property
    def request_id(self) -> str | None:
        return self.conversation.request_id if isinstance(self.conversation, ConversationRefFields) else None

    @property
    def below(self) -> str | None:
        return self.conversation.below if isinstance(self.conversation, ConversationRefFields) else None

    def new_items(self, known: Mapping[str, Item] | None = None) -> list[Item]:
        """The input as items. ``known``: by id, what the client may refer to. Raises ApiError 400 and 404."""
        return items(self.input, known=known)

    def messages(
        self,
        history: Sequence[Item],
        new: Sequence[Item],
        *,
        memories: str | None = None,
        project_instructions: str | None = None,
        sources: str | None = None,
    ) -> list[Message]:
        """What the model reads, without the `prefix`: memories, instructions of project and request, sources, items.

        Raises ApiError 400 as `prompt_messages` does, and where an answer is to be answered or to get a prefix.
        """
        instructions = joined_instructions(memories, project_instructions, self.instructions, sources)
        messages = prompt_messages(instructions, history, new)
        answered = messages[-1].role == "assistant"
        if answered and self.prefix is not None:
            raise invalid("A 'prefix' begins an answer, and the last item is an answer already", param="prefix")
        if answered and history and not new:
            raise invalid(
                "The input is empty, and the item that it is added below is an answer: name the question that is to be "
                "answered again as the 'parent_id' of 'conversation', or send another one",
                param="input",
            )
        return messages

    def require_possible(self) -> None:
        """Raises ApiError: 404 for a stored prompt, 400 for what isn't done and fields that contradict each other."""
        if self.prompt is not None:
            raise not_found("There is no such prompt: this server stores none", param="prompt", code="prompt_not_found")
        if self.moderation is not None:
            raise unsupported("'moderation' is", param="moderation")
        if self.previous_response_id is not None and self.conversation is not None:
            raise invalid(
                "Send either 'previous_response_id' or 'conversation': a response belongs to its conversation already",
                param="previous_response_id",
            )
        if self.background and self.store is False:
            raise invalid("'background' needs 'store': what isn't kept can't be read later", param="background")

    def generation(self, default_model: str, messages: Sequence[Message]) -> GenerationRequest:
        """The canonical request to answer these messages. Raises ApiError 400 for what can't be answered."""
        fields = {
            name: getattr(self, name) for name in ("prompt_cache_key", "service_tier", "safety_identifier", "user")
        }
        upstream_fields: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
        effort = self.reasoning.effort if self.reasoning is not None else None
        if effort is not None:
            upstream_fields["reasoning_effort"] = effort
        if self.chat_template_kwargs is not None:
            upstream_fields["chat_template_kwargs"] = self.chat_template_kwargs
        if self.text is not None and self.text.verbosity is not None:
            upstream_fields["verbosity"] = self.text.verbosity
        if self.prefix is not None:
            messages = [*messages, Message("assistant", self.prefix)]
        return GenerationRequest(
            model=self.model or default_model,
            prompt=ChatPrompt(
                tuple(messages),
                continue_final=self.prefix is not None,
                repeats_final=self.prefix is not None,
                tool_use=self._tool_use(),
                template_variables=template_variables(self.chat_template_kwargs, reasoning_effort=effort),
            ),
            sampling=SamplingParameters(
                top_p=1.0 if self.top_p is None else self.top_p,
                presence_penalty=self.presence_penalty or 0.0,
                frequency_penalty=self.frequency_penalty or 0.0,
                max_tokens=self.max_output_tokens,
                logprobs=(self.top_logprobs or 0) if self.wants_logprobs else None,
            ),
            temperature=self.temperature,
            format=self._format(),
            upstream_fields=upstream_fields,
        )

    def _format(self) -> OutputFormat | None:
        fields = self.text.format if self.text is not None else None
        if fields is None or fields.type == "text":
            return None
        if fields.type == "json_object":
            return JsonObject()
        if fields.type != "json_schema":
            raise unsupported(f"text.format '{fields.type}' is", param="text.format.type")
        if fields.schema_ is None:
            raise invalid("A format 'json_schema' needs a 'schema'", param="text.format.schema")
        schema = schema_object(fields.schema_, "text.format.schema")
        return JsonSchema(schema, fields.name or "answer", fields.description, fields.strict)

    def _tool_use(self) -> ToolUse | None:
        choice = self.tool_choice if isinstance(self.tool_choice, str | None) else self.tool_choice.choice()
        tools = functions(self.offers)
        if not tools and choice in ("any", "required") and self.file_search is not None:
            return None
        return tool_use(tools, choice, parallel=self.parallel_tool_calls is not False)


class CompactionRequest(Fields):
    """A conversation to be compacted: the input, after what a stored response goes on from."""

    model: str | None = Field(
        min_length=1, max_length=1000, description="The model that writes the summary; null is the default chat model."
    )
    input: str | Annotated[list[InputItem], Field(max_length=MAX_ITEMS)] | None = None
    instructions: str | None = Field(None, description="A system message, which the summary covers too.")
    previous_response_id: str | None = Field(
        None, max_length=256, description="The stored response with which the conversation ends, before the input."
    )
    prompt_cache_key: Any = Field(None, description="Without effect here: prefixes are always cached.")
    service_tier: Any = Field(None, description="Without effect.")

    def new_items(self, known: Mapping[str, Item] | None = None) -> list[Item]:
        """The input as items. ``known``: by id, what the client may refer to. Raises ApiError 400 and 404."""
        return [] if self.input is None else items(self.input, known=known)
