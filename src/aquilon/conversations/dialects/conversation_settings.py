"""What Mistral's contract keeps for all answers of a conversation: model, instructions, tools, sampling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from pydantic import Field

from aquilon.conversations.conversations import Conversations
from aquilon.conversations.dialects.chat_fields import template_variables
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.format_fields import ResponseFormat
from aquilon.conversations.dialects.sampling_fields import MAX_STOP_STRINGS, Seed, StopString, TokenCount
from aquilon.conversations.dialects.search_fields import VectorStoreId
from aquilon.conversations.dialects.tool_fields import ToolChoice, ToolChoiceWord, ToolFields, tool_use
from aquilon.conversations.items import require_shallow
from aquilon.conversations.tables import StoredConversation
from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import invalid
from aquilon.libraries.retrieval import MOST_LIBRARIES
from aquilon.people.identity import Principal
from aquilon.request import ChatPrompt, GenerationRequest
from aquilon.text.messages import Message

MOST_SETTINGS_BYTES = 256 * 1024
DOCUMENT_LIBRARY = "document_library"
"""The type of the tool that searches libraries before the answer."""


class CompletionArgs(Fields):
    stop: StopString | Annotated[list[StopString], Field(max_length=MAX_STOP_STRINGS)] | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    max_tokens: TokenCount | None = None
    random_seed: Seed | None = None
    prediction: dict[str, Any] | None = Field(None, description="Without effect on this server's own models.")
    response_format: ResponseFormat | None = None
    tool_choice: ToolChoiceWord | ToolChoice | None = None
    reasoning_effort: str | None = Field(
        None, max_length=100, description="How long the model thinks, if it knows efforts; `none` turns thoughts off."
    )

    def generation(self, model: str, messages: Sequence[Message], tools: Sequence[ToolFields]) -> GenerationRequest:
        """The canonical request to answer these messages. Raises ApiError 400 for what can't be answered."""
        upstream = {
            name: value for name in ("reasoning_effort", "prediction") if (value := getattr(self, name)) is not None
        }
        functions = [tool.tool(position) for position, tool in enumerate(tools)]
        return GenerationRequest(
            model=model,
            prompt=ChatPrompt(
                tuple(messages),
                tool_use=tool_use(functions, self.tool_choice, parallel=True),
                template_variables=template_variables(None, reasoning_effort=self.reasoning_effort),
            ),
            sampling=SamplingParameters(
                top_p=1.0 if self.top_p is None else self.top_p,
                presence_penalty=self.presence_penalty or 0.0,
                frequency_penalty=self.frequency_penalty or 0.0,
                seed=None if self.random_seed is None else self.random_seed % 2**63,
                max_tokens=self.max_tokens,
            ),
            temperature=self.temperature,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            format=self.response_format.format() if self.response_format is not None else None,
            upstream_fields=upstream,
        )


class ConversationTool(ToolFields):
    """A function or, with `document_library`, libraries that are searched before the answer."""

    library_ids: Annotated[list[VectorStoreId], Field(min_length=1, max_length=MOST_LIBRARIES)] | None = None

    def require_possible(self, position: int) -> None:
        """Raises ApiError 400."""
        if self.type != DOCUMENT_LIBRARY:
            self.tool(position)
        elif self.library_ids is None:
            raise invalid("The tool 'document_library' needs 'library_ids'", param=f"tools.{position}.library_ids")


class ConversationSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    model: str | None = None
    instructions: str | None = None
    tools: list[dict[str, Any]] = []
    completion_args: dict[str, Any] = {}
    description: str | None = None
    agent_id: str | None = None
    """The assistant that it began with; the other fields have what its version had."""
    agent_version: int | None = None
    agent_name: str | None = None

    @classmethod
    def of(cls, conversation: StoredConversation) -> ConversationSettings:
        return msgspec.json.decode(conversation.settings, type=cls)

    @property
    def stored(self) -> str:
        """As JSON. Raises ApiError 400 if that is too large or too deep."""
        stored = msgspec.json.encode(self).decode()
        if len(stored) > MOST_SETTINGS_BYTES:
            raise invalid(
                f"Instructions, tools and arguments have {len(stored)} bytes as JSON; a conversation keeps at most "
                f"{MOST_SETTINGS_BYTES}",
                param="instructions",
            )
        require_shallow(stored, "completion_args")
        return stored

    @property
    def library_ids(self) -> list[str]:
        """The libraries that are searched before the answer."""
        if self.completion_args.get("tool_choice") == "none":
            return []
        return [id_ for tool in self.tools if tool["type"] == DOCUMENT_LIBRARY for id_ in tool["library_ids"]]

    def generation(self, model: str, messages: Sequence[Message]) -> GenerationRequest:
        """``model``: the name to use. Raises ApiError 400 for what can't be answered."""
        tools = [ToolFields.model_validate(tool) for tool in self.tools if tool["type"] != DOCUMENT_LIBRARY]
        arguments = self.completion_args
        if self.tools and not tools:  # a search isn't the model's to choose
            arguments = {name: value for name, value in arguments.items() if name != "tool_choice"}
        return CompletionArgs.model_validate(arguments).generation(model, messages, tools)


async def kept_settings(
    conversations: Conversations, caller: Principal, rows: Sequence[StoredConversation]
) -> list[ConversationSettings]:
    """What each conversation began with. One that began without a model keeps the one that answered last in it."""
    kept = [ConversationSettings.of(row) for row in rows]
    without = [row.id for row, settings in zip(rows, kept, strict=True) if settings.model is None]
    models = await conversations.latest_models(caller, without) if without else {}
    return [
        settings if settings.model is not None else msgspec.structs.replace(settings, model=models.get(row.id))
        for row, settings in zip(rows, kept, strict=True)
    ]
