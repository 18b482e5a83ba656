"""From one continuation's token ids to the text and scores that may be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aquilon.engine.protocol import SequenceOutput, TokenLogprobs
from aquilon.generation.constraints import prompt_end, tools_in_use
from aquilon.people.secrets import new_id
from aquilon.request import (
    Alternative,
    ChatPrompt,
    Delta,
    Event,
    Finished,
    FinishedReason,
    GenerationRequest,
    ScoredToken,
    ToolCallDelta,
)
from aquilon.text.detokenizer import Detokenizer
from aquilon.text.model import TextModel
from aquilon.text.stop import StopMatcher
from aquilon.text.tokenizer import Tokenizer
from aquilon.text.tool_calls import AnswerReader, CallBegun, CallGrown, Said, Thought


@dataclass
class Reading:
    """How one continuation is taken apart, and the control tokens that mark its parts."""

    reader: AnswerReader
    markers: Mapping[int, str]


def reading_of(request: GenerationRequest, text: TextModel, prompt_ids: Sequence[int]) -> Reading | None:
    """None where an answer is all text."""
    use = tools_in_use(request)
    tools, reasoning = text.tools if use is not None else None, text.reasoning
    if not isinstance(request.prompt, ChatPrompt) or (tools is None and reasoning is None):
        return None
    markers = dict(reasoning.controls) if reasoning is not None else {}
    if tools is not None:
        markers |= {marker: tools.controls[marker] for marker in tools.markers if marker in tools.controls}
    begun = request.begun
    for marker in markers:
        begun = begun.replace(marker, "")  # as text it is none
    reader = AnswerReader(
        tools=tools,
        names=frozenset(tool.name for tool in use.tools) if use is not None else frozenset(),
        reasoning=reasoning,
        thinking=not begun and reasoning is not None and reasoning.is_open(prompt_end(text, prompt_ids)),
        begun=begun,
    )
    return Reading(reader, {token_id: marker for marker, token_id in markers.items()})


def repeated(request: GenerationRequest, reading: Reading | None) -> str:
    """What of the prompt each answer is to begin with: what the assistant's message says, but for a call in it."""
    if not isinstance(request.prompt, ChatPrompt) or not request.prompt.repeats_final:
        return ""
    return request.begun if reading is None else reading.reader.said


class Decoding:
    """Turns what the engine adds to one continuation into events; nothing after the end of a stop string counts."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        prompt_ids: Sequence[int],
        stop: Sequence[str],
        index: int,
        reading: Reading | None = None,
        begun: str = "",
    ) -> None:
        """``begun``: shown before anything else."""
        self._tokenizer = tokenizer
        self._detokenizer = Detokenizer(tokenizer, prompt_ids)
        self._matcher = StopMatcher(stop)
        self._may_stop = bool(stop)
        self._index = index
        self._reading = reading
        self._begun = begun
        self._unshown: list[tuple[int, int, ScoredToken]] = []
        """Where in all of the text a token's begins and ends, for those that may yet be part of a stop string."""
        self._decoded = self._shown = 0
        """Characters."""
        self._held_scores: list[ScoredToken] = []
        """Of tokens that may be part of a call or of thoughts, which are reported without."""
        self._saying = True
        """Whether what came last is text for the person."""
        self._calls = 0
        self.completion_tokens = 0
        """Tokens computed, the one that ended it included."""
        self.reasoning_tokens = 0
        """Of those: the thoughts, with what marks them."""
        self.finished = False
        self.stopped_early = False
        """A stop string ended it: the engine must be told."""

    def add(self, output: SequenceOutput) -> list[Event]:
        shown = output.token_ids
        if output.finish_reason == "stop":
            shown = shown[:-1]  # the end token is billed, not shown
        text, matched, counted = "", False, len(output.token_ids)
        for position, token_id in enumerate(shown):
            piece = self._text(token_id)
            begins, self._decoded = self._decoded, self._decoded + len(piece)
            if output.logprobs is not None:
                self._unshown.append((begins, self._decoded, scored(self._tokenizer, output.logprobs[position])))
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
        if self._begun:
            events.insert(0, Delta(self._index, self._begun))
            self._begun = ""
        if ends:
            self.finished = True
            self.stopped_early = matched and output.finish_reason is None
            events.append(Finished(self._index, self._reason(output, matched)))
        return events

    def _text(self, token_id: int) -> str:
        marker = self._reading.markers.get(token_id) if self._reading is not None else None
        return self._detokenizer.add([token_id]) if marker is None else marker

    def _scores_of_shown(self, matched: bool, ends: bool) -> list[ScoredToken]:
        """Of tokens whose text is shown, with those that began their characters; at a stop string, of which some is."""
        shown, kept, self._unshown = self._shown, self._unshown, []
        if matched:
            return [score for begins, _, score in kept if begins < shown]
        known = len(kept)
        if self._may_stop and not ends:
            known = max((place + 1 for place, (begins, end, _) in enumerate(kept) if begins < end <= shown), default=0)
        self._unshown = kept[known:]
        return [score for _, _, score in kept[:known]]

    def _reason(self, output: SequenceOutput, matched: bool) -> FinishedReason:
        if output.finish_reason == "length" and not matched:
            return "length"
        return "tool_calls" if self._calls else "stop"

    def _events(self, text: str, scores: list[ScoredToken], ends: bool) -> list[Event]:
        if self._reading is None:
            return [Delta(self._index, text, tuple(scores))] if text or scores else []
        reader = self._reading.reader
        thought = reader.thinking
        pieces = reader.add(text)
        if thought or reader.thinking:
            self.reasoning_tokens = self.completion_tokens
            self._saying = False
        if ends:
            pieces += reader.finish()
        self._held_scores += scores
        events: list[Event] = []
        for piece in pieces:
            match piece:
                case Said():
                    self._saying = True
                    events.append(Delta(self._index, piece.text, self._scores()))
                case Thought():
                    self._scores()  # thoughts and calls are reported without
                    events.append(Delta(self._index, "", reasoning=piece.text))
                case CallBegun():
                    self._scores()
                    self._saying = False
                    self._calls += 1
                    events.append(ToolCallDelta(self._index, self._calls - 1, new_id("call"), piece.name))
                case CallGrown():
                    self._scores()
                    events.append(ToolCallDelta(self._index, self._calls - 1, arguments=piece.arguments))
        if self._held_scores and reader.reads_text:
            scores_alone = Delta(self._index, "", self._scores())
            if self._saying:  # the marks behind thoughts and calls are part of them
                events.append(scores_alone)
        return events

    def _scores(self) -> tuple[ScoredToken, ...]:
        scores, self._held_scores = tuple(self._held_scores), []
        return scores


def scored(tokenizer: Tokenizer, logprobs: TokenLogprobs) -> ScoredToken:
    token_id = logprobs.token_id
    return ScoredToken(
        token_id,
        tokenizer.token_text(token_id),
        tokenizer.token_bytes(token_id),
        logprobs.logprob,
        tuple(
            Alternative(other, tokenizer.token_text(other), tokenizer.token_bytes(other), logprob)
            for other, logprob in logprobs.top
        ),
    )
