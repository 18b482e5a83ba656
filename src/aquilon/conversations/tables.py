"""The tables of conversations. Times are whole seconds since 1970; JSON is text that `msgspec` reads.

A conversation is a tree. Its items lie on branches, each a straight line: an item's place
is its branch and its depth, the number of items above it. A branch leaves another one
below the item at ``forked_at``. So a page of a path costs a page, however long the
conversation is, and two writers can't both take the place below one item.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from aquilon.storage.base import Base, Owned, Watched, index_of_some


class StoredProject(Owned, Base):
    """A folder of conversations, and what their models are told in it."""

    __tablename__ = "projects"
    __table_args__ = (
        Index("ix_projects_organization_id", "organization_id", "id"),
        CheckConstraint("visibility IN ('workspace', 'user')", name="visibility"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    user_id: Mapped[str]
    visibility: Mapped[str]
    """As a conversation's."""
    name: Mapped[str]
    instructions: Mapped[str]
    """Empty if there are none."""
    library_ids: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    created_at: Mapped[int]
    updated_at: Mapped[int]


class StoredConversation(Owned, Base):
    __tablename__ = "conversations"
    __table_args__ = (
        Index("ix_conversations_organization_id", "organization_id", "workspace_id", "updated_at"),
        Index("ix_conversations_user_id", "user_id", "updated_at"),
        index_of_some("ix_conversations_project_id", "project_id", "updated_at", where="project_id IS NOT NULL"),
        index_of_some("ix_conversations_pinned_at", "organization_id", "pinned_at", where="pinned_at IS NOT NULL"),
        CheckConstraint("visibility IN ('workspace', 'user')", name="visibility"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    workspace_id: Mapped[str]
    user_id: Mapped[str]
    visibility: Mapped[str]
    """``user``: only its user sees it, signed in."""
    implicit: Mapped[bool] = mapped_column(Boolean)
    """Whether it came about with stored responses or chat completions alone."""
    title: Mapped[str | None]
    named_by_person: Mapped[bool | None] = mapped_column(Boolean)
    """Whether somebody wrote the title. Else it was made of the first question, with which it goes."""
    labels: Mapped[str]
    """JSON: the client's ``metadata``."""
    settings: Mapped[str]
    """JSON: what a dialect keeps for all runs, such as Mistral's model, instructions and tools."""
    edition: Mapped[int]
    """Grows when an item is deleted: what was remembered of the conversation before is out of date."""
    head_id: Mapped[str | None]
    """The item under which the next one is added, unless the client names another."""
    created_at: Mapped[int]
    updated_at: Mapped[int]
    retention_days: Mapped[int | None]
    """How many days it is kept after its last change; None for the organization's rule."""
    expires_at: Mapped[int | None] = mapped_column(index=True)
    pinned_at: Mapped[int | None]
    archived_at: Mapped[int | None]
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id", ondelete="SET NULL"))


class ConversationBranch(Owned, Base):
    __tablename__ = "conversation_branches"

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organization_id: Mapped[str]
    parent: Mapped[int | None]
    """The branch that it leaves; None for the first."""
    forked_at: Mapped[int]
    """The depth of the last item that it shares with its parent; -1 if it shares none."""


class StoredItem(Owned, Base):
    __tablename__ = "conversation_items"
    __table_args__ = (
        UniqueConstraint("conversation_id", "branch", "depth"),
        Index("ix_conversation_items_run_id", "run_id", "depth"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    branch: Mapped[int]
    depth: Mapped[int]
    parent_id: Mapped[str | None]
    run_id: Mapped[str | None]
    """The run that it is the input or output of."""
    output: Mapped[bool] = mapped_column(Boolean)
    status: Mapped[str]
    content: Mapped[str]
    """JSON: an `items.Item`."""
    created_at: Mapped[int]


class SearchedWords(Owned, Base):
    """The words of a message or title, by which a search finds it; `words.words_of` writes them.

    Their index is SQLite's table ``conversation_search`` or, with PostgreSQL, the index
    ``ix_searched_words_words``; neither is described here.
    """

    __tablename__ = "searched_words"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy reads it as a class attribute

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    """A number is never used again, since the index of a deleted text is emptied later."""
    organization_id: Mapped[str]
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    item_id: Mapped[str | None] = mapped_column(ForeignKey("conversation_items.id", ondelete="CASCADE"), index=True)
    """None for the conversation's title."""
    words: Mapped[str]


class DeletedWords(Owned, Base):
    """Words that were deleted, and are still in SQLite's index until `erasure` has removed them there too."""

    __tablename__ = "deleted_words"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False)
    organization_id: Mapped[str]
    words: Mapped[str]


class StoredRun(Owned, Base):
    """An answer, and how far it is."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_organization_id", "organization_id", "dialect", "id"),
        Index("ix_runs_status", "status"),
        index_of_some("ix_runs_asked_by", "asked_by", "id", where="asked_by IS NOT NULL"),
        index_of_some(
            "ix_runs_request_id", "conversation_id", "request_id", where="request_id IS NOT NULL", unique=True
        ),
        CheckConstraint(
            "status IN ('queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled')", name="status"
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    process_id: Mapped[str | None]
    """The API process that computes it; None once it has ended."""
    dialect: Mapped[str]
    """The contract it was asked in: ``responses``, ``chat`` or ``mistral``."""
    model: Mapped[str]
    body: Mapped[str]
    """JSON: the dialect's answer as it is before the first item."""
    labels: Mapped[str]
    """JSON: the client's ``metadata``."""
    background: Mapped[bool] = mapped_column(Boolean)
    status: Mapped[str]
    reason: Mapped[str | None]
    """Why it is incomplete: ``length`` or ``content_filter``."""
    error: Mapped[str | None]
    """JSON: why it failed."""
    leaf_id: Mapped[str | None]
    """Its last item: what comes next is added below it."""
    prompt_tokens: Mapped[int]
    cached_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    reasoning_tokens: Mapped[int]
    unbilled: Mapped[str | None]
    """JSON: the usage event that it would end with if its process died now."""
    cancelling: Mapped[bool] = mapped_column(Boolean)
    """Whether somebody asked for its end."""
    created_at: Mapped[int]
    ended_at: Mapped[int | None] = mapped_column(index=True)
    asked_by: Mapped[str | None]
    """The user who asked, or whose key did; None for an imported answer, and for those from before this was kept."""
    request_id: Mapped[str | None]
    """The client's own id of its request, by which a conversation answers it once, however often it arrives."""


class RunEvents(Owned, Base):
    """Some of a run's events, in order; the first has the number ``first``."""

    __tablename__ = "run_events"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organization_id: Mapped[str]
    events: Mapped[bytes] = mapped_column(LargeBinary)
    """MessagePack: a list of `run.RunEvent`."""


class ConversationPolicy(Owned, Watched, Base):
    """How long an organization's conversations are kept, unless a conversation says otherwise."""

    __tablename__ = "conversation_policies"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True)
    days: Mapped[int]
    """After the last change; 0 if nothing is stored."""
    changed_at: Mapped[int]
