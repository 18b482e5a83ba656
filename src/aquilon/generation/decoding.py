"""Turns one continuation's token ids into the text, scores and tool calls that clients get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aquilon.engine.protocol import SequenceOutput, TokenLogprobs
from aquilon.generation.constraints import prompt_end, tools_in_use
from aquilon.people.secrets import new_id
from aquilon.request import (
    Alternative,
    ChatPrompt,
    Delta,
    Drawn,
    Event,
    Finished,
    FinishedReason,
    GenerationRequest,
    ScoredToken,
    ToolCallDelta,
)
from aquilon.text.detokenizer import Detokenizer
from aquilon.text.stop import StopMatcher
from aquilon.text.tokenizer import Tokenizer
from aquilon.text.tool_calls import AnswerReader, CallBegun, CallGrown, Said, Thought

if TYPE_CHECKING:
    from aquilon.text.model import TextModel


@dataclass
class Reading:
    """Splits one continuation into thoughts, text and calls; ``markers`` are the control tokens around them, by id."""

    reader: AnswerReader
    markers: Mapping[int, str]


def reading_of(request: GenerationRequest, text: TextModel, prompt_ids: Sequence[int]) -> Reading | None:
    """None if the answer is text only."""
    use = tools_in_use(request)
    tools, reasoning = text.tools if use is not None else None, text.reasoning
    if not isinstance(request.prompt, ChatPrompt) or (tools is None and reasoning is None):
        return None
    markers = dict(reasoning.controls) if reasoning is not None else {}
    if tools is not None:
        markers |= {marker: tools.controls[marker] for marker in tools.markers if marker in tools.controls}
    prefix = request.prefix
    for marker in markers:
        prefix = prefix.replace(marker, "")  # in a message it is text, not the control token
    reader = AnswerReader(
        tools=tools,
        names=frozenset(tool.name for tool in use.tools) if use is not None else frozenset(),
        reasoning=reasoning,
        thinking=not prefix and reasoning is not None and reasoning.is_open(prompt_end(text, prompt_ids)),
        prefix=prefix,
    )
    return Reading(reader, {token_id: marker for marker, token_id in markers.items()})


def repeated(request: GenerationRequest, reading: Reading | None) -> str:
    """The part of the prompt that each answer repeats: the text of the assistant's message, without a call in it."""
    prompt = request.prompt
    if not isinstance(prompt, ChatPrompt) or not prompt.repeats_final:
        return ""
    if not prompt.continue_final:
        last = prompt.messages[-1]
        return last.content if last.role == "assistant" else ""
    return request.prefix if reading is None else reading.reader.said


class Decoding:
    """Turns the engine's outputs for one continuation into events; tokens after a stop string don't count."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompt_ids: Sequence[int],
        *,
        index: int,
        stop: Sequence[str] = (),
        reading: Reading | None = None,
        prefix: str = "",
        shows_stop: bool = False,
        shows_control: bool = False,
        returns_ids: bool = False,
    ) -> None:
        """``prefix`` is shown before everything else; the last three are those of `GenerationRequest`."""
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer, prompt_ids, names_control=shows_control)
        self._matcher = StopMatcher(stop, inclusive=shows_stop)
        self._may_stop = bool(stop)
        self._shows_stop = shows_stop
        self._returns_ids = returns_ids
        self._index = index
        self._reading = reading
        self._prefix = prefix
        self._unshown: list[tuple[int, int, ScoredToken]] = []
        """Tokens that may still be part of a stop string: begin and end in the whole text, and score."""
        self._decoded = self._shown = 0
        """Characters."""
        self._held_scores: list[ScoredToken] = []
        """Scores of tokens that may be part of a call or of thoughts, which are reported without scores."""
        self._in_text = True
        """Whether the last piece was text, not thoughts or a call."""
        self._calls = 0
        self.completion_tokens = 0
        """Tokens computed, including the token that ended the continuation."""
        self.reasoning_tokens = 0
        """The thoughts among them, with the thoughts' markers."""
        self.finished = False
        self.stopped_early = False
        """A stop string ended the continuation: the engine must be told to stop."""

    def add(self, output: SequenceOutput) -> list[Event]:
        shown = output.token_ids
        if output.finish_reason == "stop" and not self._shows_stop:
            shown = shown[:-1]  # the end token is billed, not shown
        text, matched, counted = "", False, len(output.token_ids)
        for position, token_id in enumerate(shown):
            piece = self._text(token_id)
            begins, self._decoded = self._decoded, self._decoded + len(piece)
            if output.logprobs is not None:
                self._unshown.append(
                    (begins, self._decoded, scored(self._tokenizer, output.logprobs[position], begins))
                )
            safe, matched = self._matcher.add(piece)
            text += safe
            if matched:
                counted = position + 1
                break
        self.completion_tokens += counted
        if output.finish_reason is not None and not matched:
            safe, matched = self._matcher.add(self._detokenizer.finish())
            text += safe if matched else safe + self._matcher.finish()
        ends = matched or output.finish_reason is not None
        self._shown += len(text)
        events = self._events(text, self._scores_of_shown(matched, ends) if self._unshown else [], ends)
        if self._returns_ids and counted:
            events.insert(0, Drawn(self._index, tuple(output.token_ids[:counted])))
        if self._prefix:
            events.insert(0, Delta(self._index, self._prefix))
            self._prefix = ""
        if ends:
            self.finished = True
            self.stopped_early = matched and output.finish_reason is None
            events.append(Finished(self._index, self._reason(output, matched), self._matcher.stop))
        return events

    def _text(self, token_id: int) -> str:
        marker = self._reading.markers.get(token_id) if self._reading is not None else None
        return self._detokenizer.add([token_id]) if marker is None else marker

    def _scores_of_shown(self, matched: bool, ends: bool) -> list[ScoredToken]:
        """Scores of the tokens whose whole text is shown, and of those that hold the first bytes of its characters.

        At a stop string: of the tokens with any text that is shown.
        """
        shown, unshown, self._unshown = self._shown, self._unshown, []
        if matched:
            return [score for begins, _, score in unshown if begins < shown]
        count = len(unshown)
        if self._may_stop and not ends:
            shown_places = (place for place, (begins, end, _) in enumerate(unshown) if begins < end <= shown)
            count = max((place + 1 for place in shown_places), default=0)
        self._unshown = unshown[count:]
        return [score for _, _, score in unshown[:count]]

    def _reason(self, output: SequenceOutput, matched: bool) -> FinishedReason:
        if output.finish_reason == "length" and not matched:
            return "length"
        return "tool_calls" if self._calls else "stop"

    def _events(self, text: str, scores: list[ScoredToken], ends: bool) -> list[Event]:
        if self._reading is None:
            return [Delta(self._index, text, tuple(scores))] if text or scores else []
        reader = self._reading.reader
        was_thinking = reader.thinking
        pieces = reader.add(text)
        if was_thinking or reader.thinking:
            self.reasoning_tokens = self.completion_tokens
            self._in_text = False
        if ends:
            pieces += reader.finish()
        self._held_scores += scores
        events: list[Event] = []
        for piece in pieces:
            match piece:
                case Said():
                    self._in_text = True
                    events.append(Delta(self._index, piece.text, self._take_scores()))
                case Thought():
                    self._take_scores()  # thoughts and calls are reported without scores
                    events.append(Delta(self._index, "", reasoning=piece.text))
                case CallBegun():
                    self._take_scores()
                    self._in_text = False
                    self._calls += 1
                    events.append(ToolCallDelta(self._index, self._calls - 1, id=new_id("call"), name=piece.name))
                case CallGrown():
                    self._take_scores()
                    events.append(ToolCallDelta(self._index, self._calls - 1, arguments=piece.arguments))
        if self._held_scores and reader.reads_text:
            scores_alone = Delta(self._index, "", self._take_scores())
            if self._in_text:  # markers that end thoughts and calls are part of them
                events.append(scores_alone)
        return events

    def _take_scores(self) -> tuple[ScoredToken, ...]:
        scores, self._held_scores = tuple(self._held_scores), []
        return scores


def scored(tokenizer: Tokenizer, logprobs: TokenLogprobs, offset: int | None = None) -> ScoredToken:
    token_id = logprobs.token_id
    return ScoredToken(
        id=token_id,
        text=tokenizer.token_text(token_id),
        bytes=tokenizer.token_bytes(token_id),
        logprob=logprobs.logprob,
        top=tuple(
            Alternative(id=other, text=tokenizer.token_text(other), bytes=tokenizer.token_bytes(other), logprob=logprob)
            for other, logprob in logprobs.top
        ),
        offset=offset,
        rank=logprobs.rank,
    )
