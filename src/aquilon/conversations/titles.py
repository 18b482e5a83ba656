"""A conversation's title: the model's, or the first words of the question."""

from __future__ import annotations

import re
from contextlib import aclosing
from dataclasses import dataclass, field

from msgspec import UNSET

from aquilon.catalogue.catalogue import Catalogue
from aquilon.conversations.asked_once import AskedOnce
from aquilon.conversations.conversations import ConversationChange, Conversations
from aquilon.conversations.first_words import LONGEST_TITLE, first_words
from aquilon.conversations.items import MessageItem
from aquilon.conversations.tables import StoredConversation
from aquilon.engine.protocol import SamplingParameters
from aquilon.errors import ApiError, invalid
from aquilon.generation.pipeline import Pipeline
from aquilon.people.identity import Principal
from aquilon.people.secrets import new_id
from aquilon.request import ChatPrompt, Delta, GenerationRequest
from aquilon.text.messages import Message

_MOST_READ = 1500
"""Characters of the question, and of its answer."""
_MOST_TOKENS = 40
_TASK = (
    "Write a title of at most six words for this conversation, in the language of its question. "
    "Answer with the title alone."
)
_NAMED = re.compile(r"^(title|titre|titel|título|titolo)\s*:\s*", re.IGNORECASE)
_MARKS_AROUND = re.compile(r"^[\"'«»“”„‘’\s]+|[\"'«»“”„‘’\s.。:]+$")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


@dataclass(frozen=True)
class Titles:
    conversations: Conversations
    pipeline: Pipeline
    catalogue: Catalogue
    _asked: AskedOnce[StoredConversation] = field(default_factory=AskedOnce)

    async def give(self, principal: Principal, conversation_id: str, *, model: str | None) -> StoredConversation:
        """Give a conversation a title. One that has a title keeps it, unless it is only its question's words.

        ``model``: None for the one that answered last.

        The model is paid for as for any request, but nobody wrote a message: a quota of messages doesn't count it.
        Requests that arrive meanwhile get the same title.
        Raises ApiError: 404 for an unknown conversation, 400 for one without a question.
        """
        conversation = await self.conversations.get(principal, conversation_id)
        return await self._asked.answer(
            (principal.organization_id, conversation_id), lambda: self._named(principal, conversation, model)
        )

    async def _named(
        self, principal: Principal, conversation: StoredConversation, model: str | None
    ) -> StoredConversation:
        conversation_id = conversation.id
        former = conversation.title
        if former is not None and not await self.conversations.is_named_by_question(principal, conversation):
            return conversation
        context = await self.conversations.contexts.within(principal, conversation_id)
        messages = [item for item in context.history.items if isinstance(item, MessageItem) and item.text.strip()]
        question = next((item.text for item in messages if item.role == "user"), None)
        if question is None:
            raise invalid(
                f"The conversation '{conversation_id[:100]}' has no question to name it by: add a message first",
                param="conversation_id",
                code="conversation_empty",
            )
        answer = next((item.text for item in messages if item.role == "assistant"), "")
        if former is not None and not answer:
            return conversation
        models = await self.conversations.latest_models(principal, [conversation_id])
        asked = model or models.get(conversation_id) or self.catalogue.default_name()
        written = await self._written(principal, asked, f"{question[:_MOST_READ]}\n\n---\n\n{answer[:_MOST_READ]}")
        title = title_in(written) or former or first_words(question)
        now = await self.conversations.get(principal, conversation_id)
        if now.title != former:  # somebody was quicker
            return now
        change = ConversationChange(title=title or UNSET, named_by_person=False)
        return await self.conversations.change(principal, conversation_id, change)

    async def _written(self, principal: Principal, model: str, talk: str) -> str:
        """Nothing where the model can't be asked: the question has words too."""
        request = GenerationRequest(
            model=model,
            prompt=ChatPrompt(
                (Message("system", _TASK), Message("user", talk)), template_variables={"enable_thinking": False}
            ),
            sampling=SamplingParameters(max_tokens=_MOST_TOKENS),
        )
        written = ""
        try:
            prepared = await self.pipeline.prepare(request, principal)
            events = self.pipeline.answer([prepared], principal, request_id=new_id("title"), is_message=False)
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Delta):
                        written += event.text
        except ApiError:
            return ""
        return written


def title_in(written: str) -> str | None:
    """The title in what a model wrote: a line without marks; None where there is none, or a whole text instead."""
    lines = re.sub(r"<think>.*?(</think>|$)", "", written, flags=re.DOTALL).split("\n")
    line = next((line.strip() for line in lines if line.strip()), "")
    line = re.sub(r"[*_`]+", "", re.sub(r"^#+\s*", "", line))
    line = _MARKS_AROUND.sub("", _NAMED.sub("", line)).strip()
    return line if len(line) <= LONGEST_TITLE and _LETTER_OR_DIGIT.search(line) else None
