"""Conversations as tokens, exactly as the server would prompt the model and as the model should go on.

What is trained of an answer are the tokens that follow the server's prompt, up to and
with the one that ends the turn. Templates may write an earlier answer otherwise than they
wrote it when it was the last one: they drop its thoughts, or move the system message. Such
an answer is trained in a document of its own, after the prompt that the server would have sent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from aquilon.text.messages import Message, Tool
from aquilon.text.model import TextModel
from aquilon.text.template_errors import TemplateError
from aquilon.training.conversations.lines import Conversation, Pair, UnusableLine


@dataclass(frozen=True)
class Document:
    """Tokens, and of each whether the model learns to write it."""

    ids: list[int]
    trained: list[bool]


class ChatEncoder:
    """Encodes conversations for one model."""

    def __init__(self, text: TextModel, end_ids: Collection[int]) -> None:
        """``end_ids``: tokens that end an answer. Raises UnusableLine for a model without a chat template."""
        if text.template is None:
            raise UnusableLine("the model has no chat template: it can't be trained on conversations")
        self._text = text
        self._ends = text.tokenizer.eos_ids | frozenset(end_ids)

    def documents(self, conversation: Conversation) -> list[Document]:
        """The fewest documents that hold each trained answer after the server's prompt. Raises UnusableLine."""
        documents: list[Document] = []
        for number in reversed([index for index, trained in enumerate(conversation.trained) if trained]):
            ids, start = self._answer(conversation.messages[: number + 1], conversation.tools, where=number)
            for document in documents:
                if document.ids[: len(ids)] == ids:
                    break
            else:
                document = Document(ids, [False] * len(ids))
                documents.append(document)
            document.trained[start : len(ids)] = [True] * (len(ids) - start)
        return documents[::-1]

    def pair(self, pair: Pair) -> tuple[Document, Document]:
        """The preferred ending and the rejected one, each after the prompt. Raises UnusableLine."""
        chosen, rejected = (self._ending(pair, ending) for ending in (pair.chosen, pair.rejected))
        return chosen, rejected

    def _ending(self, pair: Pair, ending: tuple[Message, ...]) -> Document:
        """All that the assistant writes in the ending is trained, and not what tools return in it."""
        messages = (*pair.prompt, *ending)
        trained = tuple(
            number >= len(pair.prompt) and message.role == "assistant" for number, message in enumerate(messages)
        )
        documents = self.documents(Conversation(messages, trained, pair.tools))
        if len(documents) > 1:
            raise UnusableLine(
                "the chat template writes an earlier answer of this ending otherwise than its last one: "
                "an ending must be one message"
            )
        return documents[0]

    def _answer(self, messages: Sequence[Message], tools: Sequence[Tool], *, where: int) -> tuple[list[int], int]:
        """The tokens up to the end of the last message, and how many of them are the server's prompt."""
        if where == 0:
            raise UnusableLine(
                "messages[0] is the assistant's, which the server never asks for: give it the weight 0, or a message "
                "of the user before it"
            )
        prompt = self._encode(messages[:-1], tools, where, opens=True)
        whole = self._encode(messages, tools, where, opens=False)
        ids, start = self._after_prompt(prompt, whole, where)
        ends = [index for index in range(start, len(ids)) if ids[index] in self._ends]
        if ends:
            return ids[: ends[-1] + 1], start
        if not self._ends:
            return ids, start
        return [*ids, min(self._ends)], start  # the template doesn't end an answer, and the model must learn to

    def _encode(self, messages: Sequence[Message], tools: Sequence[Tool], where: int, *, opens: bool) -> list[int]:
        try:
            return self._text.encode_chat(messages, tools=tools, add_generation_prompt=opens)
        except TemplateError as error:
            raise UnusableLine(f"up to messages[{where}]: {error}") from None

    def _after_prompt(self, prompt: list[int], whole: list[int], where: int) -> tuple[list[int], int]:
        """``whole``, beginning with the prompt's tokens, also where one of its own reaches over the prompt's end."""
        if whole[: len(prompt)] == prompt and len(whole) > len(prompt):
            return whole, len(prompt)
        tokenizer = self._text.tokenizer
        same = next(
            (index for index, (a, b) in enumerate(zip(prompt, whole, strict=False)) if a != b),
            min(len(prompt), len(whole)),
        )
        tail = b"".join(map(tokenizer.token_bytes, prompt[same:]))
        crossing, end = b"", same
        while end < len(whole) and len(crossing) < len(tail) and not tokenizer.is_control(whole[end]):
            crossing += tokenizer.token_bytes(whole[end])
            end += 1
        is_text = not any(map(tokenizer.is_control, prompt[same:]))
        if is_text and crossing.startswith(tail):
            rest = crossing[len(tail) :]
            ids = tokenizer.encode(rest.decode("utf-8", "replace"), add_special=False)
            if b"".join(map(tokenizer.token_bytes, ids)) == rest:
                return [*prompt, *ids, *whole[end:]], len(prompt)
        opening = "".join(map(tokenizer.token_text, prompt[same:][:20]))
        written = "".join(map(tokenizer.token_text, whole[same:][:20]))
        raise UnusableLine(
            f"messages[{where}]: the server's prompt goes on with {opening!r:.80} where the chat template writes this "
            f"answer as {written!r:.80}: what the model would learn isn't what it is asked"
        )
