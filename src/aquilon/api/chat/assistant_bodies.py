"""Assistants as Mistral's clients send and are shown them: its agents, with further fields of ours."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field

from aquilon.api.conversations.bodies import time_of
from aquilon.chat.assistants import (
    MOST_INSTRUCTION_CHARACTERS,
    MOST_NAME_CHARACTERS,
    MOST_QUESTION_CHARACTERS,
    MOST_QUESTIONS,
    VersionOf,
)
from aquilon.chat.store.assistants import SOURCE
from aquilon.chat.tables.assistants import AssistantAlias
from aquilon.conversations.dialects.conversation_settings import CompletionArgs, ConversationTool
from aquilon.conversations.dialects.fields import Fields
from aquilon.conversations.dialects.mistral_fields import AnyMetadata, labels_of
from aquilon.conversations.dialects.tool_fields import MAX_TOOLS
from aquilon.errors import unsupported

_ONCE = ("name", "model")
"""Fields that every version has: null leaves them."""
_CONTENT = ("name", "model", "description", "instructions", "tools", "completion_args", "metadata", "starter_questions")


class UpdateAgent(Fields):
    """A field that isn't sent leaves what is there. What is sent makes a new version, save `visibility` and
    `deployment_chat`, which hold for all versions."""

    name: str | None = Field(None, min_length=1, max_length=MOST_NAME_CHARACTERS)
    model: str | None = Field(None, min_length=1, max_length=1000, description="A model's name, or an alias.")
    description: str | None = Field(None, max_length=4096)
    instructions: str | None = Field(
        None,
        max_length=MOST_INSTRUCTION_CHARACTERS,
        description="What the model is told before each answer, in front of the request's own instructions.",
    )
    tools: Annotated[list[ConversationTool], Field(max_length=MAX_TOOLS)] | None = Field(
        None, description="Functions, and `document_library`. Mistral's other connectors are refused."
    )
    completion_args: CompletionArgs | None = Field(None, description="Sampling and format, in place of what is there.")
    metadata: AnyMetadata | None = None
    version_message: str | None = Field(None, max_length=500, description="Why this version was made.")
    deployment_chat: bool | None = Field(
        None,
        description="Whether the chat page offers it: so begins what a person creates signed in, and not what a key "
        "creates.",
    )
    starter_questions: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=MOST_QUESTION_CHARACTERS)]],
            Field(max_length=MOST_QUESTIONS),
        ]
        | None
    ) = Field(None, description="Our own: what a chat page offers as first questions.")
    visibility: Literal["user", "workspace"] | None = Field(
        None,
        description="Our own. `workspace`: everybody in the workspace uses it. `user`: only its person does, signed "
        "in, which is how a person's assistant begins.",
    )
    guardrails: Any = Field(None, description="Refused: moderation is the operator's to set up.")
    handoffs: Any = Field(None, description="Refused: no assistant calls another one.")

    def require_possible(self) -> None:
        """Raises ApiError 400 for what only Mistral's own server has."""
        for param in ("guardrails", "handoffs"):
            if getattr(self, param):
                raise unsupported(f"'{param}' is", param=param)
        for position, tool in enumerate(self.tools or ()):
            tool.require_possible(position)
        if self.metadata is not None:
            labels_of(self.metadata)  # its size and depth

    @property
    def content(self) -> dict[str, Any]:
        """The fields of an `Assistant` that the request has, as they are stored."""
        sent = {name: getattr(self, name) for name in _CONTENT if name in self.model_fields_set}
        sent = {name: value for name, value in sent.items() if value is not None or name not in _ONCE}
        if "tools" in sent:
            tools = [tool.model_dump(exclude_unset=True) for tool in self.tools or ()]
            sent["tools"] = [{"type": "function", **tool} for tool in tools]
        if "completion_args" in sent:
            arguments = self.completion_args
            sent["completion_args"] = (
                {} if arguments is None else arguments.model_dump(by_alias=True, exclude_none=True)
            )
        if "starter_questions" in sent:
            sent["starter_questions"] = self.starter_questions or []
        return sent


class CreateAgent(UpdateAgent):
    """Mistral's new agent, which the chat page calls an assistant."""

    name: str = Field(min_length=1, max_length=MOST_NAME_CHARACTERS)
    model: str = Field(min_length=1, max_length=1000, description="A model's name, or an alias.")


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """An assistant in one of its versions."""

    id: str
    object: str = "agent"
    name: str
    description: str | None
    model: str
    instructions: str | None
    tools: list[dict[str, Any]]
    completion_args: dict[str, Any]
    metadata: dict[str, Any] | None
    guardrails: list[dict[str, Any]] | None = None
    handoffs: list[str] | None = None
    version: int
    versions: list[int]
    version_message: str | None
    created_at: datetime
    updated_at: datetime
    deployment_chat: bool
    """Whether the chat page offers it."""
    source: str = SOURCE
    owner_id: str
    starter_questions: list[str]
    visibility: str
    """``workspace``, or ``user``: only its person sees it, signed in."""
    picture: str | None
    """The address of its picture below the server's."""
    editable: bool
    """Whether the caller may change it."""


class AgentPage(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: list[Agent]
    next_page_token: str | None


class AgentAlias(msgspec.Struct, frozen=True, kw_only=True):
    """A name for a version."""

    alias: str
    version: int
    created_at: datetime
    updated_at: datetime


def agent(shown: VersionOf) -> Agent:
    row, content = shown.row, shown.content
    return Agent(
        id=row.id,
        name=content.name,
        description=content.description,
        model=content.model,
        instructions=content.instructions,
        tools=content.tools,
        completion_args=content.completion_args,
        metadata=content.metadata,
        version=shown.version.number,
        versions=list(shown.numbers),
        version_message=shown.version.message,
        created_at=time_of(row.created_at),
        updated_at=time_of(row.updated_at),
        deployment_chat=row.in_chat,
        owner_id=row.user_id,
        starter_questions=content.starter_questions,
        visibility=row.visibility,
        picture=None if row.picture is None else f"/v1/agents/{row.id}/picture?v={row.picture[:16]}",
        editable=shown.editable,
    )


def agent_alias(row: AssistantAlias) -> AgentAlias:
    return AgentAlias(
        alias=row.alias, version=row.version, created_at=time_of(row.created_at), updated_at=time_of(row.updated_at)
    )
