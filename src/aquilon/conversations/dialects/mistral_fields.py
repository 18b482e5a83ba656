"""The requests of Mistral's conversations: start, append and restart."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from pydantic import Field

from aquilon.conversations.dialects.conversation_settings import CompletionArgs, ConversationSettings, ConversationTool
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.mistral_entries import EntryFields, items_of_inputs
from aquilon.conversations.dialects.responses_fields import MAX_ITEMS
from aquilon.conversations.dialects.tool_fields import MAX_TOOLS
from aquilon.conversations.items import Item, require_shallow
from aquilon.errors import invalid, unsupported

MOST_METADATA_BYTES = 16 * 1024

AnyMetadata = Annotated[dict[Annotated[str, Field(max_length=256)], Any], Field(max_length=64)]


class AppendToConversation(Fields):
    """Entries to answer. What isn't sent is as it was when the conversation began."""

    inputs: str | Annotated[list[EntryFields], Field(max_length=MAX_ITEMS)] | None = Field(
        None, description="The user's message, or a list of entries: messages, calls of functions and their results."
    )
    stream: bool | None = None
    store: bool | None = Field(None, description="With false, neither the inputs nor the answer are kept.")
    model: str | None = Field(None, min_length=1, max_length=1000, description="A model's name, or an alias.")
    instructions: str | None = Field(None, description="A system message, placed before all others.")
    tools: Annotated[list[ConversationTool], Field(max_length=MAX_TOOLS)] | None = Field(
        None, description="Functions, and `document_library`. Mistral's other connectors are refused."
    )
    completion_args: CompletionArgs | None = Field(
        None, description="Sampling and format. Each field that is sent replaces the one that is kept."
    )
    handoff_execution: str | None = Field(None, max_length=100, description="Accepted, without effect.")
    tool_confirmations: Any = Field(None, description="Refused: no tool here waits for a confirmation.")
    guardrails: Any = Field(None, description="Refused: moderation is the operator's to set up.")
    agent_id: str | None = Field(
        None, max_length=256, description="An assistant: what isn't sent is as this one has it."
    )
    agent_version: Annotated[str, Field(max_length=64)] | int | None = Field(
        None, description="A number or an alias; without it, the present version."
    )

    def require_possible(self) -> None:
        """Raises ApiError 400 for what only Mistral's own server has."""
        for param in ("tool_confirmations", "guardrails"):
            if getattr(self, param):
                raise unsupported(f"'{param}' is", param=param)
        for position, tool in enumerate(self.tools or ()):
            tool.require_possible(position)

    def items(self) -> list[Item]:
        """Raises ApiError 400, which names the wrong entry."""
        return items_of_inputs(self.inputs)

    def settings(self, kept: ConversationSettings) -> ConversationSettings:
        """What to answer with: the request's own fields, and for others those that are kept."""
        arguments = self.completion_args
        sent = {} if arguments is None else arguments.model_dump(by_alias=True, exclude_none=True)
        tools = None if self.tools is None else [tool.model_dump(exclude_unset=True) for tool in self.tools]
        return msgspec.structs.replace(
            kept,
            model=self.model or kept.model,
            instructions=kept.instructions if self.instructions is None else self.instructions,
            tools=kept.tools if tools is None else [{"type": "function", **tool} for tool in tools],
            completion_args=kept.completion_args | sent,
        )


class StartConversation(AppendToConversation):
    """Mistral's start of a conversation: its first entries, which are answered."""

    inputs: str | Annotated[list[EntryFields], Field(max_length=MAX_ITEMS)]
    name: str | None = Field(None, max_length=256)
    description: str | None = Field(None, max_length=4096)
    metadata: AnyMetadata | None = None

    def settings(self, kept: ConversationSettings) -> ConversationSettings:
        return msgspec.structs.replace(super().settings(kept), description=self.description)


class RestartConversation(AppendToConversation):
    """A new conversation with the entries of another one down to `from_entry_id`, and with further ones."""

    from_entry_id: str = Field(min_length=1, max_length=256)
    metadata: AnyMetadata | None = None


def labels_of(metadata: dict[str, Any]) -> str:
    """As JSON. Raises ApiError 400 if it is too large or too deep."""
    labels = msgspec.json.encode(metadata).decode()
    if len(labels) > MOST_METADATA_BYTES:
        raise invalid(f"metadata has {len(labels)} bytes as JSON, more than {MOST_METADATA_BYTES}", param="metadata")
    require_shallow(labels, "metadata")
    return labels
