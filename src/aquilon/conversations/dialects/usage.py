"""Token counts in answers, in the shape that both kinds of client read."""

from __future__ import annotations

from typing import Literal

import msgspec

from aquilon.money.usage_event import Usage

StreamedUsage = Literal["in last chunk", "in own chunk", "none"]
"""Where a stream has its usage: in the last choice's last chunk, where Mistral's clients read it, or in a separate
chunk without choices, for which OpenAI's clients ask."""


class PromptTokensDetails(msgspec.Struct, frozen=True):
    cached_tokens: int


class CompletionTokensDetails(msgspec.Struct, frozen=True):
    reasoning_tokens: int


class UsageBody(msgspec.Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


def usage_body(usage: Usage) -> UsageBody:
    return UsageBody(
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        PromptTokensDetails(usage.cached_tokens),
        CompletionTokensDetails(usage.reasoning_tokens),
    )
