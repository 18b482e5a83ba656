"""A run that this process computes, and the rows that keep it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from aquilon.conversations.answer import Answer, choices
from aquilon.conversations.footnotes import Checked, Cited, Footnotes, Searched
from aquilon.conversations.items import CalledTool, Item
from aquilon.conversations.rows import (
    ItemRows,
    NewConversation,
    conversation_row,
    end_row,
    events_row,
    head_row,
    output_rows,
    title_writes,
)
from aquilon.conversations.run import RunEnded, RunError, RunEvent, RunLog, RunStatus
from aquilon.conversations.store import conversations, runs
from aquilon.conversations.store.items import Place
from aquilon.generation.prepared import Prepared
from aquilon.money.settlement import Charge
from aquilon.money.usage_event import Outcome, Usage, UsageEvent
from aquilon.people.identity import Principal
from aquilon.request import Delta, Drawn, Finished, FinishedReason, Started, ToolCallDelta
from aquilon.storage.rows import Row, Write


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What a dialect asks to be answered and stored."""

    id: str
    """The answer's id: ``resp_…``, ``chatcmpl_…``."""
    dialect: str
    prepared: Prepared
    body: str
    """JSON: the dialect's answer as it is before the first item."""
    place: Place
    """Where the input is added."""
    new_conversation: NewConversation | None = None
    """Set if the conversation isn't stored yet."""
    names_conversation: bool = False
    """Whether its conversation has no title: the question names it until a model does."""
    input: Sequence[tuple[str, Item]]
    """The new items with their ids. Without any, what is at the place is answered again, on another branch."""
    request_id: str | None = None
    """As in `StoredRun`."""
    labels: str = "{}"
    background: bool = False
    tools: Mapping[str, CalledTool] = field(default_factory=dict)
    """As in `Answer`."""
    footnotes: Footnotes | None = None
    """Set if the answer is from documents."""


@dataclass(eq=False)
class LiveRun:
    request: RunRequest
    principal: Principal
    charge: Charge
    created_at: int
    process_id: str
    log: RunLog = field(default_factory=RunLog)
    model: str = ""
    reason: FinishedReason = "stop"
    noted: int = 0
    """How many events are in the database."""
    noted_at: float = field(default_factory=time.monotonic)
    """When they were written last, or when the run began."""
    noting: asyncio.Lock = field(default_factory=asyncio.Lock)
    branch: int = 0
    depth: int = 0
    """The place of its last input item."""
    first_branch: int = 0
    """The number of the first branch that it begins, if it begins any."""
    completing: bool = False
    """Whether all is generated, and being stored: too late to cancel."""
    stored: asyncio.Task[None] | None = None
    computing: asyncio.Task[None] | None = None
    answers: list[Answer] = field(init=False)

    def __post_init__(self) -> None:
        self.model = self.request.prepared.model
        self.answers = choices(self.id, self.request.prepared.n, self.request.tools)

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def organization_id(self) -> str:
        return self.principal.organization_id

    @property
    def status(self) -> RunStatus:
        if (ended := self.log.ended) is not None:
            return ended.status
        return "in_progress" if self.log.events or not self.request.background else "queued"

    @property
    def is_stored(self) -> bool:
        """Whether the run and its input are in the database."""
        stored = self.stored
        return stored is not None and stored.done() and not stored.cancelled() and stored.exception() is None

    def add(self, event: Started | Drawn | Delta | ToolCallDelta | Finished | Searched | Cited | Checked) -> None:
        match event:
            case Started():
                self.model = event.stand_in or self.model
            case Finished():
                if event.index == 0:
                    self.reason = event.reason
                for _ in self.answers[event.index].end(event.reason):
                    pass
            case Delta() | ToolCallDelta() | Searched() | Cited() | Checked():
                for _ in self.answers[event.index].add(event):
                    pass
            case Drawn():
                pass
        self.log.append(event)

    def starts_item(self, event: object) -> bool:
        return isinstance(event, Delta | ToolCallDelta) and self.answers[event.index].starts_item(event)

    def cancel(self) -> None:
        if self.computing is not None and not self.completing:
            self.computing.cancel()

    def beginning(self, place: Place) -> list[Write]:
        """The rows that a run begins with: its conversation if that is new, its input, and itself."""
        request, principal = self.request, self.principal
        owner = {"organization_id": principal.organization_id, "conversation_id": place.conversation_id}
        writes: list[Write] = []
        if (new := request.new_conversation) is not None:
            writes.append((conversations.ADD, [conversation_row(new, principal, now=self.created_at)]))
            if new.title is not None:
                writes += title_writes(self.organization_id, new.id, new.title)
        self.branch, self.first_branch = place.branch, place.branches
        new_branches = list[Row]()
        if not place.free or not place.branches or not request.input:
            self.branch, self.first_branch = place.branches, place.branches + 1
            parent = place.branch if place.branches else None
            new_branches.append({**owner, "number": self.branch, "parent": parent, "forked_at": place.depth})
        rows, parent_id, depth = ItemRows(), place.parent_id, place.depth
        for id_, item in request.input:
            depth += 1
            rows.add(
                id_,
                item,
                organization_id=self.organization_id,
                conversation_id=place.conversation_id,
                parent_id=parent_id,
                branch=self.branch,
                depth=depth,
                run_id=self.id,
            )
            parent_id = id_
        self.depth = depth
        new_branches += [
            {**owner, "number": self.first_branch + choice, "parent": self.branch, "forked_at": depth}
            for choice in range(len(self.answers) - 1)
        ]
        head = self._head(parent_id) | {"place_edition": place.edition}
        writes.append((conversations.MOVE_HEAD_OF_PLACE, [head]))
        writes.append((conversations.ADD_BRANCH, new_branches))
        writes += rows.writes
        writes.append((runs.ADD, [self._run(parent_id)]))
        return [(statement, rows) for statement, rows in writes if rows]

    def note(self) -> list[Write]:
        """The rows that keep what has come since the last note, with what is owed if the process dies now."""
        return [
            *self._events(self.log.events[self.noted :]),
            (runs.NOTE, [{**self.key, "new_status": self.status, "new_unbilled": self._owed}]),
        ]

    def ended(self, outcome: Outcome, usage: Usage, error: RunError | None) -> RunEnded:
        status: RunStatus = "failed" if outcome == "failed" else "cancelled"
        if outcome == "completed":
            status = "incomplete" if self.reason in ("length", "content_filter") else "completed"
        return RunEnded(status, usage, self.reason, error if status == "failed" else None)

    def ending(self, event: UsageEvent, error: RunError | None) -> list[Write]:
        """The rows that a run ends with: its output, its last events, and its state."""
        ended = self.ended(event.outcome, event.usage, error)
        rows, leaf_id = output_rows(
            self.answers,
            run=self.key,
            conversation_id=self.request.place.conversation_id,
            input_leaf=self.input_leaf,
            branches=[self.branch, *range(self.first_branch, self.first_branch + len(self.answers) - 1)],
            depth=self.depth,
        )
        # the conversation first, as in `beginning`: writers that lock it and the run in two orders wait for each other
        return [
            (conversations.MOVE_HEAD_ON, [self._head(leaf_id) | {"former_head_id": self.input_leaf}]),
            *rows.writes,
            *self._events(
                [event for event in self.log.events[self.noted :] if not isinstance(event, RunEnded)] + [ended]
            ),
            (runs.END, [end_row(self.key, ended, model=self.model, leaf_id=leaf_id, at=event.ended_at)]),
        ]

    @property
    def input_leaf(self) -> str | None:
        """The item that its answer is below."""
        return self.request.input[-1][0] if self.request.input else self.request.place.parent_id

    @property
    def key(self) -> dict[str, str]:
        return {"owner": self.organization_id, "run": self.id}

    @property
    def _owed(self) -> str:
        return msgspec.json.encode(self.charge.if_killed()).decode()

    def _events(self, events: Sequence[RunEvent]) -> list[Write]:
        return [(runs.ADD_EVENTS, [events_row(self.key, self.noted, events)])] if events else []

    def _head(self, head_id: str | None) -> dict[str, Any]:
        return head_row(self.organization_id, self.request.place.conversation_id, head_id)

    def _run(self, leaf_id: str | None) -> Row:
        request = self.request
        return {
            "id": request.id,
            "organization_id": self.organization_id,
            "conversation_id": request.place.conversation_id,
            "process_id": self.process_id,
            "dialect": request.dialect,
            "model": self.model,
            "body": request.body,
            "labels": request.labels,
            "background": request.background,
            "status": "queued" if request.background else "in_progress",
            "reason": None,
            "error": None,
            "leaf_id": leaf_id,
            "prompt_tokens": 0,
            "cached_tokens": 0,
            "completion_tokens": 0,
            "reasoning_tokens": 0,
            "unbilled": self._owed,
            "cancelling": False,
            "created_at": self.created_at,
            "ended_at": None,
            "asked_by": self.principal.user_id,
            "request_id": request.request_id,
        }
