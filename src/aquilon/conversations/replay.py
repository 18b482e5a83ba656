"""The events of a run that has ended, made from its items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from aquilon.conversations.footnotes import SEARCH, Checked, Cited, search_of
from aquilon.conversations.items import CallItem, MessageItem, OtherItem, ReasoningItem, Text, decoded
from aquilon.conversations.run import RunEnded, RunError, RunEvent, RunStatus
from aquilon.conversations.tables import StoredItem, StoredRun
from aquilon.libraries.support import Check
from aquilon.money.usage_event import Usage
from aquilon.request import Delta, Finished, FinishedReason, Started, ToolCallDelta


def events_of_items(run: StoredRun, rows: Sequence[StoredItem]) -> list[RunEvent]:
    """``rows``: the run's output in order. Each item comes in one piece."""
    events: list[RunEvent] = [Started(0, stand_in=run.model)]
    branches = sorted({row.branch for row in rows})  # one for each choice
    reasons: list[FinishedReason] = ["stop"] * max(1, len(branches))
    checks: list[list[Check]] = [[] for _ in reasons]
    for row in rows:
        index = branches.index(row.branch)
        match item := decoded(row.content):
            case MessageItem():
                events.append(Delta(index, item.text))
                cited = [note for part in item.content if isinstance(part, Text) for note in part.annotations]
                events += [Cited(index, note) for note in cited]
                checks[index] += [Check(note["support"], note["support_score"]) for note in cited]
            case OtherItem(name=name, body=body) if name == SEARCH:
                events.append(search_of(index, body))
            case ReasoningItem():
                if item.redacted:
                    events.append(Delta(index, "", redacted=item.signature))
                else:
                    events.append(Delta(index, "", reasoning=item.text, signature=item.signature))
            case CallItem():
                call = sum(isinstance(event, ToolCallDelta) and event.index == index for event in events)
                events.append(ToolCallDelta(index, call, item.call_id, item.name, item.arguments, item.more))
                reasons[index] = "tool_calls"
            case _:
                pass
        if row.status == "incomplete":
            reasons[index] = cast(FinishedReason, run.reason or "length")
    events += [Checked(index, some) for index, some in enumerate(checks) if some]
    events += [Finished(index, reason) for index, reason in enumerate(reasons)]
    events.append(last_event(run, reasons[0]))
    return events


def last_event(run: StoredRun, reason: FinishedReason = "stop") -> RunEnded:
    """``reason``: why the answer of a completed run ended."""
    usage = Usage(run.prompt_tokens, run.completion_tokens, run.cached_tokens, run.reasoning_tokens)
    error = None if run.error is None else msgspec.json.decode(run.error, type=RunError)
    ended = cast(FinishedReason, run.reason or reason)
    return RunEnded(cast(RunStatus, run.status), usage, ended, error)
